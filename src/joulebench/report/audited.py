"""What an audit finds in a study, put where a report looks: at its runs, or at the whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from joulebench.audit.examine import examine
from joulebench.audit.gather import gather
from joulebench.finding import Finding
from joulebench.record import Run


def add_audit(folder: Path, runs: Sequence[Run]) -> list[Finding]:
    """Audit a study and add to its runs, in memory, what is found about each.

    Args:
        folder: Of the study.
        runs: Its records; those that a finding is about get it.

    Returns:
        The findings about the study as a whole that its file does not hold already.

    Raises:
        UsageError: A file of the study is damaged.
    """
    examined = examine(gather([folder]))
    stored = {finding for unit in examined.evidence.units for finding in unit.findings}
    by_id = {run.run_id: run for run in runs}
    whole = []
    for finding in examined.findings:
        run = by_id.get(_run_id(finding.where, by_id))
        if run is not None:
            _add(run, finding)
        elif finding not in stored:
            whole.append(finding)
    return whole


def _run_id(where: str, known: Iterable[str]) -> str:
    """Give the run that a place is in: it is named first; empty where none is."""
    first = where.partition(": ")[0]
    return first if first in known else ""


def _add(run: Run, finding: Finding) -> None:
    """Add a finding that the record does not hold; a record names no run in its own findings."""
    place = finding.where.removeprefix(run.run_id).removeprefix(": ")
    known = {(each.rule, each.where) for each in run.findings}
    if not {(finding.rule, place), (finding.rule, finding.where)} & known:
        run.findings.append(finding)
