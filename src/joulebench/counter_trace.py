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
    longest_spacing_s,
    shortest_spacing_s,
    spaced,
    systematic_biases,
)

_SURE_PERIODS = 1.1
"""A counter that stood still for so many of its periods has been updated without a change."""

_STALL_POWERS = 2.0
"""A counter that jumps by more than so many times the largest power it showed had stalled."""


class _Edge(NamedTuple):
    """A counter at an edge.

    Args:
        energy_j: Its value, J.
        sides: The power around it.
        error_j: What the interpolation may be off by, J.
        stamp_s: Standard deviation of the times that it is interpolated between, s.
        place: The update before it.
    """

    energy_j: float
    sides: Sides
    error_j: float
    stamp_s: float
    place: int


class _Knots(NamedTuple):
    """Updates of a counter: times, s, the doubt of each, s, and energies, J; shapes (n,)."""

    t_s: FloatArray
    energy_j: FloatArray
    doubt_s: FloatArray


class CounterTrace:
    """The readings of a cumulative counter, unwrapped when first asked."""

    def __init__(self, channel: Channel, t_s: FloatArray, v: FloatArray) -> None:
        self.channel = channel
        self._t_s = t_s
        self._v = v

    def over(self, window: Window, *, bridge: bool = False) -> Integral:
        """Difference the counter between the edges of a window.

        Raises:
            NotCoveredError, GapError, CounterError: See :meth:`joulebench.energy.Trace.energy`.
        """
        first, last = bracket(self.channel, self._t_s, window)
        if self._resets.size:
            return self._between_resets(first, last).over(window, bridge=bridge)
        # A counter has counted through any gap that it can bridge at all.
        self._refuse_stuck()
        self._refuse_ambiguous(window, first, last)
        start, stop = self._edge(window.start_s), self._edge(window.stop_s)
        joules = stop.energy_j - start.energy_j
        sides = start.sides, stop.sides
        biases = systematic_biases(self.channel, window, joules, sides, self.channel.stamp_s)
        edge_j = self._least(start.error_j + stop.error_j, start, stop, window)
        if edge_j:
            biases[f"edge {self.channel.name}"] = edge_j
        return Integral(
            joules,
            self._noise_j(start, stop, window),
            biases,
            window.duration_s,
            max(self.channel.period_s, self._cadence_s),
            self._step_j if joules <= 0 else self.channel.resolution,
        )

    def updates(self) -> tuple[FloatArray, FloatArray]:
        """Give the counter's own updates: times, s, and the counter without its wraps, J."""
        return self._knots.t_s, self._knots.energy_j

    def differenced(self) -> tuple[FloatArray, FloatArray]:
        """Give the mean power between updates: times in the middle, s, and power, W.

        Readings closer together than the counter's own update would show its steps as peaks of
        power, so that some are left out.
        """
        t_s, energy_j, _ = self._knots
        apart = _spaced(t_s, max(self.channel.period_s, 0.5 * self._cadence_s))
        t_s, energy_j = t_s[apart], energy_j[apart]
        counted = np.diff(energy_j) >= 0  # over a reset nothing was
        middle_s, power_w = 0.5 * (t_s[1:] + t_s[:-1]), np.diff(energy_j) / np.diff(t_s)
        return middle_s[counted], power_w[counted]

    @cached_property
    def _cadence_s(self) -> float:
        return cadence_s(self._t_s)

    @cached_property
    def _longest_s(self) -> float:
        return longest_spacing_s(self._t_s)

    @cached_property
    def _falls(self) -> npt.NDArray[np.intp]:
        return _falls(self._v)

    @cached_property
    def _resets(self) -> npt.NDArray[np.intp]:
        """The readings that are followed by a smaller one that no wrap explains."""
        wrap_j = self.channel.wrap_j
        if wrap_j is None or not self._falls.size:
            return self._falls
        steps = self._v[self._falls + 1] - self._v[self._falls] + wrap_j
        return self._falls[steps > 0.5 * wrap_j]

    @cached_property
    def _unwrapped(self) -> FloatArray:
        """The counter without its wraps, J; at a reset it falls."""
        places = np.setdiff1d(self._falls, self._resets, assume_unique=True)
        if places.size == 0:
            return self._v
        unwrapped = self._v.copy()
        stops = [*places[1:] + 1, unwrapped.size]
        for wraps, (place, stop) in enumerate(zip(places, stops, strict=True), 1):
            unwrapped[place + 1 : stop] += wraps * (self.channel.wrap_j or 0.0)
        return unwrapped

    def _between_resets(self, first: int, last: int) -> CounterTrace:
        """Give the stretch without a reset that holds two samples and all between them.

        Raises:
            CounterError: There is a reset between them.
        """
        inside = self._resets[(self._resets >= first) & (self._resets < last)]
        if inside.size:
            raise self._backwards(int(inside[0]))
        begin = int(self._resets[self._resets < first].max(initial=-1)) + 1
        end = int(self._resets[self._resets >= last].min(initial=self._v.size - 1)) + 1
        t_s, v = self._t_s[begin:end], self._v[begin:end]
        return CounterTrace(self.channel, t_s, v)

    def _backwards(self, place: int) -> CounterError:
        fell = self._v[place] - self._v[place + 1]
        wrap_j = self.channel.wrap_j
        wrap = (
            "no wrap is declared"
            if wrap_j is None
            else f"a wrap would have it fall by nearly {wrap_j:g} J"
        )
        return CounterError(
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
    def _knots(self) -> _Knots:
        """The points that the counter is interpolated between: its updates, or every reading."""
        if not self._held:
            poll_s = UNIFORM * min(self._cadence_s, self.channel.period_s)
            return _Knots(self._t_s, self._unwrapped, np.broadcast_to(poll_s, self._t_s.shape))
        return _update_knots(self._t_s, self._unwrapped, self.channel.period_s)

    def _edge(self, at_s: float) -> _Edge:
        t_s, energy_j, doubt_s = self._knots
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
            float(max(doubt_s[place], doubt_s[place + 1])),
            place,
        )

    def _edge_error_j(self, spacing: float, share: float, powers: FloatArray) -> float:
        """Give what a step of power at the edge makes of the straight line between two readings.

        Work that begins and ends at its windows' edges has the same steps there each time: pooled
        windows and repeated runs all lose, or gain, so that it is a bias and no noise.

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
        last = place == self._knots.t_s.size - 2
        return 0.5 * abs(power_w) * since_s if self._held and last else 0.0

    def _noise_j(self, start: _Edge, stop: _Edge, window: Window) -> float:
        """Add up what is random at both edges."""
        noise_j = math.hypot(*(self._edge_noise_j(edge, window) for edge in (start, stop)))
        return self._least(noise_j, start, stop, window)

    def _least(self, doubt_j: float, start: _Edge, stop: _Edge, window: Window) -> float:
        """Bound the doubt of a window between two updates: both edges err alike.

        It is off by its own energy at most.
        """
        if start.place != stop.place:
            return doubt_j
        power_w = max(start.sides.larger_w, stop.sides.larger_w)
        return min(doubt_j, power_w * window.duration_s)

    def _edge_noise_j(self, edge: _Edge, window: Window) -> float:
        """Add up what is random at an edge: resolution, stamps, the edge itself."""
        stamp_s = math.hypot(edge.stamp_s, UNIFORM * self.channel.stamp_step_s)
        return math.hypot(
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
    if shortest_spacing_s(t_s) >= apart_s:
        return np.arange(t_s.size)
    chosen = spaced(t_s, 0.999 * apart_s)
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


def _update_knots(t_s: FloatArray, energy_j: FloatArray, period_s: float) -> _Knots:
    """Turn polls of a counter that updates more slowly into the updates themselves.

    The counter that stood still for longer than its period was updated with the same value in
    between, so a knot is put one period before each change. It has stalled, though, where all that
    it gained would then have been drawn in one period with far more power than it ever shows. The
    first value is that of an update up to one period before the first poll, and the last one holds
    until the last poll.
    """
    changes, when_s, doubt_s = held_changes(t_s, energy_j, period_s)
    anchor_s = when_s - period_s
    earlier = np.concatenate(([-np.inf], when_s[:-1]))
    # An update without a change is sure only where the polls that show none span a whole period.
    still_s = t_s[changes - 1] - np.concatenate(([-np.inf], t_s[changes[:-1]]))
    needed = (still_s > _SURE_PERIODS * period_s) & (anchor_s > earlier + 0.5 * period_s)
    gained_j = energy_j[changes] - energy_j[changes - 1]
    usual_w = gained_j[~needed] / np.maximum(when_s - earlier, period_s)[~needed]
    if usual_w.size:
        needed &= gained_j <= _STALL_POWERS * usual_w.max() * period_s
    knots_s = np.concatenate((when_s, anchor_s[needed]))
    knots_j = np.concatenate((energy_j[changes], energy_j[changes - 1][needed]))
    doubts_s = np.concatenate((doubt_s, doubt_s[needed]))
    order = np.argsort(knots_s, kind="stable")
    knots_s, knots_j, doubts_s = knots_s[order], knots_j[order], doubts_s[order]
    if knots_s[0] > t_s[0]:
        knots_s = np.concatenate(([t_s[0]], knots_s))
        knots_j = np.concatenate(([energy_j[0]], knots_j))
        doubts_s = np.concatenate(([UNIFORM * period_s], doubts_s))
    if knots_s[-1] < t_s[-1]:
        slope = (knots_j[-1] - knots_j[-2]) / (knots_s[-1] - knots_s[-2])
        knots_s = np.concatenate((knots_s, [t_s[-1]]))
        gained_j = slope * min(t_s[-1] - knots_s[-2], period_s)
        knots_j = np.concatenate((knots_j, [knots_j[-1] + gained_j]))
        doubts_s = np.concatenate((doubts_s, doubts_s[-1:]))
    return _Knots(knots_s, knots_j, doubts_s)
