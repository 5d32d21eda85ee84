"""Random terms of one grouping put together, since what they share eliminates together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.lmm_blocks import RandomBlock, triangle

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Grouped:
    """All random terms of one grouping, their covariates scaled to a mean square of 1.

    Args:
        joined: The terms as one block of k effects.
        scale: Root mean square of each covariate, shape (k,).
        members: Which blocks these are, by their place in the model, and their first effect here.
    """

    joined: RandomBlock
    scale: Floats
    members: tuple[tuple[int, int], ...]

    @property
    def k(self) -> int:
        """Effects a group has."""
        return self.joined.k

    @property
    def levels(self) -> int:
        """Groups."""
        return len(self.joined.levels)

    @property
    def q(self) -> int:
        """Columns of the random part."""
        return self.joined.q

    @property
    def z(self) -> Any:
        """Scaled columns, a CSR matrix of shape (n, L k)."""
        return self.joined.z


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each parameter stands.

    Args:
        grouping: Index of the grouping, shape (m,).
        row: Row in the triangle of that grouping, shape (m,).
        column: Column in it, shape (m,).
        scale: What divides a parameter to give it in units of the data, shape (m,).
        sizes: Effects of each grouping.
    """

    grouping: Codes
    row: Codes
    column: Codes
    scale: Floats
    sizes: tuple[int, ...]

    def triangles(self, theta: Floats) -> list[Floats]:
        """Lay the parameters into the lower triangles of the groupings."""
        made = [np.zeros((k, k)) for k in self.sizes]
        for (g, row, column), value in zip(self._places, theta.tolist(), strict=True):
            made[g][row, column] = value
        return made

    @cached_property
    def _places(self) -> list[tuple[int, int, int]]:
        """Where each parameter stands, as Python's numbers: there are few, and often."""
        return list(
            zip(self.grouping.tolist(), self.row.tolist(), self.column.tolist(), strict=True)
        )

    def gathered(self, triangles: Sequence[Floats]) -> Floats:
        """Take the parameters out of the lower triangles of the groupings."""
        return np.array([triangles[g][row, column] for g, row, column in self._places])


def grouped(blocks: Sequence[RandomBlock]) -> tuple[Grouped, ...]:
    """Put blocks of one grouping together; the grouping with most columns comes first."""
    together: dict[str, list[int]] = {}
    for place, block in enumerate(blocks):
        together.setdefault(block.group, []).append(place)
    made = [_joined(blocks, places) for places in together.values()]
    return tuple(sorted(made, key=lambda one: -one.q))


def layout(blocks: Sequence[RandomBlock], groupings: Sequence[Grouped]) -> Layout:
    """Find where the parameters of each block stand in the triangles of the groupings."""
    found: list[tuple[int, int, int, float]] = []
    where = {b: (g, first) for g, one in enumerate(groupings) for b, first in one.members}
    for place, block in enumerate(blocks):
        g, first = where[place]
        for row, column in zip(*triangle(block.k), strict=True):
            scale = float(groupings[g].scale[first + row])
            found.append((g, first + int(row), first + int(column), scale))
    places = np.array([one[:3] for one in found], dtype=np.intp)
    scales = np.array([one[3] for one in found])
    sizes = tuple(one.k for one in groupings)
    return Layout(places[:, 0], places[:, 1], places[:, 2], scales, sizes)


def _joined(blocks: Sequence[RandomBlock], places: Sequence[int]) -> Grouped:
    own = [blocks[place] for place in places]
    values = np.hstack([block.values for block in own]) if len(own) > 1 else own[0].values
    largest = np.abs(values).max(axis=0)
    largest[largest == 0] = 1.0
    # The largest first: squares of 1e200 would not be finite.
    scale = largest * np.sqrt(np.mean((values / largest) ** 2, axis=0))
    scale[scale == 0] = 1.0
    effects = tuple(name for block in own for name in block.effects)
    firsts = np.cumsum([0, *(block.k for block in own)])[:-1]
    members = tuple((place, int(first)) for place, first in zip(places, firsts, strict=True))
    joined = RandomBlock(own[0].group, effects, own[0].levels, own[0].codes, values / scale)
    return Grouped(joined, scale, members)
