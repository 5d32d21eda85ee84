"""Energy for each answer and each correct answer of a run, with what the items leave open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from joulebench.energy_ratio import Z_95
from joulebench.joules import Energy
from joulebench.record import Run

ITEMS = "items of"
"""Begins the name of a bias that stands for which items were asked; a task's name follows."""


def wilson_95(correct: float, n: float) -> tuple[float, float]:
    """Give the 95 % score interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22, 209).

    Args:
        correct: Items that came out right.
        n: Independent items, above 0.
    """
    share, z2 = correct / n, Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    low = 0.0 if correct <= 0 else min(share, max(0.0, centre - half))
    return low, 1.0 if correct >= n else max(share, min(1.0, centre + half))


def per_answer(run: Run, energy: Energy) -> Energy | None:
    """Give the energy of one answer; ``None`` where nobody counted the answers."""
    answers = _answers(run)
    return energy / answers if answers else None


def per_correct(run: Run, energy: Energy) -> Energy | None:
    """Give the energy of one correct answer; ``None`` without one, or where none is graded.

    It is the energy of one answer over the share of graded answers that are correct. Where all are
    graded that is energy over correct answers. Where some are not, it takes those to be right as
    often as the graded ones: their energy was used as well.

    Beside the energy's own, its biases hold what so many items leave open of the share: half the
    width of the logarithm of its 95 % interval, over 1.96. Repetitions ask the same items again and
    shrink nothing of it.
    """
    score = run.score or {}
    each, share = per_answer(run, energy), float(score.get("accuracy") or 0.0)
    if each is None or share <= 0 or not score.get("n_graded"):
        return None
    found = each / share
    doubt = abs(found.joules) * share_doubt(score)
    return replace(found, biases={**found.biases, items_source(run): doubt})


def share_doubt(score: Mapping[str, Any]) -> float:
    """Give the relative standard uncertainty of a run's accuracy, which is above 0."""
    low, high = score.get("accuracy_low"), score.get("accuracy_high")
    if not low or not high:  # imported results do not state it
        low, high = wilson_95(score["accuracy"] * score["n_graded"], score["n_graded"])
    return math.log(high / low) / (2 * Z_95)


def items_source(run: Run) -> str:
    """Name the source that runs over the same items share."""
    return f"{ITEMS} {run.facts.get('task') or run.levels.get('task') or run.study}"


def _answers(run: Run) -> float | None:
    count = run.work.get("requests") or (run.score or {}).get("n_graded")
    return count if isinstance(count, int | float) and count > 0 else None
