"""A recording: starts the recorder, reads its files while it runs and afterwards."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from joulebench.channel import Channel
from joulebench.energy import Trace, headline_channels
from joulebench.errors import UsageError
from joulebench.meters.meter import MeterSpec
from joulebench.testbed.disk import DiskFull, full_message
from joulebench.testbed.plausible import Impossible
from joulebench.testbed.recorded import (
    LIVE_S,
    Recorded,
    Stretch,
    read_observations,
    read_traces,
    recorded,
    stamped,
)
from joulebench.testbed.recorder import HEADER
from joulebench.testbed.recorders import ProcessRecorder, Recorder, ThreadRecorder
from joulebench.testbed.suspension import NOTICED_S, asleep_s

__all__ = ["Recording", "read_traces", "stamped"]


class Recording:
    """Records meters into a folder from :meth:`start` to :meth:`stop`.

    Args:
        meters: What to open.
        folder: Where the files go; made if absent. One recording a folder.
        interval_s: Time between samples, s.
        mode: ``"process"`` (undisturbed by the work measured) or ``"thread"``.

    Raises:
        UsageError: The mode is neither, or the interval is not above 0.
    """

    def __init__(
        self,
        meters: Sequence[MeterSpec],
        folder: Path,
        *,
        interval_s: float = 0.1,
        mode: str = "process",
    ) -> None:
        if mode not in ("process", "thread"):
            raise UsageError(f"recording mode {mode!r} is not known; use 'process' or 'thread'")
        if not 0 < interval_s < math.inf:
            raise UsageError(f"recording interval {interval_s} s must be above 0 s and finite")
        self.meters = list(meters)
        self.folder = Path(folder)
        self.interval_s = interval_s
        self.mode = mode
        self._recorder: Recorder | None = None
        self._files: list[Recorded] = []
        self._asleep_s = 0.0
        self._stopped = False

    def start(self) -> None:
        """Open the meters; returns once each has given its first sample.

        Raises:
            Unavailable: A meter is not on this machine.
            UsageError: A meter cannot be opened, or the folder already holds a recording or cannot
                be written.
        """
        if (self.folder / HEADER).exists():
            raise UsageError(f"{self.folder} already holds a recording; give a new folder")
        recorder = ThreadRecorder if self.mode == "thread" else ProcessRecorder
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._asleep_s = asleep_s()
            self._recorder = recorder(self.meters, self.folder, self.interval_s)
        except OSError as error:
            full = full_message(error, self.folder)
            if full:
                raise DiskFull(full) from error
            raise UsageError(f"nothing can be recorded in {self.folder}: {error}") from error
        self._files = recorded(self.folder)

    @property
    def channels(self) -> list[Channel]:
        """What is recorded, with the doubt of its stamps."""
        return [channel for file in self._files for channel in file.channels]

    @property
    def settle_s(self) -> float:
        """How long after a window the recording must go on for its end to be resolved, s.

        A sensor shows the window's end one update later, and one that averages still shows it for
        its averaging time; a log or a database gets its rows later still.
        """
        return max(self._waits_s(self.channels), default=0.0)

    @property
    def summed_settle_s(self) -> float:
        """The same for the channels that are summed alone: alternatives may show the end later."""
        return max(self._waits_s(headline_channels(self.channels)), default=0.0)

    def _waits_s(self, channels: Sequence[Channel]) -> Iterator[float]:
        for file in self._files:
            waited_for = [channel for channel in file.channels if channel in channels]
            yield from (channel.period_s + channel.averaging_s for channel in waited_for)
            if waited_for:
                yield file.settle_s

    def latest(self) -> dict[str, tuple[float, float]]:
        """Give the last reading of each channel and its time: name -> (t_s, reading)."""
        found: dict[str, tuple[float, float]] = {}
        for file in self._files:
            found.update(file.latest())
        return found

    def watts(self) -> float | None:
        """Give the power of the last second or so, W, summed over what may be summed.

        ``None`` while there are too few readings.
        """
        start_s = time.monotonic() - LIVE_S - self.settle_s
        traces = self.traces(start_s)
        headline = [traces.get(channel.name) for channel in headline_channels(self.channels)]
        known = [_mean_w(trace) for trace in headline if trace is not None]
        return math.fsum(known) if known and len(known) == len(headline) else None

    def sample(self) -> None:
        """Take an extra sample right now, for example at the edge of a window."""
        if self._recorder is not None and not self._stopped:
            self._recorder.sample()

    def settle(self, wait_s: float | None = None) -> None:
        """Wait until the end of a window that ends now is resolved, and sample.

        Args:
            wait_s: How long; until all channels show it where not given.
        """
        time.sleep(self.settle_s if wait_s is None else wait_s)
        self.sample()

    def stop(self) -> None:
        """Take a last sample and let the sensors go; a second call does nothing."""
        if self._recorder is not None and not self._stopped:
            self._stopped = True
            self._recorder.stop()

    def traces(self, start_s: float = -math.inf) -> dict[str, Trace]:
        """Read what was recorded, also while it goes on.

        Args:
            start_s: Leave out what was read earlier, but for the last reading before it.

        Returns:
            One trace a channel that has given two readings at least; absent readings and repeats
            of a stamp are left out.
        """
        traces = [trace for file in self._files for trace in file.traces(start_s)]
        return {trace.channel.name: trace for trace in traces}

    def impossible(self) -> list[Impossible]:
        """Give what no device can have drawn, by channel; it is in no trace."""
        return [found for file in self._files for found in file.impossible()]

    def stretches(self) -> list[Stretch]:
        """Give from when to when each channel gave readings."""
        return [stretch for file in self._files for stretch in file.stretches()]

    @property
    def identities(self) -> dict[str, str]:
        """What each device is that something real is read of, by its name in the channels."""
        return {
            channel.device: file.identities.get(channel.device, channel.device)
            for file in self._files
            for channel in file.channels
            if channel.method in ("measured", "modelled")
        }

    def observations(self) -> list[dict[str, Any]]:
        """Give what the meters said of the state of their devices, each with its time, ``t_s``."""
        return read_observations(self.folder)

    def facts(self) -> dict[str, Any]:
        """Give how it was recorded: mode, pace, lateness, cost and the meters' own notes."""
        facts: dict[str, Any] = {"mode": self.mode, "interval_s": self.interval_s}
        if self._recorder is not None:
            facts.update(self._recorder.facts())
            slept_s = asleep_s() - self._asleep_s
            facts |= {"suspended_s": round(slept_s, 3)} if slept_s >= NOTICED_S else {}
        notes = [note for file in self._files for note in file.notes]
        return {**facts, "notes": notes} if notes else facts

    def __enter__(self) -> Recording:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _mean_w(trace: Trace) -> float:
    if trace.channel.unit == "W":
        return float(trace.v.mean())
    steps_j = np.diff(trace.v)
    if trace.channel.wrap_j is not None:
        steps_j = np.where(steps_j < 0, steps_j + trace.channel.wrap_j, steps_j)
    return float(steps_j.sum() / (trace.t_s[-1] - trace.t_s[0]))
