"""Densities of the levels: over one another where they are few, else a row each; and violins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulebench.analysis.kernel_density import bandwidth
from joulebench.analysis.plot_box import jittered, most_each
from joulebench.analysis.plot_groups import Axis, Floats, Groups, look
from joulebench.analysis.plot_sheet import (
    Sheet,
    height_of_rows,
    legend,
    name_rows,
    set_axis,
    sheet,
)
from joulebench.report.drawing import INK, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST = 5
"""Fewer values have no density to speak of: they are drawn as points."""

_OVER_ONE_ANOTHER = 7
_GRID, _REACH = 160, 3.0
_HALF, _FEW = 0.42, 30
_SEED = 20240502

Curve = tuple[Floats, Floats]


def curve_of(sample: Floats, axis: Axis, reach: float = _REACH) -> Curve | None:
    """Estimate the density of a sample along an axis; ``None`` where it has none.

    A Gaussian kernel with Silverman's bandwidth (1986, Density Estimation, 3.31), on values counted
    in narrow bins, so that 100,000 take no longer than 100 (Silverman 1982, Appl. Stat. 31, 93).
    On a logarithmic axis it is the density of the logarithm.

    Args:
        sample: Values, shape (n,).
        axis: They lie along it.
        reach: Bandwidths that the curve goes on beyond the outermost values.

    Returns:
        Where, and the density there.
    """
    even = axis.even(sample)
    if len(even) < LEAST or np.ptp(even) <= 1e-12 * np.abs(even).max():
        return None
    width = bandwidth(even)
    low, high = even.min() - reach * width, even.max() + reach * width
    bins = min(8192, max(_GRID, int(np.ceil(5.0 * (high - low) / width))))
    counts, edges = np.histogram(even, bins=bins, range=(low, high))
    step = edges[1] - edges[0]
    tail = np.arange(-np.ceil(4.0 * width / step), np.ceil(4.0 * width / step) + 1.0) * step
    kernel = np.exp(-0.5 * (tail / width) ** 2)
    middles = edges[:-1] + step / 2
    full = np.convolve(counts, kernel / (kernel.sum() * step * len(even)))
    height = full[len(tail) // 2 : len(tail) // 2 + bins]
    ends = (-np.inf, np.inf) if axis.logarithmic else axis.bounds
    at = np.linspace(max(low, ends[0]), min(high, ends[1]), _GRID)
    return axis.back(at), _folded(at, middles, height, ends)


def _folded(at: Floats, middles: Floats, height: Floats, ends: tuple[float, float]) -> Floats:
    """Give a curve inside its bounds, what lay beyond them folded back (Silverman 1986, 2.10)."""
    found = np.interp(at, middles, height)
    for end in ends:
        if np.isfinite(end):
            found = found + np.interp(2 * end - at, middles, height, left=0.0, right=0.0)
    return np.asarray(found)


def density_sheet(groups: Groups, title: str) -> Sheet | None:
    """Draw the density of each level, with a stroke at its median; ``None`` where none has one."""
    if all(curve_of(sample, groups.axis) is None for sample in groups.samples):
        return None
    if len(groups.names) > _OVER_ONE_ANOTHER:
        return _rows(groups, title)
    note = _note(groups, "Gaussian kernels, Silverman's bandwidth; strokes: medians")
    drawn = sheet(title, note, 215.0)
    axes, handles = drawn.only, []
    for place, sample in enumerate(groups.samples):
        handles.append(_line(axes, place, sample, curve_of(sample, groups.axis)))
    axes.set_ylim(0.0, None)
    axes.margins(x=0.02)
    set_axis(axes, "x", groups.axis)
    unit = groups.axis.unit.symbol
    axes.set_ylabel("density" + (", 1/decade" if groups.axis.logarithmic else
                                 f", 1/{unit}" if unit else ""))  # fmt: skip
    legend(axes, groups.by, handles, groups.named())
    return drawn


def _line(axes: Axes, place: int, sample: Floats, curve: Curve | None) -> object:
    looks = look(place)
    if curve is None:
        marks = axes.get_xaxis_transform()
        (line,) = axes.plot(sample, np.full(len(sample), 0.03), linestyle="none", mew=0, ms=4.0,
                            marker=looks.marker, color=looks.colour, transform=marks)  # fmt: skip
        return line
    at, height = curve
    axes.fill_between(at, height, color=looks.colour, alpha=0.12, lw=0)
    (line,) = axes.plot(at, height, color=looks.colour, lw=1.3, linestyle=looks.line)
    median = float(np.median(sample))
    top = float(np.interp(median, at, height))
    axes.plot([median, median], [0.0, top], color=looks.colour, lw=0.8)
    return line


def _rows(groups: Groups, title: str) -> Sheet:
    """Draw one density a row, all of equal height: shapes are compared, not heights."""
    note = _note(groups, "Gaussian kernels, each scaled to its row; strokes: medians")
    drawn = sheet(title, note, height_of_rows(len(groups.names)))
    axes = drawn.only
    for place, sample in enumerate(groups.samples):
        curve, median = curve_of(sample, groups.axis), float(np.median(sample))
        base = place + _HALF
        if curve is None:
            axes.plot(sample, np.full(len(sample), base - 0.1), "o", color=INK, ms=2.4, mew=0)
            continue
        at, height = curve[0], base - 0.9 * curve[1] / curve[1].max()
        axes.fill_between(at, height, base, color=SERIES[0], alpha=0.3, lw=0)
        axes.plot(at, height, color=SERIES[0], lw=0.8)
        axes.plot([median, median], [base, np.interp(median, at, height)], color=INK, lw=1.0)
    name_rows(axes, groups)
    set_axis(axes, "x", groups.axis)
    return drawn


def violin_sheet(groups: Groups, title: str) -> Sheet | None:
    """Draw the density of each level mirrored, from its least to its largest value.

    ``None`` where no level has one.

    Widths go with the root of the height of the density: a level that scatters far less than the
    others is wider, and the others are still to be seen.
    """
    curves = [curve_of(sample, groups.axis, 0.0) for sample in groups.samples]
    most = max((float(curve[1].max()) for curve in curves if curve is not None), default=0.0)
    if most == 0.0:
        return None
    note = _note(groups, "white: median, bar: quartiles")
    drawn = sheet(title, note, height_of_rows(len(groups.names)))
    axes, rng = drawn.only, np.random.default_rng(_SEED)
    for place, (sample, curve) in enumerate(zip(groups.samples, curves, strict=True)):
        if curve is None:
            jittered(axes, place, sample, INK, (3.0, 0.9), rng, most_each(groups))
        else:
            _violin(axes, place, sample, curve, most)
            if len(sample) <= _FEW:
                jittered(axes, place, sample, INK, (1.8, 0.6), rng)
    name_rows(axes, groups)
    set_axis(axes, "x", groups.axis)
    return drawn


def _violin(axes: Axes, place: int, sample: Floats, curve: Curve, most: float) -> None:
    at, height = curve
    half = _HALF * (height / height.max()) * max(float(height.max()) / most, 0.35) ** 0.5
    axes.fill_between(at, place - half, place + half, color=SERIES[0], alpha=0.3, lw=0, zorder=2)
    for side in (-1.0, 1.0):
        axes.plot(at, place + side * half, color=SERIES[0], lw=0.8, zorder=3)
    q1, median, q3 = np.quantile(sample, [0.25, 0.5, 0.75])
    axes.plot([q1, q3], [place, place], color=INK, lw=2.6, zorder=4, solid_capstyle="butt")
    axes.plot([median], [place], "o", color="white", ms=3.4, mec=INK, mew=0.8, zorder=5)


def _note(groups: Groups, how: str) -> str:
    lone = any(len(sample) < LEAST or np.ptp(sample) == 0 for sample in groups.samples)
    points = f" Points: levels of fewer than {LEAST} values or without spread." if lone else ""
    return f"{groups.counted}; {how}.{points}"
