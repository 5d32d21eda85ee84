"""How a job ended, in one line: from what Slurm knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulebench.testbed.slurm_queue import GONE, JobState

_ENDS = {
    "PREEMPTED": "was preempted: Slurm gave the node to another job",
    "NODE_FAIL": "was lost with its node",
    "BOOT_FAIL": "was lost: its node did not boot",
    "OUT_OF_MEMORY": "was killed: out of memory; ask for a larger node",
    "CANCELLED": "was cancelled (scancel)",
    "DEADLINE": "ended at its deadline",
    GONE: "is not known to Slurm any more",
}

STOPPED = "stopped"
"""What a job writes as its record's error when it was told to end; Slurm then knows why."""


def why_ended(job: str, state: JobState, asked: Mapping[str, Any]) -> str:
    """Say in one line how a job ended.

    Args:
        job: Its id.
        state: As Slurm knows it.
        asked: The study file's ``slurm``.
    """
    where = f" on {state.nodes}" if state.nodes else ""
    if state.state == "TIMEOUT":
        limit = state.time_limit or asked.get("time", "")
        how = f"ran into its time limit of {limit} (slurm.time; it holds the cool-down as well)"
    elif state.state in _ENDS:
        how = _ENDS[state.state]
    else:
        how = f"ended as {state.state}"
        how += f" ({state.reason})" if state.reason else ""
    return f"Slurm's job {job}{where} {how}"


def not_shared(folder: object, job: str, state: JobState) -> str:
    """Say that a job left nothing behind where the study can see it.

    Args:
        folder: The study's.
        job: Its id.
        state: As Slurm knows it.
    """
    node = state.nodes or "its node"
    return (
        f"Slurm's job {job} on {node} ended as {state.state} and left nothing in {folder}: is this "
        "folder shared with the node? choose one that is, with --out"
    )
