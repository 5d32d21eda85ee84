"""Intervals of noncentrality: how large an effect a t, F or chi-square may come from."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Literal

from joulebench.stats.noncentral_tails import chi2_tail, f_tail, t_tail
from joulebench.stats.number_check import LARGEST, fraction, number, shown
from joulebench.stats.refused import Refused
from joulebench.stats.root import root_between

Alternative = Literal["two-sided", "less", "greater"]
Interval = tuple[float, float]

ALTERNATIVES = ("two-sided", "less", "greater")

_LEAST = 1e-300
"""No probability is taken for less: its normal quantile is finite."""


def noncentral_t_interval(
    t: float, df: float, confidence: float = 0.95, alternative: Alternative = "two-sided"
) -> Interval:
    """Give the noncentralities that a t statistic does not contradict.

    The ends are those at which a t at least as large, or at least as small, has probability
    ``(1 - confidence) / 2``: the inversion of Steiger and Fouladi (1997, in Harlow, Mulaik and
    Steiger, What if there were no significance tests?). A standardised difference has the interval
    of its t times ``sqrt(1/n1 + 1/n2)``.

    Args:
        t: The statistic, finite.
        df: Degrees of freedom, above 0, ``inf`` for a normal statistic.
        confidence: Coverage, between 0 and 1.
        alternative: "greater" leaves the upper end open, "less" the lower one, and the other end
            then has the whole of ``1 - confidence`` beyond it.

    Raises:
        Refused: A statistic that is not finite, degrees of freedom or confidence out of range.
    """
    if not math.isfinite(number(t, "t")):
        raise Refused(f"a t of {t} has no interval of noncentrality: the spread behind it is 0")
    _check_df(df)
    tail = tail_of(confidence, alternative)
    spread = math.sqrt(1 + t * t / (2 * df))

    def lower(delta: float) -> float:
        return t_tail(t, df, delta, upper=False)

    def upper(delta: float) -> float:
        return t_tail(t, df, delta, upper=True)

    low = -math.inf if alternative == "less" else _crossing(upper, tail, t, spread)
    high = math.inf if alternative == "greater" else _crossing(lower, tail, t, -spread)
    return low, high


def noncentral_f_interval(
    f: float,
    df1: float,
    df2: float,
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
) -> Interval:
    """Give the noncentralities that an F statistic does not contradict.

    The inversion of Steiger (2004, Psychol. Methods 9, 164). An end at which even noncentrality 0
    makes so large (so small) an F likely enough is 0.

    Args:
        f: The statistic, finite and at least 0.
        df1: Numerator degrees of freedom, above 0.
        df2: Denominator degrees of freedom, above 0, ``inf`` allowed.
        confidence: Coverage, between 0 and 1.
        alternative: "greater" makes the upper end ``inf`` (usual for shares of variance), "less"
            the lower one 0.

    Raises:
        Refused: A statistic, degrees of freedom or confidence out of range.
    """
    _check_not_negative(f, "F")
    _check_df(df1)
    _check_df(df2)
    if not max(df1, df1 * f) <= LARGEST or LARGEST < df2 < math.inf:
        raise Refused(f"an F of {f:g} with {df1:g} and {df2:g} degrees of freedom is too large")
    return _one_sided_statistic(
        lambda noncentrality, upper: f_tail(f, df1, df2, noncentrality, upper=upper),
        (f, df1, df2),
        tail_of(confidence, alternative),
        alternative,
    )


def noncentral_chi2_interval(
    chi2: float, df: float, confidence: float = 0.95, alternative: Alternative = "two-sided"
) -> Interval:
    """Give the noncentralities that a chi-square statistic does not contradict.

    As :func:`noncentral_f_interval`, for a denominator known without error.

    Args:
        chi2: The statistic, finite and at least 0.
        df: Degrees of freedom, above 0.
        confidence: Coverage, between 0 and 1.
        alternative: "greater" makes the upper end ``inf``, "less" the lower one 0.

    Raises:
        Refused: A statistic, degrees of freedom or confidence out of range.
    """
    _check_not_negative(chi2, "chi-square")
    _check_df(df)
    return _one_sided_statistic(
        lambda noncentrality, upper: chi2_tail(chi2, df, noncentrality, upper=upper),
        (chi2 / df, df, math.inf),
        tail_of(confidence, alternative),
        alternative,
    )


def tail_of(confidence: float, alternative: str) -> float:
    """Give the probability beyond one end of an interval.

    Raises:
        Refused: A confidence outside 0 to 1, or an alternative that is not known.
    """
    fraction(confidence, "confidence", 0.95)
    if not isinstance(alternative, str) or alternative not in ALTERNATIVES:
        known = ", ".join(map(repr, ALTERNATIVES))
        raise Refused(f"no alternative is called {shown(alternative)}: choose one of {known}")
    return (1 - confidence) / (2 if alternative == "two-sided" else 1)


def _one_sided_statistic(
    tail_at: Callable[[float, bool], float],
    statistic: tuple[float, float, float],
    tail: float,
    alternative: Alternative,
) -> Interval:
    # Over the square root of the noncentrality the tails are nearly those of a normal variable.
    @cache
    def lower(root: float) -> float:
        return tail_at(root * root, False)

    @cache
    def upper(root: float) -> float:
        return tail_at(root * root, True)

    f, df1, df2 = statistic
    size = df1 * max(f - 1, 0.0)
    start, spread = math.sqrt(size), math.sqrt(1 + df1 / max(2 * size, 2.0) + size / (2 * df2))
    above = alternative != "less" and upper(0.0) < tail
    low = _crossing(upper, tail, start, spread, least=0.0) ** 2 if above else 0.0
    if alternative == "greater":
        return low, math.inf
    below = lower(0.0) > tail
    return low, _crossing(lower, tail, start, -spread, least=0.0) ** 2 if below else 0.0


def _crossing(
    probability: Callable[[float], float],
    tail: float,
    start: float,
    spread: float,
    least: float = -math.inf,
) -> float:
    """Find where a monotone probability is ``tail``.

    The search is over normal quantiles of the probability, which are nearly straight.

    Args:
        probability: Of a noncentrality, or of its root.
        tail: The probability that is sought.
        start: Where it is about a half.
        spread: How far from there a quantile of 1 is about; negative for a probability that falls.
        least: Nothing below it is looked at.
    """
    from scipy.special import ndtri

    aim = float(ndtri(tail))

    @cache  # the search begins with the ends once more
    def excess(x: float) -> float:
        return float(ndtri(min(max(probability(x), _LEAST), 1 - 2**-53))) - aim

    near, step = start, -1.1 * excess(start) * spread
    far = max(near + step, least)
    while far != near and (excess(far) > 0) == (excess(near) > 0):
        near, step = far, 2 * step
        far = max(near + step, least)
    return root_between(excess, near, far, rtol=1e-14) if far != near else near


def _check_df(df: float) -> None:
    if not number(df, "the degrees of freedom") > 0:
        raise Refused(f"degrees of freedom must be above 0, got {df}: more values are needed")


def _check_not_negative(value: float, name: str) -> None:
    if not 0 <= number(value, f"the {name} statistic") <= LARGEST:
        raise Refused(f"the {name} statistic must be finite and at least 0, got {value:g}")
