"""Power over time of the runs that the worst findings are about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from joulebench.audit.evidence import Unit
from joulebench.audit.examine import Examined
from joulebench.audit.run_view import AuditRun
from joulebench.energy import Trace, headline_channels
from joulebench.finding import SEVERITIES, Finding
from joulebench.report.drawing import (
    SERIES,
    Picture,
    canvas,
    clear_background,
    label_text,
    rendered,
)
from joulebench.report.figure_traces import draw_traces

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HOLE = 10.0
"""Spacings above this many times the usual one are marked as holes."""

MOST_WORST = 8
"""Rules of which a run is drawn."""


def worst_pictures(examined: Examined) -> list[Picture]:
    """Draw one run for each rule that found a run wrong or doubtful, the worst rules first."""
    pictures = []
    for place, (finding, view) in enumerate(_worst(examined), 1):
        picture = _picture(place, finding, view)
        if picture is not None:
            pictures.append(picture)
        if len(pictures) == MOST_WORST:
            break
    return pictures


def _worst(examined: Examined) -> Iterator[tuple[Finding, AuditRun]]:
    """Give the first finding of each rule that is about a run, with that run."""
    runs = _places(examined.evidence.units)
    seen = set()
    for finding in examined.findings:
        if finding.severity == SEVERITIES[-1] or finding.rule in seen:
            continue
        words = finding.where.split(": ")
        found = next((runs[word] for word in words if word in runs), None)
        if found is not None:
            seen.add(finding.rule)
            unit, place = found
            yield finding, unit.view(place)


def _places(units: list[Unit]) -> dict[str, tuple[Unit, int]]:
    """Give the unit and the place of each run by its id."""
    return {
        each.run.run_id: (unit, place)
        for unit in units
        for place, each in zip(unit.places, unit.digests, strict=True)
    }


def _picture(place: int, finding: Finding, view: AuditRun) -> Picture | None:
    names = [channel.name for channel in headline_channels(view.run.channels)]
    shown = [view.traces[name] for name in names if name in view.traces and len(view.traces[name])]
    if not shown:
        return None
    figure, axes = canvas(310, 150)
    draw_traces(axes, shown, view.windows)
    _shade_holes(axes, shown, min((w.start_s for w in view.windows), default=shown[0].t_s[0]))
    clear_background(figure)
    name = f"worst-{place}"
    svg, png = rendered(figure, name)
    title = f"{finding.rule}: {label_text(view.run.run_id)}"
    alt = f"Power over time of the run {view.run.run_id}, which {finding.rule} is about."
    return Picture(name, title, alt, finding.message, svg, png)


def _shade_holes(axes: Axes, traces: Sequence[Trace], start_s: float) -> None:
    """Mark where a power trace has no sample for much longer than it usually is apart."""
    for trace in traces:
        spacing = np.diff(trace.t_s)
        if trace.channel.unit != "W" or not spacing.size:
            continue
        for first in np.flatnonzero(spacing > _HOLE * np.median(spacing)):
            edges = trace.t_s[first : first + 2] - start_s
            axes.axvspan(edges[0], edges[1], lw=0.6, color=SERIES[1], alpha=0.55, zorder=1.5)
