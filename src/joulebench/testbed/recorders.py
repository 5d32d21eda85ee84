"""The two ways to run a recorder: in a thread of this process, or as a process of its own."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from joulebench.errors import Unavailable, UsageError
from joulebench.meters.meter import MeterSpec
from joulebench.testbed.disk import DiskFull
from joulebench.testbed.recorder import FACTS, Sampler

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


class Recorder(Protocol):
    """What both ways to run a sampler have."""

    def sample(self) -> None:
        """Take an extra sample right now."""

    def stop(self) -> None:
        """Take a last sample and let the sensors go."""

    def facts(self) -> dict[str, Any]:
        """Give how it was recorded."""


class ThreadRecorder:
    """Samples in a thread of this process."""

    def __init__(self, specs: Sequence[MeterSpec], folder: Path, interval_s: float) -> None:
        self._sampler = Sampler(specs, folder, interval_s)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="joulebench-recorder", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._sampler.run(lambda timeout_s: self._stopped.wait(max(timeout_s, 0)), time.thread_time)

    def sample(self) -> None:
        """Take an extra sample right now."""
        self._sampler.sample()

    def stop(self) -> None:
        """Take a last sample and let the sensors go."""
        self._stopped.set()
        self._thread.join()
        with suppress(OSError):  # the disk takes no facts; the sampler still has them
            self._sampler.close()

    def facts(self) -> dict[str, Any]:
        """Give how it was recorded."""
        return self._sampler.facts()


class ProcessRecorder:
    """Runs the recorder as a process of its own."""

    def __init__(self, specs: Sequence[MeterSpec], folder: Path, interval_s: float) -> None:
        self._folder = folder
        self._told: dict[str, Any] = {}
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
        """Its process id."""
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
        if "full" in error:
            raise DiskFull(error["full"])
        raise UsageError(
            error.get("message") or f"the recorder did not start: {self._last_words()}"
        )

    def _last_words(self) -> str:
        log = (self._folder / "recorder.log").read_text(encoding="utf-8", errors="replace")
        lines = log.strip().splitlines()
        return lines[-1] if lines else f"it ended with status {self._process.returncode}"

    def sample(self) -> None:
        """Take an extra sample right now."""
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
        """Take a last sample and let the sensors go."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # Closing the pipe is not enough: a fork of this process may hold it open.
        with suppress(BrokenPipeError):
            self._process.stdin.write(b"q")
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._told = _last_facts(self._process.stdout.fileno())
        self._process.stdout.close()

    def facts(self) -> dict[str, Any]:
        """Give how it was recorded."""
        try:
            facts: dict[str, Any] = json.loads((self._folder / FACTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            facts = self._told
        status = self._process.poll()
        return {**facts, "ended": f"with status {status}"} if status else facts


def _last_facts(answers: int) -> dict[str, Any]:
    """Give the facts that a recorder told on its way out because the disk took none."""
    os.set_blocking(answers, False)  # what a meter started may hold the pipe open
    told = b""
    try:
        while piece := os.read(answers, 1 << 16):
            told += piece
    except BlockingIOError:
        pass
    try:
        facts = json.loads(told.strip().rpartition(b"\n")[2].lstrip(b"s"))["facts"]
    except (ValueError, LookupError, TypeError):
        return {}
    return dict(facts)
