"""Samples meters at a steady pace and appends what they read to files.

Run as ``python -m joulebench.testbed.recorder SPEC.json`` it is a process of its own that needs
nothing but the standard library and the meters it opens. It ends when its standard input ends,
which is also what it sees when the process that started it dies.

A file holds rows of 64-bit floats in the machine's byte order: the monotonic time in the middle of
the reading, s, then one value a channel, nan where a channel gave nothing. ``recorder.json`` names
the channels of each file; ``recorder-facts.json`` is written at the end. ``observations.jsonl``
holds what meters say of the state of their devices, about once a second.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from joulebench.errors import Unavailable, UsageError
from joulebench.meters.meter import MeterSpec, refuse_same_names
from joulebench.testbed.disk import full_message
from joulebench.testbed.observer import Observer
from joulebench.testbed.streams import Stream, open_stream

FORMAT = 1
HEADER = "recorder.json"
FACTS = "recorder-facts.json"
OBSERVATIONS = "observations.jsonl"

FLUSH_S = 0.5
"""Most that a killed recorder loses, s, besides the sample it was taking."""

OBSERVE_S = 1.0
"""Time between observations of the devices' state, s."""

LATENESS_STEP_S = 1e-5
_LATENESS_STEPS = 10_000

Wait = Callable[[float], bool]
"""Waits for at most so many seconds; true when it is time to stop."""


class Sampler:
    """Samples several meters together at absolute deadlines.

    Args:
        specs: Meters to open.
        folder: Where the files go; it must exist.
        interval_s: Time between samples, s.
        root_pid: The process whose work is measured, its descendants included; this one where
            ``None``. Processes that a meter sees on its devices are marked as its own or not.

    Raises:
        UsageError: A meter cannot be opened; those opened before it are closed again.
        OSError: The folder cannot be written.
    """

    def __init__(
        self,
        specs: Sequence[MeterSpec],
        folder: Path,
        interval_s: float,
        root_pid: int | None = None,
    ) -> None:
        self.interval_s = interval_s
        self.priority = "normal"
        self._folder = folder
        self._observer = Observer(folder / OBSERVATIONS, root_pid or os.getpid())
        self._lock = threading.Lock()
        self._lateness = [0] * (_LATENESS_STEPS + 1)
        self._samples = self._missed = self._ticks = 0
        self._cpu_s = self._duration_s = 0.0
        self._flush_at_s = self._observe_at_s = 0.0
        self.streams = _streams(specs, folder)
        try:
            self._write_header()
        except OSError:
            _close(self.streams)
            raise
        self.sample()

    def sample(self) -> None:
        """Sample every meter now and hand the rows to the operating system."""
        with self._lock:
            done_s = self._take()
            self._flush()
            if done_s >= self._observe_at_s:
                self._observe()

    def _observe(self) -> None:
        self._observe_at_s = time.monotonic() + OBSERVE_S
        self._observer.write(stream.meter for stream in self.streams if not stream.lost)

    def _take(self) -> float:
        """Sample every meter, and give when it was done, s."""
        now_s = time.monotonic()
        for stream in self.streams:
            if not stream.lost:
                now_s = stream.sample(now_s)
        self._samples += 1
        return now_s

    def _flush(self) -> None:
        for stream in self.streams:
            stream.flush()
        self._flush_at_s = time.monotonic() + FLUSH_S

    def run(self, wait: Wait, cpu_clock: Callable[[], float]) -> None:
        """Sample until told to stop, then once more.

        A deadline that has passed by more than one interval is skipped, so that a stall is a gap in
        the trace and no burst follows it.
        """
        monotonic, interval_s, lateness = time.monotonic, self.interval_s, self._lateness
        cpu_start_s, start_s = cpu_clock(), monotonic()
        deadline_s = start_s + interval_s
        while not wait(deadline_s - monotonic()):
            late_s = monotonic() - deadline_s
            if late_s < 0:
                continue
            lateness[min(int(late_s / LATENESS_STEP_S), _LATENESS_STEPS)] += 1
            with self._lock:
                done_s = self._take()
                if done_s >= self._flush_at_s:
                    self._flush()
                if done_s >= self._observe_at_s:
                    self._observe()
            skipped = int((done_s - deadline_s) / interval_s)
            self._missed += skipped
            self._ticks += 1 + skipped
            deadline_s = start_s + (self._ticks + 1) * interval_s
        self.sample()
        self._cpu_s, self._duration_s = cpu_clock() - cpu_start_s, time.monotonic() - start_s

    def close(self) -> None:
        """Close files and meters, and write the facts.

        Raises:
            OSError: The facts cannot be written; :meth:`facts` still gives them.
        """
        _close(self.streams)
        _write_json(self._folder / FACTS, self.facts())

    def facts(self) -> dict[str, Any]:
        """Give how well the recording kept its pace, and what it cost."""
        facts: dict[str, Any] = {
            "interval_s": self.interval_s,
            "samples": self._samples,
            "missed": self._missed,
            "priority": self.priority,
        }
        if sum(self._lateness):
            facts["lateness_p50_s"] = self._lateness_quantile_s(0.5)
            facts["lateness_p99_s"] = self._lateness_quantile_s(0.99)
        if self._duration_s:
            facts["cpu_s"] = round(self._cpu_s, 6)
            facts["cpu_share"] = round(self._cpu_s / self._duration_s, 7)
        named = dict(zip(_names(self.streams), self.streams, strict=True))
        by_kind: dict[str, dict[str, Any]] = {
            "errors": {
                name: f"{s.errors} x {s.first_error}" for name, s in named.items() if s.errors
            },
            "lost": {name: s.lost for name, s in named.items() if s.lost},
            "unwritten": {name: s.unwritten for name, s in named.items() if s.unwritten},
            "dropped": {name: s.dropped for name, s in named.items() if s.dropped},
            "meters": {name: told for name, s in named.items() if (told := s.facts())},
        }
        if self._observer.unwritten:
            by_kind["unwritten"]["observations"] = self._observer.unwritten
        return facts | {name: found for name, found in by_kind.items() if found}

    def _lateness_quantile_s(self, share: float) -> float:
        """Give a quantile of how late samples were, s, rounded up to 10 microseconds."""
        left = share * sum(self._lateness)
        for step, count in enumerate(self._lateness):
            left -= count
            if left <= 0:
                return round((step + 1) * LATENESS_STEP_S, 6)
        return round(_LATENESS_STEPS * LATENESS_STEP_S, 6)

    def _write_header(self) -> None:
        header = {
            "format": FORMAT,
            "interval_s": self.interval_s,
            "byteorder": sys.byteorder,
            "meters": [
                {"name": name, **stream.header()}
                for name, stream in zip(_names(self.streams), self.streams, strict=True)
            ],
        }
        _write_json(self._folder / HEADER, header)


