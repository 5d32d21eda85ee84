"""A load whose power is switched at known times, to see how sensors answer to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Protocol

import numpy as np

from joulebench.channel import Channel
from joulebench.characterize.polling import FloatArray

SHORTEST_S, HOLD_S = 0.05, 0.5
"""A level of a wave is held for a time between these two, s: long enough to be seen whole by a
sensor of 100 ms, short and irregular enough that updates fall on all parts of a step."""

STEADY_S, STEADY_SHARE = 3.0, 0.2
"""A wave ends with a level that is held for this long, s, or for this share of it: sensors that see
only a part of the time can be compared there."""

_BEYOND_S = 1e4


@dataclass(frozen=True)
class Switch:
    """A load is set to a level, from 0 (idle) to 1 (fully on), at a monotonic time, s."""

    at_s: float
    level: float


class Wave:
    """What a load did: a level that is held from each switch to the next.

    Args:
        switches: In the order of time; the level before the first is that of ``before``.
        before: Level before the first switch.
        edge_s: Standard uncertainty of each time, s.

    Raises:
        ValueError: There is no switch.
    """

    def __init__(
        self, switches: Sequence[Switch], before: float = 0.0, edge_s: float = 0.0
    ) -> None:
        if not switches:
            raise ValueError("a wave needs at least one switch")
        self.switches = tuple(switches)
        self.before = before
        self.edge_s = edge_s
        self._rise_s = 0.0
        self._followed: FloatArray = np.empty(0)
        self._origin_s = switches[0].at_s
        inner_s = np.array([switch.at_s for switch in switches]) - self._origin_s
        self._level = np.array([before, *(switch.level for switch in switches)])
        self._inner_s = inner_s
        self._at_s = np.concatenate(([-_BEYOND_S], inner_s, [inner_s[-1] + _BEYOND_S]))
        steps = np.diff(self._at_s) * self._level
        self._sum = np.concatenate(([0.0], np.cumsum(steps)))
        self._sum -= self._sum[1]

    def risen(self, rise_s: float) -> Wave:
        """Give the wave as a power shows it that follows with a time constant, s."""
        risen = Wave(self.switches, self.before, self.edge_s)
        risen._rise_s = rise_s
        risen._followed = risen._at_switches()
        return risen

    def integral(self, t_s: FloatArray) -> FloatArray:
        """Integrate the level from the first switch to each of several times, s.

        With y' = (s - y) / tau the integral of y is that of s less tau times the change of y.
        """
        inner_s = t_s - self._origin_s
        whole: FloatArray = np.interp(inner_s, self._at_s, self._sum)
        if not self._rise_s:
            return whole
        return whole - self._rise_s * (self.level(t_s) - self.before)

    def level(self, t_s: FloatArray) -> FloatArray:
        """Give the level at each of several times."""
        inner_s = t_s - self._origin_s
        place = np.searchsorted(self._inner_s, inner_s, side="right")
        wanted: FloatArray = self._level[place]
        if not self._rise_s:
            return wanted
        since_s = inner_s - self._inner_s[np.maximum(place - 1, 0)]
        left = (self._followed[place] - wanted) * np.exp(-np.maximum(since_s, 0) / self._rise_s)
        followed: FloatArray = np.where(place > 0, wanted + left, self.before)
        return followed

    def steady(self, start_s: float, stop_s: float, least_s: float) -> list[tuple[float, float]]:
        """Give the stretches between two times in which one level was held for long.

        Args:
            start_s: Begin, s.
            stop_s: End, s.
            least_s: Shortest stretch, s.
        """
        inner_s = [s.at_s for s in self.switches if start_s < s.at_s < stop_s]
        return [
            (begin_s, end_s)
            for begin_s, end_s in pairwise([start_s, *inner_s, stop_s])
            if end_s - begin_s >= least_s
        ]

    def _at_switches(self) -> FloatArray:
        """Give the level that is left at each switch of the one before it, with one ahead."""
        followed = [self.before, self.before]
        for wanted, held_s in zip(self._level[1:-1], np.diff(self._inner_s), strict=True):
            left = (followed[-1] - wanted) * math.exp(-held_s / self._rise_s)
            followed.append(float(wanted + left))
        return np.array(followed)


class Load(Protocol):
    """Something whose power can be switched.

    Attributes:
        what: What it does, in a few words: ``"busy loops on 3 of 4 processors"``.
    """

    what: str

    def drives(self, channel: Channel) -> bool:
        """Say whether the load changes what a channel reads."""

    def start(self, switches: Sequence[Switch]) -> None:
        """Begin to follow a plan; returns at once."""

    def waves(self) -> dict[str, Wave]:
        """Wait for the end of the plan and give what was done to each device.

        Returns:
            The wave of each device, by the device's name; of all others under ``""``.
        """

    def close(self) -> None:
        """Let go of everything, also in the middle of a plan."""


def planned(start_s: float, length_s: float, seed: int = 0) -> list[Switch]:
    """Plan an irregular square wave: on, off, on, ..., a steady on, off.

    The lengths of the levels are drawn evenly on a logarithmic scale, so that the wave keeps step
    with no sensor.

    Args:
        start_s: First switch, s.
        length_s: From the first to the last switch, s.
        seed: Draws the lengths.
    """
    steady_s = min(STEADY_S, STEADY_SHARE * length_s)
    random = Random(seed)  # noqa: S311 - no secret
    switches, at_s, level = [], start_s, 1.0
    while at_s < start_s + length_s - steady_s - SHORTEST_S or level == 0.0:
        switches.append(Switch(at_s, level))
        at_s += math.exp(random.uniform(math.log(SHORTEST_S), math.log(HOLD_S)))
        level = 1.0 - level
    steady = max(at_s, start_s + length_s - steady_s)
    return [*switches, Switch(steady, 1.0), Switch(steady + steady_s, 0.0)]
