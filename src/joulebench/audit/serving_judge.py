"""Judges whose verdicts carry no claim, or whose work was counted as that of the judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.audit.serving_facts import facts_in, number
from joulebench.finding import Finding
from joulebench.run_row import MEASURED

JUDGE = "judge"
"""Name of the window in which a judge works."""

MOST_MISSING = 0.05
"""Part of the answers that may be without a verdict."""

LEAST_KAPPA = 0.6
"""Below it agreement is at most moderate (Landis and Koch 1977, Biometrics 33, 159)."""

LEAST_AGREED = 0.8
"""The same of the share agreed on, where there is no kappa."""

_WHO = {"rules": "the rules", "human": "people"}


def judge_in_window(view: AuditRun) -> Iterator[Finding]:
    """Look for a judge that worked while the energy of the judged was measured."""
    judged = [window for window in view.run.windows if window.name == JUDGE]
    measured = [window for window in view.run.windows if window.name == MEASURED]
    inside_s = sum(
        max(0.0, min(a.stop_s, b.stop_s) - max(a.start_s, b.start_s))
        for a in judged
        for b in measured
    )
    if inside_s <= 0:
        return
    yield Finding(
        "judge-in-window",
        "error",
        view.where(JUDGE),
        f"the judge worked for {inside_s:.4g} s within the measured window: its energy is in that "
        "of the answers it judged",
        "judge after the measured window, as a study with tasks.score does, and measure again",
        seen=f"{inside_s:.4g} s",
        possible="0 s",
    )


def judge_missing(view: AuditRun) -> Iterator[Finding]:
    """Look for a judge that left many answers without a verdict."""
    judge = facts_in(view.run.facts, JUDGE)
    missing, answers = number(judge.get("missing")), number(view.run.work.get("requests"))
    if not missing > MOST_MISSING * answers:
        return
    yield Finding(
        "judge-missing",
        "warning",
        view.where(JUDGE),
        f"{missing:.0f} of {answers:.0f} answers have no verdict of the judge; accuracy is that of "
        "the others, and those that are hard to judge are seldom like them",
        "look at its judgements in responses/; give it more output tokens, another rubric or a "
        "better model, or grade the missing answers by hand",
        seen=f"{100 * missing / answers:.3g} %",
        possible=f"up to {100 * MOST_MISSING:g} %",
    )


def judge_disagrees(view: AuditRun) -> Iterator[Finding]:
    """Look for a judge that agrees with rules or people little more than chance would."""
    agreement = facts_in(facts_in(view.run.facts, JUDGE), "agreement")
    for name in agreement:
        found = facts_in(agreement, name)
        kappa, low, high = (number(found.get(part)) for part in ("kappa", "low", "high"))
        if math.isnan(kappa):
            yield from _apart(view, name, found)
        if not kappa < LEAST_KAPPA:
            continue
        known = f" (95 % interval {low:.2f} to {high:.2f})" if low <= high else ""
        yield Finding(
            "judge-disagrees",
            "warning",
            view.where(f"{JUDGE}: {name}"),
            f"judge and {_WHO.get(name, name)} agree on {found.get('agreed')} of {found.get('n')} "
            f"answers, which is a kappa of {kappa:.2f}{known}: the accuracy depends on who grades",
            "read the answers on which they differ; mend the rubric or take another judge before "
            "anything is claimed of accuracy or of energy per correct answer",
            seen=f"{kappa:.2f}",
            possible=f"at least {LEAST_KAPPA:g}",
        )


def _apart(view: AuditRun, name: str, found: Mapping[str, Any]) -> Iterator[Finding]:
    """Look for little agreement where one grades all alike, so that there is no kappa."""
    agreed, n = number(found.get("agreed")), number(found.get("n"))
    if not agreed < LEAST_AGREED * n:
        return
    why = found.get("no_kappa")
    yield Finding(
        "judge-disagrees",
        "warning",
        view.where(f"{JUDGE}: {name}"),
        f"judge and {_WHO.get(name, name)} agree on {agreed:.0f} of {n:.0f} answers"
        f"{f' ({why})' if why else ''}: the accuracy depends on who grades",
        "read the answers on which they differ; mend the rubric or take another judge before "
        "anything is claimed of accuracy or of energy per correct answer",
        seen=f"{100 * agreed / n:.3g} %",
        possible=f"at least {100 * LEAST_AGREED:g} %",
    )


RULES = (
    Rule("judge-in-window", "serving", run=judge_in_window),
    Rule("judge-missing", "serving", run=judge_missing),
    Rule("judge-disagrees", "serving", run=judge_disagrees),
)
