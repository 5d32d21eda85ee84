"""Kendall's tau: its count of pairs, and how far that strays by chance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]
Counts = NDArray[np.intp]

_MOST = 200
"""Most values for which the exact distribution is written out."""


def discordant(x: Floats, y: Floats) -> int:
    """Give the number of pairs that x and y order oppositely, pairs tied in either left out.

    Inversions of y in the order of x, counted bit by bit of the ranks: O(n log n) and no table of
    all pairs.

    Args:
        x: Shape (n,).
        y: Shape (n,).
    """
    # Within equal x by rising y, so that no tied pair is an inversion.
    order = np.lexsort((y, x))
    ranks = np.unique(y, return_inverse=True)[1][order]
    found = 0
    for bit in range(int(ranks.max()).bit_length()):
        found += _inversions_at(ranks, bit)
    return found


def _inversions_at(ranks: Counts, bit: int) -> int:
    """Count the inversions of ranks that agree above a bit and differ in it."""
    above = ranks >> (bit + 1)
    order = np.argsort(above, kind="stable")
    ones = (ranks[order] >> bit) & 1
    group = above[order]
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    before = np.cumsum(ones) - ones
    within = before - np.repeat(before[starts], np.diff(np.r_[starts, len(ranks)]))
    return int(within[ones == 0].sum())


def tied_pairs(ties: Counts) -> int:
    """Give the number of pairs of equal values, from how many hold each."""
    counts = ties.astype(np.int64)
    return int(np.sum(counts * (counts - 1) // 2))


def kendall_spread(x_ties: Counts, y_ties: Counts, n: int) -> float:
    """Give the standard deviation of concordant less discordant pairs, given the ties.

    Kendall 1970, Rank Correlation Methods, chapter 4.

    Args:
        x_ties: How many values hold each distinct value of x.
        y_ties: The same of y.
        n: Number of pairs (x, y), at least 2.
    """
    t, u = x_ties.astype(np.float64), y_ties.astype(np.float64)
    size = float(n)
    variance = size * (size - 1) * (2 * size + 5)
    variance -= sum(float(np.sum(v * (v - 1) * (2 * v + 5))) for v in (t, u))
    variance = variance / 18 + _both(t, u, 0) / (2 * size * (size - 1))
    if n > 2:
        triples = _both(t, u, 1)
        variance += triples / (9 * size * (size - 1) * (size - 2))
    return math.sqrt(max(variance, 0.0))


def _both(t: Floats, u: Floats, more: int) -> float:
    parts = (v * (v - 1) * ((v - 2) if more else 1) for v in (t, u))
    return math.prod(float(np.sum(part)) for part in parts)


def concordance_tail(concordant: int, n: int, *, lower: bool) -> float:
    """Give the probability of no more, or no fewer, concordant pairs, without ties.

    The k-th value adds 0 to k - 1 concordant pairs, each equally likely (Kendall 1938, Biometrika
    30, 81): the mean of shifted copies, all terms positive.

    Raises:
        Refused: More values than the distribution is written out for.
    """
    if n > _MOST:
        raise Refused(
            f"the exact distribution of tau is written out for up to {_MOST} pairs, not {n}: use "
            'method="asymptotic", which is as good at this size'
        )
    pairs = n * (n - 1) // 2
    least = pairs - concordant if lower else concordant
    if least <= 0:
        return 1.0
    mass = np.ones(1)
    for k in range(2, n + 1):
        wider = np.zeros(len(mass) + k - 1)
        for shift in range(k):
            wider[shift : shift + len(mass)] += mass / k
        mass = wider
    return float(mass[least:].sum())
