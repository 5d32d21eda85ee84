"""Findings of one rule together: what a person reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from joulebench.finding import SEVERITIES, Finding

_NAMED = 3


@dataclass(frozen=True)
class RuleFindings:
    """What one rule found.

    Args:
        rule: Its name.
        severity: The worst among its findings.
        findings: All of them, the worst first.
    """

    rule: str
    severity: str
    findings: tuple[Finding, ...]

    @property
    def example(self) -> Finding:
        """The first of the worst."""
        return self.findings[0]

    @property
    def places(self) -> str:
        """Where it was found: the first few places, and how many more there are."""
        names = list(dict.fromkeys(finding.where for finding in self.findings))
        more = len(names) - _NAMED
        named = ", ".join(names[:_NAMED])
        return f"{named} and {more} more" if more > 0 else named


def grouped(findings: Iterable[Finding]) -> list[RuleFindings]:
    """Gather findings by rule, the worst rule first."""
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    rows = [_row(rule, found) for rule, found in by_rule.items()]
    return sorted(rows, key=lambda row: (SEVERITIES.index(row.severity), row.rule))


def _row(rule: str, found: list[Finding]) -> RuleFindings:
    ordered = sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
    return RuleFindings(rule, ordered[0].severity, tuple(ordered))
