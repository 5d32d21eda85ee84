"""Readings that no device can give: left out of the trace as absent ones are, counted and told.

A board cannot draw twice the power that it is allowed to draw, none draws less than nothing, and a
counter of energy cannot step by more than such a power. What the sensor said stays in the
recorder's file; a trace is without it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel, Window
from joulebench.energy import Energy, Trace
from joulebench.errors import EnergyError
from joulebench.finding import Finding

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

TIMES_LIMIT = 2.0
"""Short peaks go above a power limit, but not to twice of it."""

MANY = 0.01
"""Share of impossible readings from which the sensor itself is in doubt."""

_AHEAD = 3
"""Readings after a doubtful one that are asked whether it was alone."""

_UNUSUAL = 100.0
"""A step so many times the usual power is a slip where the readings around it do without."""

_UNKNOWN_PERIOD_S = 0.2
"""A counter whose update period is unknown is taken to update at least so often, s."""


@dataclass(frozen=True, slots=True)
class Impossible:
    """What was impossible among the readings of one channel.

    Args:
        channel: What was read.
        count: Readings left out.
        of: Readings there were.
        worst: The one farthest outside: power, W, also where a counter implies it.
        first_s: When the first came, s after the recording began.
        last_s: When the last came, s after the recording began.
        jumped_s: Where a counter rose by more than it can and stayed there, s after the recording
            began; such a step cannot be left out.
    """

    channel: Channel
    count: int
    of: int
    worst: float
    first_s: float
    last_s: float
    jumped_s: tuple[float, ...] = ()

    def finding(self) -> Finding:
        """Say how many there were, the worst of them, and where."""
        stretch = f"{self.first_s:.1f} s"
        if self.last_s > self.first_s:
            stretch += f" to {self.last_s:.1f} s"
        many = bool(self.jumped_s) or self.count > MANY * self.of
        return Finding(
            rule="power-above-limit",
            severity="error" if many else "warning",
            where=self.channel.name,
            message=f"{self._what()}; the worst is {self.worst:.4g} W ({stretch} into the "
            "recording)",
            remedy="see whether the sensor or its driver is at fault before you use this channel: "
            "joulebench doctor",
            seen=f"{self.worst:.4g} W",
            possible=_possible(self.channel),
        )

    def _what(self) -> str:
        name = self.channel.name
        left_out = f"{self.count} of {self.of} readings are impossible and were left out"
        if not self.jumped_s:
            return f"{name}: {left_out}"
        at = ", ".join(f"{at_s:.1f} s" for at_s in self.jumped_s[:_AHEAD])
        jump = f"{name} rose by more than the device can draw, at {at}"
        return f"{jump}, and {left_out}" if self.count else jump


def _possible(channel: Channel) -> str:
    if channel.limit_w is None:
        return "at least 0 W"
    return f"0 to {TIMES_LIMIT * channel.limit_w:g} W ({TIMES_LIMIT:g} x its limit)"


def plausible(
    channel: Channel, t_s: FloatArray, v: FloatArray, origin_s: float
) -> tuple[Mask, Impossible | None]:
    """Tell possible readings from impossible ones.

    Args:
        channel: Its limit is that of the device; where it has none, only what is negative is
            impossible, and a counter's lone fall.
        t_s: Times, strictly increasing, s; shape (n,).
        v: Readings, finite; shape (n,).
        origin_s: When the recording began, s.

    Returns:
        Which readings to keep, shape (n,), and what is to be said of the others; ``None`` where
        nothing is.
    """
    if channel.unit == "W":
        keep, jumps = _possible_power(channel, v), list[int]()
        if keep.all():
            return keep, None
        bad = v[~keep]
        worst = float(bad[np.argmax(np.abs(bad))])
    else:
        keep, worst, jumps = _possible_steps(channel, t_s, v)
        if keep.all() and not jumps:
            return keep, None
    told_s = np.sort(np.concatenate((t_s[~keep], t_s[jumps]))) - origin_s
    return keep, Impossible(
        channel,
        int((~keep).sum()),
        len(v),
        worst,
        float(told_s[0]),
        float(told_s[-1]),
        tuple(float(t_s[place] - origin_s) for place in jumps),
    )


def refuse_impossible(trace: Trace, energy: Energy, windows: Sequence[Window]) -> None:
    """Refuse an energy that the device cannot have drawn in the time.

    Raises:
        EnergyError: A counter rose by more than it can within a window, or the mean power is above
            twice the device's limit, three times its doubt allowed for.
    """
    channel = trace.channel
    if channel.limit_w is None:
        return
    length_s = math.fsum(window.duration_s for window in windows)
    possible_j = TIMES_LIMIT * channel.limit_w * length_s
    jumped_s = _jump_within(trace, windows)
    if jumped_s is None and energy.joules - 3 * energy.uncertainty <= possible_j:
        return
    why = (
        f"a mean of {energy.joules / length_s:.4g} W"
        if jumped_s is None
        else f"with a rise at {jumped_s:.3f} s that no power explains"
    )
    raise EnergyError(
        f"channel {channel.name!r} gives {energy.joules:.4g} J for {windows[0].name!r}, {why}: "
        f"more than {TIMES_LIMIT:g} times the limit of {channel.limit_w:g} W; the sensor is at "
        "fault, leave its meter out or measure again"
    )


def _jump_within(trace: Trace, windows: Sequence[Window]) -> float | None:
    """Give when a counter jumped between readings that a window reaches into, s."""
    if trace.channel.unit != "J":
        return None
    t_s = trace.t_s
    for place in _possible_steps(trace.channel, t_s, trace.v)[2]:
        if any(w.start_s < t_s[place] and w.stop_s > t_s[place - 1] for w in windows):
            return float(t_s[place])
    return None


def _possible_power(channel: Channel, v: FloatArray) -> Mask:
    # A sensor with a known offset may show a little less than nothing.
    keep = v >= -(channel.resolution + 3 * channel.offset)
    if channel.limit_w is not None:
        keep &= v <= TIMES_LIMIT * channel.limit_w
    return keep


def _possible_steps(
    channel: Channel, t_s: FloatArray, v: FloatArray
) -> tuple[Mask, float, list[int]]:
    """Find the lone readings that do not fit those around them, and steps that stay.

    Returns:
        Which readings to keep, the worst power implied, W, and the places of impossible rises.
    """
    steps = _Steps(channel, t_s, v)
    keep = np.ones(len(v), dtype=bool)
    if len(v) < 2 or steps.all_fit():
        return keep, 0.0, []
    worst, last, before = 0.0, 0, -1
    jumps: list[int] = []
    for place in range(1, len(v)):
        if steps.fits(last, place):
            before, last = last, place
        elif steps.alone(last, place):
            keep[place] = False
            worst = _farther(worst, steps.power_w(last, place))
        elif before >= 0 and steps.fits(before, place) and not steps.usual(before, last):
            keep[last] = False
            worst = _farther(worst, steps.power_w(before, last))
            last = place
        else:
            if steps.gained_j(last, place) > 0:
                jumps.append(place)
                worst = _farther(worst, steps.power_w(last, place))
            before, last = last, place
    return keep, worst, jumps


def _farther(one: float, other: float) -> float:
    return other if abs(other) > abs(one) else one


class _Steps:
    """Steps of a counter from one reading to another, and what they imply.

    Args:
        channel: Wrap, limit and period of the counter.
        t_s: Times, s; shape (n,).
        v: Readings, J; shape (n,).
    """

    def __init__(self, channel: Channel, t_s: FloatArray, v: FloatArray) -> None:
        self._wrap_j = channel.wrap_j
        self._step_j = channel.resolution
        self._most_w = TIMES_LIMIT * channel.limit_w if channel.limit_w is not None else np.inf
        # A reading is up to one update old, and an update may be late by another.
        self._slack_s = 2 * channel.period_s or _UNKNOWN_PERIOD_S
        self._t_s, self._v = t_s, v
        # A counter that stood still rises by all it has missed: count from when it stopped.
        changed = np.concatenate(([True], v[1:] != v[:-1]))
        self._since_s = t_s[np.maximum.accumulate(np.where(changed, np.arange(len(v)), 0))]

    def all_fit(self) -> bool:
        """Say whether every reading fits the one before it."""
        steps_j = np.diff(self._v)
        if self._wrap_j is not None:
            wrapped_j = steps_j + self._wrap_j
            wraps = (steps_j < 0) & (wrapped_j <= 0.5 * self._wrap_j)
            steps_j = np.where(wraps, wrapped_j, steps_j)
        most_j = self._most_w * (self._t_s[1:] - self._since_s[:-1] + self._slack_s)
        return bool(((steps_j >= 0) & (steps_j <= most_j + self._step_j)).all())

    def gained_j(self, first: int, later: int) -> float:
        """Give a step, J; negative where it is a fall that no wrap explains."""
        step_j = float(self._v[later] - self._v[first])
        if step_j < 0 and self._wrap_j is not None and step_j <= -0.5 * self._wrap_j:
            return step_j + self._wrap_j
        return step_j

    def power_w(self, first: int, later: int) -> float:
        """Give the power that a step implies, W; negative where the counter fell."""
        length_s = float(self._t_s[later] - self._since_s[first]) + self._slack_s
        return self.gained_j(first, later) / length_s

    def fits(self, first: int, later: int) -> bool:
        """Say whether a counter can have gone from one reading to a later one."""
        return self._within(first, later, self._most_w)

    def usual(self, first: int, later: int) -> bool:
        """Say whether a step is one that such a counter takes, also where its limit is unknown."""
        return self._within(first, later, min(self._most_w, _UNUSUAL * self._typical_w))

    def alone(self, last: int, place: int) -> bool:
        """Say whether the readings after a doubtful one go on from the one before it."""
        after = range(place + 1, min(place + 1 + _AHEAD, len(self._v)))
        goes_on = any(self.fits(last, later) for later in after)
        return goes_on and not self.usual(place, place + 1)

    def _within(self, first: int, later: int, most_w: float) -> bool:
        power_w = self.power_w(first, later)
        length_s = float(self._t_s[later] - self._since_s[first]) + self._slack_s
        return 0 <= power_w <= most_w + self._step_j / length_s

    @cached_property
    def _typical_w(self) -> float:
        power_w = np.diff(self._v) / np.diff(self._t_s)
        rising = power_w[power_w > 0]
        return float(np.median(rising)) if len(rising) else 0.0
