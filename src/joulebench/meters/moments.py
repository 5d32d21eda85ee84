"""Meters of sources that show their present value and no more: asked at a pace, stamped on the way.

Service processors and power strips are such. The stamp of a reading is the middle of the request.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from joulebench.channel import Channel
from joulebench.errors import UsageError
from joulebench.meters.meter import ABSENT
from joulebench.meters.polled import Poller, Row

BMC_GAIN = 0.05 / math.sqrt(3)
"""Service processors: ±5 % as uniform. A judgement: makers state 1 to 5 % of the reading at half
load and more, and nothing below."""

OUTLET_GAIN = 0.02 / math.sqrt(3)
"""Metered outlets: ±2 % as uniform. A judgement: makers state ±1 % (class 1 of IEC 62053-21) above
a small current, and more below it."""

HELD_SPACINGS = 1.5
"""A trace finds a sensor's updates itself where they are further apart than so many readings."""


@dataclass(frozen=True)
class Pace:
    """How a source is asked, and how it updates.

    Args:
        poll_s: Time between two requests, s.
        timeout_s: Longest that one request may take, s.
        lost_after_s: How long it may give no reading before it counts as lost, s.
        period_s: The sensor's own update period, s; 0 where it is read afresh.
        averaging_s: Stretch that it averages over before each update, s.

    Raises:
        UsageError: A time that is not positive; the last two may be 0.
    """

    poll_s: float
    timeout_s: float
    lost_after_s: float
    period_s: float
    averaging_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("poll_s", "timeout_s", "lost_after_s", "period_s", "averaging_s"):
            value = getattr(self, name)
            least = 0 if name in ("period_s", "averaging_s") else 1e-3
            if not (math.isfinite(value) and value >= least):
                raise UsageError(f"{name} = {value} s must be finite and at least {least:g} s")


class Moments:
    """Makes rows of a request for present values: stamped in its middle.

    The doubt of the stamp is that of a moment anywhere within the request, so that a request that
    takes far longer than those at the start gives no reading: nobody knows when it was taken.

    Args:
        read: Gives one value a channel; nan where there is none.
    """

    def __init__(self, read: Callable[[], Sequence[float]]) -> None:
        self._read = read
        self._limit_s = math.inf
        self._taken_s: deque[float] = deque(maxlen=1000)
        self._late = 0
        self.longest_s = self.stamp_s = 0.0

    def open(self, times: int = 3, patience_s: float = 3.0) -> list[Row]:
        """Read a few times, to learn how long a request takes; gives the rows.

        Raises:
            NoAnswer: The source does not answer.
        """
        start_s = time.monotonic()
        rows = self()
        while len(rows) < times and time.monotonic() - start_s < patience_s:
            rows += self()
        self.longest_s = max(self._taken_s)
        self.stamp_s = 0.5 * self.longest_s / math.sqrt(3)
        self._limit_s = 3 * self.longest_s + 0.1
        return rows

    def __call__(self) -> list[Row]:
        """Read once; gives one row."""
        begin_s = time.monotonic()
        values = self._read()
        end_s = time.monotonic()
        self._taken_s.append(end_s - begin_s)
        if end_s - begin_s > self._limit_s:
            self._late += 1
            values = [math.nan] * len(values)
        return [(0.5 * (begin_s + end_s), values)]

    def facts(self) -> dict[str, Any]:
        """Give how long requests took, and how many took too long to stamp."""
        if not self._taken_s:
            return {}
        taken_s = {
            "round_trip_p50_s": round(median(self._taken_s), 6),
            "round_trip_max_s": round(max(self._taken_s), 6),
        }
        return taken_s | ({"too_slow_to_stamp": self._late} if self._late else {})


def aged(channel: Channel, age_s: float, spacing_s: float) -> Channel:
    """Account for a reading's age when it is read: that of the sensor's last update.

    Where readings are so far apart that the updates themselves cannot be seen, the age is uniform
    over one update period: the stamps are set back by half of it, and its standard deviation,
    ``age / sqrt(12)``, is the stamps' doubt. (A counter's trace counts that doubt at its edges.)

    Args:
        channel: What is read.
        age_s: The sensor's update period, s; 0 where it is read afresh.
        spacing_s: Time between two readings, s.
    """
    channel = replace(channel, period_s=age_s)
    if not 0 < age_s <= HELD_SPACINGS * spacing_s:
        return channel
    counted = channel.unit == "J"
    stamp_s = channel.stamp_s if counted else math.hypot(channel.stamp_s, age_s / math.sqrt(12))
    return replace(channel, delay_s=channel.delay_s + 0.5 * age_s, stamp_s=stamp_s)


class MomentMeter:
    """Reads present values in a thread of its own; subclasses open the source."""

    on_request = True

    channels: list[Channel]
    notes: list[str]
    settle_s: float

    def follow(
        self,
        channels: Sequence[Channel],
        read: Callable[[], Sequence[float]],
        name: str,
        pace: Pace,
    ) -> None:
        """Read a few times, and go on in a thread.

        Args:
            channels: What is read, but for pace and stamps.
            read: Gives one value a channel in bounded time; nan where there is none.
            name: What is asked, for messages.
            pace: How it is asked.

        Raises:
            NoAnswer: The source does not answer.
        """
        self._pace = pace
        self._moments = Moments(read)
        first = self._moments.open()
        self.channels = [self._dressed(channel) for channel in channels]
        longest_s = self._moments.longest_s
        self.settle_s = pace.poll_s + pace.period_s + pace.averaging_s + 2 * longest_s
        self._poller = Poller(
            self._moments,
            name,
            period_s=pace.poll_s,
            lost_after_s=pace.lost_after_s,
            absent=[ABSENT] * len(channels),
            first=first,
        )

    def _dressed(self, channel: Channel) -> Channel:
        stamp_s = math.hypot(channel.stamp_s, self._moments.stamp_s)
        channel = replace(channel, stamp_s=stamp_s)
        if channel.unit == "W":
            channel = replace(channel, averaging_s=self._pace.averaging_s)
        spacing_s = max(self._pace.poll_s, self._moments.longest_s)
        return aged(channel, self._pace.period_s, spacing_s)

    def rows(self) -> list[Row]:
        """Give what was read since the last call, stamped in the middle of the request.

        Raises:
            SensorLost: The source has given no reading for too long.
        """
        return self._poller.rows()

    def close(self) -> None:
        """Ask no more; a request under way is waited for as long as it may take."""
        self._poller.close(self._pace.timeout_s + 0.5)

    def facts(self) -> dict[str, Any]:
        """Give how the source was asked and how it answered."""
        return {"poll_s": self._pace.poll_s, **self._poller.facts(), **self._moments.facts()}
