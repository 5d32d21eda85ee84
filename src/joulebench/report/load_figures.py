"""Energy, power and delay drawn against load, a line for each cell that differs in load alone."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulebench.report.drawing import (
    INK,
    MUTED,
    SERIES,
    Picture,
    canvas,
    clear_background,
    label_text,
    rendered,
)
from joulebench.report.load import SIZES, UnderLoad
from joulebench.report.numbers import Unit, best_unit
from joulebench.stats import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 6
"""More lines than this cannot be told apart: the rest goes into further figures."""

MOST_PARTS = 4
"""Figures that one quantity is parted into at most."""

AXES = {
    "batch": "Requests in a batch",
    "closed": "Requests under way",
    "open": "Arrivals a second",
}

Shift = Callable[[float], float]

_MARKERS = "os^DvP"
_WIDE_RANGE = 8.0
_LONGEST_BAR = 1.6
"""Bars that reach further, in largest values, are cut: they would press all else together."""

_APART = 0.018
"""Distance of two lines, as a part of the axis, so that bars do not hide one another."""


@dataclass(frozen=True)
class Quantity:
    """What a figure shows against load.

    Args:
        name: Key of the estimates.
        title: Heading.
        axis: Label of its axis, without its unit.
        symbol: SI unit.
        prefixed: Whether its unit takes a prefix.
        limit: Name of the longest delay that counts as good; empty for none.
        kinds: Loads that it is drawn for.
    """

    name: str
    title: str
    axis: str
    symbol: str
    prefixed: bool = False
    limit: str = ""
    kinds: tuple[str, ...] = tuple(SIZES)

    @property
    def stem(self) -> str:
        """Its part of a file's name, without the unit."""
        return re.sub(r"(_per)?_[sw]$", "", self.name).replace("_", "-")


SHOWN = (
    Quantity("tokens_per_j", "Output tokens per joule", "Output tokens per joule", "1/J"),
    Quantity("power_w", "Power", "Mean power", "W"),
    Quantity("ttft_p95_s", "Time to the first token", "p95", "s", True, "ttft_s"),
    Quantity("latency_p95_s", "Latency", "p95", "s", True, "latency_s"),
    Quantity("goodput_per_s", "Goodput", "Good requests", "1/s", kinds=("closed", "open")),
)


@dataclass(frozen=True)
class Line:
    """The cells that differ in load alone.

    Args:
        name: What they have in common.
        cells: By increasing load.
    """

    name: str
    cells: list[UnderLoad]


def load_pictures(cells: Sequence[UnderLoad]) -> list[Picture]:
    """Draw each quantity against each kind of load that has more than one size."""
    pictures: list[Picture] = []
    for kind in SIZES:
        found = lines([cell for cell in cells if cell.kind == kind])
        if not any(len({cell.size for cell in line.cells}) > 1 for line in found):
            continue
        for quantity in SHOWN:
            if kind in quantity.kinds:
                pictures += _parts(kind, quantity, found)
    return pictures


def lines(cells: Sequence[UnderLoad]) -> list[Line]:
    """Put cells together that differ in load alone."""
    found: dict[tuple[tuple[str, str], ...], list[UnderLoad]] = {}
    for cell in cells:
        if cell.size is not None:
            rest = {k: v for k, v in cell.levels.items() if k not in SIZES.values()}
            rest |= {"method": cell.method, "scope": cell.scope}
            found.setdefault(tuple(rest.items()), []).append(cell)
    ends = {key[-2:] for key in found}
    return [
        Line(_name(key, several=len(ends) > 1), sorted(line, key=lambda cell: cell.size or 0.0))
        for key, line in found.items()
    ]


def _name(key: tuple[tuple[str, str], ...], *, several: bool) -> str:
    parts = [level for _, level in (key if several else key[:-2]) if level]
    return label_text(" · ".join(parts))


def _parts(kind: str, quantity: Quantity, found: Sequence[Line]) -> Iterator[Picture]:
    shown = [line for line in found if any(quantity.name in c.estimates for c in line.cells)]
    parts = [shown[i : i + MOST_LINES] for i in range(0, len(shown), MOST_LINES)][:MOST_PARTS]
    for place, part in enumerate(parts, 1):
        yield _picture(kind, quantity, part, place, len(parts))


def _picture(kind: str, quantity: Quantity, found: Sequence[Line], place: int, of: int) -> Picture:
    cells = [c for line in found for c in line.cells if quantity.name in c.estimates]
    values = [cell.estimates[quantity.name].value for cell in cells]
    unit = best_unit(values, quantity.symbol) if quantity.prefixed else Unit(quantity.symbol)
    named = [line.name for line in found if line.name]
    figure, axes = canvas(330, 200 + (13 * math.ceil(len(named) / 2) if len(named) > 1 else 0))
    sizes = [cell.size or 0.0 for cell in cells]
    for number, line in enumerate(found):
        apart = _APART * (number - (len(found) - 1) / 2)
        _line(axes, line, quantity, unit, (number, _shifted(sizes, apart)))
    slo = _limits(axes, quantity, cells, unit)
    _scale(axes, cells, [limit * unit.factor for limit in slo], quantity, unit)
    axes.set_xlabel(AXES[kind])
    axes.set_ylabel(f"{quantity.axis} / {unit.symbol}")
    if len(named) > 1:
        figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=INK,
                      fontsize=8, handlelength=1.6, borderaxespad=0.2)  # fmt: skip
    clear_background(figure)
    name = f"load-{kind}-{quantity.stem}" + (f"-{place}" if of > 1 else "")
    svg, png = rendered(figure, name)
    title = f"{quantity.title} at load" + (f" ({place} of {of})" if of > 1 else "")
    alt, caption = _alt(quantity, kind, cells, unit), _caption(quantity, cells, slo)
    return Picture(name, title, alt, caption, svg, png)


