"""Where a function of one number is 0, or least: small searches that need no import."""

from __future__ import annotations

import math
from collections.abc import Callable

from joulebench.stats.refused import Refused

Function = Callable[[float], float]

_MOST = 200
_GOLDEN = (3.0 - math.sqrt(5.0)) / 2.0
_EPS = 2.0**-52


def root_between(
    function: Function, near: float, far: float, *, xtol: float = 0.0, rtol: float = 4 * _EPS
) -> float:
    """Find where a function that changes its sign between two points is 0.

    Inverse quadratic steps, or secants, kept inside the bracket by halving (Brent 1973, Algorithms
    for Minimization without Derivatives, ch. 4).

    Args:
        function: Continuous.
        near: One end.
        far: The other end.
        xtol: How close to the root is close enough.
        rtol: The same, as a share of the root.

    Raises:
        Refused: The signs at the ends are one.
    """
    before, best, f_before, f_best = near, far, function(near), function(far)
    if f_before == 0 or f_best == 0:
        return before if f_before == 0 else best
    if (f_before > 0) == (f_best > 0):
        raise Refused(f"no root lies between {near:g} and {far:g}: check the numbers given")
    other, f_other, last, step = before, f_before, best - before, best - before
    for _ in range(_MOST):
        if (f_other > 0) == (f_best > 0):
            other, f_other = before, f_before
            last = step = best - before
        if abs(f_other) < abs(f_best):
            before, best, other = best, other, best
            f_before, f_best, f_other = f_best, f_other, f_best
        close = 0.5 * (xtol + rtol * abs(best))
        half = 0.5 * (other - best)
        if abs(half) <= close or f_best == 0:
            break
        points = (before, f_before), (best, f_best), (other, f_other)
        step, last = _step(points, half, close, step, last)
        before, f_before = best, f_best
        best += step if abs(step) > close else math.copysign(close, half)
        f_best = function(best)
    return best


def _step(
    points: tuple[tuple[float, float], tuple[float, float], tuple[float, float]],
    half: float,
    close: float,
    step: float,
    last: float,
) -> tuple[float, float]:
    """Give the next step, interpolated where that is safe, and the one to judge it by."""
    (before, f_before), (best, f_best), (other, f_other) = points
    if abs(last) < close or abs(f_before) <= abs(f_best):
        return half, half
    s = f_best / f_before
    if before == other:
        p, q = 2.0 * half * s, 1.0 - s
    else:
        q, r = f_before / f_other, f_best / f_other
        p = s * (2.0 * half * q * (q - r) - (best - before) * (r - 1.0))
        q = (q - 1.0) * (r - 1.0) * (s - 1.0)
    if p > 0:
        q = -q
    p = abs(p)
    if 2.0 * p < min(3.0 * half * q - abs(close * q), abs(last * q)):
        return p / q, step
    return half, half


def least_between(function: Function, low: float, high: float, xtol: float) -> float:
    """Find where a function with one minimum between two points is least.

    Parabolas through the best three points, kept inside the bracket by golden sections (Brent
    1973, ch. 5).

    Args:
        function: Continuous.
        low: Lower end.
        high: Upper end.
        xtol: How close is close enough.
    """
    best = second = third = low + _GOLDEN * (high - low)
    f_best = f_second = f_third = function(best)
    last = step = 0.0
    for _ in range(_MOST):
        middle, close = (low + high) / 2, math.sqrt(_EPS) * abs(best) + xtol / 3
        if abs(best - middle) <= 2 * close - (high - low) / 2:
            break
        r = (best - second) * (f_best - f_third)
        q = (best - third) * (f_best - f_second)
        p = (best - third) * q - (best - second) * r
        q = 2 * (q - r)
        p = -p if q > 0 else p
        q = abs(q)
        safe = abs(last) > close and abs(p) < abs(q * last / 2)
        if safe and q * (low - best) < p < q * (high - best):
            last, step = step, p / q
            if min(best + step - low, high - best - step) < 2 * close:
                step = math.copysign(close, middle - best)
        else:
            last = (high if best < middle else low) - best
            step = _GOLDEN * last
        tried = best + (step if abs(step) >= close else math.copysign(close, step))
        f_tried = function(tried)
        if f_tried <= f_best:
            low, high = (best, high) if tried >= best else (low, best)
            third, second, best = second, best, tried
            f_third, f_second, f_best = f_second, f_best, f_tried
            continue
        low, high = (tried, high) if tried < best else (low, tried)
        if f_tried <= f_second or second == best:
            third, second, f_third, f_second = second, tried, f_second, f_tried
        elif f_tried <= f_third or third in (best, second):
            third, f_third = tried, f_tried
    return best
