"""Probabilities and critical values of a family of contrasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from joulebench.stats.adjust import METHODS, adjusted
from joulebench.stats.fitted_model import Inference
from joulebench.stats.refused import Refused
from joulebench.stats.root import root_between
from joulebench.stats.tukey import studentised_range_isf, studentised_range_sf

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Alternative = Literal["two-sided", "less", "greater"]

ADJUSTMENTS = (*METHODS, "tukey", "dunnettx")
_RANGES = ("tukey", "dunnettx")


@dataclass(frozen=True, slots=True)
class Family:
    """How contrasts that are judged together are adjusted.

    Args:
        rows: Their places, one array a family.
        p_method: Adjustment of their p values.
        ci_method: Adjustment of their intervals.
        means: How many means a family's pairs are of; used by "tukey" alone.
        note: What was done in place of what was asked; empty where nothing was.
    """

    rows: tuple[Rows, ...]
    p_method: str
    ci_method: str
    means: int
    note: str = ""

    @property
    def size(self) -> Rows:
        """How many contrasts are in the family of each, shape (n,)."""
        found = np.zeros(sum(map(len, self.rows)), dtype=np.intp)
        for rows in self.rows:
            found[rows] = len(rows)
        return found


def family(
    rows: Sequence[Rows], adjust: str, alternative: str, *, means: int, pairwise: bool
) -> Family:
    """Settle how families are adjusted.

    As emmeans: "tukey" is for all the pairs of one set of means, two-sided, and gives way to
    "sidak" elsewhere, as "dunnettx" does one-sided; intervals beside BH, BY, Holm or Hochberg,
    which have none of their own, are Bonferroni's.

    Args:
        rows: Places of the contrasts of each family.
        adjust: One of ``ADJUSTMENTS``.
        alternative: "two-sided", "less" or "greater".
        means: How many means the contrasts of one group are of.
        pairwise: Whether each family is all the pairs of one set of means.

    Raises:
        Refused: An unknown adjustment or alternative.
    """
    if adjust not in ADJUSTMENTS:
        raise Refused(f"no adjustment is called {adjust!r}: choose {', '.join(ADJUSTMENTS)}")
    if alternative not in ("two-sided", "less", "greater"):
        raise Refused(f"alternative must be 'two-sided', 'less' or 'greater', got {alternative!r}")
    why = ""
    if adjust in _RANGES and alternative != "two-sided":
        why = "it is two-sided"
    elif adjust == "tukey" and not pairwise:
        why = "it is for all pairs of one set of means"
    if why:
        note = f"adjusted by sidak in place of {adjust}: {why}"
        return Family(tuple(rows), "sidak", "sidak", means, note)
    has_intervals = adjust in (*_RANGES, "sidak", "bonferroni", "none")
    return Family(tuple(rows), adjust, adjust if has_intervals else "bonferroni", means)


@dataclass(frozen=True, slots=True)
class Judged:
    """Statistics of linear functions and what follows from them, each of shape (n,).

    Args:
        t: Estimate less the value under test over its standard error.
        p: By itself.
        p_adjusted: Within its family.
        low: End of the interval of the estimate.
        high: The other end.
    """

    t: Array
    p: Array
    p_adjusted: Array
    low: Array
    high: Array


def judge(
    found: Inference, families: Family, confidence: float, null: float, alternative: str
) -> Judged:
    """Test linear functions and give their intervals.

    Args:
        found: Estimates, standard errors and degrees of freedom; NaN where there are none.
        families: What belongs together, and how it is adjusted.
        confidence: Coverage of the intervals.
        null: Value under test.
        alternative: "two-sided", "less" (than ``null``) or "greater".
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        # A standard error of 0 makes the statistic infinite, or leaves it unknown.
        t = (found.estimate - null) / found.se
    p = probabilities(t, found.df, alternative)
    reach = critical_values(found.df, confidence, alternative, families) * found.se
    low, high = found.estimate - reach, found.estimate + reach
    open_end = np.where(np.isnan(found.estimate), np.nan, np.inf)
    return Judged(
        t,
        p,
        adjusted_probabilities(t, found.df, p, families),
        -open_end if alternative == "less" else low,
        open_end if alternative == "greater" else high,
    )


