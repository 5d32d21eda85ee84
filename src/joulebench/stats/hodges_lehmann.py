"""The Hodges-Lehmann estimate of a shift, with the interval that a rank test does not reject."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.noncentral import Alternative, tail_of
from joulebench.stats.pair_selection import Places, kth_sums, median_of, median_places
from joulebench.stats.wilcoxon_exact import RankSumDistribution

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift in location.

    Args:
        estimate: The Hodges-Lehmann estimate.
        low: Lower end of its interval, ``-inf`` where left open.
        high: Upper end, ``inf`` where left open.
        note: What the interval lacks; empty where it lacks nothing.
    """

    estimate: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class PairSums:
    """The numbers whose median is the estimate: differences of two samples, or Walsh averages.

    Hodges and Lehmann 1963, Ann. Math. Stat. 34, 598.

    Args:
        rows: Shape (n,).
        columns: Shape (m,), rising.
        starts: First column of each row, shape (n,); all columns where ``None``.
        scale: What a sum is multiplied by.
    """

    rows: Floats
    columns: Floats
    starts: Places | None = None
    scale: float = 1.0

    @classmethod
    def differences(cls, x: Floats, y: Floats) -> PairSums:
        """Make the differences ``x_i - y_j``."""
        return cls(np.sort(x), np.sort(-y))

    @classmethod
    def walsh_averages(cls, x: Floats) -> PairSums:
        """Make the averages ``(x_i + x_j) / 2``, i no more than j."""
        rising = np.sort(x)
        return cls(rising, rising, np.arange(len(x), dtype=np.intp), 0.5)

    @property
    def count(self) -> int:
        """How many there are."""
        skipped = 0 if self.starts is None else int(self.starts.sum())
        return len(self.rows) * len(self.columns) - skipped

    def at(self, places: Sequence[int]) -> list[float]:
        """Give those at places of their rising order, the first or last beyond its ends."""
        within = [min(max(place, 0), self.count - 1) for place in places]
        sums = kth_sums(self.rows, self.columns, within, self.starts)
        return [self.scale * each for each in sums]


def exact_shift(
    pairs: PairSums, untied: RankSumDistribution, confidence: float, alternative: Alternative
) -> Shift:
    """Give the estimate with the interval of the exact test.

    Its ends are order statistics of the pairs (Hollander, Wolfe and Chicken 2014, Nonparametric
    Statistical Methods, 3.3 and 4.3). Where values are tied, the closed interval between them
    covers at least as often (Noether 1967, J. Am. Stat. Assoc. 62, 184).

    Args:
        pairs: Differences or Walsh averages.
        untied: Distribution of the statistic without ties.
        confidence: Coverage at least aimed at.
        alternative: "greater" leaves the upper end open, "less" the lower one.
    """
    tail = tail_of(confidence, alternative)
    beyond = max(untied.quantile(tail), 1)
    reached = float(untied.mass[:beyond].sum()) / tail * (1 - confidence)
    note = ""
    if reached > 1.5 * (1 - confidence):
        note = _unreached(confidence, 1 - reached)
    return _between(pairs, beyond - 1, pairs.count - beyond, alternative, note)


def asymptotic_shift(
    pairs: PairSums, sigma: float, correction: float, confidence: float, alternative: Alternative
) -> Shift:
    """Give the estimate with the interval of the normal test.

    The ends are the shifts at which the test, with the variance that ties within a sample leave,
    goes from rejecting to not rejecting. R searches them to 1e-4 in the unit of the data; here they
    are exact, for data of any scale. The estimate is the median of the pairs, where R gives some
    point at which its statistic is 0.

    Args:
        pairs: Differences or Walsh averages.
        sigma: Standard deviation of the number of pairs above the true shift.
        correction: For continuity: 0.5 or 0.
        confidence: Coverage aimed at.
        alternative: "greater" leaves the upper end open, "less" the lower one.
    """
    from scipy.special import ndtri

    reach = -float(ndtri(tail_of(confidence, alternative))) * sigma + correction
    more = math.floor(pairs.count / 2 + reach) + 1
    fewer = math.floor(pairs.count / 2 - reach) + 1
    outside = more > pairs.count or fewer < 1
    note = f"too few values for confidence {confidence:g} of the estimate" if outside else ""
    return _between(pairs, pairs.count - more, pairs.count - fewer, alternative, note)


def _between(pairs: PairSums, first: int, last: int, alternative: Alternative, note: str) -> Shift:
    at_first, at_last, *middle = pairs.at([first, last, *median_places(pairs.count)])
    low = -math.inf if alternative == "less" else at_first
    high = math.inf if alternative == "greater" else at_last
    return Shift(median_of(*middle), low, high, note)


def _unreached(confidence: float, reached: float) -> str:
    return (
        f"confidence {confidence:g} of the estimate cannot be reached: its interval has "
        f"{max(reached, 0.0):.3g}"
    )
