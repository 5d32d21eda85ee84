"""The measured columns of a table that rules on its design compare."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from joulebench.audit.design_factors import Codes, TableDesign, combined
from joulebench.audit.table import AuditTable, Floats


def columns_of(table: AuditTable, *kinds: str, phases: bool = True) -> list[str]:
    """Give the columns that hold amounts of some quantities.

    Args:
        table: The table.
        kinds: Quantities.
        phases: Whether to give those of idle and loading too.
    """
    found = [column for kind in kinds for column in table.measures(kind)]
    if phases:
        return found
    apart = ("idle", "load", "warmup")
    return [c for c in found if (m := table.meaning(c)) is not None and m.phase not in apart]


def headline(table: AuditTable, kind: str) -> str | None:
    """Give the column that stands for a quantity: the total, else the whole, else the first."""
    found = columns_of(table, kind, phases=False)
    parts = {column: m.part for column in found if (m := table.meaning(column)) is not None}
    rank = {"total": 0, "": 1}
    return min(found, key=lambda column: rank.get(parts[column], 2), default=None)


def cell_means(design: TableDesign, column: str) -> tuple[Floats, Floats]:
    """Give the mean and the number of values of each cell, shape (cells,); NaN where none is."""
    if column not in design.known_means:
        design.known_means[column] = _cell_means(design, column)
    return design.known_means[column]


def _cell_means(design: TableDesign, column: str) -> tuple[Floats, Floats]:
    values = design.table.si(column)
    known = np.isfinite(values)
    cells: Codes = design.cells[known]
    count = np.bincount(cells, minlength=design.cell_count).astype(np.float64)
    total = np.bincount(cells, values[known], minlength=design.cell_count)
    mean: Floats = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return mean, count


def neighbours(design: TableDesign, mean: Floats) -> list[tuple[int, int]]:
    """Give cells next to each other in a mean, the lower first; cells of other tasks apart.

    A task costs what it costs: a comparison is of cells that do the same.

    Args:
        design: Of the table.
        mean: Of each cell, shape (cells,); cells whose mean is not above zero are left out.
    """
    task = combined([factor.codes for factor in design.of_kind("task")], design.rows)
    task = task[design.first_row]
    order = np.lexsort((mean, task))
    order = order[mean[order] > 0]
    return [(low, high) for low, high in pairwise(order.tolist()) if task[low] == task[high]]


def logs(values: Floats) -> Floats:
    """Give natural logarithms; NaN where a value is not above zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, np.log(values), np.nan)


def percent(log_ratio: float) -> str:
    """Write a log ratio as a change in percent."""
    return f"{100 * np.expm1(log_ratio):.2g} %"
