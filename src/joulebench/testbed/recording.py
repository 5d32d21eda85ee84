"""A recording: starts the recorder, reads its files while it runs and afterwards."""

from __future__ import annotations

import json
import math
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from joulebench.channel import Channel
from joulebench.energy import Trace, headline_channels
from joulebench.errors import Unavailable, UsageError
from joulebench.meters.meter import MeterSpec
from joulebench.testbed.recorded import LIVE_S, Recorded, read_traces, recorded, stamped
from joulebench.testbed.recorder import FACTS, HEADER, Sampler

__all__ = ["Recording", "read_traces", "stamped"]

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


class _Recorder(Protocol):
    """The two ways to run a sampler."""

    def sample(self) -> None: ...
    def stop(self) -> None: ...
    def facts(self) -> dict[str, Any]: ...


class _ThreadRecorder:
    """Samples in a thread of this process."""

    def __init__(self, specs: Sequence[MeterSpec], folder: Path, interval_s: float) -> None:
        self._sampler = Sampler(specs, folder, interval_s)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="joulebench-recorder", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._sampler.run(lambda timeout_s: self._stopped.wait(max(timeout_s, 0)), time.thread_time)

    def sample(self) -> None:
        self._sampler.sample()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._sampler.close()

    def facts(self) -> dict[str, Any]:
        return self._sampler.facts()


class _ProcessRecorder:
    """Runs the recorder as a process of its own."""

    def __init__(self, specs: Sequence[MeterSpec], folder: Path, interval_s: float) -> None:
        self._folder = folder
        asked = folder / "recorder-spec.json"
        content = {
            "meters": [spec.to_dict() for spec in specs],
            "folder": str(folder),
            "interval_s": interval_s,
            "parent": os.getpid(),
        }
        asked.write_text(json.dumps(content), encoding="utf-8")
        with (folder / "recorder.log").open("wb") as log:
            # -P: a file of the user's that is named like a module must not be imported.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "joulebench.testbed.recorder", str(asked)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                bufsize=0,
            )
        self._refuse_failure(self._first_line())

    @property
    def pid(self) -> int:
        return self._process.pid

    def _first_line(self) -> bytes:
        answers = self._process.stdout
        assert answers is not None
        ready, _, _ = select.select((answers,), (), (), START_TIMEOUT_S)
        return answers.readline() if ready else b""

    def _refuse_failure(self, line: bytes) -> None:
        answer = json.loads(line) if line.endswith(b"\n") else {}
        if answer.get("ready"):
            return
        self.stop()
        error = answer.get("error", {})
        if "what" in error:
            raise Unavailable(error["what"], error["remedy"])
        raise UsageError(
            error.get("message") or f"the recorder did not start: {self._last_words()}"
        )

    def _last_words(self) -> str:
        log = (self._folder / "recorder.log").read_text(encoding="utf-8", errors="replace")
        lines = log.strip().splitlines()
        return lines[-1] if lines else f"it ended with status {self._process.returncode}"

    def sample(self) -> None:
        commands, answers = self._process.stdin, self._process.stdout
        assert commands is not None
        assert answers is not None
        try:
            commands.write(b"s")
            select.select((answers,), (), (), STOP_TIMEOUT_S)
            answers.read(1)
        except BrokenPipeError:
            return  # it was killed; facts() says so, and windows it does not cover are refused

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def facts(self) -> dict[str, Any]:
        try:
            facts: dict[str, Any] = json.loads((self._folder / FACTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            facts = {}
        status = self._process.poll()
        return {**facts, "ended": f"with status {status}"} if status else facts


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
        self._recorder: _Recorder | None = None
        self._files: list[Recorded] = []
        self._stopped = False

    def start(self) -> None:
        """Open the meters; returns once each has given its first sample.

        Raises:
            Unavailable: A meter is not on this machine.
            UsageError: A meter cannot be opened, or the folder already holds a recording.
        """
        if (self.folder / HEADER).exists():
            raise UsageError(f"{self.folder} already holds a recording; give a new folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        recorder = _ThreadRecorder if self.mode == "thread" else _ProcessRecorder
        self._recorder = recorder(self.meters, self.folder, self.interval_s)
        self._files = recorded(self.folder)

    @property
    def channels(self) -> list[Channel]:
        """What is recorded, with the doubt of its stamps."""
        return [channel for file in self._files for channel in file.channels]

    @property
    def settle_s(self) -> float:
        """How long after a window the recording must go on for its end to be resolved, s.

        A sensor shows the window's end one update later, and one that averages still shows it for
        its averaging time.
        """
        waits = [channel.period_s + channel.averaging_s for channel in self.channels]
        return max(waits, default=0.0)

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

    def settle(self) -> None:
        """Wait until the end of a window that ends now is resolved, and sample."""
        time.sleep(self.settle_s)
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

    def facts(self) -> dict[str, Any]:
        """Give how it was recorded: mode, pace, lateness, cost and the meters' own notes."""
        facts: dict[str, Any] = {"mode": self.mode, "interval_s": self.interval_s}
        if self._recorder is not None:
            facts.update(self._recorder.facts())
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
