"""The studentised range: how far apart the extreme ones of several means lie by chance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from joulebench.stats.normal_range import many_normal_range_sf, normal_range_sf, parts
from joulebench.stats.number_check import LARGEST, fraction, numbers
from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]

_DROP = 45.0
"""The outer sum ends where the integrand has fallen by exp(-45)."""
_OUTER_STEP = 0.13
_OUTER_STEP_SD = 0.7
_MOST_MEANS = 1e6
_NORMAL_FROM = 1e12

_MARGIN = 1e-6
"""By how much a bracket of the logarithm of a quantile is widened against rounding."""
_CLOSE = 1e-10
"""Change of the logarithm of a quantile at which it is found."""


def studentised_range_sf(q: npt.ArrayLike, means: npt.ArrayLike, df: npt.ArrayLike) -> Array:
    """Give the probability that the studentised range of ``means`` normal values exceeds ``q``.

    ``P = E[R(q s)]``, ``s^2`` a chi-square over its ``df`` and ``R(w) = k int phi(z) Phi(z)^(k-1)
    (1 - (1 - Phi(z-w) / Phi(z))^(k-1)) dz`` the upper tail of the range of ``k`` standard normal
    values (Hartley 1942, Biometrika 32, 334; Copenhaver & Holland 1988, J. Stat. Comput. Simul.
    30, 1). Both integrals are sums at even steps of functions that are analytic and vanish at
    both ends, which converge faster than any power of the step (Trefethen & Weideman 2014, SIAM
    Rev. 56, 385). No term is negative, so that small probabilities keep their digits: about 12 of
    them from ``df = 1`` on. R's ``ptukey(q, k, df, lower.tail=FALSE)`` subtracts from 1 and gives
    no value below ``df = 2``.

    Args:
        q: Range over its standard error, any shape.
        means: How many means, 2 or more; need not be whole. Shape as ``q``, or one for all.
        df: Degrees of freedom of the standard error, above 0; ``inf`` where it is known.

    Returns:
        Probabilities in the common shape; NaN where an argument is NaN.

    Raises:
        Refused: Fewer than 2 means, or degrees of freedom that are not above 0.
    """
    ranges, counts, dfs = (
        np.array(part)
        for part in np.broadcast_arrays(
            numbers(q, "q"), numbers(means, "means"), numbers(df, "the degrees of freedom")
        )
    )
    _check(counts, dfs)
    if (np.isfinite(ranges) & (np.abs(ranges) > LARGEST)).any():
        raise Refused(f"a range of {np.nanmax(np.abs(ranges)):g} is too large to be squared")
    result = np.full(ranges.shape, np.nan)
    flat = result.reshape(-1)
    # One evaluation serves all that are equal.
    rows, place = np.unique(
        np.column_stack([ranges.ravel(), counts.ravel(), dfs.ravel()]), axis=0, return_inverse=True
    )
    flat[:] = _sf(rows[:, 0], rows[:, 1], rows[:, 2])[place.ravel()]
    return result


def studentised_range_isf(p: float, means: npt.ArrayLike, df: npt.ArrayLike) -> Array:
    """Give the studentised range that is exceeded with probability ``p``.

    The root of :func:`studentised_range_sf` in the logarithm of the probability, by the secant
    rule kept inside a bracket; R's ``qtukey`` stops once its steps are below 1e-4.

    Args:
        p: Between 0 and 1.
        means: How many means, 2 or more. Any shape.
        df: Degrees of freedom, above 0; ``inf`` where the standard error is known.

    Returns:
        Quantiles in the common shape; NaN where an argument is NaN.

    Raises:
        Refused: ``p`` is not between 0 and 1, fewer than 2 means, or degrees of freedom that are
            not above 0.
    """
    fraction(p, "p", 0.05)
    counts, dfs = (
        np.array(part)
        for part in np.broadcast_arrays(
            numbers(means, "means"), numbers(df, "the degrees of freedom")
        )
    )
    _check(counts, dfs)
    rows, place = np.unique(
        np.column_stack([counts.ravel(), dfs.ravel()]), axis=0, return_inverse=True
    )
    known = ~np.isnan(rows).any(axis=1)
    found = np.full(len(rows), np.nan)
    found[known] = _roots(p, rows[known, 0], rows[known, 1])
    return found[place.ravel()].reshape(counts.shape)


def _check(means: Array, df: Array) -> None:
    if (means < 2).any():
        raise Refused(f"a range needs two means or more, got {means[means < 2].min():g}")
    if (means > _MOST_MEANS).any():
        raise Refused(f"a range of {means.max():g} means is not to be had: {_MOST_MEANS:g} at most")
    if (df <= 0).any():
        raise Refused(f"degrees of freedom must be above 0, got {df[df <= 0].min():g}")


@dataclass(frozen=True, slots=True)
class _Scales:
    """Where ``ln s`` matters, of some degrees of freedom, each of shape (m,).

    Args:
        low: Below the peak of the tail's share, where nothing of it is left.
        high: As far above.
        step: Between points.
    """

    low: Array
    high: Array
    step: Array

    @classmethod
    def of(cls, df: Array) -> _Scales:
        """Solve for the ends."""
        limit = _DROP / df
        low, high = -(limit + 0.5), np.minimum(np.sqrt(limit), 0.5 * np.log(3.0 + 4.0 * limit))
        for _ in range(12):
            # Newton's steps on a convex function from outside stay outside.
            rise_low, rise_high = np.expm1(2 * low), np.expm1(2 * high)
            low = low - (rise_low / 2 - low - limit) / rise_low
            high = high - (rise_high / 2 - high - limit) / rise_high
        return cls(low, high, np.minimum(_OUTER_STEP, _OUTER_STEP_SD / np.sqrt(2.0 * df)))

    def at(self, rows: npt.NDArray[np.intp]) -> _Scales:
        """Give those of some rows."""
        return _Scales(self.low[rows], self.high[rows], self.step[rows])


def _sf(q: Array, means: Array, df: Array, scales: _Scales | None = None) -> Array:
    """Give the upper tail, all arguments of shape (m,)."""
    result = np.where(np.isnan(q + means + df), np.nan, np.where(q > 0, 0.0, 1.0))
    # Above this nothing is left of the tail of a normal range, nor below a tenth of it of 1.
    inside = np.flatnonzero((q > 0) & np.isfinite(q) & ~np.isnan(result))
    known = df[inside] > _NORMAL_FROM
    normal, scaled = inside[known], inside[~known]
    result[normal] = normal_range_sf(q[normal], means[normal])
    within = scales.at(scaled) if scales else _Scales.of(df[scaled])
    result[scaled] = _over_scales(q[scaled], means[scaled], df[scaled], within)
    return np.minimum(result, 1.0)


def _over_scales(q: Array, means: Array, df: Array, scales: _Scales) -> Array:
    """Average the tail of a normal range over the standard error's own distribution.

    Where ``R(w)`` falls like ``exp(-w^2 / 4)`` the integrand is ``exp(df (y - e^(2y) / 2))`` about
    ``s^2 = 1 / (1 + q^2 / (2 df))``.
    """
    centre = -0.5 * np.log1p(q**2 / (2.0 * df))
    # In steps of 32, so that many of them share one grid.
    points = 32 * np.ceil(((scales.high - centre - scales.low) / scales.step + 2.0) / 32.0)
    result = np.empty(len(q))
    for size, count in np.unique(np.column_stack([points, means]), axis=0).tolist():
        share = np.arange(size) / (size - 1)
        for part in parts(np.flatnonzero((points == size) & (means == count)), int(size)):
            x = (centre + scales.low)[part, None]
            x = x + (scales.high - centre - scales.low)[part, None] * share
            # Density of ln s but for a constant, which the sum below supplies.
            density = np.exp(df[part, None] * (x - np.expm1(2.0 * x) / 2.0))
            tail = many_normal_range_sf(q[part, None] * np.exp(x), count)
            result[part] = (density * tail).sum(axis=1) / density.sum(axis=1)
    return result


def _roots(p: float, means: Array, df: Array) -> Array:
    """Solve for the logarithm of the range, all at once."""
    from scipy.special import stdtrit

    # Of known standard errors nothing is read off the scales.
    scales = _Scales.of(np.minimum(df, _NORMAL_FROM))

    def above(x: Array) -> Array:
        return np.log(np.maximum(_sf(np.exp(x), means, df, scales), 1e-320)) - math.log(p)

    # One pair of the means alone exceeds less often, and Bonferroni's bound on all pairs more.
    pairs = means * (means - 1.0) / 2.0
    low = 0.5 * math.log(2.0) + np.log(-stdtrit(df, p / 2.0)) - _MARGIN
    high = 0.5 * math.log(2.0) + np.log(-stdtrit(df, p / 2.0 / pairs)) + _MARGIN
    return np.exp(_narrowed(above, low, high))


def _narrowed(above: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Close brackets by false position with Illinois' halving (Dowell & Jarratt 1971, BIT 11, 168).

    ``above`` is positive at ``low`` and not at ``high``.
    """
    newest, f_low, f_high = high, above(low), above(high)
    for _ in range(60):
        middle = (low * f_high - high * f_low) / (f_high - f_low)
        f = above(middle)
        left = f > 0
        # The end that stays twice loses half its weight, else it would stay for ever.
        f_high = np.where(left, np.where(newest < middle, f_high / 2, f_high), f)
        f_low = np.where(left, f, f_low)
        low, high = np.where(left, middle, low), np.where(left, high, middle)
        done = np.abs(middle - newest) < _CLOSE
        newest = middle
        if (done | (f == 0)).all():
            break
    return newest
