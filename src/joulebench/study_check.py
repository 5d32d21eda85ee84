"""Checks what a study file alone cannot tell: engines, tasks, items, programs and meters here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from joulebench.study_file import StudyFile


def distinct(plans: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Give one plan for each cell: their repetitions need the same."""
    cells = {str(sorted(each["trial"]["levels"].items())): each for each in plans}
    return list(cells.values())


def check_here(study: StudyFile, plans: Sequence[Mapping[str, Any]]) -> None:
    """Build every cell's workload and find the meters; import and load nothing heavy.

    Items from the hub are left unread, since reading them would fetch them.

    Raises:
        UsageError: What is missing, unknown or cannot be used on this machine.
    """
    from joulebench.meters.registry import resolve
    from joulebench.testbed.virtual import refuse_other_time
    from joulebench.workloads.registry import build_workload

    if study.meters != "auto":
        resolve(study.meters)
    for plan in distinct(plans):
        refuse_other_time(plan)
        if plan["workload"] == "command" or plan["tasks"]["data"] != "hub":
            build_workload(plan)
