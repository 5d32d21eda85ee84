"""Bland-Altman plots: by how much two meters differ, against what they read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from joulebench.agreement import Difference, allowed_j
from joulebench.report.agreement import Agreement
from joulebench.report.drawing import (
    BAND,
    INK,
    MUTED,
    RULE,
    SERIES,
    Picture,
    canvas,
    clear_background,
    label_text,
    rendered,
)
from joulebench.report.numbers import Unit, best_unit, fixed, places
from joulebench.stats import BlandAltman

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PICTURES = 6
"""Pairs of meters that are drawn; all are in the table."""


def agreement_pictures(found: Sequence[Agreement]) -> list[Picture]:
    """Draw the relative differences of each pair of meters."""
    drawn = [each for each in found if each.comparison.relative is not None][:MOST_PICTURES]
    return [
        _picture(place, each, each.comparison.relative)
        for place, each in enumerate(drawn, 1)
        if each.comparison.relative is not None
    ]


def _picture(place: int, each: Agreement, relative: BlandAltman) -> Picture:
    unit = best_unit([d.mean_j for d in each.comparison.differences], "J")
    figure, axes = canvas(330, 170)
    _bounds(axes, each, unit)
    axes.axhline(0, color=RULE, lw=0.8)
    _lines(axes, relative)
    _dots(axes, each, unit)
    axes.set_xlabel(f"mean of the two / {unit.symbol}")
    axes.set_ylabel("difference / % of the mean")
    axes.margins(x=0.04, y=0.12)
    clear_background(figure)
    name = f"agreement-{place}"
    svg, png = rendered(figure, name)
    title = label_text(each.label)
    return Picture(name, title, _alt(each, relative), _caption(each), svg, png)


def _bounds(axes: Axes, each: Agreement, unit: Unit) -> None:
    """Shade where a difference may lie if what both meters state is true."""
    points = sorted(
        (d.mean_j * unit.factor, 100 * _allowed_j(each, d) / abs(d.mean_j))
        for d in each.comparison.differences
    )
    means, halves = [mean for mean, _ in points], [half for _, half in points]
    axes.fill_between(means, [-half for half in halves], halves, color=BAND, lw=0, zorder=0)
    axes.plot(means, halves, color=RULE, lw=0.6, zorder=0)
    axes.plot(means, [-half for half in halves], color=RULE, lw=0.6, zorder=0)


def _allowed_j(each: Agreement, difference: Difference) -> float:
    return allowed_j(difference, one_sensor=each.comparison.one_sensor)


def _lines(axes: Axes, relative: BlandAltman) -> None:
    axes.axhline(100 * relative.bias.value, color=INK, lw=1.0)
    for limit in (relative.lower, relative.upper):
        axes.axhline(100 * limit.value, color=MUTED, lw=0.9, ls=(0, (4, 3)))


def _dots(axes: Axes, each: Agreement, unit: Unit) -> None:
    compared = each.comparison
    for difference, beyond in zip(compared.differences, compared.beyond, strict=True):
        colour = SERIES[1] if beyond else SERIES[0]
        point = [difference.mean_j * unit.factor], [100 * difference.relative]
        axes.plot(*point, "o", color=colour, ms=3.6, mew=0, alpha=0.8)


def _alt(each: Agreement, relative: BlandAltman) -> str:
    decimals = places(100 * relative.sd)
    ends = [fixed(100 * limit.value, decimals) for limit in (relative.lower, relative.upper)]
    return (
        f"Bland-Altman plot of {each.label} over {each.comparison.n} runs: mean difference "
        f"{fixed(100 * relative.bias.value, decimals)} %, limits of agreement {ends[0]} to "
        f"{ends[1]} %; the numbers are in the table of meters."
    )


def _caption(each: Agreement) -> str:
    outside = each.comparison.outside
    red = f" Vermilion: the {outside} beyond both." if outside else ""
    return (
        "Dots: runs; solid line: mean difference; dashed: limits within which 95 % of differences "
        f"lie; shaded: what both meters state of themselves, 95 %.{red} {each.host or 'Host'}: "
        f"{each.method}, {each.scope}."
    )
