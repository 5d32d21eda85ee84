"""What the units of a question were crossed with, and how that enters a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from joulebench.analysis.analysis_frame import RUN, AnalysisFrame
from joulebench.analysis.cells import joined
from joulebench.stats.crossing import crossing

if TYPE_CHECKING:
    import pandas as pd

CONDITIONS, CELL = "conditions", "cell"


@dataclass(frozen=True, slots=True)
class UnitLayout:
    """The units of a question among the other factors.

    Args:
        unit: Column of the units.
        parts: Factors that make up a unit.
        others: All other factors.
        conditions: Column of the combinations of these; empty where there are none.
        cell: Column of the cells of all factors.
        joint: Whether units can be compared within conditions, directly or through others; if not,
            only under the assumption that the other factors do not interact.
        complete: Whether each unit was run in each condition.
        units: Number of units.
        places: Number of conditions.
    """

    unit: str
    parts: tuple[str, ...]
    others: tuple[str, ...]
    conditions: str
    cell: str
    joint: bool
    complete: bool
    units: int
    places: int

    @property
    def blocks(self) -> tuple[str, ...]:
        """Columns that a model takes as blocks."""
        if not self.others:
            return ()
        return (self.conditions,) if self.joint else self.others

    def right(self) -> str:
        """Give the right side of the additive model: blocks, then units."""
        return " + ".join([*self.blocks, self.unit])


def with_conditions(
    frame: AnalysisFrame, parts: Sequence[str]
) -> tuple[AnalysisFrame, tuple[str, str]]:
    """Add columns of the conditions that units were run in and of cells, where there is none yet.

    Args:
        frame: Repetitions or run means.
        parts: Factors that make up a unit.

    Returns:
        The frame, and the names of both columns; that of conditions is empty where there are none.
    """
    others = [name for name in frame.factors if name not in parts]
    data, names = frame.frame, []
    wanted = ((CONDITIONS, others), (CELL, list(frame.factors)))
    for name, factors in wanted:
        if len(factors) < 2:
            names.append(factors[0] if factors else "")
            continue
        unit = next((u for u, parts in frame.units.items() if list(parts) == factors), "")
        if unit:
            names.append(unit)
            continue
        column = _free(name, data)
        data = data.assign(**{column: joined(frame, factors)})
        names.append(column)
    return replace(frame, frame=data), (names[0], names[1])


def layout_of(
    frame: AnalysisFrame,
    response: str,
    unit: str,
    parts: Sequence[str],
    columns: tuple[str, str],
) -> UnitLayout:
    """Look at how the units of a question lie among the other factors.

    Args:
        frame: Run means, with the columns of conditions and cells.
        response: Tidy name; rows without it do not count.
        unit: Column of the units.
        parts: Factors that make up a unit.
        columns: Names of the columns of conditions and of cells.
    """
    rows = frame.frame[frame.frame[response].notna()]
    seen = {name: len(rows[name].unique()) for name in frame.factors if name not in parts}
    others = tuple(name for name, levels in seen.items() if levels > 1)
    conditions, cell = columns
    units = rows[unit].nunique()
    if not others:
        return UnitLayout(unit, tuple(parts), (), "", cell, True, True, units, 1)
    crossed = crossing(_codes(rows[unit]), _codes(rows[conditions]))
    return UnitLayout(
        unit,
        tuple(parts),
        others,
        conditions,
        cell,
        crossed.lost_main == 0,
        crossed.filled == crossed.cells,
        units,
        int(rows[conditions].nunique()),
    )


def one_row_a_cell(rows: pd.DataFrame, cell: str) -> pd.DataFrame:
    """Average the runs of each cell; rows as they are where each cell is one run."""
    if rows[cell].nunique() == len(rows):
        return rows
    numbers = [name for name in rows.columns if rows[name].dtype.kind == "f"]
    grouped = rows.groupby(cell, observed=True, sort=True)
    first = grouped.first().drop(columns=[name for name in numbers if name != cell])
    made: pd.DataFrame = first.join(grouped[numbers].mean()).reset_index()
    return made


def runs_are_cells(rows: pd.DataFrame, cell: str) -> bool:
    """Say whether each cell is one run."""
    return bool(rows[cell].nunique() == rows[RUN].nunique())


def _codes(column: pd.Series[str]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.unique(column.cat.codes.to_numpy(), return_inverse=True)[1].astype(np.intp)


def _free(name: str, data: pd.DataFrame) -> str:
    while name in data.columns:
        name += "_"
    return name
