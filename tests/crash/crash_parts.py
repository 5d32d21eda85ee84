"""The two programs of a study over the network, each killed and started again at will."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

VERB = [sys.executable, "-P", "-m", "joulebench"]
_START_S = 60.0


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Part:
    """A program in a process group of its own, its output appended to a file.

    Args:
        words: Of the command.
        log: Where its output goes.
    """

    def __init__(self, words: list[str], log: Path) -> None:
        self.words = words
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, most_bytes: int | None = None, clock_ahead_s: float = 0.0) -> None:
        """Start it.

        Args:
            most_bytes: No file may grow beyond, which a program sees as a full disk.
            clock_ahead_s: By how much its wall clock is wrong, where libfaketime is there.
        """
        environment = os.environ | _wrong_clock(clock_ahead_s)

        def limit() -> None:
            if most_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
                preexec_fn=limit,  # noqa: PLW1509  (this process has no threads that hold locks)
            )

    @property
    def status(self) -> int | None:
        """Exit status; ``None`` while it runs or before it was started."""
        return None if self.process is None else self.process.poll()

    def kill(self) -> None:
        """Kill it as a power cut would, and reap it; what it forked has to end by itself."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def wait(self, patience_s: float) -> int | None:
        """Give its exit status, ``None`` when time is up."""
        assert self.process is not None
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return None


class TestbedPart(Part):
    """``joulebench testbed serve`` on a fixed port.

    Args:
        folder: For its state and its log.
    """

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        words = [*VERB, "testbed", "serve", "--port", str(self.port)]
        super().__init__([*words, "--state", str(folder / "state")], folder / "testbed.txt")

    def await_answer(self) -> None:
        """Wait until it answers.

        Raises:
            TimeoutError: It does not.
        """
        until_s = time.monotonic() + _START_S
        while time.monotonic() < until_s:
            if self.status is not None:
                raise TimeoutError(f"the testbed ended with status {self.status}; see {self.log}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise TimeoutError(f"the testbed does not answer; see {self.log}")


def _wrong_clock(ahead_s: float) -> dict[str, str]:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None or not ahead_s:
        return {}
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{ahead_s:+.0f}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
