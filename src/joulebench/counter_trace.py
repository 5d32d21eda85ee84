"""Joules of a window out of a cumulative counter.

A counter is differenced with its wrap modulus and interpolated linearly at both edges.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel, Window
from joulebench.errors import CounterError
from joulebench.integral import (
    BLOCK,
    UNIFORM,
    FloatArray,
    Integral,
    Sides,
    bracket,
    cadence_s,
    gap_error,
    gap_limit_s,
    held_changes,
    spacing_range_s,
    systematic_biases,
)


class _Edge(NamedTuple):
    """A counter at an edge: its value, the power around it, and the interpolation's error, J."""

    energy_j: float
    sides: Sides
    error_j: float


class CounterTrace:
    """The readings of a cumulative counter, unwrapped when first asked."""

    def __init__(self, channel: Channel, t_s: FloatArray, v: FloatArray, longest_s: float) -> None:
        self.channel = channel
        self._t_s = t_s
        self._v = v
        self._longest_s = longest_s

    def over(self, window: Window, *, bridge: bool = False) -> Integral:
        """Difference the counter between the edges of a window.

        Raises:
            NotCoveredError, GapError, CounterError: See :meth:`joulebench.energy.Trace.energy`.
        """
        del bridge  # a counter has counted through any gap that it can bridge at all
        first, last = bracket(self.channel, self._t_s, window)
        self._refuse_stuck()
        self._refuse_ambiguous(window, first, last)
        start, stop = self._edge(window.start_s), self._edge(window.stop_s)
        joules = stop.energy_j - start.energy_j
        sides = start.sides, stop.sides
        return Integral(
            joules,
            math.hypot(*(self._edge_noise_j(edge, window) for edge in (start, stop))),
            systematic_biases(self.channel, window, joules, sides, self.channel.stamp_s),
            window.duration_s,
            max(self.channel.period_s, self._cadence_s),
            self._step_j if joules <= 0 else self.channel.resolution,
        )

    def differenced(self) -> tuple[FloatArray, FloatArray]:
        """Give the mean power between updates: times in the middle, s, and power, W.

        Readings closer together than the counter's own update would show its steps as peaks of
        power, so that some are left out.
        """
        t_s, energy_j = self._knots
        apart = _spaced(t_s, max(self.channel.period_s, 0.5 * self._cadence_s))
        t_s, energy_j = t_s[apart], energy_j[apart]
        return 0.5 * (t_s[1:] + t_s[:-1]), np.diff(energy_j) / np.diff(t_s)

    @cached_property
    def _cadence_s(self) -> float:
        return cadence_s(self._t_s)

    @cached_property
    def _unwrapped(self) -> FloatArray:
        """The counter without its wraps, J."""
        places = _falls(self._v)
        if places.size == 0:
            return self._v
        self._refuse_backwards(int(places[0]), places.size)
        wrap_j = self.channel.wrap_j or 0.0
        steps = self._v[places + 1] - self._v[places] + wrap_j
        if (steps > 0.5 * wrap_j).any():
            self._refuse_backwards(int(places[np.argmax(steps)]), 0)
        unwrapped = self._v.copy()
        stops = [*places[1:] + 1, unwrapped.size]
        for wraps, (place, stop) in enumerate(zip(places, stops, strict=True), 1):
            unwrapped[place + 1 : stop] += wraps * wrap_j
        return unwrapped

    def _refuse_backwards(self, place: int, count: int) -> None:
        """Refuse a counter that fell by something that is not a wrap."""
        if self.channel.wrap_j is not None and count:
            return
        fell = self._v[place] - self._v[place + 1]
        wrap = (
            "no wrap is declared"
            if self.channel.wrap_j is None
            else (f"a wrap would have it fall by nearly {self.channel.wrap_j:g} J")
        )
        raise CounterError(
            f"channel {self.channel.name!r} went backwards by {fell:g} J at "
            f"{self._t_s[place + 1]:.3f} s ({wrap}): the sensor was reset or its wrap is "
            "undeclared; declare wrap_j or measure again"
        )

    def _refuse_stuck(self) -> None:
        if self._unwrapped[-1] == self._unwrapped[0]:
            raise CounterError(
                f"channel {self.channel.name!r} never moved in "
                f"{self._t_s[-1] - self._t_s[0]:.3f} s: the sensor is dead or slower than the "
                "trace; leave it out or record longer"
            )

    def _refuse_ambiguous(self, window: Window, first: int, last: int) -> None:
        """Refuse a hole so long that the counter may have wrapped in it unseen."""
        wrap_j = self.channel.wrap_j
        if wrap_j is None:
            return
        limit = gap_limit_s(self.channel, self._cadence_s)
        if self._longest_s <= limit:
            return
        spacing = np.diff(self._t_s[first : last + 1])
        worst = int(np.argmax(spacing))
        if spacing[worst] <= limit:
            return
        if self._peak_w(limit) * spacing[worst] > 0.5 * wrap_j:
            raise gap_error(
                self.channel,
                window,
                self._t_s[first + worst],
                float(spacing[worst]),
                f"long enough for the counter to wrap unseen at {wrap_j:g} J",
            )

    def _peak_w(self, limit_s: float) -> float:
        """Give the largest power between neighbouring samples outside gaps, W."""
        spacing = np.diff(self._t_s)
        power = np.diff(self._unwrapped) / spacing
        usual = power[spacing <= limit_s]
        return float(usual.max()) if usual.size else 0.0

    @cached_property
    def _held(self) -> bool:
        """Whether the counter is polled faster than it is updated."""
        return self.channel.period_s > 1.5 * self._cadence_s

    @cached_property
    def _knots(self) -> tuple[FloatArray, FloatArray]:
        """The points that the counter is interpolated between: its updates, or every reading."""
        if not self._held:
            return self._t_s, self._unwrapped
        return _update_knots(self._t_s, self._unwrapped, self.channel.period_s)

    def _edge(self, at_s: float) -> _Edge:
        t_s, energy_j = self._knots
        place = int(np.searchsorted(t_s, at_s, side="right")) - 1
        place = min(max(place, 0), t_s.size - 2)
        near = slice(max(place - 1, 0), min(place + 3, t_s.size))
        powers = np.diff(energy_j[near]) / np.diff(t_s[near])
        here = place - near.start
        spacing = float(t_s[place + 1] - t_s[place])
        since_s = at_s - float(t_s[place])
        beyond_j = self._beyond_j(place, since_s, float(powers[here]))
        return _Edge(
            float(energy_j[place] + since_s * powers[here]),
            Sides(float(powers[max(here - 1, 0)]), float(powers[min(here + 1, powers.size - 1)])),
            max(self._edge_error_j(spacing, since_s / spacing, powers), beyond_j),
        )

    def _edge_error_j(self, spacing: float, share: float, powers: FloatArray) -> float:
        """Give what a step of power at the edge makes of the straight line between two readings.

        With power p before the edge and q after it the line is off by f (1 - f) D (q - p), where D
        is the spacing and f the share of it before the edge. In a hole nothing is known of the
        power but that it averages to the slope.
        """
        swing = float(powers.max() - powers.min())
        if spacing > gap_limit_s(self.channel, self._cadence_s):
            swing = max(swing, float(powers.max()))
        return abs(share * (1 - share)) * spacing * swing

    def _beyond_j(self, place: int, since_s: float, power_w: float) -> float:
        """Give the doubt of an edge after the last update, where nothing says what followed."""
        last = place == self._knots[0].size - 2
        return 0.5 * abs(power_w) * since_s if self._held and last else 0.0

    def _edge_noise_j(self, edge: _Edge, window: Window) -> float:
        """Add up what is random at an edge: interpolation, resolution, stamps, the edge itself."""
        stamp_s = UNIFORM * min(self._cadence_s, self.channel.period_s)
        return math.hypot(
            edge.error_j,
            UNIFORM * self.channel.resolution,
            edge.sides.larger_w * stamp_s,
            edge.sides.larger_w * window.edge_s,
        )

    @cached_property
    def _step_j(self) -> float:
        """The smallest step seen, J, where the channel does not state its resolution."""
        if self.channel.resolution:
            return self.channel.resolution
        steps = np.diff(self._unwrapped)
        return float(steps[steps > 0].min())


