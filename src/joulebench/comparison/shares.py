"""Accuracies of two sides, by the items that were graded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from joulebench.comparison.effect import Shares
from joulebench.comparison.matching import SharedCell
from joulebench.comparison.side import Rows, Side


def graded_cells(sides: tuple[Side, Side], cells: Sequence[SharedCell]) -> dict[int, Shares] | None:
    """Give the items right and graded on both sides of each cell, by its place.

    Repetitions ask the same items again: the items of one repetition are the independent ones, and
    answers to one item are averaged.

    Returns:
        ``None`` where a side does not say how many items it graded; cells without any are absent.
    """
    if any(side.answers is None for side in sides):
        return None
    found = {}
    for place, cell in enumerate(cells):
        a, b = _items(sides[0], cell.a), _items(sides[1], cell.b)
        if a is not None and b is not None:
            found[place] = Shares(*a, *b)
    return found


def _items(side: Side, rows: Rows) -> tuple[float, float] | None:
    assert side.answers is not None
    right, graded = (part[rows] for part in side.answers)
    seen = np.isfinite(right) & (graded > 0)
    if not seen.any():
        return None
    items = float(graded[seen].mean())
    share = float(right[seen].sum() / graded[seen].sum())
    return min(max(share, 0.0), 1.0) * items, items
