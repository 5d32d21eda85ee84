"""The energy against another response, with the trend inside each level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.answer import Answer
from joulebench.analysis.plot_groups import (
    LOOKS,
    MOST_POINTS,
    Axis,
    Floats,
    axis_of,
    codes_of,
    look,
    thinned,
    values_of,
    words_of,
)
from joulebench.analysis.plot_sheet import RASTER_FROM, Sheet, legend, set_axis, sheet
from joulebench.report.drawing import RULE, label_text
from joulebench.report.numbers import MINUS, count, fixed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SEED = 20240505
_ALONG = 60


@dataclass(frozen=True, eq=False)
class Pair:
    """Two responses of the same rows.

    Args:
        x: Along the first axis, in its unit, shape (n,).
        y: Along the second, shape (n,).
        codes: Place of each row's level, shape (n,).
        names: Levels that have a row, by place.
        across: First axis.
        up: Second axis.
    """

    x: Floats
    y: Floats
    codes: NDArray[np.intp]
    names: dict[int, str]
    across: Axis
    up: Axis


def pair_of(frame: AnalysisFrame, x: str, y: str, by: str) -> Pair:
    """Take the rows that have both responses.

    Args:
        frame: Repetitions or run means.
        x: Response along the first axis.
        y: Response along the second.
        by: Factor or unit.
    """
    across, up, codes = axis_of(frame, x), axis_of(frame, y), codes_of(frame, by)
    first, second = values_of(frame, x), values_of(frame, y)
    seen = np.isfinite(first) & np.isfinite(second) & (codes >= 0)
    levels = frame.levels(by)
    there = np.unique(codes[seen]).tolist()
    return Pair(
        first[seen] * across.unit.factor,
        second[seen] * up.unit.factor,
        codes[seen],
        {code: label_text(levels[code]) for code in there},
        across,
        up,
    )


def scatter_sheet(answer: Answer, pair: Pair, covariate: str, level: str, title: str) -> Sheet:
    """Draw one response against another, with a line of least squares and its band a level.

    Args:
        answer: The question, with the correlations of its couplings.
        pair: What is drawn.
        covariate: Tidy name of what the response is held against.
        level: ``run`` or ``repetition``.
        title: Heading.
    """
    drawn = sheet(title, _note(answer, pair, covariate, level), 240.0)
    axes, handles, names = drawn.only, [], []
    rng, rhos = np.random.default_rng(_SEED), _rhos(answer, covariate, level)
    most = max(40, MOST_POINTS // len(pair.names))
    dense = sum(min(most, int(np.sum(pair.codes == code))) for code in pair.names) > RASTER_FROM
    for place, (code, name) in enumerate(pair.names.items()):
        own = pair.codes == code
        x, y = pair.x[own], pair.y[own]
        shown = thinned(y, most, rng)
        _points(axes, x[shown], y[shown], place, dense=dense)
        if place < LOOKS:
            _trend(axes, pair, x, y, place)
            handles.append(_key(place))
            names.append(_named(name, len(x), rhos.get(name)))
    axes.margins(0.04)
    _limits(axes, pair)
    set_axis(axes, "x", pair.across)
    set_axis(axes, "y", pair.up)
    legend(axes, words_of(answer.question.groups), handles, names)
    return drawn


def _points(axes: Axes, x: Floats, y: Floats, place: int, *, dense: bool) -> None:
    many = place >= LOOKS
    looks = look(place)
    axes.plot(x, y, linestyle="none", marker="." if many else looks.marker, mew=0,
              color=RULE if many else looks.colour, alpha=0.5 if dense else 0.65,
              ms=2.4 if len(x) > 60 else 3.6, zorder=1 if many else 2,
              rasterized=dense)  # fmt: skip


def _key(place: int) -> Any:
    """Give what names a level in the legend: its points and its line together."""
    from matplotlib.lines import Line2D

    looks = look(place)
    return Line2D([], [], color=looks.colour, linestyle=looks.line, marker=looks.marker, ms=3.6,
                  mew=0, lw=1.2)  # fmt: skip


def _trend(axes: Axes, pair: Pair, x: Floats, y: Floats, place: int) -> None:
    """Draw the line of least squares on the axes as they are, and the 95 % band of its mean."""
    from scipy.special import stdtrit

    u, v = pair.across.even(x), pair.up.even(y)
    n, centre = len(u), u - u.mean()
    squares = float(centre @ centre)
    if n < 3 or np.ptp(u) <= 1e-9 * np.abs(u).max():
        return
    slope = float(centre @ v) / squares
    at = np.linspace(u.min(), u.max(), _ALONG)
    line = v.mean() + slope * (at - u.mean())
    rest = v - v.mean() - slope * centre
    error = np.sqrt(float(rest @ rest) / (n - 2) * (1 / n + (at - u.mean()) ** 2 / squares))
    half = float(stdtrit(n - 2, 0.975)) * error
    looks = look(place)
    ends = pair.up.back(line - half), pair.up.back(line + half)
    axes.fill_between(pair.across.back(at), *ends, color=looks.colour, alpha=0.15, lw=0, zorder=1)
    axes.plot(pair.across.back(at), pair.up.back(line), color=looks.colour, lw=1.3,
              linestyle=looks.line, zorder=3)  # fmt: skip


def _limits(axes: Axes, pair: Pair) -> None:
    """Leave the room to the points: bands of few of them end at the edge."""
    even = pair.up.even(pair.y)
    room = 0.06 * (float(np.ptp(even)) or abs(float(even[0])) or 1.0)
    axes.set_ylim(*pair.up.back(np.array([even.min() - room, even.max() + room])).tolist())


def _rhos(answer: Answer, covariate: str, level: str) -> dict[str, float]:
    """Give Spearman's rho of each level, as the table of the couplings has it."""
    for result in answer.results:
        found, by = result.found, answer.question.groups
        right = (result.test, result.ending, result.level) == (
            f"Spearman with {covariate}", "pairwise", level)  # fmt: skip
        if right and not result.reason and by in found:
            pairs = zip(found[by].astype(str), found["effect"].tolist(), strict=True)
            return {label_text(name): float(rho) for name, rho in pairs}
    return {}


