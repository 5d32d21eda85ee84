"""The quotient of two independent estimates from their intervals alone."""

from __future__ import annotations

import math

from joulebench.stats.estimate import Estimate


def quotient(numerator: Estimate, denominator: Estimate) -> Estimate:
    """Divide one estimate by an independent one; both intervals may be lopsided.

    The ends come from those of the parts (method of variance estimates recovery for ratios: Donner
    and Zou 2012, Stat. Methods Med. Res. 21, 347, equation 9). The upper end is infinite where the
    denominator's interval reaches zero.

    Args:
        numerator: Above 0, bounded.
        denominator: Above 0, bounded, of the same level.

    Raises:
        ValueError: A part is not above 0 or not bounded.
    """
    for part in (numerator, denominator):
        if not (part.value > 0 and part.bounded):
            raise ValueError(f"a quotient needs bounded parts above 0, not {part.value}")
    return Estimate(
        numerator.value / denominator.value,
        _end(numerator.value, numerator.low, denominator.value, denominator.high, sign=-1),
        _end(numerator.value, numerator.high, denominator.value, denominator.low, sign=1),
        min(numerator.n, denominator.n),
        noise=_noise(numerator, denominator),
        bias=numerator.bias / denominator.value,
        dof=numerator.dof,
        level=numerator.level,
        method="quotient (MOVER)",
    )


def _noise(numerator: Estimate, denominator: Estimate) -> float:
    """Give the standard uncertainty of the quotient that repeats shrink, linearised."""
    value = numerator.value / denominator.value
    shares = numerator.noise / numerator.value, denominator.noise / denominator.value
    return value * math.hypot(*shares)


def _end(top: float, top_end: float, bottom: float, bottom_end: float, *, sign: int) -> float:
    """Give one end: of the numerator the same end, of the denominator the other."""
    divisor = bottom_end * (2 * bottom - bottom_end)
    if divisor <= 0:
        return math.inf if sign > 0 else 0.0
    product = top * bottom
    under = product**2 - top_end * (2 * top - top_end) * divisor
    return max((product + sign * math.sqrt(max(under, 0.0))) / divisor, 0.0)
