"""Interaction profiles: the mean of each level over the levels of another factor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.plot_groups import (
    LOOKS,
    MOST_LEVELS,
    Axis,
    Floats,
    axis_of,
    codes_of,
    look,
    values_of,
    words_of,
)
from joulebench.analysis.plot_sheet import Sheet, legend, set_axis, sheet
from joulebench.report.drawing import INK, RULE, label_text
from joulebench.report.numbers import count, fixed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SPREAD = 0.5
"""Of the room of a level along the axis, what its lines are moved apart by."""

_ROOM = 2.5
_FAR = 3.0
"""Means that span more than this ratio are drawn on a logarithmic axis, if the scale is one."""


@dataclass(frozen=True, eq=False)
class CellMeans:
    """Means of the cells of two factors, with intervals from the scatter inside all of them.

    Args:
        mean: In the unit of the response, NaN in empty cells, shape (levels, levels of the other).
        low: Lower ends, NaN where no cell is repeated.
        high: Upper ends.
        n: Values of each cell.
        df: Degrees of freedom of the scatter.
    """

    mean: Floats
    low: Floats
    high: Floats
    n: Floats
    df: int

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest end of the intervals; endless the other way without any."""
        return float(np.nanmin(self.low, initial=np.inf)), float(
            np.nanmax(self.high, initial=-np.inf)
        )

    def part(self, rows: Any, columns: Any) -> CellMeans:
        """Give some levels of either factor."""
        at = np.ix_(rows, columns)
        return replace(self, mean=self.mean[at], low=self.low[at], high=self.high[at], n=self.n[at])


def cell_means(
    values: Floats, first: Any, second: Any, shape: tuple[int, int], *, logged: bool
) -> CellMeans:
    """Estimate the means of cells as the linear model of all cells does.

    Intervals are 95 %, of the variance pooled over the cells: those of the estimated marginal
    means of ``a * b``. On the log scale means are geometric.

    Args:
        values: Shape (n,).
        first: Level of each in one factor, shape (n,).
        second: Level of each in the other.
        shape: Numbers of levels.
        logged: Whether to take logarithms.
    """
    from scipy.special import stdtrit

    seen = np.isfinite(values) & (first >= 0) & (second >= 0) & ((values > 0) | (not logged))
    y = np.log(values[seen]) if logged else values[seen]
    cells = np.ravel_multi_index((first[seen], second[seen]), shape)
    size = math.prod(shape)
    n = np.bincount(cells, minlength=size).astype(np.float64)
    known = np.where(n > 0, n, np.nan)
    mean = np.bincount(cells, y, size) / known
    rest = y - mean[cells]
    df = len(y) - int(np.sum(n > 0))
    if df > 0:
        half = float(stdtrit(df, 0.975)) * math.sqrt(float(rest @ rest) / df) / np.sqrt(known)
    else:
        half = np.full(size, np.nan)
    back = np.exp if logged else np.asarray
    mean, low, high = (back(part).reshape(shape) for part in (mean, mean - half, mean + half))
    return CellMeans(mean, low, high, n.reshape(shape), df)


def profile_sheet(
    frame: AnalysisFrame, response: str, by: tuple[str, str], title: str, *, logged: bool
) -> Sheet | None:
    """Draw the mean of each level over the levels of another factor, with 95 % intervals.

    Lines that run side by side are levels that differ alike everywhere: no interaction.

    Args:
        frame: Repetitions or run means.
        response: Tidy name.
        by: Factor of the lines, and factor along the axis.
        title: Heading.
        logged: Whether the means are geometric.

    Returns:
        The figure; ``None`` where fewer than two levels of either have a value.
    """
    lines, along = (_levels(frame, name) for name in by)
    axis, codes = axis_of(frame, response), [codes_of(frame, name) for name in by]
    means = cell_means(values_of(frame, response) * axis.unit.factor, codes[0], codes[1],
                       (len(lines), len(along)), logged=logged)  # fmt: skip
    rows, columns = (np.flatnonzero(np.any(means.n > 0, axis=side)) for side in (1, 0))
    if min(len(rows), len(columns)) < 2:
        return None
    note = _note(frame, means, (len(rows), len(columns)), by, logged=logged)
    drawn = sheet(title, note, 235.0)
    rows, columns = rows[:LOOKS], columns[:MOST_LEVELS]
    shown = means.part(rows, columns)
    handles = [_line(drawn.only, shown, place) for place in range(len(rows))]
    _label(drawn.only, shown, axis, logged=logged)
    _name_places(drawn.only, [along[place] for place in columns], words_of(by[1]))
    legend(drawn.only, words_of(by[0]), handles, [lines[row] for row in rows])
    low, high = drawn.only.get_ylim()
    cut = shown.ends[0] < low or shown.ends[1] > high
    return replace(drawn, note=f"{note} Bars at the edge go on beyond it.") if cut else drawn