def _spaced(t_s: FloatArray, apart_s: float) -> npt.NDArray[np.intp]:
    """Choose samples at least so far apart, the first and the last among them."""
    if spacing_range_s(t_s)[0] >= apart_s:
        return np.arange(t_s.size)
    chosen, last_s = [0], t_s[0]
    for place in range(1, t_s.size):
        if t_s[place] - last_s >= 0.999 * apart_s:
            chosen.append(place)
            last_s = t_s[place]
    if len(chosen) > 1:
        chosen[-1] = t_s.size - 1
    else:
        chosen.append(t_s.size - 1)
    return np.array(chosen)


def _falls(v: FloatArray) -> npt.NDArray[np.intp]:
    """Find the readings that are followed by a smaller one, block by block."""
    found = [
        np.flatnonzero(part[1:] < part[:-1]) + first
        for first in range(0, v.size - 1, BLOCK)
        for part in (v[first : first + BLOCK + 1],)
        if (part[1:] < part[:-1]).any()
    ]
    return np.concatenate(found) if found else np.empty(0, np.intp)


def _update_knots(
    t_s: FloatArray, energy_j: FloatArray, period_s: float
) -> tuple[FloatArray, FloatArray]:
    """Turn polls of a counter that updates more slowly into the updates themselves.

    The counter that stood still for longer than its period was updated with the same value in
    between, so a knot is put one period before each change. The first value is that of an update
    up to one period before the first poll, and the last one holds until the last poll.
    """
    changes, when_s = held_changes(t_s, energy_j)
    anchor_s = when_s - period_s
    earlier = np.concatenate(([-np.inf], when_s[:-1]))
    needed = anchor_s > earlier + 0.5 * period_s
    knots_s = np.concatenate((when_s, anchor_s[needed]))
    knots_j = np.concatenate((energy_j[changes], energy_j[changes - 1][needed]))
    order = np.argsort(knots_s, kind="stable")
    knots_s, knots_j = knots_s[order], knots_j[order]
    if knots_s[0] > t_s[0]:
        knots_s = np.concatenate(([t_s[0]], knots_s))
        knots_j = np.concatenate(([energy_j[0]], knots_j))
    if knots_s[-1] < t_s[-1]:
        slope = (knots_j[-1] - knots_j[-2]) / (knots_s[-1] - knots_s[-2])
        knots_s = np.concatenate((knots_s, [t_s[-1]]))
        gained_j = slope * min(t_s[-1] - knots_s[-2], period_s)
        knots_j = np.concatenate((knots_j, [knots_j[-1] + gained_j]))
    return knots_s, knots_j
