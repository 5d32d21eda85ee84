"""Dot plots: one quantity of every cell with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulebench.report.cells import Cell
from joulebench.report.drawing import (
    BAND,
    INK,
    MUTED,
    SERIES,
    Picture,
    canvas,
    clear_background,
    label_text,
    rendered,
)
from joulebench.report.numbers import Unit, best_unit
from joulebench.stats import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 60
"""More cells than this cannot be read in one dot plot."""


@dataclass(frozen=True)
class Quantity:
    """What a dot plot shows.

    Args:
        name: Key of the estimates.
        title: Heading.
        beside: Key of estimates shown as open circles beside; empty for none.
        beside_words: What those are.
    """

    name: str
    title: str
    beside: str = ""
    beside_words: str = ""


SHOWN = (
    Quantity("per_token_j", "Energy per output token"),
    Quantity("energy_j", "Energy per run", "above_idle_j", "energy above idle"),
    Quantity("per_correct_j", "Energy per correct answer"),
)


def cell_pictures(cells: Sequence[Cell], origin: str) -> list[Picture]:
    """Draw the quantities that were measured; none where there are too many cells to read."""
    if not 1 < len(cells) <= MOST_ROWS:
        return []
    shown = [q for q in SHOWN if any(q.name in cell.estimates for cell in cells)]
    return [_picture(quantity, cells, origin) for quantity in shown]


def _picture(quantity: Quantity, cells: Sequence[Cell], origin: str) -> Picture:
    rows = [cell for cell in cells if quantity.name in cell.estimates]
    unit = best_unit((cell.estimates[quantity.name].value for cell in rows), "J")
    figure, axes = canvas(330, 46 + 15 * len(rows))
    for place, cell in enumerate(rows):
        colour = SERIES[_group(cells, cell) % len(SERIES)]
        _dot(axes, place, cell.estimates[quantity.name].scaled(unit.factor), colour)
        beside = cell.estimates.get(quantity.beside)
        if beside is not None:
            _ring(axes, place, beside.value * unit.factor, colour)
    _rows(axes, row_labels(rows), [_group(cells, cell) for cell in rows])
    axes.set_xlabel(f"{quantity.title} / {unit.symbol}")
    _limits(axes, rows, quantity, unit)
    clear_background(figure)
    name = f"cells-{quantity.name.removesuffix('_j').replace('_', '-')}"
    svg, png = rendered(figure, name)
    alt, caption = _alt(quantity, rows, unit), _caption(quantity, rows, origin)
    return Picture(name, quantity.title, alt, caption, svg, png)


def row_labels(cells: Sequence[Cell]) -> list[str]:
    """Give the names of cells, with what tells apart those of equal levels."""
    methods, scopes = ({getattr(cell, name) for cell in cells} for name in ("method", "scope"))
    return [
        " · ".join(
            [
                label_text(cell.label),
                *([cell.method] if len(methods) > 1 else []),
                *([cell.scope] if len(scopes) > 1 else []),
            ]
        )
        for cell in cells
    ]


def _group(cells: Sequence[Cell], cell: Cell) -> int:
    """Give the place of a cell's level of the first factor: its colour."""
    firsts = list(dict.fromkeys(next(iter(each.levels.values()), "") for each in cells))
    return firsts.index(next(iter(cell.levels.values()), ""))


def _dot(axes: Axes, place: int, estimate: Estimate, colour: str) -> None:
    if estimate.bounded:
        axes.plot([estimate.low, estimate.high], [place, place], color=colour, lw=1.4,
                  solid_capstyle="butt")  # fmt: skip
    noise = estimate.noise_half
    if estimate.n > 1 and math.isfinite(noise):
        ends = [estimate.value - noise, estimate.value + noise]
        axes.plot(ends, [place, place], color=colour, lw=3.2, alpha=0.45, solid_capstyle="butt")
    axes.plot([estimate.value], [place], "o", color=colour, ms=4.2, mew=0)


def _ring(axes: Axes, place: int, value: float, colour: str) -> None:
    axes.plot([value], [place], "o", mfc="none", mec=colour, ms=4.2, mew=1.0)


def _rows(axes: Axes, labels: Sequence[str], groups: Sequence[int]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    for label in axes.get_yticklabels():
        label.set_color(INK)
    for place, group in enumerate(groups):
        if group % 2 == 0:
            axes.axhspan(place - 0.5, place + 0.5, color=BAND, lw=0, zorder=0)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", colors=MUTED)


def _limits(axes: Axes, rows: Sequence[Cell], quantity: Quantity, unit: Unit) -> None:
    """Start at zero, so that lengths compare; leave endless intervals cut at twice the values."""
    values = [cell.estimates[quantity.name].scaled(unit.factor) for cell in rows]
    most = max(e.value for e in values)
    ends = [min(e.high, 2.5 * most) for e in values if e.bounded]
    low = min([0.0, *(e.low for e in values if e.bounded and e.value < 0)])
    axes.set_xlim(low, 1.04 * max([most, *ends]))


def _alt(quantity: Quantity, rows: Sequence[Cell], unit: Unit) -> str:
    values = [cell.estimates[quantity.name].value for cell in rows]
    low, high = min(values) * unit.factor, max(values) * unit.factor
    return (
        f"Dot plot of {quantity.title.lower()} for {len(rows)} cells, from {low:.3g} to "
        f"{high:.3g} {unit.symbol}; the numbers are in the table of cells."
    )


def _caption(quantity: Quantity, rows: Sequence[Cell], origin: str) -> str:
    rings = any(quantity.beside in cell.estimates for cell in rows)
    beside = f" Open circles: {quantity.beside_words}." if rings else ""
    return (
        "Dots: estimates; thin bars: 95 % intervals, noise and bias together; thick bars: noise "
        f"alone, which is what counts between cells read by one meter.{beside} {origin}."
    )
