"""Ranks, values that are equal sharing the mean of theirs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Midranks:
    """Ranks from 1 to n, and which of them are shared.

    Args:
        ranks: Rank of each value, whole or half, shape (n,).
        ties: How many values hold each distinct value, in rising order.
    """

    ranks: Floats
    ties: NDArray[np.intp]

    @property
    def tied(self) -> bool:
        """Whether any two values are equal."""
        return len(self.ties) < len(self.ranks)

    @property
    def tie_sum(self) -> float:
        """Sum of ``t^3 - t`` over groups of ``t`` equal values, which tie corrections are of."""
        return tie_sum(self.ties)


def midranks(values: Floats) -> Midranks:
    """Rank values, equal ones at the mean of the ranks that they take together.

    Args:
        values: Finite values, shape (n,).
    """
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(ties)
    return Midranks((last - (ties - 1) / 2)[place], ties)


def printed_ties(values: Floats, *, repeats: bool = False) -> NDArray[np.intp]:
    """Give how many values hold each number of 15 significant digits.

    R's ``kruskal.test`` and ``cor.test`` count ties with ``table()``, which tells numbers apart by
    15 digits, though ``rank()`` tells them apart by all: 0.1 + 0.2 and 0.3 have ranks of their own
    and still count as a tie. Means of repetitions are full of such pairs, and their p values follow
    R's only where ties are counted in the same way.

    Args:
        values: Finite values, shape (n,).
        repeats: Count values equal in all digits less one, and one more for the group, as
            ``table(x[duplicated(x)]) + 1`` does; a group without a repeat is left out.
    """
    distinct, counts = np.unique(values, return_counts=True)
    _, group = np.unique([f"{value:.15g}" for value in distinct], return_inverse=True)
    if not repeats:
        return np.bincount(group, counts).astype(np.intp)
    again = np.bincount(group, counts - 1).astype(np.intp)
    return again[again > 0] + 1


def tie_sum(ties: NDArray[np.intp]) -> float:
    """Give the sum of ``t^3 - t`` over groups of ``t`` equal values."""
    shared = ties[ties > 1].astype(np.float64)
    return float(np.sum(shared**3 - shared))
