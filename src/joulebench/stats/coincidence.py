"""How often rounded measurements agree by chance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_DIGITS = 12
_ALL_DIGITS = 15
_NEAR_WHOLE = 1e-3
_SAMPLE = 2000


def rounding_step(values: Floats) -> float:
    """Give the step that values were rounded to: the smallest power of ten that holds them all.

    Args:
        values: As they were read from text, shape (n,); those that are not finite do not count.

    Returns:
        The step; 0 where no step of up to 12 significant digits holds all of them, as with
        numbers that were not rounded.
    """
    sample = values[np.isfinite(values) & (values != 0)][:_SAMPLE]
    if not len(sample):
        return 0.0
    top = math.floor(math.log10(float(np.max(np.abs(sample)))))
    for exponent in range(top, top - _MOST_DIGITS, -1):
        step = 10.0**exponent
        scaled = sample / step
        if np.all(np.abs(scaled - np.round(scaled)) <= _NEAR_WHOLE):
            return step
    return 0.0


def significant_digits(values: Floats) -> int:
    """Give the significant digits that values were written with, as far as their step tells."""
    step = rounding_step(values)
    if step <= 0:
        return _ALL_DIGITS
    top = float(np.max(np.abs(values[np.isfinite(values)])))
    return max(1, math.floor(math.log10(top)) - round(math.log10(step)) + 1)


def chance_of_equal(step: float, spread: float) -> float:
    """Give the probability that two independent measurements round to the same number.

    Two draws of one normal distribution with standard deviation ``s`` fall into one bin of width
    ``q`` with probability ``q / (2 sqrt(pi) s)`` for small ``q``: the density of their difference
    at zero times the width.

    Args:
        step: The rounding, ``q``.
        spread: Standard deviation of repeated measurements, ``s``, in the same unit.
    """
    if step <= 0:
        return 0.0
    if spread <= 0:
        return 1.0
    return min(1.0, step / (2.0 * math.sqrt(math.pi) * spread))


def chance_of_as_many(seen: int, pairs: int, chance: float) -> float:
    """Give the probability that at least ``seen`` of ``pairs`` pairs agree by chance.

    The upper tail of a binomial distribution.
    """
    from scipy.special import bdtrc

    if seen <= 0:
        return 1.0
    return float(bdtrc(seen - 1, pairs, min(max(chance, 0.0), 1.0)))
