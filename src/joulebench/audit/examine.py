"""Applying the rules to a body of evidence, and the verdict on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from joulebench.audit.catalogue import rules
from joulebench.audit.digest import RunDigest, digest
from joulebench.audit.evidence import Evidence, Unit
from joulebench.audit.gather import gather, unreadable
from joulebench.audit.read_table import published_tables, recomputed_table
from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.errors import UsageError
from joulebench.finding import SEVERITIES, Finding

Progress = Callable[[int, int, str], None]
"""Told the number of runs seen, the number of all runs and what is looked at."""

VERDICTS = ("wrong", "doubtful", "sound")
"""Some number is wrong; some claim does not follow; nothing of either was found."""

_STUMBLES = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class Examined:
    """What an audit found.

    Args:
        evidence: What it was shown.
        findings: What did not pass, the worst first.
    """

    evidence: Evidence
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """One of :data:`VERDICTS`."""
        severities = {finding.severity for finding in self.findings}
        if "error" in severities:
            return "wrong"
        return "doubtful" if "warning" in severities else "sound"

    def to_dict(self) -> dict[str, Any]:
        """Give the findings and the verdict as a JSON-ready dict."""
        return {
            "findings": [finding.to_dict() for finding in self.findings],
            "verdict": self.verdict,
        }


def examine_results(*paths: str | Path, devices: Sequence[str] = ()) -> Examined:
    """Audit studies, folders of other tools' results and tables, as one body of evidence.

    Args:
        paths: Folders and files.
        devices: Names of the accelerators that everything was measured on, where the results do
            not say it.

    Raises:
        UsageError: A path does not exist, holds nothing to audit, or is damaged.
    """
    return examine(gather([Path(path) for path in paths], devices))


def examine(evidence: Evidence, progress: Progress | None = None) -> Examined:
    """Apply all rules: to each run as it is read, then to tables, then to everything together.

    A run that cannot be read is among the findings, and the others are looked at.
    """
    found = list(evidence.findings)
    count, seen = sum(unit.count for unit in evidence.units), 0
    for unit in evidence.units:
        found += unit.findings
        for place in range(unit.count):
            found += _at(unit, place, several=len(evidence.units) > 1)
            seen += 1
            if progress is not None:
                progress(seen, count, unit.name)
        _add_tables(evidence, unit)
    for table in evidence.tables:
        for rule in rules():
            if rule.table is not None:
                found += _yielded(rule, rule.table, table, table.name)
    for rule in rules():
        if rule.evidence is not None:
            found += _yielded(rule, rule.evidence, evidence, "everything together")
    return Examined(evidence, _ordered(found))


def _at(unit: Unit, place: int, *, several: bool) -> list[Finding]:
    """Look at one run and keep its digest; one that cannot be read is told and left out."""
    try:
        view = unit.view(place)
        found = list(_of_run(unit, view, several=several))
    except UsageError as error:
        return [unreadable(unit.name, error)]
    try:
        unit.keep(place, digest(view))
    except _STUMBLES as error:
        unit.keep(place, RunDigest(view.unit, view.run))
        found.append(_not_checked("what all runs are needed for", view.where(), error))
    return found


def _of_run(unit: Unit, view: AuditRun, *, several: bool) -> Iterator[Finding]:
    """Give what was found when the run was made, and what the rules find now."""
    prefix = f"{unit.name}: " if several else ""
    for finding in _unreadable(view):
        yield replace(finding, where=prefix + finding.where)
    for finding in view.run.findings:
        where = finding.where if view.run.run_id in finding.where else view.where(finding.where)
        yield replace(finding, where=prefix + where)
    for rule in rules():
        if rule.run is not None:
            for finding in _yielded(rule, rule.run, view, view.where()):
                yield replace(finding, where=prefix + finding.where)


def _unreadable(view: AuditRun) -> Iterator[Finding]:
    """Say what a run left behind that cannot be read; the rules then look at it without that."""
    for part in view.read():
        yield Finding(
            "trace-unreadable",
            "warning",
            view.where(),
            f"what it left behind cannot be read, so it was not looked at: {part}",
            "restore the file from a copy; the energies in the record stand without it",
        )


def _add_tables(evidence: Evidence, unit: Unit) -> None:
    """Add the tables that a unit's runs make: ours, and the author's as far as no file holds it."""
    ours = recomputed_table(unit.name, unit.digests, evidence.devices)
    if ours is not None:
        evidence.tables.append(ours)
    read = {table.path.name for table in evidence.tables if table.path is not None}
    told = [each for each in unit.digests if _source_table(each.run.facts) not in read]
    evidence.tables += published_tables(unit.name, told, evidence.devices)


def _source_table(facts: dict[str, Any]) -> str:
    return str(facts.get("published", {}).get("table", "")).rpartition("/")[2]


def _yielded(
    rule: Rule, check: Callable[[Any], Iterator[Finding]], subject: object, where: str
) -> list[Finding]:
    """Apply one check; what it stumbles over is told, and does not keep the others from looking."""
    try:
        with np.errstate(all="ignore"):  # figures of others overflow, and divide by nothing
            return list(check(subject))
    except _STUMBLES as error:
        return [_not_checked(f"the rule {rule.name}", f"{where}: {rule.name}", error)]


def _not_checked(what: str, where: str, error: Exception) -> Finding:
    told = " ".join(str(error).split()) or type(error).__name__
    return Finding(
        "not-checked",
        "note",
        where,
        f"{what} could not be applied here ({type(error).__name__}: {told})",
        "all else was; report this with the file that caused it",
    )


def _ordered(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Give each finding once, the worst first, those of one rule together."""
    once = {(finding.rule, finding.where): finding for finding in reversed(found)}
    return tuple(
        sorted(
            once.values(),
            key=lambda finding: (SEVERITIES.index(finding.severity), finding.rule, finding.where),
        )
    )
