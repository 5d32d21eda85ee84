"""Forest plots: ratios with their intervals, one a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from joulebench.analysis.answer import Answer
from joulebench.analysis.plot_effect_rows import Effect, Section, is_ratio
from joulebench.analysis.plot_sheet import Sheet, log_ticks, logarithmic, sheet
from joulebench.report.drawing import BAND, INK, MUTED, RULE, SERIES
from joulebench.report.numbers import MINUS, Unit, best_unit, fixed, places, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _AROUND = 12.0, 92.0
_WIDEST = 60.0
"""Ratios further from 1 than this run off the axis."""


def effect_sheet(
    answer: Answer, found: Sequence[Section], title: str, *, colours: bool = False
) -> Sheet:
    """Draw comparisons as dots with 95 % intervals, their figures beside.

    Args:
        answer: The question.
        found: Sections, from the top.
        title: Heading.
        colours: Whether rows of one place in their sections share a colour.
    """
    rows = sum(1 + len(section.effects) for section in found)
    long = any("\n" in effect.label for section in found for effect in section.effects)
    row = 1.5 * _ROW if long else _ROW
    drawn = sheet(title, _note(answer, found), _AROUND + row * rows)
    unit = _unit(answer, found)
    _axis(drawn.only, answer, found, unit)
    place = 0
    names: list[tuple[int, str]] = []
    for section in found:
        drawn.only.axhspan(place - 0.5, place + 0.5, color=BAND, lw=0, zorder=0)
        drawn.only.text(0.008, place, section.title, size=7, color=MUTED, weight="bold",
                        va="center", transform=drawn.only.get_yaxis_transform(), zorder=4,
                        bbox={"facecolor": BAND, "edgecolor": "none", "pad": 0.8})  # fmt: skip
        for at, effect in enumerate(section.effects, 1):
            colour = SERIES[(at - 1) % len(SERIES)] if colours else SERIES[0]
            _row(drawn.only, place + at, effect, unit, colour, ratio=is_ratio(answer))
            names.append((place + at, effect.label))
        place += 1 + len(section.effects)
    _name(drawn.only, names, place)
    return drawn


def _unit(answer: Answer, found: Sequence[Section]) -> Unit:
    response = answer.means.response(answer.question.response)
    if is_ratio(answer) or not response.unit:
        return Unit("")
    return best_unit((e.value for section in found for e in section.effects), response.unit)


def _row(axes: Axes, place: int, effect: Effect, unit: Unit, colour: str, *, ratio: bool) -> None:
    still = 1.0 if ratio else 0.0
    low, high, value = (each * unit.factor for each in (effect.low, effect.high, effect.value))
    apart = math.isfinite(low) and not low <= still <= high
    if (effect.wide_low, effect.wide_high) != (effect.low, effect.high):
        ends = [effect.wide_low * unit.factor, effect.wide_high * unit.factor]
        axes.plot(ends, [place, place], color=colour, lw=0.8, zorder=2)
    axes.plot([low, high], [place, place], color=colour, lw=1.8, solid_capstyle="butt", zorder=2)
    axes.plot([value], [place], "o", ms=4.4, mew=1.0, mec=colour, mfc=colour if apart else "white",
              zorder=3)  # fmt: skip
    axes.text(1.02, place, _figures(value, low, high), transform=axes.get_yaxis_transform(),
              size=6.5, color=INK, va="center_baseline")  # fmt: skip


def _axis(axes: Axes, answer: Answer, found: Sequence[Section], unit: Unit) -> None:
    effects = [effect for section in found for effect in section.effects]
    ends = [each * unit.factor for e in effects for each in (e.wide_low, e.wide_high, e.value)
            if math.isfinite(each)]  # fmt: skip
    response = answer.means.response(answer.question.response)
    if is_ratio(answer):
        kept = [min(max(end, 1 / _WIDEST), _WIDEST) for end in ends if end > 0]
        low, high = min([*kept, 0.95]), max([*kept, 1.05])
        axes.set_xlim(low / 1.06, high * 1.06)
        logarithmic(axes, "x")
        axes.set_xticks(log_ticks(*axes.get_xlim(), most=6))
        axes.set_xlabel(f"ratio of {response.words}")
    else:
        low, high = min([*ends, 0.0]), max([*ends, 0.0])
        room = 0.04 * (high - low or 1.0)
        axes.set_xlim(low - room, high + room)
        axes.set_xlabel(f"difference in {response.words}" + (unit.symbol and f", {unit.symbol}"))
    axes.grid(True, axis="x", color=RULE, lw=0.4)
    axes.axvline(1.0 if is_ratio(answer) else 0.0, color=MUTED, lw=0.9, zorder=1)


def _name(axes: Axes, names: Sequence[tuple[int, str]], rows: int) -> None:
    axes.set_yticks([place for place, _ in names], [text for _, text in names], size=6.5)
    for label in axes.get_yticklabels():
        label.set_color(INK)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _figures(value: float, low: float, high: float) -> str:
    """Print a comparison, its interval to two digits of its shorter arm."""
    arms = [arm for arm in (value - low, high - value) if math.isfinite(arm) and arm > 0]
    if not arms:
        return significant(value)
    decimals = places(min(arms))
    return f"{fixed(value, decimals)} ({' to '.join(_end(each, decimals) for each in (low, high))})"


def _end(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    return significant(value, 2) if abs(value) >= 1e4 else fixed(value, decimals)


def _note(answer: Answer, found: Sequence[Section]) -> str:
    what, still = ("ratios", "1") if is_ratio(answer) else ("differences", "0")
    effects = [effect for section in found for effect in section.effects]
    wide = any((e.wide_low, e.wide_high) != (e.low, e.high) for e in effects)
    own = " Thin: with the uncertainty of the energies themselves." if wide else ""
    left = sum(section.left_out for section in found)
    fewer = f" {fixed(left, 0)} more are in the table alone." if left else ""
    return (
        f"Dots: {what}, lines: 95 % intervals as in the tables of contrasts; filled: the interval "
        f"leaves {still} out.{own}{fewer}"
    )
