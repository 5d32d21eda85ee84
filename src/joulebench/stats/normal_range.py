"""The range of normal values: how far apart the extreme ones of several lie."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

_HALF_SPAN = 9.0
"""Standard deviations on either side of the peak that the sum covers."""
_STEP = 0.15
_STEP_OF_MANY = 0.1
_MANY = 100.0

_AT_ONCE = 400_000
"""Points that are evaluated together, to bound memory."""

_DEGREE = 17
"""Of the polynomials of the logarithm: the tail's nearest zero lies some five half-widths away."""
_PIECES = 4
"""Polynomials that are made together, each over a width of 1."""
_FAR = 48.0
"""Ranges from here on are summed: their tails go towards the smallest numbers there are."""
_MOST = 200.0
"""More values are summed, and a count that is not whole: its tail has a power's kink at 0."""


def normal_range_sf(w: Array, means: Array) -> Array:
    """Give the upper tail of the range of ``means`` standard normal values.

    ``R(w) = k int phi(z) Phi(z)^(k-1) (1 - (1 - Phi(z-w) / Phi(z))^(k-1)) dz`` (Hartley 1942,
    Biometrika 32, 334), a sum at even steps.

    Args:
        w: Ranges, at least 0, shape (m,).
        means: How many values, 2 or more, shape (m,).
    """
    result = np.empty(len(w))
    step = _STEP if not means.size or means.max() <= _MANY else _STEP_OF_MANY
    t = np.arange(-_HALF_SPAN, _HALF_SPAN + step / 2, step)
    for part in parts(np.arange(len(w)), len(t)):
        result[part] = _inner_sum(w[part, None], means[part, None] - 1.0, t)
    tail: Array = step / math.sqrt(2.0 * math.pi) * means * result
    return tail


def many_normal_range_sf(w: Array, means: float) -> Array:
    """Give :func:`normal_range_sf` at many points, from polynomials of its logarithm.

    They go through Chebyshev's points of widths of 1, are good to some 13 digits (Trefethen 2013,
    Approximation Theory and Approximation Practice, ch. 8), and are kept once they are made.

    Args:
        w: Ranges, at least 0, any shape.
        means: How many values, 2 or more.
    """
    flat = w.ravel()
    near = (flat < _FAR) & (means <= _MOST) & (means == round(means))
    result = np.empty(len(flat))
    result[near] = _from_pieces(flat[near], means)
    result[~near] = normal_range_sf(flat[~near], np.full(int((~near).sum()), means))
    return result.reshape(w.shape)


def parts(places: Places, each: int) -> list[Places]:
    """Part places so that those of one part, ``each`` points a place, fit into memory."""
    size = max(1, _AT_ONCE // each)
    return [places[start : start + size] for start in range(0, len(places), size)]


def _inner_sum(w: Array, others: Array, t: Array) -> Array:
    from scipy.special import ndtr

    z = w / 2.0 + t
    below = ndtr(z)
    share = np.minimum(ndtr(z - w) / below, 1.0)
    with np.errstate(divide="ignore"):  # log1p(-1) is -inf, and 1 - exp(-inf) is 1
        one_short = -np.expm1(others * np.log1p(-share))
    total: Array = (np.exp(-0.5 * z * z) * below**others * one_short).sum(axis=-1)
    return total


def _from_pieces(w: Array, means: float) -> Array:
    if not len(w):
        return np.empty(0)
    piece = w.astype(np.intp)
    blocks = range(int(piece.max()) // _PIECES + 1)
    powers = np.concatenate([_polynomials(means, block) for block in blocks], axis=1)
    x = 2.0 * (w - piece) - 1.0
    logarithm = powers[_DEGREE][piece]
    for power in range(_DEGREE - 1, -1, -1):
        logarithm *= x
        logarithm += powers[power][piece]
    tail: Array = np.exp(logarithm - w * w / 4.0)
    return tail


@lru_cache(maxsize=512)
def _polynomials(means: float, block: int) -> Array:
    """Give the coefficients of some pieces, lowest power first, shape (degree + 1, pieces).

    They are of ``log R(w) + w^2 / 4``, which stays small.
    """
    from numpy.polynomial.chebyshev import chebpts1, chebvander

    x = chebpts1(_DEGREE + 1)
    starts = np.arange(block * _PIECES, (block + 1) * _PIECES, dtype=np.float64)
    w = starts + (x[:, None] + 1.0) / 2.0
    tail = normal_range_sf(w.ravel(), np.full(w.size, means)).reshape(w.shape)
    weights = np.full((_DEGREE + 1, 1), 2.0 / (_DEGREE + 1))
    weights[0] /= 2.0
    series = weights * (chebvander(x, _DEGREE).T @ (np.log(tail) + w * w / 4.0))
    return _in_powers() @ series


@lru_cache(maxsize=1)
def _in_powers() -> Array:
    """Give the powers of each of Chebyshev's polynomials, shape (degree + 1, degree + 1)."""
    from numpy.polynomial.chebyshev import cheb2poly

    made = np.zeros((_DEGREE + 1, _DEGREE + 1))
    for degree in range(_DEGREE + 1):
        made[: degree + 1, degree] = cheb2poly(np.eye(_DEGREE + 1)[degree, : degree + 1])
    return made
