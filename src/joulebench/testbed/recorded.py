"""What a recorder left in a folder: its files, as traces."""

from __future__ import annotations

import json
import math
import time
from bisect import bisect_left
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel
from joulebench.energy import Trace
from joulebench.errors import UsageError
from joulebench.testbed.recorder import HEADER

FloatArray = npt.NDArray[np.float64]

LIVE_S = 1.0
"""Stretch that the watts shown live are taken over, s."""

HELD_CADENCES = 1.5
"""A trace sees a reading as held where its period is longer than so many intervals."""


@dataclass(frozen=True)
class Recorded:
    """The file of one meter, as its header describes it."""

    path: Path
    channels: tuple[Channel, ...]
    shifts_s: tuple[float, ...]
    notes: tuple[str, ...]

    def rows(self, start_s: float = -math.inf) -> FloatArray:
        """Read the rows from the last one before a time on; shape (n, 1 + channels)."""
        width = 1 + len(self.channels)
        count = self.path.stat().st_size // (8 * width)
        if not count:
            return np.empty((0, width))
        stored = np.memmap(self.path, np.float64, "r", shape=(count, width))
        first = bisect_left(range(count), start_s, key=lambda row: float(stored[row, 0]))
        return np.array(stored[max(first - 1, 0) :])

    def traces(self, start_s: float) -> list[Trace]:
        """Give the trace of each channel that has two readings at least."""
        rows = self.rows(start_s)
        traces = (self._trace(rows, place) for place in range(len(self.channels)))
        return [trace for trace in traces if trace is not None]

    def _trace(self, rows: FloatArray, place: int) -> Trace | None:
        rows = rows[np.isfinite(rows[:, 1 + place])]
        t_s = rows[:, 0]
        if t_s.size:
            highest = np.maximum.accumulate(t_s)
            rows = rows[np.concatenate(([True], t_s[1:] > highest[:-1]))]
        if len(rows) < 2:
            return None
        return Trace(self.channels[place], rows[:, 0] - self.shifts_s[place], rows[:, 1 + place])

    def latest(self) -> dict[str, tuple[float, float]]:
        """Give the last reading of each channel with its time, s; those that came."""
        rows = self.rows(time.monotonic() - LIVE_S)[::-1]
        found = {}
        for place, channel in enumerate(self.channels):
            seen = rows[np.isfinite(rows[:, 1 + place])]
            if len(seen):
                found[channel.name] = (float(seen[0, 0]), float(seen[0, 1 + place]))
        return found


def recorded(folder: Path) -> list[Recorded]:
    """Find what a recorder left in a folder, even one that was killed.

    Raises:
        UsageError: There is no recording in the folder.
    """
    try:
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} holds no recording: {error}") from error
    return [_recorded(folder, meter, header["interval_s"]) for meter in header["meters"]]


def read_traces(folder: Path) -> dict[str, Trace]:
    """Read the traces that a recorder left in a folder, even one that was killed.

    Raises:
        UsageError: There is no recording in the folder.
    """
    traces = [trace for file in recorded(folder) for trace in file.traces(-math.inf)]
    return {trace.channel.name: trace for trace in traces}


def _recorded(folder: Path, meter: dict[str, Any], interval_s: float) -> Recorded:
    pairs = [stamped(Channel.from_dict(record), interval_s) for record in meter["channels"]]
    return Recorded(
        folder / meter["file"],
        tuple(channel for channel, _ in pairs),
        tuple(shift_s for _, shift_s in pairs),
        tuple(meter["notes"]),
    )


def stamped(channel: Channel, interval_s: float) -> tuple[Channel, float]:
    """Give a channel with the doubt of its stamps, and by how much they are to be set back, s.

    A reading shows the sensor's last update, which happened up to one period before the poll.
    Where polls are too far apart to see the updates themselves, the stamp is set back by half a
    period, and the standard deviation of the rest, period / sqrt(12), goes into ``stamp_s``. A
    counter's trace already counts that doubt at each edge.
    """
    if not 0 < channel.period_s <= HELD_CADENCES * interval_s:
        return channel, 0.0
    shift_s = 0.5 * channel.period_s
    if channel.unit == "J":
        return channel, shift_s
    stamp_s = math.hypot(channel.stamp_s, channel.period_s / math.sqrt(12))
    return replace(channel, stamp_s=stamp_s), shift_s
