"""The verdict of an audit in one sentence."""

from __future__ import annotations

from joulebench.audit.examine import Examined
from joulebench.audit.grouped import grouped
from joulebench.finding import SEVERITIES


def looked_at(examined: Examined) -> str:
    """Say what the audit looked at: units, runs, tables and rows."""
    evidence = examined.evidence
    files = [table for table in evidence.tables if table.path is not None]
    units = [f"{unit.name} ({unit.kind}, {_count(unit.count, 'run')})" for unit in evidence.units]
    tables = [f"{table.name} ({_count(len(table), 'row')})" for table in files]
    return f"looked at {_listed(units + tables)}"


TOLD = {
    "wrong": "some of these numbers are wrong",
    "doubtful": "no number is shown to be wrong, but claims do not follow from them",
    "sound": "nothing was found that speaks against these numbers",
}
"""What each verdict says."""


def verdict_line(examined: Examined) -> str:
    """Give the verdict in one sentence, with the number of rules behind it."""
    return f"verdict: {examined.verdict}; {TOLD[examined.verdict]} ({rule_counts(examined)})"


def rule_counts(examined: Examined) -> str:
    """Say how many rules of each severity found something: ``"2 errors, 1 note"``."""
    rows = grouped(examined.findings)
    counts = {severity: sum(row.severity == severity for row in rows) for severity in SEVERITIES}
    told = [_count(number, severity) for severity, number in counts.items() if number]
    return ", ".join(told) or "no finding"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(names: list[str], most: int = 6) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
