"""``with jb.measure("decode") as m:`` puts a window around any code, and gives its energy.

Windows may nest, overlap and come from several threads: all that use the same meters share one
recording, which starts with the first of them and ends with the last. It samples in a thread of
this process, and once more at every edge. Opening sensors takes time, so put one window around a
loop of many small ones.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from joulebench.channel import Channel, Window
from joulebench.energy import Energy, Trace, headline_channels, total
from joulebench.errors import EnergyError, UsageError
from joulebench.finding import Finding
from joulebench.meters.meter import MeterSpec
from joulebench.meters.registry import resolve
from joulebench.testbed.recording import Recording

Meters = str | Sequence[str | Mapping[str, Any]]
_RETURN_EARLY = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Measured(Protocol[P, R_co]):
    """A function whose calls are measured: ``measurements`` has a window a call."""

    __name__: str
    measurements: list[Measure]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function and measure it."""


class Measurement:
    """What one window cost.

    Args:
        window: The window, in monotonic s.
        channels: What was recorded.
        traces: Traces that reach over the window, by channel name.
    """

    def __init__(
        self, window: Window, channels: Sequence[Channel], traces: Mapping[str, Trace]
    ) -> None:
        self.window = window
        self.traces = dict(traces)
        self.channels: dict[str, Energy] = {}
        self.refusals: dict[str, str] = {}
        self._headline = [channel.name for channel in headline_channels(channels)]
        for channel in channels:
            self._integrate(channel.name)

    def _integrate(self, name: str) -> None:
        if name not in self.traces:
            self.refusals[name] = f"channel {name!r} gave fewer than two readings"
            return
        try:
            self.channels[name] = self.traces[name].energy(self.window)
        except EnergyError as error:
            self.refusals[name] = str(error)

    @property
    def name(self) -> str:
        """Name of the window."""
        return self.window.name

    @property
    def duration_s(self) -> float:
        """Length of the window, s."""
        return self.window.duration_s

    @property
    def headline(self) -> list[str]:
        """Names of the channels that are summed: no part with its whole, no alternatives."""
        return list(self._headline)

    @property
    def energy(self) -> Energy:
        """The sum of the headline channels.

        Raises:
            EnergyError: One of them has no energy for this window, so that a sum would lack it.
        """
        for name in self._headline:
            if name in self.refusals:
                raise EnergyError(self.refusals[name])
        return total([self.channels[name] for name in self._headline])

    @property
    def mean_power_w(self) -> float:
        """Mean power over the window, W."""
        return self.energy.joules / self.duration_s

    @property
    def findings(self) -> list[Finding]:
        """Checks that did not pass, over all channels."""
        found = (finding for energy in self.channels.values() for finding in energy.findings)
        return list(dict.fromkeys(found))

    def to_dict(self) -> dict[str, Any]:
        """Give the measurement as a JSON-ready dict; what was refused has no energy."""
        record: dict[str, Any] = {
            "window": self.window.to_dict(),
            "duration_s": self.duration_s,
            "channels": {name: energy.to_dict() for name, energy in self.channels.items()},
            "headline": self.headline,
            "refused": self.refusals,
            "findings": [finding.to_dict() for finding in self.findings],
        }
        try:
            return {**record, "energy": self.energy.to_dict(), "mean_power_w": self.mean_power_w}
        except EnergyError:
            return record

    def __str__(self) -> str:
        """Print name, energy and duration."""
        return f"{self.name}: {self.energy.described()} in {self.duration_s:.3f} s"


@dataclass
class _Session:
    """A recording, the number of windows open on it, and those closed but not yet integrated."""

    recording: Recording
    open_windows: int = 0
    closed: list[Measure] = field(default_factory=list)


