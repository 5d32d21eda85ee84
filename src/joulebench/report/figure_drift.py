"""Did anything change while the study ran: each run against the mean of its cell, in order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import fmean
from typing import TYPE_CHECKING

from joulebench.report.drawing import (
    BAND,
    MUTED,
    RULE,
    SERIES,
    Picture,
    canvas,
    clear_background,
    label_text,
    rendered,
)
from joulebench.report.evidence import Evidence, Reading, by_cell
from joulebench.report.numbers import between
from joulebench.stats import Estimate, within_group_slope

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[int, float, Reading]


def drift_picture(evidence: Evidence) -> Picture | None:
    """Draw deviation from the cell's mean against run order; ``None`` without repeats or order."""
    points = sorted(
        [*drift_points(evidence.readings), *drift_points(evidence.controls)], key=lambda p: p[0]
    )
    if len(points) < 3:
        return None
    from matplotlib.ticker import MaxNLocator

    figure, axes = canvas(560, 185)
    _blocks(axes, points)
    axes.axhline(0, color=RULE, lw=0.8)
    _dots(axes, points, evidence)
    axes.set_xlabel("order of execution")
    axes.set_ylabel("deviation from\nthe cell's mean / %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.01, y=0.12)
    clear_background(figure)
    svg, png = rendered(figure, "drift")
    what = _quantity(evidence.readings)
    alt = (
        f"Scatter plot of {what} of {len(points)} runs, per cent from the mean of their cell, "
        f"against order of execution."
    )
    return Picture("drift", "Drift over run order", alt, _caption(points, what), svg, png, True)


def drift_points(readings: Sequence[Reading]) -> list[Point]:
    """Give order, per cent from the cell's mean, and the run, for cells of two runs or more."""
    points = []
    for group in by_cell(readings).values():
        known = [each for each in group if each.run.trial.get("order") is not None]
        values = [_value(each, readings) for each in known]
        if len(values) >= 2 and fmean(values) > 0:
            mean = fmean(values)
            points += [
                (int(each.run.trial["order"]), 100 * (value / mean - 1), each)
                for each, value in zip(known, values, strict=True)
            ]
    return sorted(points, key=lambda point: point[0])


def slope_over_study(points: Sequence[Point]) -> Estimate | None:
    """Give the change from the first run to the last, in per cent of the cells' means."""
    orders = [float(order) for order, _, _ in points]
    groups = [
        "·".join([*each.levels.values(), *each.origin, "control" * each.run.control])
        for _, _, each in points
    ]
    slope = within_group_slope([deviation for _, deviation, _ in points], orders, groups)
    return None if slope is None else slope.scaled(max(orders) - min(orders) or 1.0)


def _value(each: Reading, readings: Sequence[Reading]) -> float:
    tokens = each.tokens if all(r.tokens for r in readings) else None
    return each.energy.joules / (tokens or 1)


def _quantity(readings: Sequence[Reading]) -> str:
    return f"energy per {'output token' if all(r.tokens for r in readings) else 'run'}"


def _blocks(axes: Axes, points: Sequence[Point]) -> None:
    """Shade every other block, where blocks are contiguous stretches of the order."""
    runs = [(block, [p[0] for p in found]) for block, found in groupby(points, _block)]
    if len({block for block, _ in runs}) < len(runs) or len(runs) < 2:
        return
    for place, (block, orders) in enumerate(runs):
        if place % 2 == 0:
            axes.axvspan(orders[0] - 0.5, orders[-1] + 0.5, color=BAND, lw=0, zorder=0)
        if len(runs) <= 12:
            corner = (orders[0] - 0.4, 1.0)
            axes.annotate(f"block {block}", corner, xycoords=("data", "axes fraction"),
                          color=MUTED, size=7.5, va="top")  # fmt: skip


def _block(point: Point) -> object:
    return point[2].run.trial.get("block")


def _dots(axes: Axes, points: Sequence[Point], evidence: Evidence) -> None:
    levels = next(iter(evidence.factors.values()), [""])
    for place, level in enumerate(levels):
        mine = [p for p in points if next(iter(p[2].levels.values()), "") == level]
        axes.plot([p[0] for p in mine], [p[1] for p in mine], "os^Dvp*"[place % 7], mew=0, ms=4.2,
                  color=SERIES[place % len(SERIES)], label=label_text(level) or None)  # fmt: skip
    controls = [p for p in points if p[2].run.control]
    if controls:
        axes.plot([p[0] for p in controls], [p[1] for p in controls], "o", mfc="none", mec=MUTED,
                  ms=8, label="control")  # fmt: skip
    if 1 < len(levels) + bool(controls) <= 7:
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False,
                             fontsize=8, handletextpad=0.2)  # fmt: skip
        for text in legend.get_texts():
            text.set_color(MUTED)


def _caption(points: Sequence[Point], what: str) -> str:
    slope = slope_over_study(points)
    if slope is None:
        trend = "Too few repeats to estimate a trend."
    else:
        sure = "a drift" if slope.excludes(0.0) else "no drift larger than its uncertainty"
        trend = (
            f"From first to last run: {between(slope)} %, {sure} (95 %, least squares within "
            "cells)."
        )
    ringed = " Controls are ringed." if any(p[2].run.control for p in points) else ""
    return f"{what.capitalize()} of each run against the mean of its cell. {trend}{ringed}"
