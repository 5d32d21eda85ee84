"""Published figures against corrected ones: one point a run, the line where they agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from joulebench.audit.corrected import Correction
from joulebench.report.corrected_rows import symbol
from joulebench.report.drawing import MUTED, SERIES, Picture, canvas, clear_background, rendered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLUMNS = 6
"""Columns that are drawn."""


def corrected_pictures(corrections: Sequence[Correction]) -> list[Picture]:
    """Draw the columns that are most wrong: published over corrected, with the agreement line."""
    drawn = [each for each in corrections if _drawable(each).sum() >= 2]
    return [_picture(place, each) for place, each in enumerate(drawn[:MOST_COLUMNS], 1)]


def _drawable(each: Correction) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    with np.errstate(invalid="ignore"):
        return np.isfinite(each.published) & np.isfinite(each.corrected) & (each.corrected > 0)


def _picture(place: int, each: Correction) -> Picture:
    kept = _drawable(each)
    published, corrected = each.published[kept], each.corrected[kept]
    figure, axes = canvas(240, 200)
    positive = bool(np.all(published > 0))
    if positive:
        _log_scales(axes)
    low, high = float(corrected.min()), float(corrected.max())
    axes.plot([low, high], [low, high], lw=0.8, color=MUTED, ls="--")
    if not positive:
        axes.axhline(0.0, lw=0.6, color=MUTED)
    axes.plot(corrected, published, "o", ms=3.2, mew=0, alpha=0.75, color=SERIES[1])
    unit = f" / {symbol(each.unit)}" if each.unit else ""
    axes.set_xlabel(f"corrected{unit}")
    axes.set_ylabel(f"published{unit}")
    clear_background(figure)
    name = f"corrected-{place}"
    svg, png = rendered(figure, name)
    ratio = np.median(published / corrected)
    caption = (
        f"{each.table}: {each.rule.replace(';', ', ')}. One point a run; on the dashed line both "
        f"agree. Published figures are {ratio:.3g} times the corrected ones (median of "
        f"{int(kept.sum())})."
    )
    return Picture(
        name, each.column, f"{each.column}: published over corrected.", caption, svg, png
    )


def _log_scales(axes: Axes) -> None:
    """Set both scales to logarithmic, with plain numbers at a few ticks."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
        scale("log")
        axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=6))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
