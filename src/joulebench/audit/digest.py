"""What an audit keeps of a run once its traces have been let go."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joulebench.agreement import without_gain
from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_figures import trace_figures
from joulebench.audit.trace_stated import asked_step_s
from joulebench.audit.variants import ABOVE_IDLE, ONE_DEVICE, PLAIN, by_all_ways
from joulebench.channel import Channel
from joulebench.energy import Energy, Trace, headline_channels, total
from joulebench.nesting import assumed
from joulebench.record import Run
from joulebench.run_row import duration_s

PART_OF_SCOPE = {
    "gpu board": "gpu", "gpu module": "gpu", "cpu package": "cpu", "process": "cpu",
    "cpu core": "core", "cpu uncore": "uncore", "dram": "dram", "platform": "platform",
    "node": "node", "wall": "wall",
}  # fmt: skip
"""Scope of a channel -> the part of the machine, as the names of columns have it."""


@dataclass(eq=False)
class PartFigures:
    """The energy of one part of a machine over the measured windows of a run.

    Args:
        joules: By way (see :mod:`joulebench.audit.variants`), J; ``"W:plain"`` or ``"J:plain"`` is
            ours.
        by_window: Ours, by name of the window, J.
        key: Way that the headline takes: power or counter.
        apart_j: Standard uncertainty of ours without the gain, which anybody who integrates the
            same trace shares, J.
        stated_j: Standard uncertainty of ours with everything, J.
        wrap_j: Range of its counter, J; ``None`` if it has none.
    """

    joules: dict[str, float]
    by_window: dict[str, float]
    key: str
    apart_j: float
    stated_j: float
    wrap_j: float | None = None


@dataclass(eq=False)
class Recomputed:
    """What the traces of a run say.

    Args:
        parts: By part of the machine.
        headline: Parts that the total is the sum of.
        durations_s: Length of the measured windows (``"window"``), of the log (``"log"``) and of
            all requests together (``"requests"``), s.
        edge_s: Standard uncertainty of an edge of the windows, s.
        counts: Requests, tokens, graded and correct answers, as far as they are known.
    """

    parts: dict[str, PartFigures]
    headline: tuple[str, ...]
    durations_s: dict[str, float]
    edge_s: float
    counts: dict[str, float]


@dataclass(eq=False)
class RunDigest:
    """What is kept of a run.

    Args:
        unit: What findings call the study that it belongs to.
        run: Its record: without traces and responses.
        duration_s: Length of its measured windows, s; ``None`` if it has none.
        responses: Hash of the prompt and of the answer of each response, in their order; the hash
            of an answer is empty where there is none.
        figures: Further figures that rules keep, by name.
        recomputed: What its traces say; ``None`` where it has none.
    """

    unit: str
    run: Run
    duration_s: float | None = None
    responses: list[tuple[str, str]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    recomputed: Recomputed | None = None

    @property
    def published(self) -> Mapping[str, Any]:
        """What the source published for this run, by column; empty where it says nothing."""
        values = self.run.facts.get("published", {}).get("values", {})
        return values if isinstance(values, Mapping) else {}


def digest(view: AuditRun) -> RunDigest:
    """Keep what rules that look at all runs together need of one run."""
    hashes = [(_hash(item.get("prompt")), _hash(item.get("text"))) for item in view.responses]
    lasted_s, figures = duration_s(view.run), trace_figures(view)
    return RunDigest(view.unit, view.run, lasted_s, hashes, figures, recomputed(view))


def recomputed(view: AuditRun) -> Recomputed | None:
    """Give what the traces of a run say of its measured windows; ``None`` where it has none."""
    windows = view.windows
    if not (windows and view.run.energy and view.traces):
        return None
    parts = dict(_parts(view))
    if not parts:
        return None
    summed = headline_channels(view.run.channels)
    headline = tuple(dict.fromkeys(PART_OF_SCOPE.get(channel.scope, "") for channel in summed))
    edge_s = math.hypot(*(window.edge_s for window in windows))
    return Recomputed(parts, headline, _durations_s(view), edge_s, _counts(view))


def _parts(view: AuditRun) -> list[tuple[str, PartFigures]]:
    found = []
    for part in dict.fromkeys(PART_OF_SCOPE.values()):
        scopes = [scope for scope, of in PART_OF_SCOPE.items() if of == part]
        channels = [c for c in view.run.channels if c.scope in scopes and not assumed(c)]
        figures = _part(view, channels)
        if figures is not None:
            found.append((part, figures))
    return found


def _part(view: AuditRun, channels: Sequence[Channel]) -> PartFigures | None:
    """Add up the channels of one part, and those of the other unit that read the same."""
    best = [channel for channel in headline_channels(channels) if channel.name in view.traces]
    units = {channel.unit for channel in best}
    energy = _energy(view, best)
    if len(units) != 1 or energy is None:
        return None
    (unit,) = units
    joules = _by_way(view, best, energy, unit)
    devices = {channel.device for channel in best}
    others = [c for c in channels if c.unit != unit and c.name in view.traces]
    if {channel.device for channel in others} == devices:
        other = _energy(view, others)
        if other is not None:
            joules |= _by_way(view, others, other, others[0].unit)
    names = [channel.name for channel in best]
    wraps = {channel.wrap_j for channel in best}
    return PartFigures(
        joules,
        _by_window(view.run, names),
        f"{unit}:plain",
        without_gain(energy).uncertainty,
        energy.uncertainty,
        wraps.pop() if len(wraps) == 1 else None,
    )


def _by_way(
    view: AuditRun, channels: Sequence[Channel], energy: Energy, unit: str
) -> dict[str, float]:
    traces = [view.traces[channel.name] for channel in channels]
    found = {PLAIN[unit].key: energy.joules, **_summed(traces, view)}
    idle_w = _idle_power_w(view.run, [channel.name for channel in channels])
    if idle_w is not None:
        length_s = math.fsum(window.duration_s for window in view.windows)
        found[ABOVE_IDLE[unit].key] = energy.joules - idle_w * length_s
    if len(channels) > 1:
        first = _energy(view, channels[:1])
        if first is not None:
            found[ONE_DEVICE[unit].key] = first.joules
    return found


def _summed(traces: Sequence[Trace], view: AuditRun) -> dict[str, float]:
    asked_s = asked_step_s(view.run) or math.nan
    each = [by_all_ways(trace, view.windows, asked_s) for trace in traces]
    shared = set(each[0]).intersection(*each)
    return {key: math.fsum(found[key] for found in each) for key in each[0] if key in shared}


def _energy(view: AuditRun, channels: Sequence[Channel]) -> Energy | None:
    """Add up the measured windows of channels; ``None`` where one has no energy."""
    names = tuple(dict.fromkeys(window.name for window in view.windows))
    stored = [view.run.energy.get(c.name, {}).get(name) for c in channels for name in names]
    if not stored or any(energy is None for energy in stored):
        return None
    return total([Energy.from_dict(energy) for energy in stored if energy is not None])


def _by_window(run: Run, names: Sequence[str]) -> dict[str, float]:
    """Give the joules of each window that all channels have an energy for."""
    windows = run.energy.get(names[0], {})
    return {
        window: math.fsum(float(run.energy[name][window]["joules"]) for name in names)
        for window in windows
        if all(window in run.energy.get(name, {}) for name in names)
    }


def _idle_power_w(run: Run, names: Sequence[str]) -> float | None:
    joules = _by_window(run, names)
    idle = [window for window in ("idle", "idle_after") if window in joules]
    length_s = sum(duration_s(run, window) or 0.0 for window in idle)
    return sum(joules[window] for window in idle) / length_s if length_s else None


def _durations_s(view: AuditRun) -> dict[str, float]:
    found = {"window": math.fsum(window.duration_s for window in view.windows)}
    found["log"] = max(float(trace.t_s[-1] - trace.t_s[0]) for trace in view.traces.values())
    stamps = [(item.get("start_s"), item.get("stop_s")) for item in view.responses]
    whole = [(a, b) for a, b in stamps if isinstance(a, int | float) and isinstance(b, int | float)]
    if whole and len(whole) == len(stamps):
        found["requests"] = math.fsum(stop - start for start, stop in whole)
    return found


def _counts(view: AuditRun) -> dict[str, float]:
    known = {**view.run.work, **(view.run.score or {})}
    wanted = ("requests", "tokens_in", "tokens_out", "n_graded", "n_correct", "accuracy")
    return {name: float(known[name]) for name in wanted if isinstance(known.get(name), int | float)}


def _hash(text: object) -> str:
    if not isinstance(text, str) or not text:
        return ""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()
