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

from joulebench.averaging import Unaveraging
from joulebench.channel import Channel, Window
from joulebench.integral import (
    BLOCK,
    UNIFORM,
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
        longest_s = self._longest_s(first, last, sums)
        if longest_s <= gap_limit_s(self.channel, self._spacing_s):
            return integral
        return self._gaps(integral, window, (first, last), bridge=bridge)

    def differenced(self) -> tuple[FloatArray, FloatArray]:
        """Give times, s, and power, W, as they were read."""
        return self._polls_s, self._polls_w

    @cached_property
    def _cadence_s(self) -> float:
        return cadence_s(self._polls_s)

    @cached_property
    def _updates(self) -> tuple[FloatArray, FloatArray]:
        """The sensor's updates: the readings themselves unless they are polled faster."""
        if self.channel.period_s <= 1.5 * self._cadence_s:
            return self._polls_s, self._polls_w
        return _update_points(self._polls_s, self._polls_w, self.channel.period_s)

    @property
    def _t_s(self) -> FloatArray:
        return self._updates[0]

    @property
    def _v(self) -> FloatArray:
        return self._updates[1]

    @cached_property
    def _spacing_s(self) -> float:
        return cadence_s(self._t_s)

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
        spacing = t_s[1:] - t_s[:-1]
        step = v[1:] - v[:-1]
        n = last - first
        mean = 0.5 * (spacing[1:] + spacing[:-1])
        slope = step / spacing
        bend = (slope[1:] - slope[:-1]) * mean
        inside = spacing[:n]
        curved = bend * mean
        return _Sums(
            float(inside @ (v[:n] + 0.5 * step[:n])),
            float(inside @ inside),
            float(step[:n] @ step[:n]),
            float(bend @ bend),
            float(curved @ curved),
            float(inside.max()),
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
        stamp_s = math.hypot(self.channel.stamp_s, self._poll_s)
        biases = systematic_biases(self.channel, window, joules, sides, stamp_s)
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
            *(side.larger_w * window.edge_s for side in sides),
        )

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
        found = self._unaveraging.over(window, lambda i, j: self._sums(i, j).energy_j)
        if found is None:
            return self._left_averaged(integral, window)
        biases = dict(integral.biases)
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
        return Unaveraging(self.channel, self._t_s, self._v, self._poll_s)

    @cached_property
    def _poll_s(self) -> float:
        """Standard deviation of a stamp that polling a held reading leaves, s.

        Polls and updates may keep step, so that it is counted as a delay that all stamps share.
        """
        held = self._t_s is not self._polls_s
        return UNIFORM * self._cadence_s if held else 0.0

    def _gaps(
        self, integral: Integral, window: Window, ends: tuple[int, int], *, bridge: bool
    ) -> Integral:
        """Refuse a hole in the window, or carry its doubt: a step of the window's whole swing."""
        first, last = ends
        limit = gap_limit_s(self.channel, self._spacing_s)
        spacing = np.diff(self._t_s[first : last + 1])
        holes = np.flatnonzero(spacing > limit)
        worst = int(np.argmax(spacing))
        at_s, gap_s = float(self._t_s[first + worst]), float(spacing[worst])
        if not bridge:
            raise gap_error(
                self.channel,
                window,
                at_s,
                gap_s,
                f"where samples are {self._spacing_s:.3g} s apart",
            )
        seen = self._v[first : last + 1]
        doubt_j = UNIFORM * float(seen.max() - seen.min() or seen.max()) * spacing[holes]
        noise_j = math.hypot(integral.noise_j, *doubt_j)
        finding = gap_finding(self.channel, window, at_s, gap_s)
        return replace(integral, noise_j=noise_j, findings=(*integral.findings, finding))


def _update_points(
    t_s: FloatArray, v: FloatArray, period_s: float
) -> tuple[FloatArray, FloatArray]:
    """Turn polls of a power reading that is held between updates into the updates.

    A value that stood longer than the period was updated unchanged, so a point is put at every
    period of it: the next change is then a step within one period and not a slope over the stretch.
    """
    changes, when_s = held_changes(t_s, v)
    starts = np.concatenate(([t_s[0]], when_s))
    values = np.concatenate(([v[0]], v[changes]))
    stops = np.concatenate((when_s, [t_s[-1] + 0.25 * period_s]))
    extra = np.maximum(np.floor((stops - starts) / period_s - 0.25), 0).astype(np.intp)
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
