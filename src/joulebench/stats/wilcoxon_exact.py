"""Exact distributions of rank sums when all assignments of the ranks are equally likely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]

_MOST_WORK = 1e10
"""Additions that an exact distribution may take: some ten seconds."""

_FUZZ = 10 * np.finfo(np.float64).eps
"""Share by which a quantile may be missed for rounding, as R has it."""


@dataclass(frozen=True, eq=False)
class RankSumDistribution:
    """The distribution of a sum of ranks under the hypothesis of no difference.

    Args:
        least: Smallest possible value, in whole steps.
        step: Value of a step: 1, or 0.5 where ranks are shared.
        mass: Probability of each value from the smallest, shape (v,).
    """

    least: int
    step: float
    mass: Floats

    def lower(self, value: float) -> float:
        """Give the probability of no more than a value."""
        return float(self.mass[: max(self._place(value) + 1, 0)].sum())

    def upper(self, value: float) -> float:
        """Give the probability of no less than a value."""
        return float(self.mass[max(self._place(value), 0) :].sum())

    def p(self, value: float, alternative: str) -> float:
        """Give the p value; two-sided: of being at least as far from the mean.

        Without ties the distribution is symmetric, and this is twice the smaller tail, as in R.
        With ties the two can differ; the distance from the mean is what the R package coin takes.
        """
        if alternative == "less":
            return min(self.lower(value), 1.0)
        if alternative == "greater":
            return min(self.upper(value), 1.0)
        places = np.arange(len(self.mass))
        # Twice the mean is a whole number of steps.
        twice_mean = round(2 * float(places @ self.mass))
        far = np.abs(2 * places - twice_mean)
        return min(float(self.mass[far >= abs(2 * self._place(value) - twice_mean)].sum()), 1.0)

    def quantile(self, probability: float) -> int:
        """Give the smallest value, in steps above the least, with that much probability below."""
        return int(np.searchsorted(np.cumsum(self.mass), probability - _FUZZ))

    def _place(self, value: float) -> int:
        return round(value / self.step) - self.least


def rank_sum_distribution(ranks: Floats, size: int) -> RankSumDistribution:
    """Give the distribution of the sum of ``size`` ranks drawn without replacement.

    The shift algorithm (Streitberg and Roehmel 1986, Statistical Software Newsletter 12, 10): the
    number of ways to draw j ranks with each sum, one rank after the other. All terms are positive,
    so the tails keep their digits.

    Args:
        ranks: Ranks of all values, whole or half, shape (N,).
        size: How many are drawn.

    Raises:
        Refused: It would take too long.
    """
    scores, step = _whole(ranks)
    total, drawn = len(scores), min(size, len(scores) - size)
    lowest = np.concatenate([[0], np.cumsum(scores)])
    width = int(scores[total - drawn :].sum() - lowest[drawn]) + 1
    _check_work(float(width) * max(drawn, 1) * total)
    ways = np.zeros((drawn + 1, width))
    ways[0, 0] = 1.0
    for place, score in enumerate(scores):
        # Row j counts from the least sum of j ranks: each row moves by less than the score.
        for j in range(min(drawn, place + 1), 0, -1):
            shift = int(score - scores[j - 1])
            ways[j, shift:] += ways[j - 1, : width - shift]
    mass = ways[drawn] / ways[drawn].sum()
    if drawn == size:
        return RankSumDistribution(int(lowest[drawn]), step, mass)
    # What is left out determines what is drawn.
    highest = int(lowest[total] - lowest[drawn])
    return RankSumDistribution(highest - width + 1, step, mass[::-1])


def signed_rank_distribution(ranks: Floats) -> RankSumDistribution:
    """Give the distribution of the sum of the ranks whose sign a fair coin makes positive.

    The shift algorithm, as in :func:`rank_sum_distribution`.

    Args:
        ranks: Ranks of the absolute values, whole or half, shape (n,).

    Raises:
        Refused: It would take too long.
    """
    scores, step = _whole(ranks)
    width = int(scores.sum()) + 1
    _check_work(float(width) * len(scores))
    mass = np.zeros(width)
    mass[0] = 1.0
    for score in scores:
        mass /= 2
        mass[score:] += mass[: width - score].copy()
    return RankSumDistribution(0, step, mass)


def _whole(ranks: Floats) -> tuple[NDArray[np.int64], float]:
    """Give rising scores in whole steps, and the step."""
    halves = np.sort(np.rint(2 * ranks).astype(np.int64))
    if (halves % 2 == 0).all():
        return halves // 2, 1.0
    return halves, 0.5


def _check_work(additions: float) -> None:
    if additions > _MOST_WORK:
        raise Refused(
            "the exact distribution of so many values would take too long: use "
            'method="asymptotic", which is as good at this size'
        )
