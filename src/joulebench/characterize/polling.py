"""Polls a meter as fast as it answers and keeps what changed."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel
from joulebench.errors import UsageError
from joulebench.meters.meter import Meter

FloatArray = npt.NDArray[np.float64]

MOST_ROWS = 400_000
"""Changes that are kept; a reading that changes at every poll would fill the memory."""

_MOST_DURATIONS = 200_000


@dataclass(frozen=True)
class Changes:
    """Where one channel changed.

    Args:
        before_s: Middle of the last poll that showed the old reading, s; shape (n,).
        at_s: Middle of the first poll that showed the new one, s; shape (n,).
        v: The new readings; shape (n,).
        first: The reading before the first change; nan where none came.
        start_s: First poll, s.
        stop_s: Last poll, s.
    """

    before_s: FloatArray
    at_s: FloatArray
    v: FloatArray
    first: float
    start_s: float
    stop_s: float

    @property
    def middle_s(self) -> FloatArray:
        """The best guess of when each new reading appeared, s."""
        return 0.5 * (self.before_s + self.at_s)

    @property
    def gap_s(self) -> FloatArray:
        """The stretch in which each new reading appeared, s."""
        return self.at_s - self.before_s

    @property
    def all_v(self) -> FloatArray:
        """Every reading that was seen, the first one included."""
        whole = np.concatenate(([self.first], self.v))
        return whole[np.isfinite(whole)]


@dataclass(frozen=True)
class Polls:
    """What polling one meter gave: its readings wherever any of them changed.

    Args:
        channels: What was read.
        rows: Time before the change, time of the change, then one reading a channel; shape
            (n, 2 + channels). The first row holds the first readings.
        stop_s: Last poll, s.
        count: Number of polls.
        read_s: How long reads took, s; shape (at most a bounded number,).
        cpu_s: Processor time of all polls, s.
    """

    channels: tuple[Channel, ...]
    rows: FloatArray
    stop_s: float
    count: int
    read_s: FloatArray
    cpu_s: float

    @property
    def start_s(self) -> float:
        """First poll, s."""
        return float(self.rows[0, 1])

    @property
    def spacing_s(self) -> float:
        """Mean time between polls, s."""
        return (self.stop_s - self.start_s) / max(self.count - 1, 1)

    def changes(self, place: int) -> Changes:
        """Give where one channel changed; readings that did not come are left out."""
        seen = self.rows[np.isfinite(self.rows[:, 2 + place])]
        if not len(seen):
            seen = np.full((1, self.rows.shape[1]), np.nan)
        v = seen[:, 2 + place]
        moved = np.flatnonzero(v[1:] != v[:-1]) + 1
        return Changes(
            seen[moved, 0], seen[moved, 1], v[moved], float(v[0]), self.start_s, self.stop_s
        )


class Poller:
    """Polls one meter, in stretches, until its readings are asked for.

    Args:
        meter: The open meter.
        spacing_s: Least time between polls, s; 0 polls as fast as the meter answers.
        clock: Gives monotonic time, s.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        meter: Meter,
        spacing_s: float = 0.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.spacing_s = spacing_s
        self._meter = meter
        self._clock = clock
        self._sleep = sleep
        self._rows = array("d")
        self._row_count = 0
        self._read_s = array("d")
        self._last: list[float] = []
        self._before_s = self._stop_s = 0.0
        self._count = 0
        self._cpu_s = 0.0

    def run(self, until_s: float) -> None:
        """Poll until a time, s, at least once.

        Raises:
            UsageError: The meter failed while it was read.
        """
        cpu_s = time.thread_time()
        try:
            self._poll(until_s)
        except UsageError:
            raise
        except Exception as error:  # a plugin may fail in any way; the user is told how
            raise UsageError(
                f"the meter of {self._meter.channels[0].name!r} failed while it was polled: "
                f"{type(error).__name__}: {error}; leave it out of --meters"
            ) from error
        finally:
            self._cpu_s += time.thread_time() - cpu_s

    def polls(self) -> Polls:
        """Give what was seen so far."""
        channels = tuple(self._meter.channels)
        rows = np.array(self._rows).reshape(-1, 2 + len(channels))
        return Polls(channels, rows, self._stop_s, self._count, np.array(self._read_s), self._cpu_s)

    def _poll(self, until_s: float) -> None:
        read, clock, last = self._meter.read, self._clock, self._last
        previous_s = self._stop_s
        before_s = clock()
        while True:
            values = read()
            after_s = clock()
            at_s = 0.5 * (before_s + after_s)
            if self._count < _MOST_DURATIONS:
                self._read_s.append(after_s - before_s)
            self._count += 1
            if values != last:
                last = list(values)
                self._keep(previous_s, at_s, last)
            previous_s = at_s
            if after_s >= until_s:
                break
            before_s = self._paced(before_s, after_s) if self.spacing_s else after_s
        self._last, self._stop_s = last, previous_s

    def _paced(self, before_s: float, after_s: float) -> float:
        wait_s = before_s + self.spacing_s - after_s
        if wait_s <= 0:
            return after_s
        self._sleep(wait_s)
        return self._clock()

    def _keep(self, previous_s: float, at_s: float, values: list[float]) -> None:
        if self._row_count < MOST_ROWS:
            self._rows.append(previous_s)
            self._rows.append(at_s)
            self._rows.extend(values)
            self._row_count += 1
