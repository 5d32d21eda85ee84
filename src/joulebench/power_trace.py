"""Joules of a window out of samples of power.

Power is integrated by trapezoid over the real time stamps, interpolated at both edges. Where the
sensor averages, a correction at each edge undoes the moving average (:mod:`joulebench.averaging`).
Sums are kept by block, so that many windows of a long trace cost one pass over it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from joulebench.aliasing import aliasing_finding, bound_j, repeating_updates, unseen_share
from joulebench.averaging import Unaveraging
from joulebench.channel import Channel, Window
from joulebench.holes import hole_doubt_j, stalls, without_stalls
from joulebench.integral import (
    BLOCK,
    GAP_CADENCES,
    UNIFORM,
    Changes,
    FloatArray,
    Integral,
    Sides,
    bracket,
    cadence_s,
    gap_error,
    gap_finding,
    gap_limit_s,
    held_changes,
    systematic_biases,
)


class _Sums(NamedTuple):
    """What is summed over intervals between samples (see docs/measurement.md, sampling noise)."""

    energy_j: float = 0.0
    spacing2: float = 0.0
    first2: float = 0.0
    second2: float = 0.0
    curved_j2: float = 0.0
    longest_s: float = 0.0

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(
            self.energy_j + other.energy_j,
            self.spacing2 + other.spacing2,
            self.first2 + other.first2,
            self.second2 + other.second2,
            self.curved_j2 + other.curved_j2,
            max(self.longest_s, other.longest_s),
        )


class PowerTrace:
    """Samples of power, with the sums that windows are made of."""

    def __init__(self, channel: Channel, t_s: FloatArray, v: FloatArray) -> None:
        self.channel = channel
        self._polls_s = t_s
        self._polls_w = v
        self._blocks: dict[int, _Sums] = {}

    def over(self, window: Window, *, bridge: bool = False) -> Integral:
        """Integrate the power over a window.

        Raises:
            NotCoveredError, GapError: See :meth:`joulebench.energy.Trace.energy`.
        """
        bracket(self.channel, self._polls_s, window)
        first, last = bracket(self.channel, self._t_s, window)
        sums = self._sums(first + 1, last - 1) if last - first > 1 else _Sums()
        integral = self._plain(window, first, last, sums)
        if self.channel.averaging_s > 0:
            integral = self._undone(integral, window)
        if unseen_share(self.channel):
            integral = self._aliased(integral, window, (first, last))
        longest_s = self._longest_s(first, last, sums)
        if longest_s <= self._longest_sound_s:
            return integral
        return self._gaps(integral, window, (first, last), bridge=bridge)

    def updates(self) -> tuple[FloatArray, FloatArray]:
        """Give the sensor's own updates: times, s, and power, W."""
        return self._updates

    def differenced(self) -> tuple[FloatArray, FloatArray]:
        """Give times, s, and power, W, as they were read."""
        return self._polls_s, self._polls_w

    @cached_property
    def _cadence_s(self) -> float:
        return cadence_s(self._polls_s)

    @cached_property
    def _held(self) -> bool:
        """Whether the sensor is polled faster than it is updated."""
        return self.channel.period_s > 1.5 * self._cadence_s

    @cached_property
    def _changes(self) -> Changes:
        return held_changes(self._polls_s, self._polls_w, self.channel.period_s)

    @cached_property
    def _updates(self) -> tuple[FloatArray, FloatArray]:
        """The sensor's updates: the readings themselves unless they are polled faster."""
        if not self._held:
            return without_stalls(self._polls_s, self._polls_w)
        return _update_points(self._polls_s, self._polls_w, self._changes, self.channel.period_s)

    @property
    def _t_s(self) -> FloatArray:
        return self._updates[0]

    @property
    def _v(self) -> FloatArray:
        return self._updates[1]

    @cached_property
    def _spacing_s(self) -> float:
        return cadence_s(self._t_s)

    @cached_property
    def _longest_sound_s(self) -> float:
        """The longest spacing that is no hole, s."""
        return gap_limit_s(self.channel, self._spacing_s)

    def _sums(self, first: int, last: int) -> _Sums:
        """Sum over the intervals from sample ``first`` to sample ``last``."""
        sums = _Sums()
        place = first
        while place < last:
            block = place // BLOCK
            end = min(last, (block + 1) * BLOCK)
            whole = place == block * BLOCK and end == (block + 1) * BLOCK
            sums = sums.plus(self._block(block) if whole else self._raw_sums(place, end))
            place = end
        return sums

    def _block(self, block: int) -> _Sums:
        if block not in self._blocks:
            self._blocks[block] = self._raw_sums(block * BLOCK, (block + 1) * BLOCK)
        return self._blocks[block]

    def _raw_sums(self, first: int, last: int) -> _Sums:
        """Sum over intervals; second differences belong to the interval that they begin with."""
        end = min(last + 2, self._t_s.size)
        t_s, v = self._t_s[first:end], self._v[first:end]
        n = last - first
        spacing = t_s[1:] - t_s[:-1]
        step = v[1:] - v[:-1]
        inside, steps = spacing[:n], step[:n]
        longest_s = float(inside.max())
        first2 = float(steps @ steps)
        energy_j = float(inside @ v[:n]) + 0.5 * float(inside @ steps)
        np.divide(step, spacing, out=step)
        kink = step[1:] - step[:-1]
        bend = (spacing[1:] + spacing[:-1]) * kink
        # A step falls into the longer of two intervals more often; what a hole costs is counted
        # apart.
        longer = np.maximum(spacing[1:], spacing[:-1])
        if longest_s > self._longest_sound_s:
            np.minimum(longer, self._longest_sound_s, out=longer)
        kink *= longer
        kink *= longer
        return _Sums(
            energy_j,
            float(inside @ inside),
            first2,
            0.25 * float(bend @ bend),
            float(kink @ kink),
            longest_s,
        )

    def _longest_s(self, first: int, last: int, inner: _Sums) -> float:
        """Give the longest spacing from sample ``first`` to ``last``, s: both ends and the rest."""
        t_s = self._t_s
        ends_s = t_s[first + 1] - t_s[first], t_s[last] - t_s[last - 1]
        return float(max(*ends_s, inner.longest_s))

    def _trapezoid(self, first: int, last: int, sums: _Sums, window: Window) -> float:
        t_s, v = self._t_s, self._v
        at_start, at_stop = (self._at(window.start_s, first), self._at(window.stop_s, last - 1))
        if last - first <= 1:
            return 0.5 * (at_start + at_stop) * window.duration_s
        head = 0.5 * (at_start + v[first + 1]) * (t_s[first + 1] - window.start_s)
        tail = 0.5 * (v[last - 1] + at_stop) * (window.stop_s - t_s[last - 1])
        return float(head + sums.energy_j + tail)

    def _at(self, at_s: float, place: int) -> float:
        """Interpolate the power between sample ``place`` and the next."""
        share = (at_s - self._t_s[place]) / (self._t_s[place + 1] - self._t_s[place])
        return float(self._v[place] + share * (self._v[place + 1] - self._v[place]))

    def _sides(self, place: int) -> Sides:
        """Give the readings around an edge that falls between sample ``place`` and the next."""
        return Sides(float(self._v[place]), float(self._v[place + 1]))

    def _leak_j(self, window: Window, first: int, last: int) -> float:
        """Give what the straight line across an edge leaks where work begins or ends at it, J.

        With step d, spacing D and share f of the spacing before the edge, it is d D (1 - f)^2 / 2
        at a start and d D f^2 / 2 at a stop, both towards less energy for a burst of work.
        """
        t_s, v = self._t_s, self._v
        inside_s = (t_s[first + 1] - window.start_s, window.stop_s - t_s[last - 1])
        leaks = (
            0.5
            * abs(float(v[place + 1] - v[place]))
            * float(part_s) ** 2
            / float(t_s[place + 1] - t_s[place])
            for place, part_s in zip((first, last - 1), inside_s, strict=True)
        )
        return sum(leaks)

    def _plain(self, window: Window, first: int, last: int, sums: _Sums) -> Integral:
        """Give the trapezoid with its noise and biases."""
        joules = self._trapezoid(first, last, sums, window)
        sides = self._sides(first), self._sides(last - 1)
        biases = systematic_biases(self.channel, window, joules, sides, self._stamp_s)
        leak_j = self._leak_j(window, first, last)
        if leak_j > 0 and not self.channel.averaging_s:
            biases[f"edge {self.channel.name}"] = leak_j
        return Integral(
            joules,
            self._noise_j(window, sums, sides),
            biases,
            window.duration_s,
            max(self.channel.period_s, self._spacing_s),
            self.channel.resolution * window.duration_s,
        )

    def _noise_j(self, window: Window, sums: _Sums, sides: tuple[Sides, Sides]) -> float:
        """Add up what is random: sampling, the readings' own scatter, the edges."""
        scatter_w = self._unaveraging.noise_w if self.channel.averaging_s > 0 else 0.0
        return math.hypot(
            self._sampling_noise_j(sums),
            scatter_w * math.sqrt(sums.spacing2 + self._spacing_s**2),
            self._rounding_s * _steps_w(sums, sides),
            *(side.larger_w * window.edge_s for side in sides),
        )

    @property
    def _rounding_s(self) -> float:
        """Standard deviation of a stamp that was rounded, s."""
        return UNIFORM * self.channel.stamp_step_s

    def _sampling_noise_j(self, sums: _Sums) -> float:
        """Give the trapezoid's error from what happens between samples, from the samples.

        A step at a random place between two samples is off by its height times the spacing over
        sqrt(12); readings that scatter independently are off by their deviation times the spacing
        times the root of their number. The ratio of squared second to squared first differences is
        2 for lone steps and 3 for scatter, and blends the two.
        """
        if sums.first2 <= 0:
            return 0.0
        scatter = min(max(sums.second2 / sums.first2 - 2.0, 0.0), 1.0)
        smooth = 1 / 480 if self.channel.averaging_s > self._spacing_s else 1 / 24
        return math.sqrt(sums.curved_j2 * (smooth + scatter * (1 / 6 - smooth)))

    def _undone(self, integral: Integral, window: Window) -> Integral:
        """Replace the plain integral by the one with the sensor's moving average undone."""
        found = self._unaveraging.over(
            window, lambda i, j: self._sums(i, j).energy_j, self._stamp_s
        )
        if found is None:
            return self._left_averaged(integral, window)
        biases = dict(integral.biases)
        stamp = f"stamp {self.channel.name}"
        if found.stamp_j > biases.get(stamp, 0.0):
            biases[stamp] = found.stamp_j
        gain = f"gain {self.channel.name}"
        if gain in biases:
            biases[gain] = self.channel.gain * abs(found.joules)
        biases[f"averaging {self.channel.name}"] = found.doubt_j
        return replace(integral, joules=found.joules, biases=biases)

    def _left_averaged(self, integral: Integral, window: Window) -> Integral:
        """Carry the whole lag as bias where too few readings are near to undo it."""
        lag_j = self.channel.averaging_s * integral.joules / window.duration_s
        name = f"averaging {self.channel.name}"
        return replace(integral, biases={**integral.biases, name: abs(lag_j)})

    @cached_property
    def _unaveraging(self) -> Unaveraging:
        stamp_noise_s = math.hypot(self._poll_s, self._rounding_s)
        return Unaveraging(self.channel, self._t_s, self._v, stamp_noise_s)

    @property
    def _stamp_s(self) -> float:
        """Standard deviation of the delay that all stamps share, s."""
        return math.hypot(self.channel.stamp_s, self._poll_s)

    @cached_property
    def _poll_s(self) -> float:
        """Standard deviation of a stamp that polling a held reading leaves, s.

        Polls and updates may keep step, so that it is counted as a delay that all stamps share.
        """
        if not self._held:
            return 0.0
        if not self._changes.places.size:
            return UNIFORM * self._cadence_s
        return float(np.sqrt(np.mean(self._changes.doubt_s**2)))

    def _aliased(self, integral: Integral, window: Window, ends: tuple[int, int]) -> Integral:
        """Carry the unseen time in full where the load keeps step with the sensor."""
        cycle = repeating_updates(self._v[ends[0] + 1 : ends[1]])
        if not cycle:
            return integral
        doubt_j = bound_j(self.channel, window, (float(self._v.min()), float(self._v.max())))
        why = f"the readings repeat every {cycle} updates, in step with the load"
        finding = aliasing_finding(self.channel, window, doubt_j, why)
        biases = {**integral.biases, f"aliasing {self.channel.name}": doubt_j}
        return replace(integral, biases=biases, findings=(*integral.findings, finding))

    def _gaps(
        self, integral: Integral, window: Window, ends: tuple[int, int], *, bridge: bool
    ) -> Integral:
        """Refuse a hole in the window, or carry its doubt."""
        first, last = ends
        limit = self._longest_sound_s
        spacing = np.diff(self._t_s[first : last + 1])
        holes = np.flatnonzero(spacing > limit)
        worst = int(np.argmax(spacing))
        at_s, gap_s = float(self._t_s[first + worst]), float(spacing[worst])
        if not bridge:
            raise gap_error(self.channel, window, at_s, gap_s, self._why_a_hole(at_s, gap_s))
        seen = slice(first, last + 1)
        doubt_j = (
            hole_doubt_j(self._t_s[seen], self._v[seen], float(hole_s), limit)
            for hole_s in spacing[holes]
        )
        noise_j = math.hypot(integral.noise_j, *doubt_j)
        finding = gap_finding(self.channel, window, at_s, gap_s)
        return replace(integral, noise_j=noise_j, findings=(*integral.findings, finding))

    def _why_a_hole(self, at_s: float, gap_s: float) -> str:
        """Say whether the sensor was silent or stood still."""
        low, high = np.searchsorted(self._polls_s, (at_s, at_s + gap_s))
        if high - low > GAP_CADENCES:
            return f"in which the sensor stood still at {self._polls_w[low + 1]:.6g} W"
        return f"where samples are {self._spacing_s:.3g} s apart"


