"""Whether the levels of a factor were spread over time, or run one after the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Levels = NDArray[np.intp]

_DRAWS = 4999
_ASYMPTOTIC_FROM = 100
_PROMISING = 0.1
_MOST_DRAWN = 1_000_000


@dataclass(frozen=True, slots=True)
class OrderTest:
    """How far a factor goes with time.

    Args:
        share: Share of the variation of time that lies between levels, 0 to 1: of a drift that is
            linear in time, this share of its variance is taken for an effect of the factor.
        p: Probability that a random order has as large a share.
    """

    share: float
    p: float


def level_order_test(codes: Levels, rank: Floats, *, seed: int = 0) -> OrderTest:
    """Test whether the levels of a factor go with time more than in a random order.

    The statistic is the correlation ratio of the ranks of time by level, ``eta^2 = H / (n - 1)``
    with the H of Kruskal and Wallis (1952, J. Am. Stat. Assoc. 47, 583). Its null distribution is
    that of random orders: chi-square with ``levels - 1`` degrees of freedom from 100 rows on,
    drawn permutations (4,999 of them, the seen one counted in) below.

    Args:
        codes: Level of each row, 0 to k - 1, shape (n,).
        rank: Rank of the time at which each row was run, shape (n,); see :func:`midranks`.
        seed: Of the permutations.

    Returns:
        ``OrderTest(0, 1)`` where there is no order to speak of: one level, or as many as rows.
    """
    dense = _without_gaps(codes)
    count = np.bincount(dense)
    n, levels = len(codes), len(count)
    if levels < 2 or levels >= n:
        return OrderTest(0.0, 1.0)
    centred = rank - rank.mean()
    total = float(centred @ centred)
    if total <= 0:
        return OrderTest(0.0, 1.0)
    share = float(np.sum(np.bincount(dense, centred) ** 2 / count)) / total
    return OrderTest(share, _p_of_share(rank, dense, count, share, seed))


def _without_gaps(codes: Levels) -> Levels:
    used = np.bincount(codes) > 0
    dense: Levels = (np.cumsum(used) - 1)[codes]
    return dense


def trend_order_test(level: Floats, rank: Floats, *, seed: int = 0) -> OrderTest:
    """Test whether a level that is a number rises or falls with time more than in a random order.

    The statistic is the square of Spearman's rank correlation, two-sided by that; Student's t with
    ``n - 2`` degrees of freedom from 100 rows on, drawn permutations below.

    Args:
        level: Rank of the level of each row, shape (n,).
        rank: Rank of the time at which each row was run, shape (n,); see :func:`midranks`.
        seed: Of the permutations.
    """
    n, x, y = len(level), level - level.mean(), rank - rank.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    if n < 3 or scale <= 0:
        return OrderTest(0.0, 1.0)
    share = min(1.0, (float(x @ y) / scale) ** 2)
    if n >= _ASYMPTOTIC_FROM:
        return OrderTest(share, _p_of_correlation(share, n))
    drawn = _permuted(y, seed) @ x / scale
    return OrderTest(share, _share_at_least(drawn**2, share))


def midranks(values: Floats) -> Floats:
    """Give ranks from 1, equal values their mean rank, shape (n,)."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    mean: Floats = (last - (count - 1) / 2.0)[place]
    return mean


def _shares(ranks: Floats, codes: Levels, count: NDArray[np.intp]) -> Floats:
    """Give the correlation ratio for each row of ``ranks``, shape (draws, n)."""
    member = np.zeros((len(codes), len(count)))
    member[np.arange(len(codes)), codes] = 1.0
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    total = (centred**2).sum(axis=1)
    between: Floats = ((centred @ member) ** 2 / count).sum(axis=1)
    return np.where(total > 0, between / np.maximum(total, 1e-300), 0.0)


def _p_of_share(
    rank: Floats, codes: Levels, count: NDArray[np.intp], share: float, seed: int
) -> float:
    from scipy.special import chdtrc

    n, levels = len(codes), len(count)
    asymptotic = float(chdtrc(levels - 1, share * (n - 1)))
    if n >= _ASYMPTOTIC_FROM:
        return asymptotic
    if asymptotic > _PROMISING and n > 2 * levels:
        return asymptotic
    return _share_at_least(_shares(_permuted(rank, seed), codes, count), share)


def _p_of_correlation(share: float, n: int) -> float:
    from scipy.special import stdtr

    t = math.sqrt(share * (n - 2) / max(1.0 - share, 1e-12))
    return float(2.0 * stdtr(n - 2, -t))


def _permuted(values: Floats, seed: int) -> Floats:
    draws = min(_DRAWS, _MOST_DRAWN // max(len(values), 1))
    rng = np.random.default_rng(seed)
    return rng.permuted(np.broadcast_to(values, (draws, len(values))), axis=1)


def _share_at_least(drawn: Floats, seen: float) -> float:
    # The order that was seen is one of those that could have been drawn.
    return (1.0 + float(np.count_nonzero(drawn >= seen - 1e-9))) / (1.0 + len(drawn))
