"""Equivalence and non-inferiority: whether a difference is shown to be small enough."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.model_frame import Missing
from joulebench.stats.number_check import fraction, shown
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import sample
from joulebench.stats.t_test import TStatistic, t_statistic
from joulebench.stats.two_samples import Array, Samples, samples_of

_LARGEST_LOG = math.log(sys.float_info.max)

Margin = float | tuple[float, float]


@dataclass(frozen=True, slots=True)
class Margins:
    """What a difference may be and still count as none.

    Args:
        low: Lower end, on the scale of the test.
        high: Upper end.
        ratio: Whether the scale is that of logarithms of ratios.
    """

    low: float
    high: float
    ratio: bool

    def back(self, value: float) -> float:
        """Give a value of the test's scale as people read it."""
        if not self.ratio:
            return value
        return math.exp(value) if value < _LARGEST_LOG else math.inf


def equivalence(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    margin: Margin | None = None,
    ratio_margin: Margin | None = None,
    paired: bool = False,
    equal_variances: bool = False,
    alpha: float = 0.05,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Test whether two means differ by less than a margin, by two one-sided t tests.

    Both tests at ``alpha`` pass if and only if the interval of confidence ``1 - 2 alpha`` lies
    within the margin (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15, 657). With a margin of the
    ratio the tests are of mean logarithms, and what is compared are geometric means.

    Args:
        x: First sample, shape (n,).
        y: Second sample, shape (m,).
        margin: Largest difference that counts as none, in the unit of the values: one number, or
            its two ends.
        ratio_margin: Largest ratio that counts as none, such as 1.05 (which means 1/1.05 to 1.05),
            or its two ends. Give this or ``margin``.
        paired: Whether ``x`` and ``y`` are pairs, in one order.
        equal_variances: Whether to pool the variances (Student) or not (Welch).
        alpha: Chance of calling a difference as large as the margin equivalent.
        missing: What to do about values that are missing, in pairs where paired.

    Returns:
        One row: ``test, estimate, se, statistic, value, df1, p`` (of the weaker of the two tests),
        ``ci_low, ci_high, confidence, n, margin_low, margin_high, p_lower, p_upper,
        p_difference, verdict``. Of a ratio the estimate, interval and margins are ratios and
        ``se`` is the ratio times the standard error of its logarithm. The verdict is one of

        - "equivalent": the interval lies within the margin, and no difference is shown;
        - "different within the margin": it does, and a difference is shown all the same;
        - "different beyond the margin": the interval lies outside the margin;
        - "different": a difference is shown, but not whether it is beyond the margin;
        - "undecided": neither is shown.

    Raises:
        Refused: No margin or two, one that is no margin, or samples as :func:`t_test` refuses them.
    """
    margins = _margins(margin, ratio_margin)
    samples = _samples(x, y, margins.ratio, paired, missing)
    tested = t_statistic(samples, equal_variances)
    low, high = tested.interval(1 - 2 * _checked_alpha(alpha))
    p_lower, p_upper = tested.p(margins.low, "greater"), tested.p(margins.high, "less")
    weaker = margins.low if p_lower >= p_upper else margins.high
    p_difference = tested.p()
    figures = {
        "test": f"two one-sided tests, {tested.name}",
        **_figures(tested, margins, (low, high), alpha),
        "value": tested.t(weaker), "p": max(p_lower, p_upper), "n": samples.n,
        "p_lower": p_lower, "p_upper": p_upper, "p_difference": p_difference,
        "verdict": _verdict(low, high, margins, different=p_difference < alpha),
    }  # fmt: skip
    return tidy([figures])


def non_inferiority(  # noqa: PLR0913 - each argument but the samples has a default
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    margin: float | None = None,
    ratio_margin: float | None = None,
    worse: Literal["higher", "lower"] = "higher",
    paired: bool = False,
    equal_variances: bool = False,
    alpha: float = 0.05,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Test whether the mean of ``x`` is worse than that of ``y`` by less than a margin.

    One one-sided t test, which passes if and only if the interval of confidence ``1 - 2 alpha``
    stays short of the margin on the worse side (Piaggio et al. 2012, JAMA 308, 2594).

    Args:
        x: First sample, shape (n,).
        y: Second sample, shape (m,), the standard.
        margin: How much worse counts as no worse, above 0, in the unit of the values.
        ratio_margin: How many times worse counts as no worse, above 1, such as 1.05. Give this or
            ``margin``.
        worse: Which values are worse: the "higher" (energy) or the "lower" (accuracy).
        paired: Whether ``x`` and ``y`` are pairs, in one order.
        equal_variances: Whether to pool the variances (Student) or not (Welch).
        alpha: Chance of calling no worse what is worse by the margin.
        missing: What to do about values that are missing, in pairs where paired.

    Returns:
        One row as :func:`equivalence` gives it, with the one margin that counts (the other is
        infinite; of a ratio infinite or 0) and without ``p_lower`` and ``p_upper``. The verdict is
        one of "superior" (the whole interval is better than none), "non-inferior", "inferior" (it
        lies beyond the margin) and "undecided".

    Raises:
        Refused: As :func:`equivalence`, or ``worse`` is neither.
    """
    if worse not in ("higher", "lower"):
        raise Refused(f'worse must be "higher" or "lower", got {worse!r}')
    for given in (margin, ratio_margin):
        if isinstance(given, tuple):
            raise Refused(f"non-inferiority has one margin, not two ends: got {given}")
    both = _margins(margin, ratio_margin)
    samples = _samples(x, y, both.ratio, paired, missing)
    tested = t_statistic(samples, equal_variances)
    low, high = tested.interval(1 - 2 * _checked_alpha(alpha))
    higher = worse == "higher"
    edge = both.high if higher else both.low
    ends = (-math.inf, edge) if higher else (edge, math.inf)
    margins = Margins(*ends, both.ratio)
    figures = {
        "test": f"non-inferiority, {tested.name}",
        **_figures(tested, margins, (low, high), alpha),
        "value": tested.t(edge), "p": tested.p(edge, "less" if higher else "greater"),
        "n": samples.n, "p_difference": tested.p(),
        "verdict": _no_worse(*((low, high, edge) if higher else (-high, -low, -edge))),
    }  # fmt: skip
    return tidy([figures])


def _verdict(low: float, high: float, margins: Margins, *, different: bool) -> str:
    if margins.low < low and high < margins.high:
        return "different within the margin" if different else "equivalent"
    if low > margins.high or high < margins.low:
        return "different beyond the margin"
    return "different" if different else "undecided"


def _no_worse(low: float, high: float, edge: float) -> str:
    """Name what an interval says where more is worse."""
    if high < 0:
        return "superior"
    if high < edge:
        return "non-inferior"
    return "inferior" if low > edge else "undecided"


def _figures(
    tested: TStatistic, margins: Margins, interval: tuple[float, float], alpha: float
) -> dict[str, Any]:
    estimate = margins.back(tested.estimate)
    return {
        "estimate": estimate, "se": tested.se * (estimate if margins.ratio else 1.0),
        "statistic": "t", "df1": tested.df,
        "ci_low": margins.back(interval[0]), "ci_high": margins.back(interval[1]),
        "confidence": 1 - 2 * alpha,
        "margin_low": margins.back(margins.low), "margin_high": margins.back(margins.high),
    }  # fmt: skip


def _samples(
    x: npt.ArrayLike, y: npt.ArrayLike, ratio: bool, paired: bool, missing: Missing
) -> Samples:
    if not ratio:
        return samples_of(x, y, paired, missing)
    return samples_of(_logs(x, "x", missing), _logs(y, "y", missing), paired, missing)


def _logs(values: npt.ArrayLike, name: str, missing: Missing) -> Array:
    """Take logarithms, in place, so that what is missing stays where it was."""
    checked = sample(values, name, missing)
    if checked.min() <= 0:
        raise Refused(
            f"a ratio needs values above 0, and the least of {name} is {checked.min():g}: give a "
            "margin of the difference"
        )
    logs: Array = np.log(np.asarray(values, dtype=np.float64))
    return logs


def _margins(margin: Margin | None, ratio_margin: Margin | None) -> Margins:
    if (margin is None) == (ratio_margin is None):
        raise Refused("give one margin: margin (a difference) or ratio_margin (such as 1.05)")
    if margin is not None:
        low, high = _ends(margin, lambda value: -value)
        if not low < 0 < high:
            raise Refused(f"a margin must leave 0 between its ends, got {low:g} to {high:g}")
        return Margins(low, high, ratio=False)
    assert ratio_margin is not None
    low, high = _ends(ratio_margin, lambda value: 1 / value if value else math.inf)
    if not 0 < low < 1 < high:
        raise Refused(
            f"a ratio_margin is a ratio above 1, such as 1.05 for 5 %, or its two ends around 1, "
            f"got {ratio_margin}"
        )
    return Margins(math.log(low), math.log(high), ratio=True)


def _ends(margin: Margin, mirrored: Any) -> tuple[float, float]:
    try:
        ends = margin if isinstance(margin, tuple) else (mirrored(margin), margin)
        low, high = (float(end) for end in ends)
    except (TypeError, ValueError, OverflowError):
        raise Refused(f"a margin is one number or a tuple of two, got {shown(margin)}") from None
    if not (math.isfinite(low) and math.isfinite(high)):
        raise Refused(f"a margin must be finite, got {margin}")
    return low, high


def _checked_alpha(alpha: float) -> float:
    if not fraction(alpha, "alpha", 0.05) < 0.5:
        raise Refused(f"alpha lies between 0 and 0.5, and {alpha} does not; 0.05 is usual")
    return alpha