def _streams(specs: Sequence[MeterSpec], folder: Path) -> list[Stream]:
    streams: list[Stream] = []
    try:
        for place, spec in enumerate(specs):
            streams.append(open_stream(spec, folder / f"{place}-{spec.kind}.f64"))
        refuse_same_names((opened.spec.kind, opened.meter) for opened in streams)
    except BaseException:
        _close(streams)
        raise
    return streams


def _names(streams: Sequence[Stream]) -> list[str]:
    """Call each meter by its kind, and by its first device as well where there are two of one."""
    kinds = [stream.spec.kind for stream in streams]
    return [
        kind if kinds.count(kind) == 1 else f"{kind} {stream.device}"
        for kind, stream in zip(kinds, streams, strict=True)
    ]


def _close(streams: Sequence[Stream]) -> None:
    for opened in streams:
        opened.close()


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
    draft.replace(path)


def raise_priority() -> str:
    """Ask for the processor before others, and say what was granted.

    Real-time priority needs the capability SYS_NICE; without it, and without the right to a lower
    nice value, the recorder runs as any other process.
    """
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        return "real-time (SCHED_FIFO 1)"
    with suppress(OSError, AttributeError):
        return f"nice {os.nice(-10)}"
    return "normal"


def waiter(commands: int, answers: int, sample: Callable[[], None], parent: int) -> Wait:
    """Make a wait that obeys commands: ``s`` samples now; ``q`` or the end of the input stops.

    Args:
        commands: File descriptor that commands come from.
        answers: File descriptor that each ``s`` is answered on, once the sample is in its file.
        sample: Takes a sample.
        parent: Process id of the one to outlive by no more than one sample.
    """
    # A plain sleep, with a thread that reads the commands, was measured and costs the same.
    watched, select_, getppid = (commands,), select.select, os.getppid

    def wait(timeout_s: float) -> bool:
        ready, _, _ = select_(watched, (), (), timeout_s if timeout_s > 0 else 0.0)
        if not ready:
            # A fork of the parent may hold the pipe open, so that its end alone is not enough.
            return getppid() != parent
        received = os.read(commands, 64)
        for _ in range(received.count(b"s")):
            sample()
            os.write(answers, b"s")
        return not received or b"q" in received

    return wait


def main(argv: Sequence[str]) -> int:
    """Record what a specification file asks for; the first line printed says whether it works."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then stops us
    asked = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    specs = [MeterSpec.from_dict(record) for record in asked["meters"]]
    priority = raise_priority()
    try:
        sampler = Sampler(specs, Path(asked["folder"]), asked["interval_s"], asked["parent"])
    except (UsageError, OSError) as error:
        _say({"error": _described(error, asked["folder"])})
        return 2
    sampler.priority = priority
    _say({"ready": True})
    gc.collect()
    gc.freeze()
    gc.disable()  # the loop makes no cycles, and a collection would delay a sample
    sampler.run(waiter(0, 1, sampler.sample, asked["parent"]), time.process_time)
    try:
        sampler.close()
    except OSError:  # the disk took no facts, but the pipe does
        _say({"facts": sampler.facts()})
    return 0


def _described(error: UsageError | OSError, folder: str) -> dict[str, str]:
    if isinstance(error, Unavailable):
        return {"what": error.what, "remedy": error.remedy}
    full = full_message(error, folder)
    return {"full": full} if full else {"message": str(error)}


def _say(content: Mapping[str, Any]) -> None:
    os.write(1, json.dumps(content).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
