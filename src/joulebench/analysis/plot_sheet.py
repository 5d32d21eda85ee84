"""Empty figures in the house style, what stands around their data, and their files."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulebench.analysis.plot_groups import Axis, Groups
from joulebench.report.drawing import INK, MUTED, RULE, canvas, in_house_style, rendered
from joulebench.report.numbers import fixed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 300
_RASTER_DPI = 220
WIDTH = 360.0
"""Of a figure, points: 12.7 cm."""

RASTER_FROM = 1200
"""More points than this are a picture inside the SVG, which would else be large and slow."""

_NOTE_LETTERS, _TITLE_LETTERS, _LABEL_LETTERS = 98, 66, 36


@dataclass(frozen=True, eq=False)
class Sheet:
    """A figure that is being drawn.

    Args:
        figure: All of it.
        axes: Its panels, from left to right.
        title: Short heading.
        note: What to read off it and how it was made; below the drawing.
    """

    figure: Figure
    axes: tuple[Axes, ...]
    title: str
    note: str

    @property
    def only(self) -> Axes:
        """The first panel."""
        return self.axes[0]

    def write(self, png: Path, svg: Path) -> None:
        """Write the figure as PNG and as SVG, the same bytes for the same drawing."""
        self.settle()
        text, pixels = rendered(self.figure, svg.stem, DPI)
        png.parent.mkdir(parents=True, exist_ok=True)
        svg.parent.mkdir(parents=True, exist_ok=True)
        png.write_bytes(pixels)
        svg.write_text(described(text, self.title, self.note), encoding="utf-8", newline="")

    def settle(self) -> None:
        """Place title, panels and note once; they stay where they are in both files."""
        title = textwrap.fill(self.title, _TITLE_LETTERS, max_lines=2, placeholder="…")
        self.figure.suptitle(title, x=0.012, ha="left", size=9, color=INK)
        note = textwrap.fill(self.note, _NOTE_LETTERS)
        self.figure.supxlabel(note, x=0.012, ha="left", size=6.5, color=MUTED)
        self.figure.set_dpi(_RASTER_DPI)  # of what is a picture inside the SVG
        engine = self.figure.get_layout_engine()
        if engine is not None:
            engine.execute(self.figure)
        self.figure.set_layout_engine(None)  # else each file is laid out and drawn once more


def sheet(title: str, note: str, height: float, panels: int = 1) -> Sheet:
    """Make an empty figure.

    Args:
        title: Short heading.
        note: What to read off it.
        height: Points.
        panels: Axes side by side.
    """
    figure, first = canvas(WIDTH, height)
    axes = [first]
    if panels > 1:
        grid = figure.add_gridspec(1, panels)
        first.set_subplotspec(grid[0, 0])
        axes += [in_house_style(figure.add_subplot(grid[0, place])) for place in range(1, panels)]
    return Sheet(figure, tuple(axes), title, note)


def described(svg: str, title: str, note: str) -> str:
    """Name an SVG for who cannot see it."""
    at = svg.index(">", svg.index("<svg")) + 1
    words = f"\n <title>{escape(title)}</title>\n <desc>{escape(note)}</desc>"
    return f'{svg[: at - 1]} role="img">{words}{svg[at:]}'


def height_of_rows(rows: int) -> float:
    """Give the height of a figure with a level a row, points."""
    return 84.0 + rows * row_height(rows)


def row_height(rows: int) -> float:
    """Give the height of a row, points; the more rows, the less each."""
    return 26.0 if rows <= 8 else 18.0 if rows <= 16 else 12.5


def name_rows(axes: Axes, groups: Groups) -> None:
    """Write the levels left of the axes, one a row from the top, with their n on the right."""
    rows = len(groups.names)
    size = 8 if rows <= 16 else 7
    axes.set_yticks(range(rows), groups.names, size=size)
    for label in axes.get_yticklabels():
        label.set_color(INK)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_ylabel(groups.by)
    right: Any = axes.get_yaxis_transform()
    for place, sample in enumerate(groups.samples):
        axes.text(1.015, place, f"n = {fixed(len(sample), 0)}", transform=right, size=size - 1,
                  color=MUTED, va="center_baseline")  # fmt: skip


def set_axis(axes: Axes, which: str, axis: Axis) -> None:
    """Name an axis, make it logarithmic where it has to be, and rule its ticks.

    Args:
        axes: The panel.
        which: ``x`` or ``y``.
        axis: What is along it.
    """
    label = textwrap.fill(axis.label, _LABEL_LETTERS)
    if which == "x":
        axes.set_xlabel(label)
    else:
        axes.set_ylabel(label)
    if axis.logarithmic:
        logarithmic(axes, which)
    else:
        axes.locator_params(axis="x" if which == "x" else "y", nbins=7)
    axes.grid(True, axis="x" if which == "x" else "y", color=RULE, lw=0.4)


def logarithmic(axes: Axes, which: str) -> None:
    """Make an axis logarithmic, with plain numbers at few ticks; call it after its limits."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    if which == "x":
        axes.set_xscale("log")
    else:
        axes.set_yscale("log")
    axis: Any = axes.xaxis if which == "x" else axes.yaxis
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    axis.set_major_locator(FixedLocator(log_ticks(low, high)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Choose ticks of a logarithmic axis: powers of ten, with 2 and 5 or more where few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found: list[float] = []
    for steps in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)):
        ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) > most and len(found) > 1:
            break
        found = inside
    if len(found) < 2:
        found = [float(f"{end:.3g}") for end in (low, math.sqrt(low * high), high)]
    return found[:: 1 + len(found) // (most + 1)]


def legend(axes: Axes, title: str, handles: Sequence[Any], names: Sequence[str]) -> None:
    """Name what is drawn, on the right of the axes."""
    box = axes.legend(
        handles, names, title=title, loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False,
        fontsize=7, title_fontsize=7, handlelength=2.2, labelcolor=INK, borderaxespad=0.0,
        alignment="left",
    )  # fmt: skip
    box.get_title().set_color(MUTED)
