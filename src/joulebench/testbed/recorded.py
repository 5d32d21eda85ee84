"""What a recorder left in a folder: its files, as traces."""

from __future__ import annotations

import json
import math
import time
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel
from joulebench.energy import Trace
from joulebench.errors import UsageError
from joulebench.integral import cadence_s, spaced
from joulebench.testbed.plausible import Impossible, plausible
from joulebench.testbed.recorder import HEADER, OBSERVATIONS

FloatArray = npt.NDArray[np.float64]

LIVE_S = 1.0
"""Stretch that the watts shown live are taken over, s."""

HELD_CADENCES = 1.5
"""A trace sees a power as held where its period is longer than so many intervals."""


ABOUT_ONE = 0.9
"""A sensor is polled about once a period where its period is longer than so many intervals."""


class Stretch(NamedTuple):
    """From when to when a channel gave readings.

    Args:
        meter: What the recorder calls its meter: its kind, where there is one of that kind.
        channel: What was read.
        first_s: When the meter was first read, monotonic s.
        last_s: When the last reading came, monotonic s; ``None`` if none did.
    """

    meter: str
    channel: Channel
    first_s: float
    last_s: float | None


@dataclass(frozen=True)
class Recorded:
    """The file of one meter, as its header describes it."""

    path: Path
    sources: tuple[Channel, ...]
    channels: tuple[Channel, ...]
    polled: bool
    notes: tuple[str, ...]
    name: str = ""
    identities: Mapping[str, str] = field(default_factory=dict)
    settle_s: float = 0.0

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
        t_s, v = _came(rows, place)
        keep, _ = plausible(self.channels[place], t_s, v, 0.0)
        t_s, v = t_s[keep], v[keep]
        if len(t_s) < 2:
            return None
        # Of a short recording most samples are those of its windows' edges, close together.
        spacing_s = cadence_s(t_s) if self.polled else 0.0
        channel, shift_s = stamped(self.sources[place], spacing_s)
        set_back = shift_s > self.sources[place].delay_s
        if set_back and channel.period_s > ABOUT_ONE * spacing_s:
            kept = _apart(t_s, 0.5 * spacing_s)
            t_s, v = t_s[kept], v[kept]
        return Trace(channel, t_s - shift_s, v)

    def impossible(self) -> list[Impossible]:
        """Give what no device can have drawn, by channel; it is in no trace."""
        rows = self.rows()
        found = (
            plausible(channel, *_came(rows, place), float(rows[0, 0]))[1]
            for place, channel in enumerate(self.channels)
            if len(rows)
        )
        return [one for one in found if one is not None]

    def stretches(self) -> list[Stretch]:
        """Give from when to when each channel gave readings."""
        rows = self.rows()
        times = [_came(rows, place)[0] for place in range(len(self.channels))]
        first_s = float(rows[0, 0]) if len(rows) else math.nan
        return [
            Stretch(self.name, channel, first_s, float(t_s[-1]) if len(t_s) else None)
            for channel, t_s in zip(self.channels, times, strict=True)
        ]

    def latest(self) -> dict[str, tuple[float, float]]:
        """Give the last reading of each channel with its time, s; those that came."""
        rows = self.rows(time.monotonic() - LIVE_S)[::-1]
        found = {}
        for place, channel in enumerate(self.channels):
            seen = rows[np.isfinite(rows[:, 1 + place])]
            if len(seen):
                found[channel.name] = (float(seen[0, 0]), float(seen[0, 1 + place]))
        return found


def _came(rows: FloatArray, place: int) -> tuple[FloatArray, FloatArray]:
    """Give times and values of the readings that came, without repeats of a stamp."""
    rows = rows[np.isfinite(rows[:, 1 + place])]
    t_s = rows[:, 0]
    if t_s.size:
        highest = np.maximum.accumulate(t_s)
        rows = rows[np.concatenate(([True], t_s[1:] > highest[:-1]))]
    return rows[:, 0], rows[:, 1 + place]


def _apart(t_s: FloatArray, apart_s: float) -> npt.NDArray[np.intp]:
    """Choose samples so far apart, the first and the last among them.

    Of a sensor that is polled about once a period, the samples at a window's edges show the update
    of the poll before once more: between them it seems to stand still, and to leap.
    """
    return np.array([*spaced(t_s[:-1], apart_s), t_s.size - 1], dtype=np.intp)


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


def covering(channels: Sequence[Channel], given: Collection[str]) -> list[Channel]:
    """Leave out channels that gave nothing where another one covers the same.

    A channel that nothing stands in for stays: a sum without it would be a smaller one.

    Args:
        channels: What was recorded.
        given: Names of those that gave a trace.
    """
    covered = {(c.device, c.scope) for c in channels if c.name in given}
    return [c for c in channels if c.name in given or (c.device, c.scope) not in covered]


def read_traces(folder: Path) -> dict[str, Trace]:
    """Read the traces that a recorder left in a folder, even one that was killed.

    Raises:
        UsageError: There is no recording in the folder.
    """
    traces = [trace for file in recorded(folder) for trace in file.traces(-math.inf)]
    return {trace.channel.name: trace for trace in traces}


def read_observations(folder: Path) -> list[dict[str, Any]]:
    """Give what meters said of the state of their devices; lines cut short are left out."""
    try:
        text = (folder / OBSERVATIONS).read_text(encoding="utf-8")
    except OSError:
        return []
    states = []
    for line in text.splitlines():
        with suppress(ValueError):
            states.append(json.loads(line))
    return [state for state in states if isinstance(state, dict)]


def _recorded(folder: Path, meter: dict[str, Any], interval_s: float) -> Recorded:
    # A source that stamps its own readings knows when it took them.
    polled = not meter.get("stamped")
    sources = tuple(Channel.from_dict(record) for record in meter["channels"])
    return Recorded(
        folder / meter["file"],
        sources,
        tuple(stamped(source, interval_s if polled else 0.0)[0] for source in sources),
        polled,
        tuple(meter["notes"]),
        meter["name"],
        meter.get("identities", {}),
        meter.get("settle_s", 0.0),
    )


def stamped(channel: Channel, interval_s: float) -> tuple[Channel, float]:
    """Give a channel with the doubt of its stamps, and by how much they are to be set back, s.

    A reading shows the sensor's last update, which happened up to one period before the poll.
    Where polls are too far apart to see the updates themselves, the stamp is set back by half a
    period, and the standard deviation of the rest, period / sqrt(12), goes into ``stamp_s``. A
    counter's trace already counts that doubt at each edge. A delay that is known is set back too.
    """
    delay_s = channel.delay_s
    channel = replace(channel, delay_s=0.0)
    if not 0 < channel.period_s <= HELD_CADENCES * interval_s:
        return channel, delay_s
    shift_s = delay_s + 0.5 * channel.period_s
    if channel.unit == "J":
        return channel, shift_s
    stamp_s = math.hypot(channel.stamp_s, channel.period_s / math.sqrt(12))
    return replace(channel, stamp_s=stamp_s), shift_s
