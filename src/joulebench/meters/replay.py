"""Plays a stored trace back, as if its sensors stood here.

A replayed reading says nothing about work that is done now, so every channel of it has the method
``"simulated"``, whatever it was when it was recorded.
"""

from __future__ import annotations

import csv
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from joulebench.channel import Channel
from joulebench.errors import UsageError
from joulebench.meters.meter import ABSENT


@dataclass(frozen=True)
class _Stored:
    """The samples of one channel, their time counted from the first of the file."""

    channel: Channel
    t_s: Sequence[float]
    v: Sequence[float]

    def at(self, t_s: float) -> float:
        """Give the reading at a time: held where the sensor held it, else on a straight line."""
        place = bisect_right(self.t_s, t_s) - 1
        if place < 0 or t_s > self.t_s[-1]:
            return ABSENT
        held = self.channel.period_s > 0 or place == len(self.t_s) - 1
        if held or (self.channel.unit == "J" and self.v[place + 1] < self.v[place]):
            return self.v[place]
        share = (t_s - self.t_s[place]) / (self.t_s[place + 1] - self.t_s[place])
        return self.v[place] + share * (self.v[place + 1] - self.v[place])


class ReplayMeter:
    """Plays a trace from its first sample on, beginning when the meter is opened.

    Args:
        path: A Parquet file of traces as a study keeps them, or a CSV with the header ``t_s,v``.
        channel: For a CSV, what it holds: any fields of :class:`joulebench.channel.Channel`.
        speed: How many seconds of the trace pass in one second. Counters keep their joules, so
            that their power scales; powers keep their watts.
        repeat: Begin again at the end; otherwise readings are absent from there on.
        clock: Gives monotonic time, s.

    Raises:
        UsageError: The file cannot be read, or the speed is not above 0.
    """

    def __init__(
        self,
        path: str,
        channel: Mapping[str, Any] | None = None,
        *,
        speed: float = 1.0,
        repeat: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not speed > 0:
            raise UsageError(f"meter 'replay': speed = {speed} must be above 0")
        self._stored = _stored(Path(path), channel or {})
        self._speed = speed
        self._clock = clock
        self._start_s = clock()
        self._length_s = max(stored.t_s[-1] for stored in self._stored) if repeat else 0.0
        self.channels = [_replayed(stored.channel, speed) for stored in self._stored]
        self.notes = [f"readings are replayed from {path}: they say nothing of the work done now"]

    def read(self) -> list[float]:
        """Give what the trace held at this time; nan outside it."""
        t_s = (self._clock() - self._start_s) * self._speed
        if self._length_s:
            t_s %= self._length_s
        return [stored.at(t_s) for stored in self._stored]

    def close(self) -> None:
        """Do nothing: the file was read when the meter was opened."""


def _replayed(channel: Channel, speed: float) -> Channel:
    return replace(
        channel,
        method="simulated",
        period_s=channel.period_s / speed,
        averaging_s=channel.averaging_s / speed,
        stamp_s=channel.stamp_s / speed,
    )


def _stored(path: Path, channel: Mapping[str, Any]) -> list[_Stored]:
    if not path.is_file():
        raise UsageError(f"meter 'replay': there is no file {path}; give the path of a trace")
    stored = [_from_csv(path, channel)] if path.suffix == ".csv" else _from_parquet(path)
    if not stored:
        raise UsageError(f"meter 'replay': {path} holds no samples")
    begin_s = min(one.t_s[0] for one in stored)
    return [replace(one, t_s=[t_s - begin_s for t_s in one.t_s]) for one in stored]


def _from_parquet(path: Path) -> list[_Stored]:
    from joulebench.record_traces import load_traces

    traces = load_traces(path).values()
    return [_Stored(trace.channel, trace.t_s.tolist(), trace.v.tolist()) for trace in traces]


def _from_csv(path: Path, channel: Mapping[str, Any]) -> _Stored:
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.reader(lines) if row][1:]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"meter 'replay': {path} is no CSV in UTF-8 ({error})") from error
    try:
        t_s, v = [float(row[0]) for row in rows], [float(row[1]) for row in rows]
        kind = Channel(**{"name": "replay:power", "unit": "W", **channel})
    except (ValueError, IndexError, TypeError) as error:
        raise UsageError(f"meter 'replay': {path}: {error}; give a header t_s,v") from error
    if len(t_s) < 2 or sorted(set(t_s)) != t_s:
        raise UsageError(f"meter 'replay': {path}: needs two samples at least, t_s increasing")
    return _Stored(kind, t_s, v)
