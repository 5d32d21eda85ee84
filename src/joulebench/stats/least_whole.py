"""The least whole number that is enough."""

from __future__ import annotations

import math
from collections.abc import Callable


def least_whole(enough: Callable[[int], bool], start: int, most: int) -> float:
    """Find the least whole number from ``start`` that is enough.

    Doubles until one is, then halves what is left.

    Args:
        enough: Whether a number is enough; what is enough for one is enough for all above it.
        start: The first that may be, 1 or more.
        most: None above it is tried while doubling.

    Returns:
        The number; ``inf`` where none was found.
    """
    low, high = start - 1, start
    while not enough(high):
        low, high = high, 2 * high
        if high > most:
            return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return float(high)
