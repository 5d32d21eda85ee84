"""How far a sum of squared rank differences strays by chance, without ties."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_COUNTED = 9
"""Most ranks whose orders R counts."""

_COUNTABLE = 12
"""Most ranks whose orders are counted where the series fails."""

_DIGIT = 4
"""Bytes of a count: there are fewer than 2^32 orders of 12 ranks."""


def spearman_tail(s: float, n: int, *, lower: bool) -> float:
    """Give the probability of a sum of squared differences no larger, or no smaller, than ``s``.

    Counted for up to 9 ranks; an Edgeworth series beyond (Best and Roberts 1975, Appl. Stat. 24,
    377, algorithm AS 89), both as R's ``cor.test``. Far out in a tail the series falls below 0,
    which R reports as a p of 0: there orders are counted for up to 12 ranks, and beyond the t
    approximation is given, but no less than the chance of a single order.

    Args:
        s: Sum of the squared differences of ranks, an even number.
        n: Number of ranks, at least 2.
        lower: Whether the lower tail is asked.
    """
    largest = n * (n * n - 1) // 3
    s = 2 * round(s / 2)
    if lower:
        # The distribution is symmetric.
        return spearman_tail(largest - s, n, lower=False)
    if not 0 < s <= largest:
        return float(s <= 0)
    if n <= _COUNTED:
        return float(_counted(n)[s:].sum())
    series = _edgeworth(s, n)
    if series > 0:
        return min(series, 1.0)
    if n <= _COUNTABLE:
        return float(_counted(n)[s:].sum())
    return max(t_tail(1 - 2 * s / largest, n), math.exp(-math.lgamma(n + 1)))


def t_tail(r: float, n: int) -> float:
    """Give the chance of a correlation of no more than ``r``: a t of ``n - 2`` degrees of freedom.

    Args:
        r: The correlation.
        n: Number of pairs, at least 3.
    """
    from scipy.special import stdtr

    if abs(r) >= 1:
        return 0.0 if r < 0 else 1.0
    return float(stdtr(n - 2, r * math.sqrt((n - 2) / (1 - r * r))))


@cache
def _counted(n: int) -> Floats:
    """Give the probability of each sum, over all orders of n ranks.

    Ranks are handed out one after the other; what has been handed out is the state. The ways to
    each sum are the digits of one long number, which shifts and adds as a whole.
    """
    size = n * (n * n - 1) // 3 + 1
    ways = {0: 1}
    for place in range(n):
        after: dict[int, int] = {}
        steps = [(1 << rank, _DIGIT * 8 * (place - rank) ** 2) for rank in range(n)]
        for taken, counts in ways.items():
            for mark, step in steps:
                if not taken & mark:
                    after[taken | mark] = after.get(taken | mark, 0) + (counts << step)
        ways = after
    digits = next(iter(ways.values())).to_bytes(size * _DIGIT, "little")
    found = np.frombuffer(digits, f"<u{_DIGIT}").astype(np.float64)
    return np.asarray(found / found.sum())


def _edgeworth(s: int, n: int) -> float:
    """Give the upper tail by the series, its coefficients those of the published algorithm."""
    from scipy.special import ndtr

    b = 1 / n
    x = (6 * (s - 1) * b / (n * n - 1) - 1) * math.sqrt(n - 1)
    y = x * x
    fourth = 0.0879 + 0.0151 * b - y * (0.0072 - 0.0831 * b + y * b * (0.0131 - 4.6e-4 * y))
    second = -0.0758 + b * (0.1033 + 0.3932 * b) - y * b * fourth
    u = x * b * (0.2274 + b * (0.2531 + 0.1745 * b) + y * second)
    return u / math.exp(y / 2) + float(ndtr(-x))
