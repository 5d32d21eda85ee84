"""Whether a machine is again as it was before the first trial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

STEADY = 0.05
"""Share of a band by which a steady machine may still cool within one stretch."""

REST_S = 10.0
"""Shortest stretch over which a machine has to be steady, s: heat goes within minutes."""

_STEADY_C = 1.0
"""What the temperature may fall within one stretch, K: the step of most sensors."""


@dataclass(frozen=True)
class Idle:
    """An idle machine over a stretch of time.

    Args:
        watts: Mean power, W; ``None`` where nothing reads it.
        half_width_w: Half of the 95 % interval of the mean, by the scatter of its parts, W.
        fall_w: By how much the power fell in the course of it, W; below 0 where it rose.
        temperatures: Median by device, degrees Celsius.
        falls_c: By how much they fell in the course of it, K.
    """

    watts: float | None = None
    half_width_w: float = 0.0
    fall_w: float = 0.0
    temperatures: Mapping[str, float] = field(default_factory=dict)
    falls_c: Mapping[str, float] = field(default_factory=dict)


class Probe(Protocol):
    """Looks at the sensors of an idle machine."""

    shortest_s: float
    """Shortest stretch that its sensors tell anything of, s; known once it has begun to look."""
    first_s: float
    """When the first such stretch can be told of, s after it began to look."""

    def start(self) -> None:
        """Begin to look."""

    def look(self, length_s: float) -> Idle | None:
        """Give the last stretch; ``None`` while it is not over, or where readings are absent."""

    def stop(self) -> None:
        """Let the sensors go."""


@dataclass(frozen=True)
class Bands:
    """How far from its reference an idle machine may be.

    Args:
        min_s: Shortest wait, s.
        max_s: Longest wait, s.
        power_band: Of the idle power, relative.
        temperature_band_c: Above each temperature, K.
    """

    min_s: float = 5.0
    max_s: float = 600.0
    power_band: float = 0.05
    temperature_band_c: float = 3.0

    @classmethod
    def of(cls, protocol: Mapping[str, Any]) -> Bands | None:
        """Read those of a protocol; ``None`` where its cool-down is not adaptive."""
        adaptive = protocol["cooldown"].get("adaptive")
        return None if adaptive is None else cls(**adaptive)

    def steady(self, idle: Idle) -> bool:
        """Say whether a machine has stopped cooling down, as far as one stretch can tell."""
        cooling = any(fall > _STEADY_C for fall in idle.falls_c.values())
        if idle.watts is None:
            return not cooling
        return not cooling and idle.fall_w <= STEADY * self.power_band * idle.watts

    def known_well(self, idle: Idle) -> bool:
        """Say whether an idle power is known well enough to be held against a band."""
        if idle.watts is None:
            return True
        return idle.half_width_w <= 0.5 * self.power_band * idle.watts


@dataclass(frozen=True)
class Reference:
    """How a machine idles when it is at rest: the least that was seen of it.

    Args:
        watts: Idle power, W; ``None`` where nothing reads it.
        half_width_w: Half of its 95 % interval, W.
        temperatures: By device, degrees Celsius.
    """

    watts: float | None = None
    half_width_w: float = 0.0
    temperatures: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, idle: Idle) -> Reference:
        """Take a machine as it is now."""
        return cls(idle.watts, idle.half_width_w, dict(idle.temperatures))

    def lowered(self, idle: Idle) -> Reference:
        """Give the reference after a stretch that was cooler than it, beyond its noise.

        A machine that was still warm from earlier work when the reference was taken shows so later.
        """
        known = dict(self.temperatures)
        for device, degrees in idle.temperatures.items():
            known[device] = min(degrees, known.get(device, degrees))
        lower = replace(self, temperatures=known)
        if idle.watts is None or self.watts is None:
            return lower
        if idle.watts + math.hypot(idle.half_width_w, self.half_width_w) >= self.watts:
            return lower
        return replace(lower, watts=idle.watts, half_width_w=idle.half_width_w)

    def outside(self, idle: Idle, bands: Bands) -> list[str]:
        """Name what is not back in its band: ``power``, or the device that is too warm.

        The noise of both powers counts against it: nothing is back by luck.
        """
        found = []
        if self.watts is not None:
            doubt_w = math.hypot(idle.half_width_w, self.half_width_w)
            most_w = self.watts * (1 + bands.power_band)
            if idle.watts is None or idle.watts + doubt_w > most_w:
                found.append("power")
        for device, degrees in self.temperatures.items():
            now_c = idle.temperatures.get(device)
            if now_c is not None and now_c > degrees + bands.temperature_band_c:
                found.append(f"{device} temperature")
        return found


class Rest:
    """Reached when a machine does not cool down any more and its idle power is known well.

    Args:
        bands: Of the protocol.
    """

    def __init__(self, bands: Bands) -> None:
        self.bands = bands
        self.least_s = REST_S

    def reached(self, idle: Idle, waited_s: float) -> bool:
        """Say whether it is reached, s after the begin."""
        del waited_s
        return self.bands.steady(idle) and self.bands.known_well(idle)

    def in_noise(self, idle: Idle) -> bool:
        """Say whether it is noise alone that stands in the way."""
        return self.bands.steady(idle) and not self.bands.known_well(idle)


class Back:
    """Reached when a machine is as it was.

    Args:
        bands: Of the protocol.
        reference: How it was; lowered where it turns out to have been too high.
    """

    def __init__(self, bands: Bands, reference: Reference) -> None:
        self.bands = bands
        self.reference = reference
        self.least_s = 0.0
        self.outside = ["no reading"]

    def reached(self, idle: Idle, waited_s: float) -> bool:
        """Say whether it is reached, s after the begin."""
        self.reference = self.reference.lowered(idle)
        self.outside = self.reference.outside(idle, self.bands)
        return not self.outside and waited_s >= self.bands.min_s

    def in_noise(self, idle: Idle) -> bool:
        """Say whether it is noise alone that stands in the way."""
        exact = replace(idle, half_width_w=0.0)
        known = replace(self.reference, half_width_w=0.0)
        return bool(self.outside) and not known.outside(exact, self.bands)
