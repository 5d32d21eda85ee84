"""The share of items that came out right."""

from __future__ import annotations

import math

from joulebench.stats.estimate import Estimate
from joulebench.stats.number_check import finite, fraction
from joulebench.stats.refused import Refused


def wilson_interval(correct: float, n: float, *, level: float = 0.95) -> Estimate:
    """Estimate a proportion with Wilson's score interval.

    With ``p = correct / n`` and the normal quantile ``z``, the ends are
    ``(p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)``
    (Wilson 1927, J. Am. Stat. Assoc. 22, 209; recommended over Wald's by Brown, Cai and
    DasGupta 2001, Stat. Sci. 16, 101).

    Args:
        correct: Items that came out right; need not be whole, so that repeated answers to the
            same items can be averaged instead of counted as new items.
        n: Independent items graded, above 0.
        level: Coverage of the interval.

    Raises:
        ValueError: ``n`` is not above 0 or ``correct`` lies outside 0 to ``n``.
    """
    fraction(level, "level", 0.95)
    if not finite(n, "n") > 0 or not 0 <= finite(correct, "correct") <= n:
        raise Refused(f"need 0 <= correct <= n and n > 0, got {correct} of {n}")
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    p = correct / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    low = 0.0 if correct == 0 else min(p, max(0.0, centre - half))
    high = 1.0 if correct == n else max(p, min(1.0, centre + half))
    noise = math.sqrt(p * (1 - p) / n)
    return Estimate(p, low, high, round(n), noise, level=level, method="Wilson score interval")
