"""What an audit keeps of a run's traces, so that many runs can be held against each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from joulebench.audit.devices import run_devices
from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_stretch import Floats, Stretch, power_stretches, sees_s
from joulebench.energy import Trace
from joulebench.flops.devices import highest_limit_w

_FEWEST_SAMPLES, _FEWEST_HASHED = 10, 20
_BAND = (0.05, 0.5, 0.95)


@dataclass(frozen=True, slots=True)
class TraceFigures:
    """What is kept of the power of one channel within the longest measured window.

    Args:
        channel: Its name.
        scope: What it covers.
        reading: Whether a sensor was read.
        sees_s: Over how long a reading averages, s; 0 where nothing speaks for an average.
        duration_s: Length of the window, s.
        mean_w: Mean power over the window, W.
        level_w: Mean power once the sensor has seen nothing but the window, W; ``None`` where too
            few samples are left.
        band: From the twentieth part of those readings to the last but that, relative to the level.
        least_w: Lowest power of the whole trace, W.
        limit_w: Power limit of the device, W; ``None`` where it is not known.
    """

    channel: str
    scope: str
    reading: bool
    sees_s: float
    duration_s: float
    mean_w: float
    level_w: float | None
    band: float
    least_w: float
    limit_w: float | None


def trace_figures(view: AuditRun) -> dict[str, list[TraceFigures] | dict[str, str]]:
    """Give what is kept of a run: figures of its powers, and a fingerprint of each trace."""
    longest: dict[str, Stretch] = {}
    for part in power_stretches(view):
        longest.setdefault(part.channel.name, part)
    return {
        "power": [_figures(view, part) for part in longest.values()],
        "traces": {name: print_ for name, trace in view.traces.items() if (print_ := _hash(trace))},
    }


def _figures(view: AuditRun, part: Stretch) -> TraceFigures:
    late = part.power_w[part.t_s >= part.window.start_s + sees_s(part.channel)]
    level_w, band = _level(late)
    return TraceFigures(
        part.channel.name,
        part.channel.scope,
        part.is_reading,
        sees_s(part.channel),
        part.window.duration_s,
        part.mean_w,
        level_w,
        band,
        float(part.trace.v.min()),
        limit_w(view, part),
    )


def _level(power_w: Floats) -> tuple[float | None, float]:
    if power_w.size < _FEWEST_SAMPLES or power_w.mean() <= 0:
        return None, 0.0
    level_w = float(power_w.mean())
    low, _, high = np.quantile(power_w, _BAND)
    return level_w, float(high - low) / level_w


def limit_w(view: AuditRun, part: Stretch) -> float | None:
    """Give the power limit of the device that a channel reads, W; ``None`` where unknown."""
    if part.channel.limit_w is not None:
        return part.channel.limit_w
    if part.channel.scope != "gpu board":
        return None
    return highest_limit_w(run_devices(view))


def _hash(trace: Trace) -> str:
    """Give a fingerprint of readings; empty where they are too few or too alike to tell by."""
    moved = int(np.count_nonzero(np.diff(trace.v)))
    if trace.channel.method not in ("measured", "modelled") or moved < _FEWEST_HASHED:
        return ""
    since_j = trace.v if trace.channel.unit == "W" else trace.v - trace.v[0]
    return hashlib.blake2b(np.round(since_j, 6).tobytes(), digest_size=12).hexdigest()
