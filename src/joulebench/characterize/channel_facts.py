"""What was measured of one channel, and which of it is sure enough to be used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from joulebench.channel import Channel
from joulebench.characterize.lattice import resolution
from joulebench.characterize.load import Wave
from joulebench.characterize.points import FINEST_S, Points, points, unwrapped_j
from joulebench.characterize.polling import Changes, FloatArray, Polls
from joulebench.characterize.response import Response, response
from joulebench.characterize.updates import Updates, updates
from joulebench.integral import UNIFORM
from joulebench.meters.sensor_profile import Figure, with_figures

SURE = 0.15
"""Largest standard error, relative to the figure, of an averaging time that is used."""

NONE = 0.1
"""An averaging time that is surely below this share of the update period counts as none."""

LATE = 0.25
"""Largest standard error, relative to the update period, of a delay that is used."""

_QUIET_S = 0.5
_BIN_S = 0.1
_FEWEST = 5


@dataclass(frozen=True)
class ChannelFacts:
    """One channel as it was found.

    Args:
        channel: As its meter describes it.
        updates: When it changes.
        resolution: The lattice of its readings, in its unit; ``None`` where too few differ.
        step_j: Median step of a counter, J; nan for power.
        noise_w: Standard deviation while the load was off, W: of the readings of power, of the
            power over 0.1 s of a counter; nan where there was no such time.
        response: Its answer to the load; ``None`` where that was not seen.
        read_s: Median time of a read, s.
        points: Its updates, with the power of each.
    """

    channel: Channel
    updates: Updates
    resolution: Figure | None
    step_j: float
    noise_w: float
    response: Response | None
    read_s: float
    points: Points

    @property
    def sure(self) -> dict[str, Figure]:
        """What a profile may hold: the fields that were resolved."""
        found = {"period_s": self.updates.period, "resolution": self.resolution}
        found |= {"averaging_s": self._averaging(), "delay_s": self._delay()}
        sure = {name: figure for name, figure in found.items() if figure is not None}
        if "delay_s" in sure:
            stamp_s = math.hypot(sure["delay_s"].standard_error, UNIFORM * self.read_s)
            sure["stamp_s"] = Figure(stamp_s, 0.0)
        return sure

    @property
    def measured(self) -> Channel:
        """The channel with what was resolved in the place of what its meter says."""
        return with_figures(self.channel, self.sure)

    @property
    def period_s(self) -> float:
        """The update period, s: as measured, or as declared."""
        return self.channel.period_s if self.updates.period is None else self.updates.period.value

    @property
    def averaging(self) -> Figure | None:
        """The averaging time, s, however well it is known."""
        return None if self.response is None else self.response.averaging

    @property
    def delay(self) -> Figure | None:
        """The delay, s, however well it is known."""
        return None if self.response is None else self.response.delay

    def _averaging(self) -> Figure | None:
        found = self.averaging
        if found is None:
            return None
        if found.value + 2 * found.standard_error <= NONE * self.period_s:
            return Figure(0.0, found.value + found.standard_error)
        return found if found.standard_error <= SURE * found.value else None

    def _delay(self) -> Figure | None:
        found = self.delay
        if found is None or found.standard_error > LATE * max(self.period_s, 4e-3):
            return None
        return Figure(max(found.value, 0.0), found.standard_error)

    def to_dict(self) -> dict[str, Any]:
        """Give the facts as a JSON-ready dict; what was not found is left out."""
        seen = self.updates
        facts: dict[str, Any] = {
            "channel": self.channel.to_dict(),
            "changes": seen.count,
            "period_s": seen.period,
            "change_spacing_s": dict(zip(("p5", "p50", "p95"), seen.spacing_s, strict=True)),
            "jitter_s": seen.jitter_s,
            "resolution": self.resolution,
            "counter_step_j": self.step_j,
            "idle_noise_w": self.noise_w,
            "read_p50_s": self.read_s,
        }
        if self.response is not None:
            facts |= {
                "delay_s": self.response.delay,
                "averaging_s": self.response.averaging,
                "rise_s": self.response.rise_s,
                "swing_w": self.response.swing_w,
                "explained": self.response.explained,
            }
        facts["profile"] = self.sure
        return dict(plain(facts))


def plain(content: Any) -> Any:
    """Turn figures into dicts, and leave out what is not there or not a number."""
    if isinstance(content, Figure):
        return content.to_dict()
    if isinstance(content, Mapping):
        kept = {name: plain(part) for name, part in content.items()}
        return {name: part for name, part in kept.items() if part is not None and part != {}}
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def channel_facts(polls: Polls, place: int, wave: Wave | None) -> ChannelFacts:
    """Measure one channel.

    Args:
        polls: What polling its meter gave.
        place: Its place among the meter's channels.
        wave: What the load did to its device; ``None`` where none was driven.
    """
    channel, changes = polls.channels[place], polls.changes(place)
    seen = updates(changes)
    shown = points(channel, changes, seen)
    counted = channel.unit == "J"
    steps_j = np.diff(unwrapped_j(channel, changes.v)) if counted else np.empty(0)
    return ChannelFacts(
        channel,
        seen,
        _resolution(changes, steps_j),
        float(np.median(steps_j)) if steps_j.size else math.nan,
        _noise_w(channel, changes, shown, wave),
        None if wave is None else _response(channel, changes, seen, wave),
        float(np.median(polls.read_s)),
        shown,
    )


def _resolution(changes: Changes, steps_j: FloatArray) -> Figure | None:
    """Find the lattice of the readings; steady steps of a counter would be taken for one."""
    if steps_j.size and np.unique(np.round(steps_j / np.median(np.abs(steps_j)), 6)).size < _FEWEST:
        return None
    return resolution(changes.all_v)


def _response(channel: Channel, changes: Changes, seen: Updates, wave: Wave) -> Response | None:
    """Find the answer to the wave; a counter that counts in bursts shows it over longer only."""
    begin_s = wave.switches[0].at_s - 0.5
    for finest_s in FINEST_S if channel.unit == "J" else FINEST_S[:1]:
        shown = points(channel, changes, seen, finest_s)
        found = response(shown.chosen(shown.at_s >= begin_s), wave)
        if found is not None:
            return found
    return None


def _noise_w(channel: Channel, changes: Changes, shown: Points, wave: Wave | None) -> float:
    """Give the noise before the load begins, W; nan where that is too short to tell."""
    end_s = changes.stop_s if wave is None else wave.switches[0].at_s
    if end_s - changes.start_s < _QUIET_S:
        return math.nan
    if channel.unit == "W":
        quiet_w = shown.v[shown.at_s < end_s]
        return float(quiet_w.std(ddof=1)) if quiet_w.size >= _FEWEST else math.nan
    at_s, energy_j = changes.at_s, unwrapped_j(channel, changes.v)
    bins_s = np.arange(at_s[0] if at_s.size else end_s, end_s, max(_BIN_S, channel.period_s))
    if bins_s.size <= _FEWEST:
        return math.nan
    return float((np.diff(np.interp(bins_s, at_s, energy_j)) / np.diff(bins_s)).std(ddof=1))
