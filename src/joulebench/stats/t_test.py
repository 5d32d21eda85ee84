"""Means compared by Student's t."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import pandas as pd

from joulebench.stats.model_frame import Missing
from joulebench.stats.noncentral import Alternative, Interval, tail_of
from joulebench.stats.number_check import finite
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.standardised_difference import Standardised
from joulebench.stats.two_samples import (
    Samples,
    check_sizes,
    mean_of,
    samples_of,
    variance_of,
    welch_error,
)


@dataclass(frozen=True, slots=True)
class TStatistic:
    """A mean or a difference of means with its standard error.

    Args:
        name: The test in words.
        estimate: In the unit of the values.
        se: Its standard error.
        df: Degrees of freedom of the standard error.
    """

    name: str
    estimate: float
    se: float
    df: float

    def t(self, mu: float = 0.0) -> float:
        """Give the statistic of a true value ``mu``."""
        return (self.estimate - mu) / self.se

    def p(self, mu: float = 0.0, alternative: Alternative = "two-sided") -> float:
        """Give the probability of a statistic as far from ``mu``."""
        from scipy.special import stdtr

        t = self.t(mu)
        if alternative == "two-sided":
            return min(1.0, 2 * float(stdtr(self.df, -abs(t))))
        return float(stdtr(self.df, t if alternative == "less" else -t))

    def interval(self, confidence: float, alternative: Alternative = "two-sided") -> Interval:
        """Give the interval of the estimate, open at one end where the alternative is."""
        from scipy.special import stdtrit

        half = -float(stdtrit(self.df, tail_of(confidence, alternative))) * self.se
        low = -math.inf if alternative == "less" else self.estimate - half
        high = math.inf if alternative == "greater" else self.estimate + half
        return low, high


def t_test(
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    paired: bool = False,
    equal_variances: bool = False,
    mu: float = 0.0,
    alternative: Alternative = "two-sided",
    confidence: float = 0.95,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Test a mean, the mean of paired differences, or a difference of means, as R's ``t.test``.

    Without equal variances the standard error is ``sqrt(s1^2/n1 + s2^2/n2)`` and its degrees of
    freedom those of Welch (1947, Biometrika 34, 28).

    Args:
        x: First sample, shape (n,).
        y: Second sample, shape (m,); without it the mean of ``x`` is tested.
        paired: Whether ``x`` and ``y`` are pairs, in one order.
        equal_variances: Whether to pool the variances (Student).
        mu: Mean or difference that is tested.
        alternative: "two-sided", or what the mean or difference is than ``mu``: "less", "greater".
        confidence: Coverage of the interval of the estimate, and of the one of Hedges' g.
        missing: What to do about values that are missing, in pairs where paired.

    Returns:
        One row: ``test, estimate, se, statistic, value, df1, p, ci_low, ci_high, confidence, n``,
        then ``mu, alternative``, the means ``mean_x, mean_y`` of two samples, and ``hedges_g,
        hedges_low, hedges_high``: the difference to ``mu`` in standard deviations (pooled; of the
        differences where paired) as :func:`hedges_g` gives it, two-sided; NaN where two values
        alone leave it undefined.

    Raises:
        Refused: Too few values, values that do not vary, are missing or no numbers, or an argument
            out of range.
    """
    samples = samples_of(x, y, paired, missing)
    return tidy([t_row(samples, equal_variances, mu, alternative, confidence)])


def t_row(
    samples: Samples,
    equal_variances: bool = False,
    mu: float = 0.0,
    alternative: Alternative = "two-sided",
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Give the columns of one t test; see :func:`t_test`."""
    finite(mu, "mu")
    tested = t_statistic(samples, equal_variances)
    low, high = tested.interval(confidence, alternative)
    return {
        "test": tested.name, "estimate": tested.estimate, "se": tested.se, "statistic": "t",
        "value": tested.t(mu), "df1": tested.df, "p": tested.p(mu, alternative),
        "ci_low": low, "ci_high": high, "confidence": confidence, "n": samples.n, "mu": mu,
        "alternative": alternative, **_means(samples),
        **_hedges(samples, mu, confidence),
    }  # fmt: skip


def t_statistic(samples: Samples, equal_variances: bool = False) -> TStatistic:
    """Give the difference of two samples, or the mean of one, with its standard error.

    Raises:
        Refused: Too few values, or they do not vary.
    """
    if samples.y is None:
        found = _one_sample(samples)
    elif equal_variances:
        found = _student(samples, len(samples.x), len(samples.y))
    else:
        found = _welch(samples, len(samples.x), len(samples.y))
    samples.check_spread(found.se)
    return found


def _one_sample(samples: Samples) -> TStatistic:
    name = "paired t test" if samples.paired else "one-sample t test"
    check_sizes(samples, 2, f"a {name}")
    n = len(samples.x)
    return TStatistic(name, samples.difference, math.sqrt(variance_of(samples.x) / n), n - 1)


def _student(samples: Samples, n: int, m: int) -> TStatistic:
    assert samples.y is not None
    if n + m < 3:
        raise Refused(f"a t test needs at least 3 values in all, got {n} and {m}: measure more")
    df = n + m - 2
    squares = (n - 1) * variance_of(samples.x) + (m - 1) * variance_of(samples.y)
    se = math.sqrt(squares / df * (1 / n + 1 / m))
    return TStatistic("Student t test", samples.difference, se, df)


def _welch(samples: Samples, n: int, m: int) -> TStatistic:
    assert samples.y is not None
    check_sizes(samples, 2, "Welch's t test")
    se, df = welch_error(variance_of(samples.x) / n, variance_of(samples.y) / m, n, m)
    return TStatistic("Welch t test", samples.difference, se, df)


def _means(samples: Samples) -> dict[str, float]:
    if samples.y is None:
        return {}
    return {"mean_x": mean_of(samples.x), "mean_y": mean_of(samples.y)}


def _hedges(samples: Samples, mu: float, confidence: float) -> dict[str, float]:
    names = ("hedges_g", "hedges_low", "hedges_high")
    found = Standardised.of(samples, mu=mu)
    if found.df <= 1:
        return dict.fromkeys(names, math.nan)
    g = found.corrected()
    return dict(zip(names, (g.value, *g.interval(confidence)), strict=True))
