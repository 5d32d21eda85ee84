"""Channels of one run that read one thing, or a part of another, and do not agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from joulebench.agreement import agreement_findings
from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.energy import Energy
from joulebench.finding import Finding
from joulebench.run_row import duration_s

NAMES = ("meters-disagree", "part-above-whole")
"""Rules of :mod:`joulebench.agreement`; our own runs are held against them when they are made."""


def _of_rule(name: str, view: AuditRun) -> Iterator[Finding]:
    """Compare the meters of a run, unless that was done when it was made."""
    if len(view.run.channels) < 2 or any(f.rule == name for f in view.run.findings):
        return
    energies = {
        channel: {window: Energy.from_dict(record) for window, record in by_window.items()}
        for channel, by_window in view.run.energy.items()
    }
    for finding in agreement_findings(view.run.channels, energies, _durations_s(view)):
        if finding.rule == name:
            yield _placed(finding, view)


def _durations_s(view: AuditRun) -> Mapping[str, float]:
    names = dict.fromkeys(window.name for window in view.run.windows)
    return {name: duration_s(view.run, name) or 0.0 for name in names}


def _placed(finding: Finding, view: AuditRun) -> Finding:
    return Finding.from_dict(finding.to_dict() | {"where": view.where(finding.where)})


RULES: tuple[Rule, ...] = tuple(Rule(name, "energy", run=partial(_of_rule, name)) for name in NAMES)
