"""Boxes with points: quartiles of each level, its repetitions and its run means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulebench.analysis.plot_groups import MOST_POINTS, Axis, Floats, Groups, thinned
from joulebench.analysis.plot_sheet import (
    RASTER_FROM,
    Sheet,
    height_of_rows,
    name_rows,
    set_axis,
    sheet,
)
from joulebench.report.drawing import INK, SERIES
from joulebench.report.numbers import fixed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HALF, _FEW = 0.3, 3
_SEED = 20240501
"""Of the places of points and of the samples that are drawn: each drawing is the same."""


def box_sheet(
    groups: Groups, title: str, repetitions: Groups | None, means: Groups | None
) -> Sheet:
    """Draw the quartiles of each level over its points.

    Whiskers reach to the outermost values within 1.5 interquartile ranges of the box (Tukey 1977,
    Exploratory Data Analysis). Points are moved at random across their row alone.

    Args:
        groups: What the boxes are of.
        title: Heading.
        repetitions: Points in pale; ``None`` where there are none but the runs.
        means: Points in dark, the run means; ``None`` where nothing is repeated.
    """
    drawn = sheet(title, _note(groups, repetitions, means), height_of_rows(len(groups.names)))
    axes, rng = drawn.only, np.random.default_rng(_SEED)
    for under, colour, size, alpha in ((repetitions, SERIES[5], 2.2, 0.45),
                                       (means, SERIES[1], 3.4, 0.9)):  # fmt: skip
        if under is not None:
            _points(axes, under, groups.names, colour, (size, alpha), rng)
    for place, sample in enumerate(groups.samples):
        _box(axes, place, sample, groups.axis)
    name_rows(axes, groups)
    set_axis(axes, "x", groups.axis)
    return drawn


def jittered(
    axes: Axes,
    place: int,
    sample: Floats,
    colour: str,
    look: tuple[float, float],
    rng: np.random.Generator,
    most: int = MOST_POINTS,
) -> None:
    """Draw the points of a level, moved at random across its row.

    Args:
        axes: The panel.
        place: Row.
        sample: Values.
        colour: Of the points.
        look: Their size, points, and how much they cover.
        rng: Draws where they lie.
        most: Points at most.
    """
    shown = sample[thinned(sample, most, rng)]
    half = 0.8 * _HALF if len(shown) > _FEW else 0.0  # a few do not hide one another
    across = place + half * rng.uniform(-1.0, 1.0, len(shown))
    axes.plot(shown, across, "o", color=colour, ms=look[0], alpha=look[1], mew=0, zorder=2)


def _points(
    axes: Axes,
    under: Groups,
    names: tuple[str, ...],
    colour: str,
    look: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    most = most_each(under)
    several = sum(min(most, len(sample)) for sample in under.samples) > RASTER_FROM
    before = len(axes.lines)
    for name, sample in zip(under.names, under.samples, strict=True):
        if name in names:
            jittered(axes, names.index(name), sample, colour, look, rng, most)
    for line in axes.lines[before:]:
        line.set_rasterized(several)


def most_each(groups: Groups) -> int:
    """Give the points that are drawn of each level at most."""
    return max(40, MOST_POINTS // max(1, len(groups.samples)))


def thinned_note(groups: Groups) -> str:
    """Say how many points are drawn where not all are."""
    most = most_each(groups)
    shown = sum(min(most, len(sample)) for sample in groups.samples)
    return f" {fixed(shown, 0)} of {fixed(groups.n, 0)} points drawn." if shown < groups.n else ""


def _box(axes: Axes, place: int, sample: Floats, axis: Axis) -> None:
    even = axis.even(sample)
    q1, median, q3 = np.quantile(even, [0.25, 0.5, 0.75])
    reach = 1.5 * (q3 - q1)
    low = min(q1, even[even >= q1 - reach].min())
    high = max(q3, even[even <= q3 + reach].max())
    low, q1, median, q3, high = axis.back(np.array([low, q1, median, q3, high]))
    top, bottom, cap = place - _HALF, place + _HALF, _HALF / 3
    axes.plot([median, median], [top, bottom], color=INK, lw=1.8, zorder=4, solid_capstyle="butt")
    if low == high:
        return  # one value, or no spread: the stroke of the median says it
    axes.plot([q1, q3, q3, q1, q1], [top, top, bottom, bottom, top], color=INK, lw=0.8, zorder=3)
    for end, edge in ((low, q1), (high, q3)):
        axes.plot([edge, end], [place, place], color=INK, lw=0.8, zorder=3)
        axes.plot([end, end], [place - cap, place + cap], color=INK, lw=0.8, zorder=3)


def _note(groups: Groups, repetitions: Groups | None, means: Groups | None) -> str:
    points = [
        f"{shade} points: {words}"
        for shade, words, there in (
            ("blue", "repetitions", repetitions),
            ("orange", "run means" if repetitions else "runs", means),
        )
        if there is not None
    ]
    thin = thinned_note(repetitions) if repetitions is not None else ""
    return (
        f"Boxes: quartiles of {groups.counted}; whiskers: within 1.5 interquartile ranges; "
        f"{'; '.join(points)}.{thin}"
    )
