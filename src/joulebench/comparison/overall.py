"""The mean over cells: of these very cells, and of other cells like them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from joulebench.comparison.cell_values import CellValues, Spreads, added
from joulebench.comparison.effect import MeanEffect
from joulebench.stats.mean import Noise

LEAST_BLOCKS = 3
"""Fewer blocks than this leave an interval over them too wide to be of use."""


def of_these(cells: Sequence[CellValues], spreads: Spreads, bias: float) -> MeanEffect:
    """Estimate the mean difference of these very cells, each counting the same.

    Its scatter is that of the runs within cells: Welch's ``sum s^2 / n`` over all groups, over the
    number of cells squared, with Satterthwaite's degrees of freedom (Welch 1947, Biometrika 34,
    28). Where runs are pairs, the blocks are what is repeated.

    Args:
        cells: At least one.
        spreads: Pooled over these cells or over more.
        bias: Standard uncertainty that repetitions do not shrink.
    """
    value = math.fsum(each.difference for each in cells) / len(cells)
    known = math.hypot(*(each.known for each in cells)) / len(cells)
    n = sum(each.n for each in cells)
    blocks = _whole_blocks(cells)
    if len(blocks) >= LEAST_BLOCKS:
        means = np.array([np.mean([(c.pairs or {})[k] for c in cells]) for k in blocks])
        scatter = (float(means.std(ddof=1)) / math.sqrt(len(means)), len(means) - 1.0)
        # Blocks that lack a cell count in the cells' means but not here.
        return MeanEffect(
            float(means.mean()), len(means), scatter, known, bias, "t interval over blocks"
        )
    noise = _within(cells, spreads)
    method = "readings alone, nothing repeated" if noise is None else "scatter of runs within cells"
    return MeanEffect(value, n, noise, known, bias, method)


def of_others(cells: Sequence[CellValues], bias: float, within: Noise | None) -> MeanEffect | None:
    """Estimate the mean difference of other cells like these: each cell is one pair.

    The t interval of the cells' differences, whose scatter holds how unlike the cells are as well
    as what their runs scatter. Where few cells agree by chance the scatter of the runs counts: what
    is said of others is never said more narrowly than of these.

    Args:
        cells: The cells.
        bias: Standard uncertainty that more cells do not shrink.
        within: Scatter of the mean of these very cells by that of their runs, with its degrees of
            freedom; ``None`` where it is not known.

    Returns:
        ``None`` with one cell, which says nothing of others.
    """
    n = len(cells)
    if n < 2:
        return None
    differences = np.array([each.difference for each in cells])
    scatter = (float(differences.std(ddof=1)) / math.sqrt(n), n - 1.0)
    known = math.hypot(*(each.known for each in cells)) / n
    return MeanEffect(
        float(differences.mean()), n, scatter, known, bias, "t interval over cells", within
    )


def _within(cells: Sequence[CellValues], spreads: Spreads) -> Noise | None:
    """Give the scatter of the mean over cells by that of runs; ``None`` where nothing repeats."""
    if cells[0].pairs is not None and spreads.pairs is not None:
        total = math.fsum(1 / len(each.pairs or {}) for each in cells)
        return math.sqrt(spreads.pairs.variance * total) / len(cells), float(spreads.pairs.dof)
    parts: list[Noise] = []
    for groups, spread in (([c.a for c in cells], spreads.a), ([c.b for c in cells], spreads.b)):
        if min(map(len, groups)) > 1:
            parts += [(float(g.std(ddof=1)) / math.sqrt(len(g)), len(g) - 1.0) for g in groups]
        elif spread.dof:
            # One spread stands for all groups of the side, so that its doubt is shared.
            total = math.fsum(1 / len(g) for g in groups)
            parts.append((math.sqrt(spread.variance * total), float(spread.dof)))
        else:
            return None
    noise, dof = added(parts)
    return noise / len(cells), dof


def _whole_blocks(cells: Sequence[CellValues]) -> list[str]:
    """Give the blocks that every cell has a pair in; none where the runs are no pairs."""
    if any(each.pairs is None for each in cells):
        return []
    return [block for block in cells[0].pairs or {} if all(block in (c.pairs or {}) for c in cells)]
