"""Differences of means in standard deviations: Cohen's d, Hedges' g and Glass's delta."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt
import pandas as pd

from joulebench.stats.model_frame import Missing
from joulebench.stats.noncentral import Alternative, Interval, noncentral_t_interval
from joulebench.stats.number_check import finite
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.two_samples import (
    Samples,
    check_sizes,
    samples_of,
    variance_of,
    welch_error,
)


@dataclass(frozen=True, slots=True)
class Standardised:
    """A difference in standard deviations, with the t statistic that bounds it.

    Args:
        estimate: The difference in the unit of the values.
        sd: The standard deviation it is divided by.
        factor: What turns a t into the standardised difference: ``se / sd``.
        df: Degrees of freedom of the t.
        n: Values behind it, pairs counted once.
        correction: What the difference and its interval are multiplied by against small samples.
    """

    estimate: float
    sd: float
    factor: float
    df: float
    n: int
    correction: float = 1.0

    @classmethod
    def of(cls, samples: Samples, pooled: bool = True, mu: float = 0.0) -> Standardised:
        """Standardise the difference of samples from ``mu``.

        Raises:
            Refused: Too few values, or they do not vary.
        """
        estimate = samples.difference - mu
        if samples.y is None:
            check_sizes(samples, 2, "a standardised difference")
            sd, factor, df = _one(samples)
        elif pooled:
            sd, factor, df = _pooled(samples)
        else:
            check_sizes(samples, 2, "a difference by unpooled variances")
            sd, factor, df = _unpooled(samples)
        samples.check_spread(sd * factor)
        return cls(estimate, sd, factor, df, samples.n)

    @property
    def value(self) -> float:
        """The standardised difference."""
        return self.estimate / self.sd * self.correction

    def corrected(self) -> Standardised:
        """Take off the bias of small samples, which turns d into g."""
        return replace(self, correction=small_sample_correction(self.df))

    def interval(self, confidence: float, alternative: Alternative = "two-sided") -> Interval:
        """Give the interval by inversion of the noncentral t."""
        t = self.estimate / self.sd / self.factor
        low, high = noncentral_t_interval(t, self.df, confidence, alternative)
        scale = self.factor * self.correction
        # With one degree of freedom the correction is 0, and 0 times infinity is no number.
        return (low * scale if math.isfinite(low) else low), (
            high * scale if math.isfinite(high) else high
        )

    def row(self, name: str, confidence: float, alternative: Alternative) -> dict[str, Any]:
        """Give the columns of one row."""
        low, high = self.interval(confidence, alternative)
        return {
            "test": "standardised difference of means", "estimate": self.estimate,
            "df1": self.df, "effect_size": name, "effect": self.value,
            "ci_low": low, "ci_high": high, "confidence": confidence, "n": self.n,
            "sd": self.sd, "correction": self.correction,
        }  # fmt: skip


def cohens_d(
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    pooled: bool = True,
    paired: bool = False,
    mu: float = 0.0,
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Give the difference of two means in standard deviations, as ``effectsize::cohens_d``.

    The deviation is the pooled one, or ``sqrt((s1^2 + s2^2) / 2)`` with Welch's degrees of freedom
    (Delacre et al. 2021, doi:10.31234/osf.io/tu6mp), or that of the differences of pairs. The
    interval inverts the noncentral t (Steiger and Fouladi 1997).

    Args:
        x: First sample, shape (n,).
        y: Second sample, shape (m,); without it the mean of ``x`` is standardised.
        pooled: Whether to pool the variances.
        paired: Whether ``x`` and ``y`` are pairs, in one order.
        mu: Difference that counts as none.
        confidence: Coverage of the interval.
        alternative: "greater" leaves the upper end open, "less" the lower one.
        missing: What to do about values that are missing, in pairs where paired.

    Returns:
        One row: ``test, estimate, df1, effect_size, effect, ci_low, ci_high, confidence, n``, the
        deviation ``sd`` and the factor ``correction`` (1 for d).

    Raises:
        Refused: Too few values, values that do not vary, are missing or no numbers, or an argument
            out of range.
    """
    found = _standardised(samples_of(x, y, paired, missing), pooled, mu)
    return tidy([found.row("Cohen's d", confidence, alternative)])


