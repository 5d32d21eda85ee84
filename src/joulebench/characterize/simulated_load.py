"""The load of a simulated board: the profile that it was given."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from joulebench.channel import Channel
from joulebench.characterize.load import Switch, Wave, planned
from joulebench.meters.meter import MeterSpec
from joulebench.meters.power_profile import PowerProfile
from joulebench.meters.simulated import SimulatedMeter

IDLE_W, BUSY_W = 100.0, 300.0


class ProfileLoad:
    """Says when the power of a simulated board stepped, as a real load would of itself.

    Args:
        meter: The open board.
        clock: Gives monotonic time, s.
    """

    what = "the simulated profile"

    def __init__(self, meter: SimulatedMeter, clock: Callable[[], float]) -> None:
        self._profile = meter.sensor.profile
        self._clock = clock
        self._begin_s = clock()

    def drives(self, channel: Channel) -> bool:
        """Say that every channel of the board sees the profile."""
        return channel.method == "simulated"

    def start(self, switches: Sequence[Switch]) -> None:
        """Do nothing: the profile follows its own plan."""

    def waves(self) -> dict[str, Wave]:
        """Give the steps of the profile since long before the load was made; none if it is flat."""
        low_w, high_w = min(self._profile.watts), max(self._profile.watts)
        if high_w <= low_w:
            return {}
        steps = _steps(self._profile, self._begin_s, self._clock())
        before_w = self._profile.power_w(steps[0][0] - 1e-6)
        earlier_w = [before_w, *(power_w for _, power_w in steps)]
        switches = [
            Switch(at_s, (power_w - low_w) / (high_w - low_w))
            for (at_s, power_w), was_w in zip(steps, earlier_w, strict=False)
            if power_w != was_w
        ]
        return {"": Wave(switches, (before_w - low_w) / (high_w - low_w))}

    def close(self) -> None:
        """Do nothing: there is no process."""


def _steps(profile: PowerProfile, start_s: float, stop_s: float) -> list[tuple[float, float]]:
    """List the steps between two times and, for averages that reach back, those of a cycle more."""
    if not profile.period_s:
        return list(zip(profile.times, profile.watts, strict=True))
    origin_s, period_s = profile.times[0], profile.period_s
    first = math.floor((start_s - origin_s) / period_s) - math.ceil(5.0 / period_s)
    cycles = range(first, math.ceil((stop_s - origin_s) / period_s))
    return [
        (at_s + cycle * period_s, power_w)
        for cycle in cycles
        for at_s, power_w in zip(profile.times, profile.watts, strict=True)
    ]


def with_wave(spec: MeterSpec, quiet_s: float, wave_s: float) -> MeterSpec:
    """Give a simulated board of constant power a wave to follow, after a quiet stretch.

    Args:
        spec: The board.
        quiet_s: Length of the stretch before the wave, s.
        wave_s: Length of the wave, s.
    """
    if isinstance(spec.options.get("watts"), str | list):
        return spec
    switches = planned(quiet_s, wave_s)
    steps = [[s.at_s, BUSY_W if s.level else IDLE_W] for s in switches]
    options = {**spec.options, "watts": [[0.0, IDLE_W], *steps], "repeat": False}
    return replace(spec, options=options)
