"""The energy counter of a board against its power, while the load was steady."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel
from joulebench.characterize.load import Wave
from joulebench.characterize.points import Points
from joulebench.energy_ratio import Z_95
from joulebench.meters.sensor_profile import Figure
from joulebench.nesting import comparable

ALLOWED = 0.03
"""Counter and power of one board come from one sensor: a larger difference is no gain."""

STEADY_S = 1.0
"""Shortest level that is compared, s."""

_FEWEST = 5
_MOST_CORRELATED = 0.95


@dataclass(frozen=True)
class CounterPower:
    """The power that a counter counted over that which the same board showed.

    Args:
        counter: The counter's channel.
        power: The power's channel.
        ratio: Counted over shown.
        length_s: Time that was compared, s.
    """

    counter: str
    power: str
    ratio: Figure
    length_s: float

    @property
    def interval_95(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval of the ratio."""
        half = Z_95 * self.ratio.standard_error
        return self.ratio.value - half, self.ratio.value + half

    @property
    def disagrees(self) -> bool:
        """Whether they differ by more than is allowed, and by more than is in doubt."""
        low, high = self.interval_95
        return abs(self.ratio.value - 1) > ALLOWED and not low <= 1 <= high


@dataclass(frozen=True)
class Shown:
    """The updates of one channel.

    Args:
        channel: The channel with what was measured of it.
        points: Its updates.
    """

    channel: Channel
    points: Points

    def energy_j(self, start_s: float, stop_s: float) -> Figure | None:
        """Give the mean power between two times of steady load, times their distance, J."""
        at_s = self.points.at_s - self.channel.delay_s
        since_s = self.channel.averaging_s if self.points.since_s is None else self.points.since_s
        inside = (at_s - since_s >= start_s) & (at_s <= stop_s)
        if int(inside.sum()) < _FEWEST:
            return None
        weights = np.ones(at_s.size) if self.points.since_s is None else self.points.since_s
        mean_w = float(np.average(self.points.v[inside], weights=weights[inside]))
        error_w = self._error_w(inside, stop_s - start_s)
        return Figure(mean_w * (stop_s - start_s), error_w * (stop_s - start_s))

    def _error_w(self, inside: npt.NDArray[np.bool_], length_s: float) -> float:
        """Give the standard error of a mean power, W.

        The differences of a counter add up to that of its ends, whose times and rounding alone
        are in doubt. Readings of power sample it, the less the more they resemble each other.
        """
        v = self.points.v[inside]
        rounding_w = float(np.median(self.points.error_w[inside]))
        if self.points.since_s is not None:
            return rounding_w * float(np.median(self.points.since_s[inside])) / length_s
        spread_w = float(v.std(ddof=1))
        if spread_w == 0:
            return rounding_w
        alike = float(np.corrcoef(v[1:], v[:-1])[0, 1]) if np.ptp(v[1:]) * np.ptp(v[:-1]) else 0.0
        alike = min(max(alike, 0.0), _MOST_CORRELATED)
        return math.hypot(spread_w * math.sqrt((1 + alike) / (1 - alike) / v.size), rounding_w)


def counters_and_powers(shown: Sequence[Shown], waves: Mapping[str, Wave]) -> list[CounterPower]:
    """Compare each counter with the power of the same board.

    Args:
        shown: The channels and their updates.
        waves: What was done to each device; to all others under ``""``.
    """
    return list(_compared({one.channel: one for one in shown}, waves))


def _compared(shown: Mapping[Channel, Shown], waves: Mapping[str, Wave]) -> Iterator[CounterPower]:
    for pair in comparable(list(shown)):
        if not pair.one_sensor:
            continue
        counter, power = (shown[c] for c in sorted(pair.channels, key=lambda c: c.unit))
        wave = waves.get(power.channel.device, waves.get(""))
        found = None if wave is None else _ratio(counter, power, wave)
        if found is not None:
            yield found


def _ratio(counter: Shown, power: Shown, wave: Wave) -> CounterPower | None:
    """Compare two channels over all levels that were held for long enough."""
    energies = [
        (counted, integrated, stop_s - start_s)
        for start_s, stop_s in _stretches(counter, power, wave)
        if (counted := counter.energy_j(start_s, stop_s)) is not None
        and (integrated := power.energy_j(start_s, stop_s)) is not None
    ]
    below_j = math.fsum(integrated.value for _, integrated, _ in energies)
    if not below_j > 0:
        return None
    value = math.fsum(counted.value for counted, _, _ in energies) / below_j
    errors_j = [
        math.hypot(counted.standard_error, value * integrated.standard_error)
        for counted, integrated, _ in energies
    ]
    ratio = Figure(value, math.hypot(*errors_j) / below_j)
    length_s = math.fsum(length_s for *_, length_s in energies)
    return CounterPower(counter.channel.name, power.channel.name, ratio, length_s)


def _stretches(counter: Shown, power: Shown, wave: Wave) -> list[tuple[float, float]]:
    """Choose stretches of steady load, once the power's average has reached them."""
    start_s = max(float(one.points.at_s[0]) for one in (counter, power))
    stop_s = min(float(one.points.at_s[-1]) for one in (counter, power))
    settle_s = 2 * max(power.channel.period_s, counter.channel.period_s)
    least_s = max(STEADY_S, power.channel.averaging_s + 2 * settle_s)
    return [(begin_s + settle_s, end_s) for begin_s, end_s in wave.steady(start_s, stop_s, least_s)]
