"""Whether a window is long enough for its sensor, and covered by its samples up to its edges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_stated import only_stretch, stated_duration_s, stated_energy_j
from joulebench.audit.trace_stretch import Stretch, already_said, sees_s, stretches
from joulebench.energy_ratio import Z_95
from joulebench.finding import Finding
from joulebench.integral import cadence_s

_EDGES_NOTED, _EDGES_DOUBTFUL = 0.02, 0.05
_TAIL_DOUBTFUL, _TAIL_WRONG = 0.01, 0.05
_AGREES = 0.005

_LONGEST_TAIL = 0.5
"""A duration that was worked out from latencies and is longer than the trace by more than this
share of it is no duration: requests ran side by side."""


def edge_uncertainty(view: AuditRun) -> Iterator[Finding]:
    """Look for windows whose marks leave much of their energy in doubt."""
    parts = [part for part in stretches(view) if part.t_s.size > 1]
    joules = sum(part.joules for part in parts)
    edge_s = max((part.window.edge_s for part in parts), default=0.0)
    if edge_s <= 0 or joules <= 0:
        return
    doubt_j = Z_95 * _edge_doubt_j(parts)
    share = doubt_j / joules
    if share < _EDGES_NOTED:
        return
    yield Finding(
        "edge-uncertainty",
        "warning" if share >= _EDGES_DOUBTFUL else "note",
        view.where(),
        f"each edge of the window is known to {edge_s:.2g} s (one standard deviation) of "
        f"{max(part.window.duration_s for part in parts):.4g} s, which leaves ± {doubt_j:.3g} J, "
        f"{100 * share:.2g} % of its energy, in doubt",
        "mark the work with the clock that stamps the samples, at its full resolution, or "
        "measure longer",
        seen=f"± {doubt_j:.3g} J of {joules:.4g} J",
        possible=f"below {100 * _EDGES_NOTED:g} %",
    )


def _edge_doubt_j(parts: Sequence[Stretch]) -> float:
    """Give edge times the power there, J: of all channels together, edges in quadrature."""
    edges: dict[tuple[float, float], float] = {}
    for part in parts:
        t_s, power_w = part.trace.power()
        edge_s = part.window.edge_s
        for at_s in (part.window.start_s, part.window.stop_s):
            moments = np.linspace(at_s - edge_s, at_s + edge_s, 9)
            near_w = float(np.interp(moments, t_s, power_w).mean())
            edges[at_s, edge_s] = edges.get((at_s, edge_s), 0.0) + edge_s * near_w
    return math.hypot(*edges.values())


def tail_not_integrated(view: AuditRun) -> Iterator[Finding]:
    """Look for work that lasted longer than the samples that its energy was integrated from."""
    stated_s, part = stated_duration_s(view), only_stretch(view)
    if stated_s is None or part is None or not part.is_power:
        return
    t_s = part.trace.t_s
    uncovered_s = stated_s - float(t_s[-1] - t_s[0])
    share = uncovered_s / stated_s
    if share < _TAIL_DOUBTFUL or _side_by_side(view, share):
        return
    stated_j = stated_energy_j(view)
    if stated_j is not None and abs(stated_j - part.joules) > _AGREES * part.joules:
        return  # whatever the source did, it is not the integral of these samples alone
    missing_j = uncovered_s * float(part.power_w[-1])
    whose = "our" if stated_j is None else "the stated"
    yield Finding(
        "tail-not-integrated",
        "error" if stated_j is not None and share >= _TAIL_WRONG else "warning",
        view.where(part.channel.name),
        f"the work lasted {stated_s:.4g} s, the samples span {stated_s - uncovered_s:.4g} s: "
        f"{whose} energy lacks the rest, {100 * share:.2g} % of the time and about "
        f"{missing_j:.3g} J",
        "take a sample before the work begins and one after it has ended; add the last power "
        "times what is missing meanwhile",
        seen=f"{part.joules:.4g} J over {stated_s - uncovered_s:.4g} s",
        possible=f"about {part.joules + missing_j:.4g} J over {stated_s:.4g} s",
    )


def _side_by_side(view: AuditRun, share: float) -> bool:
    return "stated_duration_s" not in view.run.facts and share > _LONGEST_TAIL / (1 + _LONGEST_TAIL)


def window_below_resolution(view: AuditRun) -> Iterator[Finding]:
    """Look for windows that are shorter than what one reading of their sensor covers."""
    for part in stretches(view):
        told = already_said(view, "below-resolution", part.channel.name)
        covers_s, why = _covers(part, undone=view.run.origin == "live")
        if told or part.window.duration_s >= covers_s or not part.is_reading:
            continue
        yield Finding(
            "window-below-resolution",
            "warning",
            view.where(part.channel.name),
            f"the window lasts {part.window.duration_s:.3g} s, but {why} {covers_s:.3g} s: its "
            "readings are as much of what came before as of the work",
            "repeat the work within one window until it lasts ten times as long as the sensor "
            "needs, or read a counter of energy",
            seen=f"{part.window.duration_s:.3g} s",
            possible=f"at least {covers_s:.3g} s",
        )


def _covers(part: Stretch, *, undone: bool) -> tuple[float, str]:
    """Give the longest stretch that one reading stands for, s, and in which way.

    Args:
        part: The window and its samples.
        undone: Whether an average that the channel declares was undone, so that it does not count.
    """
    channel = part.channel
    known = channel.averaging_s > 0
    averages = "the sensor averages over" if known else "such a reading averages over up to"
    ways = [
        (0.0 if known and undone else sees_s(channel), averages),
        (channel.period_s, "the sensor is updated only every"),
        (cadence_s(part.trace.t_s), "samples are apart by"),
    ]
    return max(ways, key=lambda way: way[0])


RULES = (
    Rule("edge-uncertainty", "energy", run=edge_uncertainty),
    Rule("tail-not-integrated", "energy", run=tail_not_integrated),
    Rule("window-below-resolution", "energy", run=window_below_resolution),
)
"""Rules about where windows begin and end."""
