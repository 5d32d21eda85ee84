"""Second derivatives from exact first ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_WIDTH = 1e-3


def second_derivatives(
    slope: Callable[[Floats], Floats], at: Floats, *, refined: bool = True
) -> Floats:
    """Differentiate derivatives by central differences, made symmetric.

    Refined ones take two widths and Richardson's extrapolation, whose error is of the fourth order
    (Richardson 1911, Phil. Trans. R. Soc. A 210, 307): 1e-11 of a smooth function's size.

    Args:
        slope: Gives the derivatives, shape (m,), in units in which a parameter of 1 is large.
        at: Where, shape (m,).
        refined: Whether to take two widths.
    """
    rows = [_difference(slope, at, j, 1.0) for j in range(len(at))]
    if refined:
        wide = [_difference(slope, at, j, 2.0) for j in range(len(at))]
        rows = [(4 * near - far) / 3 for near, far in zip(rows, wide, strict=True)]
    found = np.array(rows)
    return 0.5 * (found + found.T)


def _difference(slope: Callable[[Floats], Floats], at: Floats, j: int, times: float) -> Floats:
    move = np.zeros_like(at)
    move[j] = times * _WIDTH * max(abs(float(at[j])), 1.0)
    found: Floats = (slope(at + move) - slope(at - move)) / (2 * move[j])
    return found
