"""Cliff's delta and the A of Vargha and Delaney: how far one sample dominates another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from joulebench.stats.model_frame import Missing
from joulebench.stats.noncentral import Interval, tail_of
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import Floats, sample

Variance = Literal["consistent", "unbiased"]
Quantile = Literal["normal", "t"]


@dataclass(frozen=True, slots=True)
class Dominance:
    """How often values of one sample are above those of another, and how sure that is.

    Args:
        delta: Share of pairs in which x is above, less that in which it is below.
        consistent: Consistent variance of delta.
        unbiased: Unbiased variance of delta.
        n: Values of x.
        m: Values of y.
    """

    delta: float
    consistent: float
    unbiased: float
    n: int
    m: int


def cliffs_delta(
    x: Any,
    y: Any,
    *,
    confidence: float = 0.95,
    variance: Variance = "consistent",
    quantile: Quantile = "normal",
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Give Cliff's delta with its interval, in one row.

    ``delta`` is the share of pairs (x, y) in which x is above less the share in which it is below
    (Cliff 1993, Psychol. Bull. 114, 494); the interval, which is not symmetric and stays within -1
    and 1, and the two variances are those of Feng and Cliff (2004, J. Mod. Appl. Stat. Methods 3,
    322). Sorting replaces the table of all pairs.

    Args:
        x: Values, shape (n,).
        y: Values, shape (m,).
        confidence: Coverage of the interval.
        variance: The one that the interval is made with; both are given.
        quantile: "normal", or "t" with n + m - 2 degrees of freedom, which is wider.
        missing: What to do about missing values: refuse them, or drop them.

    Returns:
        One row: ``test, effect_size, effect, ci_low, ci_high, confidence, n, n_x, n_y,
        vargha_delaney_a, variance_consistent, variance_unbiased, note``.

    Raises:
        Refused: Values that are no numbers, missing or infinite, or a variance or quantile that is
            not known.
    """
    first, second = sample(x, "x", missing), sample(y, "y", missing)
    return tidy([cliffs_row(first, second, confidence, variance, quantile)])


def cliffs_row(
    x: Floats,
    y: Floats,
    confidence: float = 0.95,
    variance: Variance = "consistent",
    quantile: Quantile = "normal",
) -> dict[str, Any]:
    """Give the columns of one Cliff's delta of two checked samples; see :func:`cliffs_delta`."""
    found = dominance(x, y)
    ends = _interval(found, confidence, variance, quantile)
    return _row(found, "Cliff's delta", found.delta, ends, confidence)


def vargha_delaney(
    x: Any,
    y: Any,
    *,
    confidence: float = 0.95,
    variance: Variance = "consistent",
    quantile: Quantile = "normal",
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Give the A of Vargha and Delaney with its interval, in one row.

    The chance that x is above y, ties a half: ``(delta + 1) / 2`` (Vargha and Delaney 2000, J.
    Educ. Behav. Stat. 25, 101), with the interval of :func:`cliffs_delta` on that scale.

    Args:
        x: Values, shape (n,).
        y: Values, shape (m,).
        confidence: Coverage of the interval.
        variance: The one that the interval is made with.
        quantile: "normal", or "t".
        missing: What to do about missing values.

    Returns:
        One row: ``test, effect_size, effect, ci_low, ci_high, confidence, n, n_x, n_y,
        variance_consistent, variance_unbiased`` (of delta)``, note``.

    Raises:
        Refused: As :func:`cliffs_delta`.
    """
    found = dominance(sample(x, "x", missing), sample(y, "y", missing))
    low, high = _interval(found, confidence, variance, quantile)
    ends = (low + 1) / 2, (high + 1) / 2
    row = _row(found, "Vargha-Delaney A", (found.delta + 1) / 2, ends, confidence)
    return tidy([{name: value for name, value in row.items() if name != "vargha_delaney_a"}])


def dominance(x: Floats, y: Floats) -> Dominance:
    """Compare every value of x with every value of y, by sorting."""
    above, below = _wins(x, y), _wins(y, x)
    n, m = len(x), len(y)
    total = int(above.sum())
    # Whole numbers of any size: the square of 10^10 pairs has no place in 64 bits.
    decided = _decided(x, y)
    within = (n * m * decided - total**2) / (n * m)
    delta = total / (n * m)
    rows = float(np.sum((above / m - delta) ** 2))
    columns = float(np.sum((below / n + delta) ** 2))
    if min(n, m) < 2:
        return Dominance(delta, math.nan, math.nan, n, m)
    pairs = float(n * m) * (n - 1) * (m - 1)
    consistent = rows / (n * (n - 1)) + columns / (m * (m - 1)) + within / pairs
    # Each row is a mean of m, each column of n: so the squares weigh in the unbiased variance.
    unbiased = (float(m) ** 2 * rows + float(n) ** 2 * columns - within) / pairs
    return Dominance(delta, consistent, max(unbiased, 0.0), n, m)


def _wins(x: Floats, y: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Give for each x the number of y below it less that above it, shape (n,)."""
    rising = np.sort(y)
    fewer = np.searchsorted(rising, x, "left").astype(np.int64)
    return fewer + np.searchsorted(rising, x, "right") - len(y)


def _decided(x: Floats, y: Floats) -> int:
    """Give the number of pairs that are not tied."""
    rising = np.sort(y)
    ties = np.searchsorted(rising, x, "right") - np.searchsorted(rising, x, "left")
    return len(x) * len(y) - int(ties.sum())


def _interval(found: Dominance, confidence: float, variance: str, quantile: str) -> Interval:
    """Give Feng and Cliff's interval, their equation for the ends of delta."""
    from scipy.special import ndtri, stdtrit

    tail = tail_of(confidence, "two-sided")
    if variance not in ("consistent", "unbiased"):
        raise Refused(f"no variance is called {variance!r}: choose 'consistent' or 'unbiased'")
    if quantile not in ("normal", "t"):
        raise Refused(f"no quantile is called {quantile!r}: choose 'normal' or 't'")
    spread = found.consistent if variance == "consistent" else found.unbiased
    if math.isnan(spread):
        return math.nan, math.nan
    df = found.n + found.m - 2
    z = -float(ndtri(tail)) if quantile == "normal" else -float(stdtrit(df, tail))
    d = found.delta
    below_one = 1 - d * d
    whole = below_one + z * z * spread
    if whole == 0:
        return d, d
    half = z * math.sqrt(spread) * math.sqrt(below_one**2 + z * z * spread)
    return (d * below_one - half) / whole, (d * below_one + half) / whole


def _row(
    found: Dominance, name: str, effect: float, ends: Interval, confidence: float
) -> dict[str, Any]:
    return {
        "test": "dominance of one sample over another",
        "effect_size": name,
        "effect": effect,
        "ci_low": ends[0],
        "ci_high": ends[1],
        "confidence": confidence,
        "n": found.n + found.m,
        "n_x": found.n,
        "n_y": found.m,
        "vargha_delaney_a": (found.delta + 1) / 2,
        "variance_consistent": found.consistent,
        "variance_unbiased": found.unbiased,
        "note": _note(found),
    }


def _note(found: Dominance) -> str:
    if min(found.n, found.m) < 2:
        return "a sample of one value: the spread of delta is unknown"
    if abs(found.delta) == 1:
        return "no value of one sample reaches the other: the interval has no width, for any n"
    if found.consistent == 0:
        return "all pairs are alike: the interval has no width, for any n"
    return ""