def _levels(frame: AnalysisFrame, name: str) -> list[str]:
    return [label_text(str(level)) for level in frame.frame[name].cat.categories]


def _line(axes: Axes, means: CellMeans, place: int) -> Any:
    """Draw the means of one level with their intervals, beside those of the others."""
    looks, (lines, columns) = look(place), means.mean.shape
    x = np.arange(columns) + _SPREAD * ((place + 0.5) / lines - 0.5)
    low, high = means.low[place], means.high[place]
    held = np.isfinite(low) & np.isfinite(high)
    axes.vlines(x[held], low[held], high[held], color=looks.colour, lw=1.2, alpha=0.75)
    (line,) = axes.plot(x, means.mean[place], marker=looks.marker, color=looks.colour, ms=4.0,
                        lw=1.0, mew=0, linestyle=looks.line)  # fmt: skip
    return line


def _label(axes: Axes, means: CellMeans, axis: Axis, *, logged: bool) -> None:
    """Name the axis of the means, and keep them readable: endless intervals run off it."""
    low, high = float(np.nanmin(means.mean)), float(np.nanmax(means.mean))
    far = logged and high > _FAR * low
    least, most = min(means.ends[0], low), max(means.ends[1], high)
    if far:
        axes.set_ylim(max(least, low / _ROOM) / 1.1, min(most, high * _ROOM) * 1.1)
    else:
        span = (high - low) or abs(high) or 1.0
        axes.set_ylim(max(least, low - 0.7 * span) - 0.06 * span,
                      min(most, high + 0.7 * span) + 0.06 * span)  # fmt: skip
    label = f"{'geometric ' if logged else ''}mean {axis.label}"
    set_axis(axes, "y", replace(axis, label=label, logarithmic=far))


def _name_places(axes: Axes, names: Sequence[str], title: str) -> None:
    letters = sum(map(len, names)) + 2 * len(names)
    turn = 0 if letters <= 46 else 40 if len(names) <= 16 else 90
    axes.set_xticks(range(len(names)), names, rotation=turn, size=8 if len(names) <= 16 else 6,
                    ha="center" if turn != 40 else "right", rotation_mode="anchor" if turn == 40
                    else "default")  # fmt: skip
    for label in axes.get_xticklabels():
        label.set_color(INK)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.tick_params(axis="x", length=0)
    for place in range(1, len(names)):
        axes.axvline(place - 0.5, color=RULE, lw=0.3, zorder=0)
    axes.set_xlabel(title)


def _note(
    frame: AnalysisFrame, means: CellMeans, filled: tuple[int, int], by: tuple[str, str],
    *, logged: bool,
) -> str:  # fmt: skip
    n = int(means.n.sum())
    cells = means.n[means.n > 0]
    least, most = (fixed(each, 0) for each in (cells.min(), cells.max()))
    each = least if least == most else f"{least} to {most}"
    bars = (
        f"bars: 95 % intervals, scatter pooled over the cells ({fixed(means.df, 0)} degrees of "
        "freedom)"
        if means.df > 0
        else "no intervals: one value a cell"
    )
    cut = "".join(
        f" The first {most} of {there} levels of {words_of(name)}."
        for there, most, name in zip(filled, (LOOKS, MOST_LEVELS), by, strict=True)
        if there > most
    )
    kind = "Geometric means" if logged else "Means"
    return f"{kind} of {count(n, frame.level)}, {each} a cell; {bars}.{cut}"
