"""The forest plot of a comparison: each cell with its interval, then the means over cells."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from joulebench.comparison.effect import Effect
from joulebench.comparison.response import ResponseComparison
from joulebench.record import write_whole
from joulebench.report.drawing import (
    BAND,
    INK,
    MUTED,
    RULE,
    SERIES,
    canvas,
    label_text,
    rendered,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _ROW, _REST = 360.0, 13.0, 62.0
_DPI = 300

MOST = 60
"""More cells than this cannot be read; the levels of factors are drawn instead."""


@dataclass(frozen=True)
class _Line:
    label: str
    effect: Effect
    whole: bool = False


def forest(found: ResponseComparison) -> Figure:
    """Draw the ratio (or difference) of each cell and the means over cells, with 95 % intervals.

    The margin of equivalence is shaded where one was asked for.
    """
    lines = list(_lines(found))
    figure, axes = canvas(_WIDTH, _REST + _ROW * len(lines))
    if found.equivalence is not None:
        low, high = found.equivalence.low, found.equivalence.high
        axes.axvspan(found.shown(low), found.shown(high), color=BAND, lw=0, zorder=0)
    axes.axvline(found.shown(0.0), color=MUTED, lw=0.8, zorder=1)
    for place, line in enumerate(lines):
        _draw(axes, found, place, line)
    _name(axes, found, lines)
    return figure


def write_forest(found: ResponseComparison, folder: Path) -> tuple[Path, Path]:
    """Write the forest plot of a response as PNG and as SVG, and give their places."""
    places = folder / f"{found.name}_forest.png", folder / f"{found.name}_forest.svg"
    svg, image = rendered(forest(found), places[0].stem, _DPI)
    folder.mkdir(parents=True, exist_ok=True)
    places[0].write_bytes(image)
    write_whole(places[1], svg)
    return places


def _lines(found: ResponseComparison) -> Iterator[_Line]:
    if len(found.cells) <= MOST:
        for cell in found.cells:
            yield _Line(" · ".join(cell.levels) or "all runs", cell.effect)
    else:
        for level in found.variation.levels if found.variation else ():
            yield _Line(f"{level.factor} {level.level}", level.effect)
    if len(found.cells) > 1:
        yield _Line(f"these {len(found.cells)} cells", found.these, whole=True)
    if found.others is not None:
        yield _Line("other cells like these", found.others, whole=True)


def _draw(axes: Axes, found: ResponseComparison, place: int, line: _Line) -> None:
    colour = SERIES[1] if line.whole else SERIES[0]
    low, high = (found.shown(end) for end in line.effect.ends())
    if not math.isnan(low):
        width = 1.6 if line.whole else 1.1
        axes.plot([low, high], [place, place], color=colour, lw=width, zorder=2)
    axes.plot([found.shown(line.effect.value)], [place], "D" if line.whole else "o", color=colour,
              ms=5 if line.whole else 4, mew=0, zorder=3)  # fmt: skip


def _name(axes: Axes, found: ResponseComparison, lines: list[_Line]) -> None:
    axes.set_yticks(range(len(lines)), [label_text(line.label) for line in lines])
    for label in axes.get_yticklabels():
        label.set_color(INK)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.grid(True, axis="x", color=RULE, lw=0.4)
    if len(lines) > len(found.cells) > 1:
        axes.axhline(len(found.cells) - 0.5, color=RULE, lw=0.6)
    what = "B / A" if found.ratio else "B − A"
    axes.set_xlabel(f"{found.response.words}, {what}, 95 % intervals")
    if found.ratio:
        _logarithmic(axes, found, lines)


def _logarithmic(axes: Axes, found: ResponseComparison, lines: list[_Line]) -> None:
    """Take a logarithmic axis, with plain numbers, where ratios lie far apart."""
    values = [found.shown(line.effect.value) for line in lines]
    if max(values) / min(values) > 3:
        from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(10, (1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
