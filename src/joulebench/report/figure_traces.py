"""Power over time of a few chosen runs, their windows shaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from joulebench.channel import Window
from joulebench.energy import Trace, headline_channels
from joulebench.finding import Finding
from joulebench.record_traces import load_traces
from joulebench.report.drawing import (
    MUTED,
    OTHER_WINDOW,
    SERIES,
    WINDOWS,
    Picture,
    canvas,
    clear_background,
    rendered,
)
from joulebench.report.evidence import Evidence, Reading, by_cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]

MOST_RUNS = 6
MOST_POINTS = 500
"""Points a line: more are averaged in bins, which a curve of this width cannot show anyway."""

DAMAGE = (ValueError, LookupError, TypeError, AttributeError)
"""What reading or drawing a damaged file of traces ends in."""

_NESTED = {"prefill", "decode", "request"}
"""Windows inside the measured one, too short to shade."""


def trace_pictures(evidence: Evidence) -> tuple[list[Picture], list[Finding]]:
    """Draw the median run of up to six cells, spread from the least energy to the most.

    Returns:
        The pictures, and a finding for each chosen run whose traces cannot be read.
    """
    pictures, findings = [], []
    for place, each in enumerate(chosen_runs(evidence), 1):
        try:
            picture = _picture(place, each, load_traces(evidence.table.trace_path(each.run.run_id)))
        except DAMAGE as error:
            findings.append(_unreadable(each, error))
            continue
        if picture is not None:
            pictures.append(picture)
    return pictures, findings


def _unreadable(each: Reading, error: Exception) -> Finding:
    return Finding(
        "trace-unreadable",
        "warning",
        each.run.run_id,
        f"Its traces cannot be read, so they are not drawn: {' '.join(str(error).split())}",
        "Restore the file from a copy; the energies in the record stand without it.",
    )


def chosen_runs(evidence: Evidence) -> list[Reading]:
    """Choose runs whose traces are stored: the median of each cell, six cells at most."""
    stored = [e for e in evidence.readings if evidence.table.trace_path(e.run.run_id).exists()]
    medians = [_median(group) for group in by_cell(stored).values()]
    ranked = sorted(medians, key=lambda each: (each.energy.joules, each.run.run_id))
    if len(ranked) <= MOST_RUNS:
        return ranked
    places = np.linspace(0, len(ranked) - 1, MOST_RUNS).round().astype(int)
    return [ranked[place] for place in places]


def _median(group: Sequence[Reading]) -> Reading:
    ranked = sorted(group, key=lambda each: (each.energy.joules, each.run.run_id))
    return ranked[(len(ranked) - 1) // 2]


def _picture(place: int, each: Reading, traces: Mapping[str, Trace]) -> Picture | None:
    names = [channel.name for channel in headline_channels(each.run.channels)]
    shown = [traces[name] for name in names if name in traces]
    windows = [window for window in each.run.windows if window.name not in _NESTED]
    if not shown:
        return None
    figure, axes = canvas(310, 150)
    draw_traces(axes, shown, windows)
    clear_background(figure)
    name = f"trace-{place}"
    svg, png = rendered(figure, name)
    label = " · ".join(filter(None, each.levels.values())) or each.run.run_id
    return Picture(name, label, _alt(label, shown, windows), _caption(each, shown), svg, png)


def draw_traces(axes: Axes, traces: Sequence[Trace], windows: Sequence[Window]) -> None:
    """Draw power over time from the first window on, with the windows shaded."""
    start_s = min(w.start_s for w in windows) if windows else float(traces[0].t_s[0])
    _shade(axes, windows, start_s)
    _lines(axes, traces, windows, start_s)


def window_colour(name: str) -> str:
    """Give the shade of a window."""
    return WINDOWS.get(name, OTHER_WINDOW)


def _shade(axes: Axes, windows: Sequence[Window], start_s: float) -> None:
    for window in windows:
        axes.axvspan(window.start_s - start_s, window.stop_s - start_s, lw=0, zorder=0,
                     color=window_colour(window.name), alpha=0.28)  # fmt: skip


def _lines(axes: Axes, traces: Sequence[Trace], windows: Sequence[Window], start_s: float) -> None:
    for place, trace in enumerate(traces):
        t_s, power_w = thinned(*cut(*trace.power(), windows))
        style = "steps-mid" if _is_counter(trace) else "default"
        colour = SERIES[place % len(SERIES)]
        axes.plot(t_s - start_s, power_w, lw=0.9, color=colour, drawstyle=style,
                  label=_line_name(trace))  # fmt: skip
    axes.set_xlabel("time / s")
    axes.set_ylabel("power / W")
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    legend = axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=7.5,
                         borderaxespad=0.1, labelspacing=0.2, handlelength=1.2)  # fmt: skip
    for text in legend.get_texts():
        text.set_color(MUTED)


def cut(t_s: Array, v: Array, windows: Sequence[Window]) -> tuple[Array, Array]:
    """Keep the stretch from the first window to the last, and a little of what surrounds it."""
    if not windows:
        return t_s, v
    low = min(window.start_s for window in windows)
    high = max(window.stop_s for window in windows)
    margin = max(0.5, 0.03 * (high - low))
    kept = (t_s >= low - margin) & (t_s <= high + margin)
    return t_s[kept], v[kept]


def thinned(t_s: Array, v: Array) -> tuple[Array, Array]:
    """Average points in equal bins until at most :data:`MOST_POINTS` are left."""
    size = -(-t_s.size // MOST_POINTS)
    if size <= 1:
        return t_s, v
    starts = np.arange(0, t_s.size, size)
    counts = np.diff(np.append(starts, t_s.size))
    return np.add.reduceat(t_s, starts) / counts, np.add.reduceat(v, starts) / counts


def _is_counter(trace: Trace) -> bool:
    return trace.channel.unit == "J"


def _line_name(trace: Trace) -> str:
    channel = trace.channel
    return f"{channel.name} ({channel.method}, {channel.scope})" if channel.scope else channel.name


def _alt(label: str, traces: Sequence[Trace], windows: Sequence[Window]) -> str:
    channels = ", ".join(trace.channel.name for trace in traces)
    names = ", ".join(dict.fromkeys(window.name for window in windows)) or "none"
    return f"Power over time of the run {label}: channels {channels}; shaded windows: {names}."


def _caption(each: Reading, traces: Sequence[Trace]) -> str:
    parts = [f"{each.run.run_id}: {each.energy.described()} in the measured window."]
    if any(_is_counter(trace) for trace in traces):
        parts.append("Counters are shown differenced.")
    most: Any = max(len(trace) for trace in traces)
    if most > MOST_POINTS:
        parts.append(f"Averaged in bins of {-(-most // MOST_POINTS)} samples.")
    return " ".join(parts)
