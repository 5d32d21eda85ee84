"""What is left of a trial on this machine when its process has ended: log, traces, reason."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.record import Run
from joulebench.record_traces import save_traces

Plan = Mapping[str, Any]

_LOG_TAIL = 10
_KILLED = {
    signal.SIGKILL: "killed (SIGKILL): the system does so when memory runs out",
    signal.SIGSEGV: "crashed (SIGSEGV): a fault in native code",
    signal.SIGABRT: "aborted (SIGABRT): native code gave up",
}


def open_log(folder: Path, plan: Plan, started: str) -> Path:
    """Make the rooms of a trial's files, and begin its log; gives the log's place.

    Args:
        folder: The study's, or the trial's own.
        plan: Of the trial.
        started: UTC time of its start, ISO 8601.
    """
    for room in ("traces", "responses", "logs"):
        (folder / room).mkdir(parents=True, exist_ok=True)
    log = folder / "logs" / f"{plan['run_id']}.txt"
    with log.open("a", encoding="utf-8") as file:
        file.write(f"--- {started} {plan['run_id']}\n")
    return log


def failed_run(plan: Plan, facts: Mapping[str, Any], started: str, why: str) -> Run:
    """Give the record of a trial that could not write its own."""
    return Run(
        run_id=plan["run_id"],
        study=plan["study"],
        trial=dict(plan["trial"]),
        status="failed",
        error=why,
        host=facts["host"],
        testbed=facts["testbed"],
        started_at=started,
        facts={key: facts[key] for key in ("process", "imported") if key in facts},
    )


def rescue_traces(folder: Path, run: Run) -> None:
    """Keep what was recorded of a trial whose process was killed."""
    from joulebench.testbed.protocol import spool_of
    from joulebench.testbed.recording import read_traces

    spool = spool_of(folder, run.run_id)
    try:
        traces = list(read_traces(spool).values())
    except UsageError:
        return  # it was killed before the first reading
    if traces:
        save_traces(folder / "traces" / f"{run.run_id}.parquet", traces)
        run.channels = [trace.channel for trace in traces]
    shutil.rmtree(spool, ignore_errors=True)


def ending(code: int) -> str:
    """Say how a trial's process ended, from its exit status."""
    if code >= 0:
        return f"the trial's process ended with status {code} and gave no record"
    try:
        number = signal.Signals(-code)
    except ValueError:
        return f"the trial's process was ended by signal {-code}"
    return f"the trial's process was {_KILLED.get(number, f'ended by {number.name}')}"


def tail(log: Path) -> list[str]:
    """Give the last lines of a log."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip()][-_LOG_TAIL:]
