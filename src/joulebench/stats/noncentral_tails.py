"""Tail probabilities of noncentral distributions, both tails to full relative precision."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Tails = tuple[float, float]
"""Probability of no more than the statistic, and of no less; neither is one less the other."""

_NORMAL_FROM = 1e17
_FARTHEST = 13.0
"""Standard deviations beyond which a normal variable counts for nothing: 1e-38."""
_CERTAIN = 1e24
"""Mean of a Poisson variable whose spread no double tells."""
_NEGLIGIBLE = 80.0
"""Minus the logarithm of a density, relative to its peak, that counts for nothing."""


def t_tails(t: float, df: float, delta: float) -> Tails:
    """Give the tails of the noncentral t, ``(Z + delta) / s`` with ``df s^2`` a chi-square.

    By quadrature over whichever of ``s`` and ``Z`` is the narrower beside the other: trapezoids
    over ``log s``, or tanh-sinh over ``Z`` (Takahasi and Mori 1974, Publ. RIMS 9, 721). Series such
    as Lenth's (1989, Appl. Stat. 38, 185) lose all digits at a large ``delta``.

    Args:
        t: The statistic.
        df: Degrees of freedom, above 0, fractions and ``inf`` allowed.
        delta: Noncentrality.
    """
    return t_tail(t, df, delta, upper=False), t_tail(t, df, delta, upper=True)


def t_tail(t: float, df: float, delta: float, *, upper: bool) -> float:
    """Give one tail of the noncentral t; see :func:`t_tails`.

    Args:
        t: The statistic.
        df: Degrees of freedom, above 0, fractions and ``inf`` allowed.
        delta: Noncentrality.
        upper: Whether it is the probability of no less than ``t``.
    """
    if t < 0:
        return t_tail(-t, df, -delta, upper=not upper)
    if df > _NORMAL_FROM:
        from scipy.special import ndtr

        return float(ndtr(delta - t if upper else t - delta))
    if t * t <= 2 * df:
        return _over_log_s(t, df, delta, upper=upper)
    return _over_normal(t, df, delta, upper=upper)


def _over_log_s(t: float, df: float, delta: float, *, upper: bool) -> float:
    """Average a normal tail beyond ``t s - delta`` over the density of ``log s``."""
    from scipy.special import ndtr

    # Of log s the log density is df (x - (exp(2x) - 1) / 2), 0 at its peak: bounds beyond which it
    # is negligible.
    beyond = 2 * _NEGLIGIBLE / df
    left = (beyond + math.sqrt(beyond * (beyond + 8))) / 4
    right = min(math.sqrt(beyond / 2), max(0.7, 0.5 * math.log1p(2 * beyond)))
    step = min(0.1, 0.3 / math.sqrt(2 * df), 0.3 / max(t, 1.0))
    x = np.arange(-left, right + step, step)
    weight = np.exp(df * (x - np.expm1(2 * x) / 2))
    # The constant of the density is left out: trapezoids integrate it to one to all digits.
    weight /= weight.sum()
    margin = t * np.exp(x) - delta
    return float(weight @ ndtr(-margin if upper else margin))


def _over_normal(t: float, df: float, delta: float, *, upper: bool) -> float:
    """Average a tail of ``s`` beyond ``(z + delta) / t`` over the normal ``z``."""
    from scipy.special import gammainc, gammaincc, ndtr

    start = max(-delta, -_FARTHEST)
    if start >= _FARTHEST:
        return 0.0 if upper else 1.0
    length = _FARTHEST - start
    u = np.arange(-3.3, 3.3, 0.0125)
    inner = np.pi / 2 * np.sinh(u)
    # The distance from the start, where s may have a kink, keeps all its digits.
    from_start = length / (1 + np.exp(-2 * inner))
    z = start + from_start
    weight = 0.0125 * length * np.pi / 4 * np.cosh(u) / np.cosh(inner) ** 2
    weight *= np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    half_chi = df / 2 * ((start + delta + from_start) / t) ** 2
    if upper:
        return float(weight @ gammainc(df / 2, half_chi))
    return float(weight @ gammaincc(df / 2, half_chi)) + float(ndtr(start))


def chi2_tail(value: float, df: float, noncentrality: float, *, upper: bool) -> float:
    """Give one tail of the noncentral chi-square: a mixture of central ones.

    Args:
        value: The statistic, at least 0.
        df: Degrees of freedom, above 0.
        noncentrality: At least 0.
        upper: Whether it is the probability of no less than ``value``.
    """
    from scipy.special import gammainc, gammaincc

    count, weight = _poisson(noncentrality / 2)
    tail = gammaincc if upper else gammainc
    return float(weight @ tail(df / 2 + count, value / 2))


def f_tails(value: float, df1: float, df2: float, noncentrality: float) -> Tails:
    """Give the tails of the noncentral F: a mixture of beta distributions.

    The chance of no more than F is the mean of ``I_x(df1 / 2 + j, df2 / 2)`` over a Poisson ``j``
    of mean ``noncentrality / 2``, ``x = df1 F / (df1 F + df2)`` (Johnson, Kotz and Balakrishnan
    1995, Continuous Univariate Distributions 2, 30.3).

    Args:
        value: The statistic, at least 0.
        df1: Numerator degrees of freedom, above 0.
        df2: Denominator degrees of freedom, above 0, ``inf`` allowed.
        noncentrality: At least 0.
    """
    below = f_tail(value, df1, df2, noncentrality, upper=False)
    return below, f_tail(value, df1, df2, noncentrality, upper=True)


def f_tail(value: float, df1: float, df2: float, noncentrality: float, *, upper: bool) -> float:
    """Give one tail of the noncentral F; see :func:`f_tails`.

    Args:
        value: The statistic, at least 0.
        df1: Numerator degrees of freedom, above 0.
        df2: Denominator degrees of freedom, above 0, ``inf`` allowed.
        noncentrality: At least 0.
        upper: Whether it is the probability of no less than ``value``.
    """
    from scipy.special import betainc, betaincc

    if math.isinf(df2):
        return chi2_tail(value * df1, df1, noncentrality, upper=upper)
    count, weight = _poisson(noncentrality / 2)
    shape, other = df1 / 2 + count, df2 / 2
    whole = df1 * value + df2
    if upper:
        return float(weight @ betainc(other, shape, df2 / whole))
    if df1 * value < df2:
        return float(weight @ betainc(shape, other, df1 * value / whole))
    # The smaller share, which keeps its digits where F is large.
    return float(weight @ betaincc(other, shape, df2 / whole))


def _poisson(mean: float) -> tuple[Array, Array]:
    """Give the counts that matter of a Poisson variable, and their probabilities.

    Of a large mean every so many counts stand for all: sums of a smooth function at a quarter of
    its standard deviation are its integral to all digits.
    """
    if mean == 0:
        return np.zeros(1), np.ones(1)
    if mean > _CERTAIN:
        return np.array([mean]), np.ones(1)
    spread = math.sqrt(mean)
    low = max(0.0, float(np.floor(mean - _FARTHEST * spread - 1)))
    stride = max(1.0, float(np.floor(spread / 4))) if low > 0 else 1.0
    count = np.arange(low, mean + _FARTHEST * spread + _NEGLIGIBLE, stride)
    log_weight = _log_poisson(count, mean)
    weight = np.exp(log_weight - log_weight.max())
    return count, weight / weight.sum()


def _log_poisson(count: Array, mean: float) -> Array:
    """Give the log probability of counts, up to a constant, without cancellation."""
    from scipy.special import gammaln

    if mean < 1e4:
        plain: Array = count * math.log(mean) - gammaln(count + 1)
        return plain
    # Stirling's series about the mean: Loader 2000, Fast and accurate computation of binomial
    # probabilities.
    apart = (count - mean) / mean
    if mean < 1e10:
        deviance = mean * ((1 + apart) * np.log1p(apart) - apart)
    else:
        deviance = mean * apart**2 * (1 / 2 - apart / 6 + apart**2 / 12)
    series: Array = -deviance - np.log(count) / 2 - 1 / (12 * count)
    return series