def _steps_w(sums: _Sums, sides: tuple[Sides, Sides]) -> float:
    """Give what an error of the stamps is multiplied by, W.

    A stamp that is off by e moves e times half the step on each of its sides: for independent
    errors at most the root of the squared steps. Where stamps come in step with the rounding they
    are all off alike, which moves e times the difference of the power at the two edges.
    """
    start, stop = sides
    edges_w = (start.after_w - start.before_w, stop.after_w - stop.before_w)
    swing_w = max(abs(late - early) for late in stop for early in start)
    return math.hypot(math.sqrt(sums.first2), *edges_w, swing_w)


def _update_points(
    t_s: FloatArray, v: FloatArray, found: Changes, period_s: float
) -> tuple[FloatArray, FloatArray]:
    """Turn polls of a power reading that is held between updates into the updates.

    A value that stood longer than the period was updated unchanged, so a point is put at every
    period of it: the next change is then a step within one period and not a slope over the stretch.
    One that stood still where others never do has stalled, and leaves a hole.
    """
    changes, when_s, _ = found
    starts = np.concatenate(([t_s[0]], when_s))
    values = np.concatenate(([v[0]], v[changes]))
    stops = np.concatenate((when_s, [t_s[-1] + 0.25 * period_s]))
    extra = np.maximum(np.floor((stops - starts) / period_s - 0.25), 0).astype(np.intp)
    extra[stalls(values, extra)] = 0
    repeats = extra + 1
    index = np.arange(int(repeats.sum())) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    # Counted back from the next change, whose time is known better than the last one's phase.
    back = np.repeat(stops, repeats) - (np.repeat(repeats, repeats) - index) * period_s
    points_s = np.where(index == 0, np.repeat(starts, repeats), back)
    points_w = np.repeat(values, repeats)
    if points_s[-1] < t_s[-1]:
        points_s = np.concatenate((points_s, [t_s[-1]]))
        points_w = np.concatenate((points_w, [v[-1]]))
    return points_s, points_w
