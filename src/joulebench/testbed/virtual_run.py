"""A trial on computed time, in this very process: nothing here could disturb its readings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from joulebench.record import Run
from joulebench.testbed.protocol import run_trial
from joulebench.testbed.virtual import refuse_other_time
from joulebench.workloads.registry import build_workload


def refuse_wrong_plans(plans: Iterable[Mapping[str, Any]]) -> None:
    """Refuse plans that cannot take place on computed time.

    Raises:
        UsageError: Real meters or real work, or no such task, option or item.
    """
    for plan in plans:
        refuse_other_time(plan)
        build_workload(plan)


def run_here(
    plan: Mapping[str, Any],
    folder: Path,
    log: Path,
    tell: Callable[[dict[str, Any]], None],
    facts: Mapping[str, Any],
) -> Run:
    """Run a trial on computed time.

    Args:
        plan: Of the trial, with its meters as they were found.
        folder: Of its files.
        log: Takes the trace of an error.
        tell: Is told of each phase.
        facts: What the caller knows: host, testbed.

    Returns:
        The run, done or failed; its files are on disk.
    """
    with log.open("a", encoding="utf-8") as file:
        return run_trial(plan, folder, tell, facts=facts, root_pid=os.getpid(), log=file)
