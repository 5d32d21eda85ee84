"""What the rules about traces look at: the power of one channel within one measured window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.run_view import AuditRun
from joulebench.channel import Channel, Window
from joulebench.energy import Trace, headline_channels
from joulebench.integral import cadence_s

Floats = NDArray[np.float64]

AVERAGING_S = 1.0
"""What the power reading of a board may average over where nobody says: NVML's
``nvmlDeviceGetPowerUsage`` and ``power.draw`` of nvidia-smi give the average of the last second on
Ampere (GA100 apart) and later boards (NVML API reference; arXiv 2312.02741)."""

_MOST_WINDOWS = 8
_FEWEST_RUNS = 4
_MOST_POLLS_PER_UPDATE = 16


@dataclass(eq=False)
class Stretch:
    """The power that one channel read within one window.

    Args:
        trace: All samples of the channel.
        window: The window.
        t_s: Times of the samples within the window, s; shape (n,). Of a counter, the middles
            between its updates.
        power_w: Power, W; shape (n,).
    """

    trace: Trace
    window: Window
    t_s: Floats
    power_w: Floats

    @property
    def channel(self) -> Channel:
        """What was read."""
        return self.trace.channel

    @property
    def is_power(self) -> bool:
        """Whether power was read, not a counter of energy."""
        return self.channel.unit == "W"

    @property
    def is_reading(self) -> bool:
        """Whether a sensor was read: not an estimate, nor a simulation."""
        return self.channel.method in ("measured", "modelled")

    @cached_property
    def mean_w(self) -> float:
        """Mean power over the part of the window that the samples reach over, W."""
        if self.t_s.size < 2:
            return float(self.power_w.mean()) if self.power_w.size else float("nan")
        return self.joules / self.span_s

    @cached_property
    def joules(self) -> float:
        """Trapezoid over the samples within the window, J: what a plain script makes of them."""
        return float(np.trapezoid(self.power_w, self.t_s))

    @property
    def span_s(self) -> float:
        """From the first sample within the window to the last, s."""
        return float(self.t_s[-1] - self.t_s[0]) if self.t_s.size else 0.0

    @cached_property
    def cadence_s(self) -> float:
        """Median spacing of the samples in the window, s; NaN where there are fewer than two."""
        return cadence_s(self.t_s) if self.t_s.size > 1 else float("nan")

    @cached_property
    def changes(self) -> NDArray[np.intp]:
        """Places of the samples that show another reading than the one before, and the first."""
        moved = np.flatnonzero(self.power_w[1:] != self.power_w[:-1]) + 1
        return np.concatenate(([0], moved)).astype(np.intp)

    @cached_property
    def updates(self) -> float:
        """How often the sensor itself was updated in the window: held readings count once.

        From its update period where that is known, else from how long readings usually stand: if
        they scatter, since a coarse sensor and a load without noise show the same few readings.
        """
        samples = self.t_s.size
        if self.channel.period_s > 0:
            return min(float(samples), self.window.duration_s / self.channel.period_s)
        different = np.unique(self.power_w[self.changes]).size
        if self.changes.size < _FEWEST_RUNS or different < 0.5 * self.changes.size:
            return float(samples)
        held = float(np.median(np.diff(self.changes)))
        return samples / min(max(held, 1.0), _MOST_POLLS_PER_UPDATE)


_SEEN: WeakKeyDictionary[AuditRun, list[Stretch]] = WeakKeyDictionary()


def stretches(view: AuditRun) -> list[Stretch]:
    """Give the measured stretches of a run: of the channels that make up its energy.

    Parts of a whole, and second readings of one device, are left out. Of very many windows the
    longest are looked at.
    """
    if view not in _SEEN:
        _SEEN[view] = _read(view)
    return _SEEN[view]


def _read(view: AuditRun) -> list[Stretch]:
    windows = sorted(view.windows, key=lambda window: -window.duration_s)[:_MOST_WINDOWS]
    if not windows:
        return []
    found = []
    for trace in headline_traces(view):
        if trace.channel.unit == "J" and trace.v[0] == trace.v[-1]:
            continue  # a counter that stands still has no power
        t_s, power_w = trace.power()
        for window in windows:
            inside = slice(
                np.searchsorted(t_s, window.start_s), np.searchsorted(t_s, window.stop_s, "right")
            )
            found.append(Stretch(trace, window, t_s[inside], power_w[inside]))
    return found


def headline_traces(view: AuditRun) -> list[Trace]:
    """Give the traces of the channels that make up the energy of a run."""
    channels = [trace.channel for trace in view.traces.values()]
    names = [channel.name for channel in headline_channels(channels)]
    return [view.traces[name] for name in names if name in view.traces]


def power_stretches(view: AuditRun) -> list[Stretch]:
    """Give the measured stretches of channels that read power, with at least two samples."""
    return [part for part in stretches(view) if part.is_power and part.t_s.size > 1]


def sees_s(channel: Channel) -> float:
    """Give over how long a power reading averages, s: declared, implied by its delay, or assumed.

    A reading that averages over A is A/2 late on average, which an importer that knows no more
    than that carries as the doubt of its stamps. 0 where nothing speaks for an average.
    """
    if channel.unit != "W":
        return 0.0
    if channel.averaging_s > 0:
        return channel.averaging_s
    if not channel.scope.startswith("gpu"):
        return 0.0
    return 2 * channel.stamp_s or (AVERAGING_S if channel.period_s == 0 else 0.0)


def already_said(view: AuditRun, rule: str, channel: str) -> bool:
    """Say whether the run bears a finding of a rule about a channel, from when it was made."""
    return any(finding.rule == rule and channel in finding.where for finding in view.run.findings)
