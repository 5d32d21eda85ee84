"""Intervals of correlations on Fisher's scale."""

from __future__ import annotations

import math
from typing import Literal

from joulebench.stats.noncentral import Alternative, Interval, tail_of
from joulebench.stats.refused import Refused

Kind = Literal["fisher", "bonett-wright"]


def correlation_interval(
    r: float, variance: float, confidence: float, alternative: Alternative = "two-sided"
) -> Interval:
    """Give the interval ``tanh(atanh(r) +- z sqrt(variance))``.

    Args:
        r: The correlation.
        variance: Of its atanh; not a number, or infinite, where too few values tell it.
        confidence: Coverage.
        alternative: "greater" makes the upper end 1, "less" the lower one -1, as R's ``cor.test``.
    """
    from scipy.special import ndtri

    half = -float(ndtri(tail_of(confidence, alternative))) * math.sqrt(variance)
    if abs(r) >= 1:
        low = high = r if math.isfinite(half) else math.nan
    else:
        low, high = math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)
    return -1.0 if alternative == "less" else low, 1.0 if alternative == "greater" else high


def fisher_variance(n: int) -> float:
    """Give the variance of atanh r, ``1 / (n - 3)`` (Fisher 1921, Metron 1, 3); NaN for n < 4."""
    return 1 / (n - 3) if n > 3 else math.nan


def spearman_variance(r: float, n: int, kind: str) -> float:
    """Give the variance of atanh of Spearman's rho.

    ``(1 + r^2 / 2) / (n - 3)`` (Bonett and Wright 2000, Psychometrika 65, 23), or Fisher's, which
    is too small for strong correlations.

    Raises:
        Refused: No such kind.
    """
    if kind not in ("bonett-wright", "fisher"):
        raise Refused(f"no interval is called {kind!r}: choose 'bonett-wright' or 'fisher'")
    return fisher_variance(n) * (1 + r * r / 2 if kind == "bonett-wright" else 1)


def kendall_variance(n: int) -> float:
    """Give the variance of atanh of Kendall's tau, ``0.437 / (n - 4)``; NaN for n < 5.

    Fieller, Hartley and Pearson 1957, Biometrika 44, 470; Bonett and Wright 2000.
    """
    return 0.437 / (n - 4) if n > 4 else math.nan
