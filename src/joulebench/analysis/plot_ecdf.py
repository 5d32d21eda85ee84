"""Empirical distribution functions of all levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from joulebench.analysis.plot_groups import LOOKS, Floats, Groups, look
from joulebench.analysis.plot_sheet import Sheet, legend, set_axis, sheet
from joulebench.report.drawing import RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STEPS = 800


def ecdf_sheet(groups: Groups, title: str) -> Sheet:
    """Draw the share of each level's values that are not above a value."""
    others = max(0, len(groups.names) - LOOKS)
    more = f" Grey: the {others} levels after the first {LOOKS}." if others else ""
    thin = any(len(sample) > _STEPS for sample in groups.samples)
    steps = f" At most {_STEPS} steps of a level drawn." if thin else ""
    drawn = sheet(title, f"{groups.counted}; dots: medians.{more}{steps}", 215.0)
    axes, handles = drawn.only, []
    for place, sample in enumerate(groups.samples):
        line = _steps(axes, sample, place)
        handles += [line] if place < LOOKS else []
    axes.set_ylim(0.0, 1.01)
    axes.margins(x=0.02)
    set_axis(axes, "x", groups.axis)
    axes.grid(True, axis="y", color=RULE, lw=0.4)
    axes.set_ylabel("share of values not above")
    legend(axes, groups.by, handles, groups.named()[:LOOKS])
    return drawn


def _steps(axes: Axes, sample: Floats, place: int) -> Any:
    values, share = steps_of(sample)
    if place >= LOOKS:
        return axes.step(values, share, where="post", color=RULE, lw=0.7, zorder=1)[0]
    looks = look(place)
    (line,) = axes.step(values, share, where="post", color=looks.colour, lw=1.2,
                        linestyle=looks.line)  # fmt: skip
    axes.plot([np.median(sample)], [0.5], "o", color=looks.colour, ms=3.4, mew=0)
    return line


def steps_of(sample: Floats) -> tuple[Floats, Floats]:
    """Give where the function rises and how high it is then, beginning at 0; some steps of many."""
    n = len(sample)
    rank = np.unique(np.linspace(1, n, min(n, _STEPS)).round()).astype(np.intp)
    values = np.sort(sample)[rank - 1]
    return np.concatenate([values[:1], values]), np.concatenate([[0.0], rank / n])
