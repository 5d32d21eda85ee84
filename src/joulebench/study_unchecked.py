"""What of a plan cannot be checked on this machine, since it is run on others or read later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from joulebench.errors import UsageError
from joulebench.study_check import check_here, distinct
from joulebench.study_file import StudyFile


def unchecked(study: StudyFile, plans: Sequence[Mapping[str, Any]]) -> list[str]:
    """Check a plan as far as this machine can; gives what it cannot check, and why.

    Raises:
        UsageError: It would be run on this machine and cannot be.
    """
    notes = list(_of_hub(plans))
    try:
        check_here(study, plans)
    except UsageError as error:
        if not study.testbeds:
            raise
        notes.append(f"{error} (the testbeds check that for themselves)")
    return notes


def _of_hub(plans: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say that items of the hub are read later; an engine is tried without them."""
    from joulebench.engines.registry import build_engine

    later = [p for p in plans if p["workload"] != "command" and p["tasks"]["data"] == "hub"]
    if not later:
        return
    yield "items and models of the Hugging Face hub (they are read when the study is run)"
    try:
        for plan in distinct(later):
            build_engine(plan["engine"], plan["model"])
    except UsageError as error:
        yield f"{error} (needed where the study is run)"
