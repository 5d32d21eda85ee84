"""The tables of cells and contrasts as printed text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.report.cells import Cell
from joulebench.report.contrasts import Contrast
from joulebench.report.evidence import in_columns
from joulebench.report.findings import FindingRow, marks
from joulebench.report.numbers import ABSENT, Unit, best_unit, between, plus_minus, share
from joulebench.stats import Estimate

Printer = Callable[[Estimate | None, Unit | None], str]


@dataclass(frozen=True)
class Column:
    """One quantity of the table of cells.

    Args:
        name: Key of the estimates.
        title: Heading without its unit.
        symbol: SI unit.
        printer: How it is printed.
        joules: Whether it is an energy, whose method must be seen beside it.
    """

    name: str
    title: str
    symbol: str
    printer: Printer
    joules: bool = True


COLUMNS = (
    Column("energy_j", "Energy per run", "J", plus_minus),
    Column("above_idle_j", "of it above idle", "J", plus_minus),
    Column("per_token_j", "Energy per output token", "J", plus_minus),
    Column("per_correct_j", "Energy per correct answer", "J", between),
    Column("accuracy", "Accuracy", "", share, joules=False),
    Column("power_w", "Mean power", "W", plus_minus, joules=False),
    Column("duration_s", "Duration", "s", plus_minus, joules=False),
)


def present(cells: Sequence[Cell]) -> list[Column]:
    """Give the columns that at least one cell has a value for: absent is not a column of zeros."""
    return [column for column in COLUMNS if any(column.name in c.estimates for c in cells)]


def units(cells: Sequence[Cell]) -> dict[str, Unit]:
    """Choose a unit for each column; energy and energy above idle share one."""
    chosen = {}
    for column in present(cells):
        name = "energy_j" if column.name == "above_idle_j" else column.name
        values = [c.estimates[name].value for c in cells if name in c.estimates]
        chosen[column.name] = (
            best_unit(values, column.symbol) if column.joules else Unit(column.symbol)
        )
    return chosen


def heads(cells: Sequence[Cell]) -> list[dict[str, str]]:
    """Give the headings of the quantities with their units."""
    chosen = units(cells)
    return [{"title": c.title, "unit": chosen[c.name].symbol} for c in present(cells)]


def cell_rows(
    cells: Sequence[Cell], findings: Sequence[FindingRow], factors: Sequence[str]
) -> list[dict[str, Any]]:
    """Give one row a cell: levels, printed quantities with sort keys, marks of findings."""
    columns, chosen = present(cells), units(cells)
    return [
        {
            "levels": in_columns(cell.levels, factors),
            "values": [_value(cell.estimates.get(c.name), c, chosen[c.name]) for c in columns],
            "method": cell.method,
            "scope": cell.scope,
            "runs": cell.runs,
            "failed": cell.failed,
            "marks": marks(findings, cell.findings),
        }
        for cell in cells
    ]


def contrast_rows(contrasts: Sequence[Contrast]) -> list[dict[str, Any]]:
    """Give one row a contrast."""
    return [
        {
            "factor": contrast.factor,
            "more": contrast.more,
            "less": contrast.less,
            "ratio": between(contrast.ratio),
            "key": f"{contrast.ratio.value:.6g}",
            "basis": contrast.basis,
            "holds": contrast.holds,
            "method": contrast.method,
            "scope": contrast.scope,
        }
        for contrast in contrasts
    ]


def _value(estimate: Estimate | None, column: Column, unit: Unit) -> tuple[str, str]:
    if estimate is None:
        return ABSENT, ""
    return column.printer(estimate, unit), _sort_key(estimate.value)


def _sort_key(value: float) -> str:
    return f"{value:.9g}"
