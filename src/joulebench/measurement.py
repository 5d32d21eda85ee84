"""``with jb.measure("decode") as m:`` puts a window around any code, and gives its energy.

Windows may nest, overlap and come from several threads: all that use the same meters share one
recording, which starts with the first of them and ends with the last. It samples in a thread of
this process or in a process of its own, and once more at every edge. Opening sensors takes time, so
put one window around a loop of many small ones.
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
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, cast

from joulebench.channel import Window
from joulebench.energy import Energy, Trace
from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.meters.meter import MeterSpec
from joulebench.meters.registry import resolve
from joulebench.testbed.bystanders import BusyTimes, busy_times, shared_machine
from joulebench.testbed.device_claims import DeviceClaims
from joulebench.testbed.doubts import Circumstances, doubts
from joulebench.testbed.measured import Measurement
from joulebench.testbed.recording import Recording

__all__ = ["Measure", "Measured", "Measurement", "measure"]

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


@dataclass
class _Session:
    """A recording, the number of windows open on it, and those closed but not yet integrated."""

    recording: Recording
    claims: DeviceClaims
    before: BusyTimes
    open_windows: int = 0
    closed: list[Measure] = field(default_factory=list)

    def close(self) -> None:
        """Wait for the sensors, end the recording, and integrate the windows."""
        try:
            self.recording.settle(self.recording.summed_settle_s)
            after = busy_times(os.getpid())
        finally:
            self.recording.stop()
            self.claims.release()
        shared = [*shared_machine(self.before, after, "measurement"), *self.claims.findings()]
        conclude(self.closed, self.recording, shared)


class _Shared:
    """Recordings that windows share, each ended by the last window that is open on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}
        self._inherited: dict[str, _Session] = {}

    def enter(
        self, meters: Sequence[MeterSpec], interval_s: float, recorder: str
    ) -> tuple[str, Recording]:
        """Join the recording of these meters, starting it where there is none."""
        asked = [[spec.to_dict() for spec in meters], interval_s, recorder]
        key = json.dumps(asked, sort_keys=True)
        with self._lock:
            if key not in self._sessions:
                self._sessions[key] = _started(meters, interval_s, recorder)
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
            session.close()
        finally:
            shutil.rmtree(session.recording.folder, ignore_errors=True)

    def forget(self) -> None:
        """Forget all: a forked child has none of the threads and processes that record."""
        self._lock = threading.Lock()
        # Kept, since letting it go would wait for a recorder that is no child of this process.
        self._inherited, self._sessions = self._sessions, {}


def _started(meters: Sequence[MeterSpec], interval_s: float, recorder: str) -> _Session:
    # No TemporaryDirectory: a forked child that forgets it would delete the parent's readings.
    folder = Path(tempfile.mkdtemp(prefix="joulebench-"))
    recording = Recording(meters, folder, interval_s=interval_s, mode=recorder)
    try:
        recording.start()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    claims = DeviceClaims(recording.identities)
    claims.take()
    # What an averaging sensor shows first belongs to the time before.
    recording.settle(recording.summed_settle_s)
    return _Session(recording, claims, busy_times(os.getpid()))


_SHARED = _Shared()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_SHARED.forget)


class Measure:
    """A window to put around code: a context manager, and a decorator.

    As a context manager it gives itself; ``energy``, ``channels``, ``duration_s`` and the other
    properties of :class:`Measurement` are there once the window has closed.
    """

    def __init__(self, name: str, meters: Meters, interval_s: float, recorder: str) -> None:
        self._name = name
        self._meters = meters
        self._interval_s = interval_s
        self._recorder = recorder
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
        meters = resolve(self._meters)
        self._key, self._recording = _SHARED.enter(meters, self._interval_s, self._recorder)
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

    def conclude(
        self,
        recording: Recording,
        traces: Mapping[str, Trace],
        known: Circumstances,
        shared: Sequence[Finding],
    ) -> None:
        """Integrate the closed window; a second call changes nothing."""
        if self._window is None or self._measured is not None:
            return
        found = [*doubts(known, [self._window]), *shared]
        self._measured = Measurement(
            self._window, recording.channels, traces, lost=known.lost, doubts=found
        )
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
            time.sleep(max(self._recording.summed_settle_s - waited_s, 0.0))
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
            window = Measure(self._name, self._meters, self._interval_s, self._recorder)
            try:
                with window:
                    return function(*args, **kwargs)
            finally:
                measurements.append(window)

        wrapper = cast(Measured[P, R], measured)
        wrapper.measurements = measurements
        return wrapper


def conclude(
    windows: Sequence[Measure], recording: Recording, shared: Sequence[Finding] = ()
) -> None:
    """Integrate closed windows of one recording, reading its files once.

    Args:
        windows: Closed ones.
        recording: Theirs; it may still go on.
        shared: What was found of others on the machine.
    """
    starts = [window.started_s for window in windows]
    before_s = 4 * recording.settle_s + 10 * recording.interval_s
    traces = recording.traces(min(starts) - before_s)
    known = Circumstances.of(recording)
    for window in windows:
        window.conclude(recording, traces, known, shared)


def measure(
    name: str = "measure",
    *,
    meters: Meters = "auto",
    interval_s: float = 0.1,
    recorder: Literal["thread", "process"] = "thread",
) -> Measure:
    """Measure the energy of a with-block, or of every call of a function it decorates.

    The with-block itself is not delayed. Leaving the outermost one takes as long as the slowest
    sensor needs to show its end: one update, and for a sensor that averages, its averaging time. An
    inner window waits only if its energy is asked for while another is open. Synchronise work that
    runs on a device before the block ends.

    Args:
        name: Name of the window.
        meters: ``"auto"``, or a list of kinds as a study names them.
        interval_s: Time between samples, s; the edges are sampled besides.
        recorder: Where the sampling happens: in a thread, which Python code that holds the
            interpreter's lock delays; or in a process, which takes longer to start.

    Raises:
        UsageError: On entering: a meter that does not exist or cannot be opened.
    """
    return Measure(name, meters, interval_s, recorder)
