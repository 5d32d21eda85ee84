"""The table of cells at the end of a run, with the same numbers as the report."""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from joulebench.cli.narrow import table_that_fits
from joulebench.record import RunTable

if TYPE_CHECKING:
    from rich.table import Table

    from joulebench.report.cells import Cell

_COLUMNS = (
    ("energy_j", "energy", "J"),
    ("per_token_j", "per token", "J"),
    ("duration_s", "duration", "s"),
    ("accuracy", "accuracy", ""),
)


_SPARE = ("duration", "accuracy", "per token")
"""Columns that a narrow terminal does without, the first to go first."""


def print_cells(table: RunTable) -> None:
    """Print one row a cell: means with 95 % intervals."""
    from rich.console import Console

    from joulebench.report.cells import cells
    from joulebench.report.evidence import Evidence

    if not any(run.status == "done" for run in table.runs):
        return
    found = cells(Evidence(table))
    if not found:
        return
    console = Console(file=sys.stdout, emoji=False, width=None if sys.stdout.isatty() else 120)
    console.print(table_that_fits(console, partial(_table, table.name, found), _SPARE))
    origins = sorted({f"{cell.method}, {cell.scope}" for cell in found})
    ends = ", low to high its ends" if _lopsided(found) else ""
    said = f"± is half a 95 % interval{ends}; energy is {'; '.join(origins)}"
    console.print(said, highlight=False)
    rules = sorted({rule for cell in found for rule in cell.findings})
    if rules:
        console.print(f"findings: {', '.join(rules)} (see the report)", highlight=False)


def _lopsided(found: list[Cell]) -> bool:
    from joulebench.report.numbers import is_lopsided

    return any(is_lopsided(cell.estimates.get(key)) for cell in found for key, _, _ in _COLUMNS)


def _table(name: str, found: list[Cell], without: Collection[str] = ()) -> Table:
    from rich import box
    from rich.table import Table

    from joulebench.report.numbers import best_unit, with_interval

    table = Table(title=name, box=box.SIMPLE, title_justify="left")
    for factor in found[0].levels or {"study": name}:
        table.add_column(factor)
    table.add_column("runs", justify="right")
    present = [c for c in _COLUMNS if any(c[0] in cell.estimates for cell in found)]
    columns = [c for c in present if c[1] not in without]
    units = []
    for key, heading, symbol in columns:
        values = [cell.estimates[key].value for cell in found if key in cell.estimates]
        unit = best_unit(values, symbol) if symbol in ("J", "s") else None
        units.append(unit)
        shown = f" ({unit.symbol})" if unit else ""
        table.add_column(f"{heading}{shown}", justify="right", no_wrap=True)
    for cell in found:
        estimates = [cell.estimates.get(key) for key, _, _ in columns]
        texts = [with_interval(e, unit) for e, unit in zip(estimates, units, strict=True)]
        table.add_row(*(list(cell.levels.values()) or [name]), str(cell.runs), *texts)
    return table
