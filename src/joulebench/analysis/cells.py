"""The cells of a design, and the means of their repetitions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from joulebench.analysis.analysis_frame import REPETITION, RUN, SIZE, AnalysisFrame
from joulebench.errors import unknown

if TYPE_CHECKING:
    import pandas as pd

COUNT = "n"
"""Column of a frame of run means: rows behind each mean."""


@dataclass(frozen=True, slots=True)
class CellCounts:
    """How many rows each combination of levels has.

    Args:
        factors: The factors that were crossed.
        possible: Number of combinations of their levels.
        counts: Rows of each combination that has any, by its levels, in the order of the levels.
    """

    factors: tuple[str, ...]
    possible: int
    counts: dict[tuple[str, ...], int]

    @property
    def filled(self) -> int:
        """Combinations that have a row."""
        return len(self.counts)

    @property
    def empty(self) -> int:
        """Combinations without a row."""
        return self.possible - self.filled

    @property
    def balanced(self) -> bool:
        """Whether all filled cells have as many rows."""
        return len(set(self.counts.values())) <= 1

    @property
    def sentence(self) -> str:
        """How many cells are filled, and with how much."""
        least, most = min(self.counts.values()), max(self.counts.values())
        rows = f"{least} rows each" if self.balanced else f"{least} to {most} rows each"
        if most == 1:
            rows = "one row each"
        crossed = " x ".join(self.factors)
        return f"{crossed}: {self.filled} of {self.possible} cells filled, {rows}"


def cell_counts(frame: AnalysisFrame, factors: Sequence[str] = ()) -> CellCounts:
    """Count the rows of each combination of levels of some factors; of all if none is named.

    Raises:
        UsageError: A name that is no factor.
    """
    names = tuple(factors) or frame.factors
    cells, codes = cells_of(frame, names)
    counts = np.bincount(codes, minlength=len(cells)).tolist()
    possible = math.prod(len(frame.levels(name)) for name in names)
    return CellCounts(names, possible, dict(zip(cells, counts, strict=True)))


def cells_of(
    frame: AnalysisFrame, factors: Sequence[str]
) -> tuple[list[tuple[str, ...]], np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Give the filled cells of some factors in the order of the levels, and that of each row.

    Returns:
        Levels of each cell, and the number of the cell of each row, from 0, shape (n,).

    Raises:
        UsageError: A name that is no factor.
    """
    codes = codes_of(frame, factors)
    levels = [frame.levels(name) for name in factors]
    shape = tuple(map(len, levels))
    flat = np.ravel_multi_index(tuple(codes.values()), shape)
    filled, numbers = np.unique(flat, return_inverse=True)
    places = np.array(np.unravel_index(filled, shape)).T.tolist()
    cells = [tuple(level[at] for level, at in zip(levels, place, strict=True)) for place in places]
    return cells, numbers


def codes_of(
    frame: AnalysisFrame, factors: Sequence[str]
) -> dict[str, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Give the number of the level of each row, from 0, by factor, shape (n,).

    Raises:
        UsageError: A name that is no factor.
    """
    for name in factors:
        if name not in (*frame.factors, *frame.units):
            raise unknown("factor", name, (*frame.factors, *frame.units))
    return {name: frame.frame[name].cat.codes.to_numpy().astype(np.intp) for name in factors}


def joined(
    frame: AnalysisFrame, factors: Sequence[str], separator: str = " · "
) -> pd.Categorical[str]:
    """Join factors into one, whose levels are the filled cells in their order: ``3.2 · 1B``.

    Args:
        frame: The runs.
        factors: At least one.
        separator: What joins the names of their levels.
    """
    import pandas as pd

    cells, codes = cells_of(frame, factors)
    names = [separator.join(cell) for cell in cells]
    return pd.Categorical([names[code] for code in codes.tolist()], names, ordered=True)


def run_means(frame: AnalysisFrame) -> AnalysisFrame:
    """Average the repetitions of each run: one row a run, ``n`` the rows behind it.

    A response is averaged over the repetitions that have it. Its noise becomes that of a mean of
    independent readings, ``sqrt(sum u_i^2) / n``; its bias is shared by all and becomes their mean
    (JCGM 100:2008, 5.1.2 and 5.2.2 with a correlation of 1).
    """
    if frame.level == "run":
        return frame
    data = frame.frame
    grouped = data.groupby(RUN, observed=True, sort=True)
    noises = [each.noise for each in frame.responses if each.noise]
    plain = [each.name for each in frame.responses]
    plain += [each.bias for each in frame.responses if each.bias]
    means = grouped[[*frame.factors, *frame.units, *([SIZE] if SIZE in data else [])]].first()
    means.insert(0, COUNT, grouped.size())
    means = means.join(grouped[plain].mean())
    if noises:
        squares = data[noises].pow(2).groupby(data[RUN], observed=True, sort=True)
        means = means.join(squares.sum(min_count=1).pow(0.5) / squares.count())
    means = means.reset_index()
    return replace(frame, frame=means, level="run")


def rows_per_run(frame: AnalysisFrame) -> tuple[int, int]:
    """Give the fewest and the most rows that a run has."""
    if frame.level == "run":
        counts = frame.frame[COUNT].to_numpy()
    else:
        counts = frame.frame.groupby(RUN, observed=True)[REPETITION].size().to_numpy()
    return int(counts.min()), int(counts.max())
