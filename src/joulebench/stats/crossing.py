"""What a crossing of two factors with empty cells can still tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Crossing:
    """The table of two factors.

    Args:
        first: Levels of the first.
        second: Levels of the second.
        filled: Cells that hold at least one row.
        parts: Parts that share no level: connected components of the graph whose nodes are the
            levels of both and whose edges are the filled cells.
    """

    first: int
    second: int
    filled: int
    parts: int

    @property
    def cells(self) -> int:
        """All combinations of levels."""
        return self.first * self.second

    @property
    def additive_rank(self) -> int:
        """Parameters that a model with both main effects can estimate: ``a + b - parts``."""
        return self.first + self.second - self.parts

    @property
    def lost_main(self) -> int:
        """Contrasts of one factor that cannot be told from contrasts of the other."""
        return self.parts - 1

    @property
    def lost_interaction(self) -> int:
        """Parameters of the interaction, of ``(a - 1)(b - 1)``, that cannot be estimated."""
        return (self.first - 1) * (self.second - 1) - (self.filled - self.additive_rank)


def crossing(first: Codes, second: Codes) -> Crossing:
    """Count what a crossing holds.

    Two factors are estimable together if and only if the graph of their filled cells is connected
    (Weeks and Williams 1964, Technometrics 6, 319); each further part costs one contrast.

    Args:
        first: Level of each row, from 0, shape (n,).
        second: Level of each row, from 0, shape (n,).
    """
    a, b = int(first.max()) + 1, int(second.max()) + 1
    table = np.bincount(first * b + second, minlength=a * b).reshape(a, b) > 0
    used_a, used_b = table.any(axis=1), table.any(axis=0)
    table = table[used_a][:, used_b]
    return Crossing(table.shape[0], table.shape[1], int(table.sum()), _parts(table))


def _parts(table: NDArray[np.bool_]) -> int:
    """Count connected components by spreading from the first level that is not yet reached."""
    a = table.shape[0]
    unseen, parts = set(range(a)), 0
    while unseen:
        parts += 1
        front = {unseen.pop()}
        while front:
            columns = table[sorted(front)].any(axis=0)
            reached = set(np.flatnonzero(table[:, columns].any(axis=1)).tolist())
            front = reached & unseen
            unseen -= front
    return parts
