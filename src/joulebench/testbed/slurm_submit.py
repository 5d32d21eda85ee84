"""Submits jobs to Slurm by submitit."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulebench.errors import Unavailable, UsageError
from joulebench.testbed.slurm_queue import SlurmSilent, ask, said

if TYPE_CHECKING:
    from submitit import SlurmExecutor

_AS_ASKED = ("partition", "gres", "time", "account", "qos", "constraint", "nodelist")

_BUSY = (
    "contact", "timed out", "temporarily", "submit limit", "maxsubmit", "connect",
    "configuration source",
)  # fmt: skip
"""Words of refusals that pass: the same job may be taken later."""


def submit(slurm: Mapping[str, Any], name: str, order: Path, log: Path, tasks: int = 0) -> str:
    """Submit one job, or an array of them.

    Args:
        slurm: As the study file's ``slurm`` has it.
        name: Of the job.
        order: Folder that tells the job what to do.
        log: Where it prints; ``%a`` stands for its number in the array.
        tasks: Number of jobs in the array; 0 for a single job.

    Returns:
        The id that Slurm gave.

    Raises:
        SlurmSilent: Slurm did not take it now.
        UsageError: Slurm refuses it.
    """
    executor = _executor(slurm, name, order, log, tasks)
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        return str(executor._submit_command(_command(slurm, order)).job_id)
    except (FailedJobError, FailedSubmissionError) as error:
        raise _refusal(slurm, said(str(error))) from error


def check(slurm: Mapping[str, Any], folder: Path) -> None:
    """Ask Slurm whether it would take such a job; nothing is submitted.

    Args:
        slurm: As the study file's ``slurm`` has it.
        folder: Where the script is written to.

    Raises:
        UsageError: There is no Slurm or no submitit here, or such a job is refused.
    """
    # Several testbeds of one cluster check at the same time.
    script = folder / f".check-{os.getpid()}-{threading.get_ident()}.sh"
    executor = _executor(slurm, "joulebench-check", folder, Path("/dev/null"), 0)
    script.write_text(executor._make_submission_file_text("true", ""), encoding="utf-8")
    try:
        ask("sbatch", "--test-only", str(script))
    except SlurmSilent as error:
        raise _refusal(slurm, str(error)) from error
    finally:
        script.unlink(missing_ok=True)


def _executor(
    slurm: Mapping[str, Any], name: str, folder: Path, log: Path, tasks: int
) -> SlurmExecutor:
    missing = next((p for p in ("sbatch", "srun", "squeue") if shutil.which(p) is None), None)
    if missing:
        raise UsageError(
            f"testbeds: slurm: there is no {missing} on this machine; run this on a login node of "
            "the cluster"
        )
    try:
        from submitit import SlurmExecutor
    except ImportError as error:
        raise Unavailable(
            "testbeds: slurm: submitit is not installed;", "pip install 'joulebench[slurm]'"
        ) from error
    executor = SlurmExecutor(folder=folder)
    executor.update_parameters(**_parameters(slurm, name, log))
    if tasks:
        executor.parameters["map_count"] = tasks
    return executor


def _parameters(slurm: Mapping[str, Any], name: str, log: Path) -> dict[str, Any]:
    """Give the parameters of a job, as submitit calls them."""
    parameters: dict[str, Any] = {key: slurm[key] for key in _AS_ASKED if slurm.get(key)}
    if slurm.get("cpus_per_task"):
        parameters["cpus_per_task"] = slurm["cpus_per_task"]
    if slurm.get("exclusive", True):
        # All memory of the node: alone on it, a job would still get the share it asks for.
        parameters |= {"exclusive": True, "mem": "0"}
    return parameters | {
        "job_name": name,
        "setup": list(slurm.get("setup", [])),
        "array_parallelism": int(slurm.get("jobs", 1)),
        "use_srun": False,
        "stderr_to_stdout": True,
        "wckey": None,
        "additional_parameters": {
            # An attempt is never run twice: the study submits the next one itself.
            "no-requeue": True,
            # submitit's own signal would end a script that has not got to Python yet.
            "signal": "CONT@1",
            "output": str(log.parent).replace("%", "%%") + f"/{log.name}",
        },
    }


def _command(slurm: Mapping[str, Any], order: Path) -> str:
    """Give the line that runs the job; it takes the shell's place so that signals reach it."""
    python = slurm.get("python") or shlex.quote(sys.executable)
    return f"exec {python} -P -m joulebench.testbed.slurm_job {shlex.quote(str(order))}"


def _refusal(slurm: Mapping[str, Any], why: str) -> UsageError:
    if any(word in why.lower() for word in _BUSY):
        return SlurmSilent(f"Slurm does not take jobs now: {why}")
    asked = ", ".join(f"{key}: {slurm[key]}" for key in _AS_ASKED if slurm.get(key))
    return UsageError(
        f"testbeds: slurm: Slurm refuses such a job: {why or 'no reason given'} ({asked}; "
        f"partitions: {_partitions()}); mend the study file"
    )


def _partitions() -> str:
    try:
        return ", ".join(ask("sinfo", "-h", "-o", "%R").split()) or "none"
    except SlurmSilent:
        return "unknown"
