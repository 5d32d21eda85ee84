"""Findings of a study, gathered by rule, so that a number can point to what touches it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.errors import UsageError
from joulebench.finding import SEVERITIES, Finding
from joulebench.report.evidence import Evidence

MARKS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class FindingRow:
    """One rule with everything it found.

    Args:
        mark: Letters that stand beside the numbers it touches.
        rule: Name of the check.
        severity: The worst among its findings.
        runs: Ids of the runs it touches; empty for the study as a whole.
        example: The first of its findings.
        count: Number of its findings.
    """

    mark: str
    rule: str
    severity: str
    runs: tuple[str, ...]
    example: Finding
    count: int

    def to_dict(self) -> dict[str, Any]:
        """Give the row as a JSON-ready dict."""
        return {"mark": self.mark, "rule": self.rule, "severity": self.severity,
                "count": self.count, "runs": len(self.runs), **_words(self.example)}  # fmt: skip


def finding_rows(evidence: Evidence, extra: Iterable[Finding] = ()) -> list[FindingRow]:
    """Gather the findings of the study and of all its runs, the worst first."""
    found: dict[str, list[tuple[str, Finding]]] = {}
    for run_id, finding in [*_of_study(evidence, extra), *_of_runs(evidence)]:
        found.setdefault(finding.rule, []).append((run_id, finding))
    ordered = sorted(found.items(), key=lambda item: (_worst(item[1]), item[0]))
    return [_row(mark(place), rule, items) for place, (rule, items) in enumerate(ordered)]


def marks(rows: Sequence[FindingRow], touched: Mapping[str, int]) -> list[dict[str, Any]]:
    """Give the marks that stand beside a number, with what they say on hover."""
    return [
        {"mark": row.mark, "rule": row.rule, "severity": row.severity, "runs": touched[row.rule]}
        for row in rows
        if touched.get(row.rule)
    ]


def severity_counts(rows: Sequence[FindingRow]) -> dict[str, int]:
    """Count rules by severity, the worst first, leaving out severities without any."""
    counts = {severity: sum(row.severity == severity for row in rows) for severity in SEVERITIES}
    return {severity: number for severity, number in counts.items() if number}


def mark(place: int) -> str:
    """Give the letters of the place: a to z, then aa, ab, ..."""
    tens, ones = divmod(place, len(MARKS))
    return (MARKS[tens - 1] if tens else "") + MARKS[ones]


def _of_runs(evidence: Evidence) -> list[tuple[str, Finding]]:
    return [(run.run_id, finding) for run in evidence.all_runs for finding in run.findings]


def _of_study(evidence: Evidence, extra: Iterable[Finding]) -> list[tuple[str, Finding]]:
    try:
        stored = [Finding.from_dict(record) for record in evidence.study.get("findings") or []]
    except (TypeError, ValueError) as error:
        path = evidence.table.folder / "study.yaml"
        raise UsageError(f"{path}: findings: {error}; mend or remove that entry") from error
    return [("", finding) for finding in [*stored, *extra]]


def _worst(items: Sequence[tuple[str, Finding]]) -> int:
    return min(SEVERITIES.index(finding.severity) for _, finding in items)


def _row(letters: str, rule: str, items: Sequence[tuple[str, Finding]]) -> FindingRow:
    runs = tuple(dict.fromkeys(run_id for run_id, _ in items if run_id))
    worst = _worst(items)
    example = next(f for _, f in items if SEVERITIES.index(f.severity) == worst)
    return FindingRow(letters, rule, SEVERITIES[worst], runs, example, len(items))


def _words(finding: Finding) -> dict[str, str]:
    return {name: getattr(finding, name) for name in
            ("where", "message", "remedy", "seen", "possible")}  # fmt: skip
