"""Sums over many ranges of one array, and over many ranges that meet in one array.

Both work on a binary tree of partial sums. Differences of running sums would do the same in fewer
lines, but they cancel: a phase of a microsecond beside one of an hour would be left with the
rounding of the larger, and energy would not be conserved. Here positive numbers are only ever
added, so that every sum keeps its full relative precision. Time: O(log n) for each range.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


def collect(values: FloatArray, first: IntArray, stop: IntArray) -> FloatArray:
    """Sum ``values[first:stop]`` for each range.

    Args:
        values: Shape (m,).
        first: First place of each range; shape (n,).
        stop: Place after its last; shape (n,); a range that ends at or before its first is empty.

    Returns:
        The sums; shape (n,).
    """
    sums = np.zeros(first.size)
    level = values
    for who, nodes in _walk(first, stop):
        if nodes is None:
            level = _halved(level)
        else:
            sums[who] += level[nodes]
    return sums


def spread(first: IntArray, stop: IntArray, weight: FloatArray, size: int) -> FloatArray:
    """Add each range's weight to all places of it.

    Args:
        first: First place of each range; shape (n,).
        stop: Place after its last; shape (n,).
        weight: What is added to each place; shape (n,).
        size: Number of places.

    Returns:
        The sum at each place; shape (size,).
    """
    levels = [np.zeros(size)]
    for who, nodes in _walk(first, stop):
        if nodes is None:
            levels.append(np.zeros((levels[-1].size + 1) // 2))
        else:
            levels[-1] += np.bincount(nodes, weight[who], levels[-1].size)
    total = levels.pop()
    while levels:
        lower = levels.pop()
        total = lower + np.repeat(total, 2)[: lower.size]
    return total


def _walk(first: IntArray, stop: IntArray) -> Iterator[tuple[IntArray, IntArray | None]]:
    """Cover each range by nodes of the tree, from its leaves up.

    Yields:
        Which ranges take a node of the present level, and which node; ``None`` for the nodes means
        that the next level begins.
    """
    who = np.flatnonzero(first < stop)
    low, high = first[who], stop[who]
    while who.size:
        # A left end at an odd place is a right child, which its parent would overreach.
        for odd, nodes in ((low & 1, low), (high & 1, high - 1)):
            taken = np.flatnonzero(odd)
            if taken.size:
                yield who[taken], nodes[taken]
        low, high = (low + 1) >> 1, high >> 1
        going = low < high
        if not going.all():
            who, low, high = who[going], low[going], high[going]
        yield who, None


def _halved(level: FloatArray) -> FloatArray:
    """Add neighbours in pairs; a last one without a neighbour stays as it is."""
    if level.size % 2:
        level = np.append(level, 0.0)
    halved: FloatArray = level[0::2] + level[1::2]
    return halved