def probabilities(t: Array, df: Array, alternative: str) -> Array:
    """Give p values of t statistics, shape (n,), unadjusted; NaN of NaN."""
    from scipy.special import stdtr

    if alternative == "two-sided":
        found: Array = 2.0 * stdtr(df, -np.abs(t))
    else:
        found = stdtr(df, t if alternative == "less" else -t)
    return found


def adjusted_probabilities(t: Array, df: Array, p: Array, families: Family) -> Array:
    """Adjust p values within each family.

    Contrasts that cannot be estimated have none but count, as they do in emmeans.

    Args:
        t: Statistics, shape (n,).
        df: Their degrees of freedom.
        p: Unadjusted p values.
        families: What belongs together, and how it is adjusted.
    """
    method = families.p_method
    if method == "tukey":
        return studentised_range_sf(np.sqrt(2.0) * np.abs(t), families.means, df)
    result = np.full(len(p), np.nan)
    for rows in families.rows:
        if method == "dunnettx":
            result[rows] = _dunnettx_sf(np.abs(t[rows]), len(rows), df[rows])
        else:
            # A p of 1 in place of an unknown one counts and moves no other.
            filled = np.where(np.isnan(p[rows]), 1.0, p[rows])
            result[rows] = np.where(np.isnan(p[rows]), np.nan, adjusted(filled, method))
    return result


def critical_values(df: Array, confidence: float, alternative: str, families: Family) -> Array:
    """Give how many standard errors an interval reaches, shape (n,).

    Args:
        df: Degrees of freedom, shape (n,).
        confidence: Coverage, of all intervals of a family together where they are adjusted.
        alternative: Two-sided intervals, or one end open.
        families: What belongs together, and how it is adjusted.
    """
    from scipy.special import stdtrit

    method, sides = families.ci_method, 2.0 if alternative == "two-sided" else 1.0
    if method == "tukey":
        reach: Array = studentised_range_isf(1.0 - confidence, families.means, df) / np.sqrt(2.0)
        return reach
    if method == "dunnettx":
        return _dunnettx_isf(1.0 - confidence, families, df)
    size = families.size
    outside = np.full(len(df), 1.0 - confidence)
    if method == "bonferroni":
        outside /= size
    elif method == "sidak":
        outside = -np.expm1(np.log(confidence) / size)
    found: Array = -stdtrit(df, outside / sides)
    return found


def _dunnettx_sf(t: Array, contrasts: int, df: Array) -> Array:
    """Give p values of comparisons with one mean, approximately.

    The weighted mean of Tukey's for as many pairs and Sidak's that emmeans documents: weights
    ``(k - 1) / k`` and ``1 / k`` for ``k`` contrasts.
    """
    from scipy.special import stdtr

    means = (1.0 + np.sqrt(1.0 + 8.0 * contrasts)) / 2.0
    tukey = studentised_range_sf(np.sqrt(2.0) * t, means, df)
    with np.errstate(divide="ignore"):
        sidak = -np.expm1(contrasts * np.log1p(-2.0 * stdtr(df, -t)))
    share = (contrasts - 1.0) / contrasts
    found: Array = share * tukey + (1.0 - share) * sidak
    return found


def _dunnettx_isf(p: float, families: Family, df: Array) -> Array:
    result = np.full(len(df), np.nan)
    for rows in families.rows:
        for one in np.unique(df[rows][~np.isnan(df[rows])]):
            result[rows[df[rows] == one]] = _dunnettx_root(p, len(rows), one)
    return result


def _dunnettx_root(p: float, contrasts: int, df: float) -> float:
    from scipy.special import stdtrit

    at = np.array([df])
    # More than one contrast by itself needs, and less than Bonferroni's bound.
    low, high = (-float(stdtrit(df, p / 2.0 / size)) for size in (1, contrasts))
    return root_between(
        lambda t: float(_dunnettx_sf(np.array([t]), contrasts, at)[0]) - p,
        low * (1.0 - 1e-6),
        high * (1.0 + 1e-6),
        xtol=1e-12,
    )
