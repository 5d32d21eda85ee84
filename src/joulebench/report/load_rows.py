"""The tables of what happened under load as printed text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.report.evidence import in_columns
from joulebench.report.load import DELAYS, SIZES, UnderLoad
from joulebench.report.numbers import (
    ABSENT,
    Unit,
    best_unit,
    count,
    significant,
    with_interval,
)
from joulebench.stats import Estimate


@dataclass(frozen=True)
class Column:
    """One quantity of a table.

    Args:
        name: Key of the estimates.
        title: Heading without its unit.
        symbol: SI unit.
        prefixed: Whether its unit takes a prefix.
    """

    name: str
    title: str
    symbol: str
    prefixed: bool = True

    @property
    def family(self) -> str:
        """What shares a unit with it: the percentiles of one delay."""
        return self.name.partition("_")[0] if self.symbol == "s" else self.name


_DELAY_TITLES = {"ttft": "First token", "itl": "Between tokens", "latency": "Latency"}

SPEED = (
    Column("requests_per_s", "Requests", "1/s", prefixed=False),
    Column("tokens_per_s", "Output tokens", "1/s", prefixed=False),
    Column("goodput_per_s", "Goodput", "1/s", prefixed=False),
    *(
        Column(f"{name}_{part}_s", f"{_DELAY_TITLES[name]} {part}", "s")
        for name, parts in DELAYS.items()
        for part in parts
    ),
)
"""Columns of speed and delay."""

ENERGY = (
    Column("power_w", "Mean power", "W", prefixed=False),
    Column("per_token_j", "Energy per output token", "J"),
    Column("tokens_per_j", "Output tokens per joule", "1/J", prefixed=False),
)
"""Columns of energy."""

KINDS = {
    "sequential": "one at a time",
    "batch": "batches of {size}",
    "closed": "{size} under way",
    "open": "{size} a second",
}
"""How the loads are called."""


def load_heads(cells: Sequence[UnderLoad], columns: Sequence[Column]) -> list[dict[str, str]]:
    """Give the headings of the quantities that at least one cell has, with their units."""
    shown = _shown(cells, columns)
    return [{"title": column.title, "unit": unit.symbol} for column, unit in shown]


def load_rows(
    cells: Sequence[UnderLoad], columns: Sequence[Column], factors: Sequence[str]
) -> list[dict[str, Any]]:
    """Give one row a cell: levels, load, printed quantities with sort keys."""
    shown = _shown(cells, columns)
    return [
        {
            "levels": in_columns(cell.levels, factors),
            "load": load_words(cell),
            "load_key": "" if cell.size is None else f"{cell.size:.9g}",
            "figures": [_figure(cell.estimates.get(c.name), unit) for c, unit in shown],
            "window": cell.window,
            "mark": _mark(cell),
            "steady": f"{cell.steady} of {cell.runs}" if cell.overlapping else ABSENT,
            "method": cell.method,
            "scope": cell.scope,
        }
        for cell in cells
        if columns is SPEED or (cell.method and cell.kind != "sequential")
    ]


def load_title(cells: Sequence[UnderLoad]) -> str:
    """Name the section: one request after another is no load."""
    loaded = any(cell.kind != "sequential" for cell in cells)
    return "Under load" if loaded else "Speed and delay"


def load_told(cells: Sequence[UnderLoad]) -> bool:
    """Say whether the tables need a column of the load: there is one that no factor tells."""
    loaded = any(cell.kind != "sequential" for cell in cells)
    return loaded and any(SIZES.get(cell.kind) not in cell.levels for cell in cells)


def load_words(cell: UnderLoad) -> str:
    """Say how the requests of a cell arrived."""
    if cell.size is None:
        return "as in a trace" if cell.kind == "open" else KINDS.get(cell.kind, cell.kind)
    return KINDS[cell.kind].format(size=f"{cell.size:g}")


def load_notes(cells: Sequence[UnderLoad]) -> list[str]:
    """Say what a reader of the tables must know and what they do not show."""
    notes = []
    if cells and all(cell.kind == "sequential" for cell in cells):
        notes.append("Requests were put one at a time, each when the one before was answered.")
    if any(cell.settled for cell in cells):
        notes.append(
            "Requests and tokens a second, power and energies are of the steady stretch, where one "
            "was found; delays and goodput are of all requests."
        )
    unsettled = [cell for cell in cells if cell.unsettled]
    if unsettled:
        why = next((f" (for example, {cell.why})" for cell in unsettled if cell.why), "")
        notes.append(
            f"‡ no steady state in {count(len(unsettled), 'cell')}{why}: their figures are of the "
            "whole measured windows of all runs, in which the load rises and falls."
        )
    if any(cell.overload for cell in cells):
        notes.append(
            "Overload in some runs of a cell: more requests arrived than were answered. Delays "
            "then grow as long as the load lasts, and their percentiles say how long that was."
        )
    if any(cell.partly_steady for cell in cells):
        notes.append("§ some runs have no steady state; rates and energies are of the others.")
    if any(cell.below for cell in cells):
        notes.append("† below resolution: the stretch is too short for the sensor in some run.")
    if any(cell.slo for cell in cells):
        notes.append(f"Goodput counts requests that kept to {_slo_words(cells)}.")
    if any(cell.runs == 1 for cell in cells):
        notes.append("Percentiles and rates of a single run have no interval.")
    return notes


def _slo_words(cells: Sequence[UnderLoad]) -> str:
    words = {
        "ttft_s": "a first token within {} s",
        "itl_s": "a mean of {} s between tokens",
        "latency_s": "a last token within {} s",
    }
    found = dict.fromkeys(
        ", ".join(words[name].format(f"{most:g}") for name, most in cell.slo.items()
                  if name in words)
        for cell in cells
        if cell.slo
    )  # fmt: skip
    return "; or ".join(found)


def _mark(cell: UnderLoad) -> str:
    marks = [("‡", cell.unsettled), ("§", cell.partly_steady), ("†", cell.below > 0)]
    return "".join(mark for mark, holds in marks if holds)


def _shown(cells: Sequence[UnderLoad], columns: Sequence[Column]) -> list[tuple[Column, Unit]]:
    values = {
        column: [c.estimates[column.name].value for c in cells if column.name in c.estimates]
        for column in columns
    }
    shown = []
    for column in (column for column in columns if values[column]):
        alike = [v for other in columns if other.family == column.family for v in values[other]]
        unit = best_unit(alike, column.symbol) if column.prefixed else Unit(column.symbol)
        shown.append((column, unit))
    return shown


def _figure(estimate: Estimate | None, unit: Unit) -> tuple[str, str]:
    if estimate is None:
        return ABSENT, ""
    key = f"{estimate.value:.9g}"
    if estimate.n == 1 and not estimate.bounded:
        return significant(estimate.value * unit.factor), key
    return with_interval(estimate, unit), key
