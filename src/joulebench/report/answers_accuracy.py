"""The share of right answers, its interval over items and not over answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from joulebench.record import Run
from joulebench.stats import Estimate, wilson_interval

Times = Callable[[Run], float]
"""How often a run asked each of its prompts, on average."""


def accuracy(runs: Sequence[Run], times: Times) -> Estimate | None:
    """Estimate the accuracy of a cell's runs; ``None`` where nothing was graded.

    Asking an item again makes it no other item: its answers are averaged, over repetitions and
    within a run, and the items alone count as independent. Wilson's interval of as many items is
    then never too narrow: the mean of several answers scatters at most as much as one of them.

    Args:
        runs: Of one cell.
        times: How often a run asked each of its prompts.
    """
    scored = [run for run in runs if graded(run)]
    if not scored:
        return None
    count = sum(graded(run) for run in scored)
    share = sum(_correct(run) for run in scored) / count
    items = sum(graded(run) / times(run) for run in scored) / len(scored)
    return wilson_interval(min(share * items, items), items)


def graded(run: Run) -> int:
    """Give the number of answers of a run that were graded."""
    return int(score(run).get("n_graded") or 0)


def score(run: Run) -> dict[str, Any]:
    """Give the score of a run; empty where it has none."""
    return run.score or {}


def _correct(run: Run) -> float:
    """Give the number of correct answers among the graded; not whole where grades are not."""
    return float(score(run)["accuracy"] * graded(run))
