"""Order statistics of all sums of two samples' values, without writing the sums down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

_LISTED = 1_000_000
"""Sums that are few enough to list."""


def kth_sums(
    rows: Floats, columns: Floats, places: Sequence[int], starts: Places | None = None
) -> list[float]:
    """Give the k-th smallest of the sums ``rows[i] + columns[j]``, for each k of ``places``.

    Each row of sums rises with j, so that those between two limits are one stretch of it. A
    stretch shrinks about the median, weighted by their lengths, of the middles of all stretches,
    and at least a quarter of what is left goes each time (Johnson and Mizoguchi 1978, SIAM J.
    Comput. 7, 147): O(n log n) a step and some tens of steps, where all sums of 100,000 by 100,000
    values would fill 80 GB. Sums are compared as they are rounded, so the answer is one of them.

    Args:
        rows: Shape (n,).
        columns: Shape (m,), rising.
        places: Each from 0.
        starts: First j of each row, shape (n,); 0 where not given.
    """
    low = np.zeros(len(rows), dtype=np.intp) if starts is None else starts.astype(np.intp)
    high = np.full(len(rows), len(columns), dtype=np.intp)
    if int(np.sum(high - low)) > _LISTED:
        return [_shrunk(rows, columns, k, low, high) for k in places]
    sums = _listed(rows, columns, low, high)
    sums.partition(sorted(set(places)))
    return [float(sums[k]) for k in places]


def _shrunk(rows: Floats, columns: Floats, k: int, low: Places, high: Places) -> float:
    """Give the k-th smallest, k from 0, of sums that are too many to list."""
    below = 0
    while int(np.sum(high - low)) > _LISTED:
        pivot = _middle(rows, columns, low, high)
        first = _first_place(rows, columns, pivot, low, high, strictly=False)
        after = _first_place(rows, columns, pivot, first, high, strictly=True)
        smaller, not_larger = int(np.sum(first - low)), int(np.sum(after - low))
        if k - below < smaller:
            high = first
        elif k - below >= not_larger:
            low, below = after, below + not_larger
        else:
            return pivot
    return float(np.partition(_listed(rows, columns, low, high), k - below)[k - below])


def median_places(count: int) -> tuple[int, int]:
    """Give the places, from 0, of the middle values of ``count`` ordered ones; they may be one."""
    return (count - 1) // 2, count // 2


def median_of(lower: float, upper: float) -> float:
    """Give the median of ordered values by the middle ones."""
    # Halved first: two huge sums of one sign would overflow.
    return upper if lower == upper else lower / 2 + upper / 2


def _middle(rows: Floats, columns: Floats, low: Places, high: Places) -> float:
    """Give the weighted median of the middles of the stretches."""
    left = np.flatnonzero(high > low)
    middles = rows[left] + columns[(low[left] + high[left]) // 2]
    order = np.argsort(middles)
    weight = np.cumsum((high - low)[left][order])
    return float(middles[order][np.searchsorted(weight, weight[-1] / 2)])


def _first_place(
    rows: Floats, columns: Floats, pivot: float, low: Places, high: Places, *, strictly: bool
) -> Places:
    """Give the first place of each stretch whose sum is at least, or above, the pivot."""
    side = np.greater if strictly else np.greater_equal
    guess = np.searchsorted(columns, pivot - rows, "right" if strictly else "left")
    place = np.clip(guess.astype(np.intp), low, high)
    # The difference is rounded otherwise than the sum: the guess may be a few places off.
    last = len(columns) - 1
    before = side(rows + columns[np.maximum(place - 1, 0)], pivot) & (place > low)
    short = ~side(rows + columns[np.minimum(place, last)], pivot) & (place < high)
    wrong = np.flatnonzero(before | short)
    place[wrong] = _halved(rows[wrong], columns, pivot, low[wrong], high[wrong], side)
    return place


def _halved(
    rows: Floats, columns: Floats, pivot: float, low: Places, high: Places, side: np.ufunc
) -> Places:
    low, high = low.copy(), high.copy()
    while (low < high).any():
        middle = np.minimum((low + high) // 2, len(columns) - 1)
        found = side(rows + columns[middle], pivot)
        within = low < high
        high = np.where(within & found, middle, high)
        low = np.where(within & ~found, middle + 1, low)
    return low


def _listed(rows: Floats, columns: Floats, low: Places, high: Places) -> Floats:
    length = high - low
    if int(length.sum()) == len(rows) * len(columns):
        every: Floats = np.add.outer(rows, columns).ravel()
        return every
    row = np.repeat(np.arange(len(rows)), length)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
    listed: Floats = rows[row] + columns[np.repeat(low, length) + offset]
    return listed