class _Shared:
    """Recordings that windows share, each ended by the last window that is open on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}

    def enter(self, meters: Sequence[MeterSpec], interval_s: float) -> tuple[str, Recording]:
        """Join the recording of these meters, starting it where there is none."""
        key = json.dumps([[spec.to_dict() for spec in meters], interval_s], sort_keys=True)
        with self._lock:
            if key not in self._sessions:
                self._sessions[key] = _Session(_started(meters, interval_s))
            self._sessions[key].open_windows += 1
            return key, self._sessions[key].recording

    def leave(self, key: str, window: Measure) -> None:
        """Leave a recording; the last window waits for the sensors, ends it, and integrates all.

        An inner window does not wait: the time would be part of the windows around it.
        """
        with self._lock:
            session = self._sessions[key]
            session.open_windows -= 1
            session.closed.append(window)
            if session.open_windows:
                return
            del self._sessions[key]
        try:
            session.recording.settle()
            conclude(session.closed, session.recording)
        finally:
            session.recording.stop()
            shutil.rmtree(session.recording.folder, ignore_errors=True)

    def forget(self) -> None:
        """Forget all: a forked child has none of the threads that record."""
        self._lock = threading.Lock()
        self._sessions.clear()


def _started(meters: Sequence[MeterSpec], interval_s: float) -> Recording:
    # No TemporaryDirectory: a forked child that forgets it would delete the parent's readings.
    folder = Path(tempfile.mkdtemp(prefix="joulebench-"))
    recording = Recording(meters, folder, interval_s=interval_s, mode="thread")
    try:
        recording.start()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    recording.settle()  # what an averaging sensor shows first belongs to the time before
    return recording


_SHARED = _Shared()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_SHARED.forget)


class Measure:
    """A window to put around code: a context manager, and a decorator.

    As a context manager it gives itself; ``energy``, ``channels``, ``duration_s`` and the other
    properties of :class:`Measurement` are there once the window has closed.
    """

    def __init__(self, name: str, meters: Meters, interval_s: float) -> None:
        self._name = name
        self._meters = meters
        self._interval_s = interval_s
        self._measured: Measurement | None = None
        self._key: str | None = None
        self._recording: Recording | None = None
        self._window: Window | None = None
        self._start_s = 0.0

    def __enter__(self) -> Measure:
        if self._key is not None:
            raise UsageError(
                f"measure({self._name!r}): this window is open already; call jb.measure again for "
                "a second one"
            )
        self._measured = self._window = None
        self._key, self._recording = _SHARED.enter(resolve(self._meters), self._interval_s)
        self._recording.sample()
        self._start_s = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        stop_s = time.monotonic()
        key, self._key = self._key, None
        assert key is not None
        assert self._recording is not None
        self._recording.sample()
        self._window = Window(self._name, self._start_s, stop_s)
        _SHARED.leave(key, self)

    @property
    def started_s(self) -> float:
        """When the window was opened, monotonic s."""
        return self._start_s

    def conclude(self, recording: Recording, traces: Mapping[str, Trace]) -> None:
        """Integrate the closed window; a second call changes nothing."""
        if self._window is not None and self._measured is None:
            self._measured = Measurement(self._window, recording.channels, traces)
            self._recording = None

    @property
    def measurement(self) -> Measurement:
        """What the window cost.

        Inside another window it waits until the sensors have shown this window's end.

        Raises:
            UsageError: The window has not closed yet.
        """
        if self._measured is None and self._window is not None and self._recording is not None:
            waited_s = time.monotonic() - self._window.stop_s
            time.sleep(max(self._recording.settle_s - waited_s, 0.0))
            self._recording.sample()
            conclude([self], self._recording)
        if self._measured is None:
            raise UsageError(
                f"measure({self._name!r}): the energy is known once the with-block has ended"
            )
        return self._measured

    @property
    def energy(self) -> Energy:
        """Sum of the headline channels; see :attr:`Measurement.energy`."""
        return self.measurement.energy

    @property
    def channels(self) -> dict[str, Energy]:
        """Energy by channel; channels that could not be integrated are in ``refusals``."""
        return self.measurement.channels

    @property
    def refusals(self) -> dict[str, str]:
        """Why a channel has no energy for this window, by channel."""
        return self.measurement.refusals

    @property
    def duration_s(self) -> float:
        """Length of the window, s; known as soon as it has closed."""
        return self._window.duration_s if self._window else self.measurement.duration_s

    @property
    def findings(self) -> list[Finding]:
        """Checks that did not pass."""
        return self.measurement.findings

    def __str__(self) -> str:
        """Print name, energy and duration."""
        return str(self.measurement)

    def __call__(self, function: Callable[P, R]) -> Measured[P, R]:
        """Measure every call of a function; the wrapper's list ``measurements`` keeps them.

        Raises:
            UsageError: The function is a coroutine or a generator, whose work is not done when
                the call returns.
        """
        if any(unfinished(function) for unfinished in _RETURN_EARLY):
            raise UsageError(
                f"measure({self._name!r}): {function.__name__} returns before its work is done; "
                "put `with jb.measure(...)` around the code that awaits or iterates"
            )
        measurements: list[Measure] = []

        @functools.wraps(function)
        def measured(*args: P.args, **kwargs: P.kwargs) -> R:
            window = Measure(self._name, self._meters, self._interval_s)
            try:
                with window:
                    return function(*args, **kwargs)
            finally:
                measurements.append(window)

        wrapper = cast(Measured[P, R], measured)
        wrapper.measurements = measurements
        return wrapper


def conclude(windows: Sequence[Measure], recording: Recording) -> None:
    """Integrate closed windows of one recording, reading its files once."""
    starts = [window.started_s for window in windows]
    before_s = 4 * recording.settle_s + 10 * recording.interval_s
    traces = recording.traces(min(starts) - before_s)
    for window in windows:
        window.conclude(recording, traces)


def measure(name: str = "measure", *, meters: Meters = "auto", interval_s: float = 0.1) -> Measure:
    """Measure the energy of a with-block, or of every call of a function it decorates.

    The with-block itself is not delayed. Leaving the outermost one takes as long as the slowest
    sensor needs to show its end: one update, and for a sensor that averages, its averaging time. An
    inner window waits only if its energy is asked for while another is open. Synchronise work that
    runs on a device before the block ends.

    Args:
        name: Name of the window.
        meters: ``"auto"``, or a list of kinds as a study names them.
        interval_s: Time between samples, s; the edges are sampled besides.

    Raises:
        UsageError: On entering: a meter that does not exist or cannot be opened.
    """
    return Measure(name, meters, interval_s)