def hedges_g(
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    pooled: bool = True,
    paired: bool = False,
    mu: float = 0.0,
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Give Cohen's d without the bias of small samples, as ``effectsize::hedges_g``.

    ``g = J d`` with the exact ``J = gamma(df/2) / (sqrt(df/2) gamma((df-1)/2))`` (Hedges 1981,
    J. Educ. Stat. 6, 107), and so the ends of its interval.

    Args:
        x: First sample, shape (n,).
        y: Second sample, shape (m,); without it the mean of ``x`` is standardised.
        pooled: Whether to pool the variances.
        paired: Whether ``x`` and ``y`` are pairs, in one order.
        mu: Difference that counts as none.
        confidence: Coverage of the interval.
        alternative: "greater" leaves the upper end open, "less" the lower one.
        missing: What to do about values that are missing, in pairs where paired.

    Returns:
        One row as :func:`cohens_d` gives it.

    Raises:
        Refused: As :func:`cohens_d`.
    """
    samples = samples_of(x, y, paired, missing)
    return tidy([hedges_row(samples, pooled, mu, confidence, alternative)])


def hedges_row(
    samples: Samples,
    pooled: bool = True,
    mu: float = 0.0,
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
) -> dict[str, Any]:
    """Give the columns of one Hedges' g; see :func:`hedges_g`."""
    found = _standardised(samples, pooled, mu).corrected()
    return found.row("Hedges' g", confidence, alternative)


def glass_delta(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    mu: float = 0.0,
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Give the difference of two means in deviations of the second, as ``glass_delta`` of R.

    The second sample is the control (Glass 1976, Educ. Res. 5, 3). The interval inverts the
    noncentral t with ``m - 1`` degrees of freedom and the standard error
    ``s2 sqrt(1/m + s1^2 / (n s2^2))`` (Algina, Keselman and Penfield 2006, as in effectsize).

    Args:
        x: First sample, shape (n,).
        y: Control, shape (m,), at least two values.
        mu: Difference that counts as none.
        confidence: Coverage of the interval.
        alternative: "greater" leaves the upper end open, "less" the lower one.
        missing: What to do about values that are missing, in pairs where paired.

    Returns:
        One row as :func:`cohens_d` gives it.

    Raises:
        Refused: As :func:`cohens_d`, or a control that does not vary.
    """
    samples = samples_of(x, y, missing=missing)
    check_sizes(samples, 2, "Glass's delta")
    if samples.y is None:
        raise Refused("Glass's delta needs a control: give y")
    n, m = len(samples.x), len(samples.y)
    control = variance_of(samples.y)
    Samples(samples.y, None).check_spread(math.sqrt(control / m))
    factor = math.sqrt(1 / m + variance_of(samples.x) / control / n)
    finite(mu, "mu")
    found = Standardised(samples.difference - mu, math.sqrt(control), factor, m - 1, n + m)
    return tidy([found.row("Glass's delta", confidence, alternative)])


def small_sample_correction(df: float) -> float:
    """Give ``J``, which takes the bias off a standardised difference (Hedges 1981).

    Args:
        df: Degrees of freedom of the deviation; at 1 or fewer no unbiased estimate exists.

    Raises:
        Refused: ``df`` is 1 or less.
    """
    from scipy.special import poch

    if df <= 1:
        raise Refused(
            f"Hedges' correction needs more than 1 degree of freedom, got {df:g}: measure more, or "
            "use cohens_d"
        )
    # The ratio of gamma functions as one, without the digits that two logarithms lose.
    return float(poch((df - 1) / 2, 0.5)) / math.sqrt(df / 2)


def _standardised(samples: Samples, pooled: bool, mu: float) -> Standardised:
    finite(mu, "mu")
    return Standardised.of(samples, pooled, mu)


def _one(samples: Samples) -> tuple[float, float, float]:
    n = len(samples.x)
    return math.sqrt(variance_of(samples.x)), math.sqrt(1 / n), n - 1


def _pooled(samples: Samples) -> tuple[float, float, float]:
    assert samples.y is not None
    n, m = len(samples.x), len(samples.y)
    if n + m < 3:
        raise Refused(f"a difference needs at least 3 values in all, got {n} and {m}")
    squares = (n - 1) * variance_of(samples.x) + (m - 1) * variance_of(samples.y)
    return math.sqrt(squares / (n + m - 2)), math.sqrt(1 / n + 1 / m), n + m - 2


def _unpooled(samples: Samples) -> tuple[float, float, float]:
    assert samples.y is not None
    n, m = len(samples.x), len(samples.y)
    first, second = variance_of(samples.x), variance_of(samples.y)
    if first + second == 0:
        return 0.0, 1.0, n + m - 2
    se, df = welch_error(first / n, second / m, n, m)
    sd = math.sqrt((first + second) / 2)
    return sd, se / sd, df