def _line(axes: Axes, line: Line, quantity: Quantity, unit: Unit, place: tuple[int, Shift]) -> None:
    number, shift = place
    colour, marker = SERIES[number % len(SERIES)], _MARKERS[number % len(_MARKERS)]
    points = [c for c in line.cells if quantity.name in c.estimates]
    at = [shift(cell.size or 0.0) for cell in points]
    found = [cell.estimates[quantity.name].scaled(unit.factor) for cell in points]
    axes.plot(at, [e.value for e in found], color=colour, lw=0.9, alpha=0.7)
    for x, cell, estimate in zip(at, points, found, strict=True):
        _bars(axes, x, estimate, colour)
        face = "none" if cell.unsettled else colour
        axes.plot([x], [estimate.value], marker, mfc=face, mec=colour, ms=4.4, mew=1.0)
    axes.plot([], [], marker, ls="-", color=colour, lw=0.9, ms=4.4, label=line.name or "all")


def _shifted(sizes: Sequence[float], apart: float) -> Shift:
    """Give what moves a size along the axis by a part of its length."""
    low, high = min(sizes), max(sizes)
    if _by_doubling(sizes):
        return lambda size: size * (high / low) ** apart
    return lambda size: size + apart * ((high - low) or 1.0)


def _by_doubling(sizes: Sequence[float]) -> bool:
    return min(sizes) > 0 and max(sizes) / min(sizes) >= _WIDE_RANGE


def _bars(axes: Axes, x: float, estimate: Estimate, colour: str) -> None:
    if not math.isfinite(estimate.low):
        return
    # One that has no upper end leaves the figure.
    ends = [estimate.low, min(estimate.high, 100 * estimate.value)]
    axes.plot([x, x], ends, color=colour, lw=1.4, solid_capstyle="butt")
    noise = estimate.noise_half
    if estimate.n > 1 and math.isfinite(noise):
        # One over an estimate has a lopsided interval, which that of its noise is no larger than.
        ends = [max(estimate.value - noise, ends[0]), min(estimate.value + noise, ends[1])]
        axes.plot([x, x], ends, color=colour, lw=3.2, alpha=0.45, solid_capstyle="butt")


def _limits(axes: Axes, quantity: Quantity, cells: Sequence[UnderLoad], unit: Unit) -> list[float]:
    """Draw the longest delays that count as good, and give them, s."""
    found = list(dict.fromkeys(c.slo[quantity.limit] for c in cells if quantity.limit in c.slo))
    for most in found:
        axes.axhline(most * unit.factor, color=MUTED, lw=0.9, ls=(0, (4, 3)))
        axes.annotate(f"SLO {most * unit.factor:g} {unit.symbol}",
                      (0.99, most * unit.factor), xycoords=("axes fraction", "data"), ha="right",
                      va="bottom", color=MUTED, fontsize=8)  # fmt: skip
    return found


def _scale(
    axes: Axes,
    cells: Sequence[UnderLoad],
    limits: Sequence[float],
    quantity: Quantity,
    unit: Unit,
) -> None:
    """Start at zero, so that lengths compare; put sizes that double at equal distances."""
    found = [cell.estimates[quantity.name].scaled(unit.factor) for cell in cells]
    most = max(e.value for e in found)
    ends = [min(e.high, _LONGEST_BAR * most) for e in found if e.bounded]
    axes.set_ylim(0.0, 1.08 * max([most, *ends, *limits]) or 1.0)
    sizes = sorted({cell.size for cell in cells if cell.size})
    if _by_doubling(sizes):
        from matplotlib.ticker import NullLocator

        axes.set_xscale("log", base=2)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(sizes[0] / 1.2, sizes[-1] * 1.2)
    else:
        room = 0.08 * ((sizes[-1] - sizes[0]) or 1.0)
        axes.set_xlim(sizes[0] - room, sizes[-1] + room)
    if len(sizes) <= 2 * MOST_LINES:
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes])


def _alt(quantity: Quantity, kind: str, cells: Sequence[UnderLoad], unit: Unit) -> str:
    values = [cell.estimates[quantity.name].value * unit.factor for cell in cells]
    sizes = [cell.size or 0.0 for cell in cells]
    return (
        f"{quantity.title} against {AXES[kind].lower()}, {min(sizes):g} to {max(sizes):g}: from "
        f"{min(values):.3g} to {max(values):.3g} {unit.symbol}; the numbers are in the tables of "
        "what happened under load."
    )


def _caption(quantity: Quantity, cells: Sequence[UnderLoad], slo: Sequence[float]) -> str:
    words = [_BARS if any(c.estimates[quantity.name].bounded for c in cells) else ""]
    if any(cell.unsettled for cell in cells):
        words.append("Open marks: no steady state, the whole measured window.")
    if slo:
        words.append("Dashed: the longest that counts as good.")
    origins = dict.fromkeys(f"{c.method}, {c.scope}" for c in cells if c.method)
    if quantity.symbol in ("W", "1/J"):
        words.append(f"{'; '.join(origins).capitalize()}.")
    return " ".join(word for word in words if word)


_BARS = (
    "Marks: means over runs; thin bars: 95 % intervals, noise and bias together; thick bars: noise "
    "alone, which is what counts between cells read by one meter."
)
