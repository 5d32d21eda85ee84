"""What every integration gives, and what all of them share: edges, gaps, resolution.

Formulas and sources stand in ``docs/measurement.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel, Window
from joulebench.errors import GapError, NotCoveredError
from joulebench.finding import Finding

FloatArray = npt.NDArray[np.float64]

GAP_CADENCES = 5.0
"""A hole of more cadences than this is a gap."""

SHORTEST_PERIOD = 0.9
"""Share of its period that a sensor takes at least from one update to the next."""

UNIFORM = 1 / math.sqrt(12)
"""Standard deviation of a uniform distribution of width one."""

BLOCK = 1 << 13
"""Samples in a block: all passes over one stay in the processor's cache, and its temporary arrays
stay below the size from which the C library maps fresh pages for each."""

_CADENCE_SAMPLES = 4096


class Sides(NamedTuple):
    """The power just before and just after an edge of a window, W."""

    before_w: float
    after_w: float

    @property
    def larger_w(self) -> float:
        """The larger power of the two, W."""
        return max(abs(self.before_w), abs(self.after_w))


@dataclass(frozen=True)
class Integral:
    """Joules of one or more windows before they are judged against what the sensor resolves."""

    joules: float
    noise_j: float
    biases: dict[str, float]
    duration_s: float
    resolves_s: float
    resolves_j: float
    below_resolution: bool = False
    findings: tuple[Finding, ...] = ()

    @classmethod
    def pooled(cls, parts: Sequence[Integral]) -> Integral:
        """Add windows of one channel: noise in quadrature, biases linearly."""
        first = parts[0]
        if len(parts) == 1:
            return first
        biases: dict[str, float] = {}
        for part in parts:
            for source, bias in part.biases.items():
                biases[source] = biases.get(source, 0.0) + bias
        return replace(
            first,
            joules=math.fsum(part.joules for part in parts),
            noise_j=math.hypot(*(part.noise_j for part in parts)),
            biases=biases,
            duration_s=math.fsum(part.duration_s for part in parts),
            findings=tuple(dict.fromkeys(f for part in parts for f in part.findings)),
        )

    def judged(self) -> Integral:
        """Give windows below the sensor's resolution a noise of at least half their energy.

        A reading of zero that only says that the sensor had no time to move becomes half of the
        smallest step it can show.
        """
        short = self.duration_s < self.resolves_s
        unmoved = abs(self.joules) < self.resolves_j
        if not (short or unmoved):
            return self
        joules = self.joules if self.joules > 0 else 0.5 * self.resolves_j
        noise_j = max(self.noise_j, 0.5 * abs(joules))
        return replace(self, joules=joules, noise_j=noise_j, below_resolution=True)


def increases(t_s: FloatArray) -> bool:
    """Say whether times are finite and strictly increasing, block by block."""
    if not (math.isfinite(t_s[0]) and math.isfinite(t_s[-1])):
        return False
    return all(bool((part[1:] > part[:-1]).all()) for part in blocks(t_s))


def shortest_spacing_s(t_s: FloatArray) -> float:
    """Give the shortest spacing of the samples, s."""
    return min(float((part[1:] - part[:-1]).min()) for part in blocks(t_s))


def longest_spacing_s(t_s: FloatArray) -> float:
    """Give the longest spacing of the samples, s."""
    return max(float((part[1:] - part[:-1]).max()) for part in blocks(t_s))


def blocks(values: FloatArray) -> Iterator[FloatArray]:
    """Cut into blocks that stay in the processor's cache; each begins with the last one's end."""
    return (values[first : first + BLOCK + 1] for first in range(0, values.size - 1, BLOCK))


def spaced(t_s: FloatArray, apart_s: float) -> list[int]:
    """Choose samples, from the first on, each at least so far after the one chosen before."""
    chosen, last_s = [0], t_s[0]
    for place in range(1, t_s.size):
        if t_s[place] - last_s >= apart_s:
            chosen.append(place)
            last_s = t_s[place]
    return chosen


def cadence_s(t_s: FloatArray) -> float:
    """Give the median spacing of the samples, s, from at most a few thousand of them.

    Of an even number the upper of the two in the middle: a spacing that really occurs.
    """
    last = t_s.size - 2
    if last < _CADENCE_SAMPLES:
        spacing = t_s[1:] - t_s[:-1]
    else:
        picked = np.linspace(0, last, _CADENCE_SAMPLES).astype(np.intp)
        spacing = t_s[picked + 1] - t_s[picked]
    middle = spacing.size // 2
    return float(np.partition(spacing, middle)[middle])


def gap_limit_s(channel: Channel, cadence: float) -> float:
    """Give the longest spacing that the trace's own cadence explains, s.

    A sensor that averages still reports what happened in a hole shorter than its averaging time.
    """
    return max(GAP_CADENCES * max(cadence, channel.period_s), channel.averaging_s)


def bracket(channel: Channel, t_s: FloatArray, window: Window) -> tuple[int, int]:
    """Give the last sample at or before the window and the first at or after it.

    Raises:
        NotCoveredError: There is no such sample.
    """
    first = int(np.searchsorted(t_s, window.start_s, side="right")) - 1
    last = int(np.searchsorted(t_s, window.stop_s, side="left"))
    if first < 0 or last >= t_s.size:
        missing = max(t_s[0] - window.start_s, window.stop_s - t_s[-1])
        side = "begins" if first < 0 else "ends"
        raise NotCoveredError(
            f"window {window.name!r} ({window.start_s:.3f} s to {window.stop_s:.3f} s): the trace "
            f"of channel {channel.name!r} covers {t_s[0]:.3f} s to {t_s[-1]:.3f} s, {side} "
            f"{missing:.3f} s short; record from before the window until after it"
        )
    return first, last


def gap_error(channel: Channel, window: Window, at_s: float, gap_s: float, why: str) -> GapError:
    """Build the refusal of a gap: which window, which channel, what to do."""
    return GapError(
        f"window {window.name!r}: channel {channel.name!r} has a gap of {gap_s:.3f} s at "
        f"{at_s:.3f} s, {why}; measure again, cut the window, or ask for gaps='bridge' to carry "
        "the gap's doubt in the noise"
    )


def gap_finding(channel: Channel, window: Window, at_s: float, gap_s: float) -> Finding:
    """Build the finding of a gap that was bridged on request."""
    return Finding(
        rule="sampling-gap",
        severity="warning",
        where=f"{channel.name} in {window.name}",
        message=f"no sample for {gap_s:.3f} s at {at_s:.3f} s; the power in between was guessed",
        remedy="find what stalled the sensor and measure again",
        seen=f"{gap_s:.3f} s",
    )


def systematic_biases(
    channel: Channel, window: Window, joules: float, sides: tuple[Sides, Sides], stamp_s: float
) -> dict[str, float]:
    """Give the biases that every integration has: gain, offset, rounding, the stamps' delay.

    A steady power is rounded to the same side at every sample, so that rounding is a bias of power;
    a counter is rounded at its two edges only.

    A delay of d moves every edge by d, which changes the energy by d times the difference of the
    power at the two edges; the least favourable sides of both edges are taken.
    """
    biases = {f"gain {channel.name}": channel.gain * abs(joules)}
    if channel.unit == "W":
        biases[f"offset {channel.name}"] = channel.offset * window.duration_s
        rounding_w = UNIFORM * channel.resolution
        biases[f"resolution {channel.name}"] = rounding_w * window.duration_s
    start, stop = sides
    swing_w = max(abs(late - early) for late in stop for early in start)
    biases[f"stamp {channel.name}"] = stamp_s * swing_w
    return {source: bias for source, bias in biases.items() if bias > 0}


class Changes(NamedTuple):
    """Where a reading that is held between updates changes.

    Args:
        places: First poll that shows each new value; shape (n,).
        when_s: Best guess of when the sensor updated, s; shape (n,).
        doubt_s: Standard deviation of that, s; shape (n,).
    """

    places: npt.NDArray[np.intp]
    when_s: FloatArray
    doubt_s: FloatArray


def held_changes(t_s: FloatArray, v: FloatArray, period_s: float) -> Changes:
    """Find where a reading that is polled faster than it is updated changes.

    An update lies between the poll that shows it and the one before, and about one period from
    its neighbours, which tells more where polls are uneven. A sensor that updates faster than it
    declares contradicts that, and is then taken from its polls alone.

    Args:
        t_s: Times of the polls, s.
        v: Readings.
        period_s: The sensor's update period, s.
    """
    places = np.flatnonzero(v[1:] != v[:-1]) + 1
    before_s, after_s = t_s[places - 1], t_s[places]
    apart_s = SHORTEST_PERIOD * period_s * np.arange(places.size)
    low_s = np.maximum.accumulate(before_s - apart_s) + apart_s
    high_s = np.minimum.accumulate((after_s - apart_s)[::-1])[::-1] + apart_s
    sound = low_s <= high_s
    low_s, high_s = np.where(sound, low_s, before_s), np.where(sound, high_s, after_s)
    return Changes(places, 0.5 * (low_s + high_s), UNIFORM * (high_s - low_s))