def _overall(answer: Answer, covariate: str, level: str) -> str:
    for result in answer.results:
        right = (result.test, result.ending, result.level) == (
            f"Spearman with {covariate}", "omnibus", level)  # fmt: skip
        if right and not result.reason:
            return f"; over all: ρ = {_signed(float(result.found['effect'].iloc[0]))}"
    return ""


def _named(name: str, n: int, rho: float | None) -> str:
    known = rho is not None and np.isfinite(rho)
    return f"{name}  (n {fixed(n, 0)}{f', ρ {_signed(rho)}' if known and rho is not None else ''})"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)


def _note(answer: Answer, pair: Pair, covariate: str, level: str) -> str:
    scales = [axis.logarithmic for axis in (pair.across, pair.up)]
    logs = {2: " of the logarithms", 1: " on these axes"}.get(sum(scales), "")
    others = max(0, len(pair.names) - LOOKS)
    more = f" Grey: the {others} levels after the first {LOOKS}." if others else ""
    most = max(40, MOST_POINTS // max(1, len(pair.names)))
    shown = sum(min(most, int(np.sum(pair.codes == code))) for code in pair.names)
    thin = (
        f" {fixed(shown, 0)} of {fixed(len(pair.x), 0)} points drawn."
        if shown < len(pair.x)
        else ""
    )
    return (
        f"{count(len(pair.x), level)}{_overall(answer, covariate, level)}; ρ: Spearman; lines: "
        f"least squares{logs} inside a level, with 95 % bands of the mean.{more}{thin}"
    )
