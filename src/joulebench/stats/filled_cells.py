"""Which combinations of the levels of several factors hold data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.model_frame import coded

Cell = tuple[str, ...]

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Cells:
    """The combinations of the levels of some factors, and how many rows each holds.

    Args:
        factors: Names of the factors.
        levels: Levels of each factor, in order.
        counts: Rows of each combination, the first factor slowest; 0 where none was observed.
    """

    factors: tuple[str, ...]
    levels: Mapping[str, Sequence[str]]
    counts: Mapping[Cell, int]

    @property
    def filled(self) -> list[Cell]:
        """Combinations that hold data."""
        return [cell for cell, count in self.counts.items() if count]

    @property
    def empty(self) -> list[Cell]:
        """Combinations that hold none."""
        return [cell for cell, count in self.counts.items() if not count]

    @property
    def text(self) -> str:
        """How many are filled, and the first of the empty ones, in words."""
        empty = [" x ".join(cell) for cell in self.empty]
        more = f" and {len(empty) - _SHOWN} more" if len(empty) > _SHOWN else ""
        return (
            f"{len(self.filled)} of {len(self.counts)} cells of {' x '.join(self.factors)} hold "
            f"data (empty: {', '.join(empty[:_SHOWN])}{more})"
        )

    def table(self) -> pd.DataFrame:
        """Give one row a combination: its levels, its name ``a:b`` and its rows ``n``."""
        rows = [
            {**dict(zip(self.factors, cell, strict=True)), "cell": ":".join(cell), "n": count}
            for cell, count in self.counts.items()
        ]
        return pd.DataFrame(rows)


def cells_of(frame: pd.DataFrame, factors: Sequence[str]) -> Cells:
    """Count the rows of each combination of the levels of some factors.

    Args:
        frame: Complete rows.
        factors: Columns, numbers among them taken by their levels.
    """
    levels = {name: coded(frame[name])[1] for name in factors}
    combinations_of = list(product(*levels.values()))
    seen = np.bincount(_cell_codes(frame, factors), minlength=len(combinations_of)).tolist()
    return Cells(tuple(factors), levels, dict(zip(combinations_of, seen, strict=True)))


def smallest_with_gaps(frame: pd.DataFrame, factors: Sequence[str]) -> list[Cells]:
    """Find the smallest sets of factors that have empty cells.

    A set is left out where a part of it has empty cells already.
    """
    found: list[Cells] = []
    for size in range(2, len(factors) + 1):
        for names in combinations(factors, size):
            if any(set(cells.factors) <= set(names) for cells in found):
                continue
            cells = cells_of(frame, names)
            if cells.empty:
                found.append(cells)
    return found


def crosses(frame: pd.DataFrame, cells: Sequence[str], other: str, *, evenly: bool = False) -> bool:
    """Say whether every level of another factor was observed in every filled cell.

    Args:
        frame: Complete rows.
        cells: Factors whose filled cells are meant.
        other: The other factor.
        evenly: Whether also as often at each of its levels as at any other of the same cell.
    """
    cell, (code, texts) = _cell_codes(frame, cells), coded(frame[other])
    levels = len(texts)
    if levels < 2:
        return False
    filled, place = np.unique(cell, return_inverse=True)
    counts = np.bincount(place * levels + code, minlength=len(filled) * levels)
    in_each = counts.reshape(len(filled), levels)
    return bool((in_each > 0).all()) and not (evenly and (np.ptp(in_each, axis=1) > 0).any())


def nested(frame: pd.DataFrame, inner: str, outer: str) -> bool:
    """Say whether each level of one factor occurs with one level of another alone."""
    (_, texts), (_, others) = coded(frame[inner]), coded(frame[outer])
    pairs = np.unique(_cell_codes(frame, [inner, outer]))
    return len(pairs) == len(texts) and len(others) > 1


def _cell_codes(frame: pd.DataFrame, factors: Sequence[str]) -> NDArray[np.intp]:
    """Number the combination of levels of each row, shape (n,)."""
    place = np.zeros(len(frame), dtype=np.intp)
    for name in factors:
        codes, texts = coded(frame[name])
        place = place * len(texts) + codes
    return place


def one_step_contrasts(cells: Cells) -> dict[str, dict[str, float]]:
    """Give the contrasts of filled cells that change one factor by one filled step.

    Returns:
        By name (``3.2: 3B - 1B``), the weights of the cells ``a:b``: later minus earlier.
    """
    filled = set(cells.filled)
    return {
        name: {":".join(later): 1.0, ":".join(earlier): -1.0}
        for place in range(len(cells.factors))
        for name, earlier, later in _steps(cells, place, filled)
    }


def _steps(cells: Cells, place: int, filled: set[Cell]) -> Iterator[tuple[str, Cell, Cell]]:
    """Walk along one factor, the others held, from each filled cell to the next filled one."""
    moving = cells.levels[cells.factors[place]]
    fixed = [cells.levels[name] for k, name in enumerate(cells.factors) if k != place]
    for held in product(*fixed):
        along = [(*held[:place], level, *held[place:]) for level in moving]
        there = [cell for cell in along if cell in filled]
        for earlier, later in pairwise(there):
            where = ", ".join(held)
            yield f"{where}: {later[place]} - {earlier[place]}", earlier, later
