"""A testbed's service in a process of its own, for tests: started, asked, killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from joulebench.study_plan import plan
from joulebench.study_read import parse

TOKEN = "0123456789abcdef" * 2
STUDY = "ab" * 16
METERS = [{"simulated": {"board": "ada", "watts": 250}}]
PROTOCOL = {"idle_s": 0.1, "idle_after_s": 0.05, "warmup_prompts": 0, "interval_s": 0.02}


def generation(run_id: str, **changes: Any) -> dict[str, Any]:
    """Give the plan of a short generation."""
    study = {
        "study": "s",
        "model": "any",
        "task": "copa",
        "engine": {"kind": "echo"},
        "tasks": {"items": 2},
        "sampling": {"max_tokens": 4},
        "protocol": PROTOCOL,
        "meters": METERS,
    }
    return plan(parse(study, "s"))[0] | {"run_id": run_id} | changes


def command(run_id: str, *words: str, **protocol: Any) -> dict[str, Any]:
    """Give the plan of a command."""
    study = {
        "study": "s",
        "workload": "command",
        "command": list(words),
        "protocol": PROTOCOL | protocol,
        "meters": METERS,
    }
    return plan(parse(study, "s"))[0] | {"run_id": run_id}


def body(wanted: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Give the body that asks for a trial."""
    return {"study_id": STUDY, "attempt": 1, "plan": wanted, "lease_s": 60.0} | changes


class Server:
    """A service in a process of its own.

    Args:
        folder: Of its state and its token.
        options: Besides ``--port 0 --state``.
        token: Of it; empty for none.
    """

    def __init__(self, folder: Path, *options: str, token: str = TOKEN) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.state = folder / "state"
        words = ["--port", "0", "--state", str(self.state), *options]
        if token:
            (folder / "token").write_text(f"{token}\n")
            (folder / "token").chmod(0o600)
            words += ["--token-file", str(folder / "token")]
        self.words = [sys.executable, "-m", "joulebench", "testbed", "serve", *words]
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.log = ""
        self.start()

    def start(self) -> None:
        """Start it, or start it again; returns when it listens."""
        self.process = subprocess.Popen(
            self.words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_quiet()
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,))
        self._reader.start()
        line = self.process.stdout.readline()
        match = re.search(r" at (https?)://([^ ]+):(\d+) ", line)
        if match is None:
            self.end()
            raise AssertionError(f"it does not listen: {line}{self.log}")
        self.port = int(match[3])
        self.url = f"{match[1]}://127.0.0.1:{self.port}"

    def _read(self, stream: Any) -> None:
        for line in stream:
            self.log += line

    def client(self, **options: Any) -> httpx.Client:
        """Give a client that sends the token."""
        return httpx.Client(
            base_url=self.url, headers=self.headers, timeout=60.0, trust_env=False, **options
        )

    def kill(self) -> None:
        """End it as a power cut would, but for the disk."""
        self._stop(signal.SIGKILL)

    def end(self) -> int:
        """End it as systemd does; gives its exit status."""
        self._stop(signal.SIGTERM)
        return self.process.returncode

    def _stop(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(30)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        # What the service left running may still hold its standard error.
        self._reader.join(15)
        self.process.stdout.close()
        self.process.stderr.close()


def _quiet() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def until(what: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """Wait until something is true; gives it."""
    stop_s = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < stop_s, "it did not come to pass"
        time.sleep(0.02)
    return found


def ended(client: httpx.Client, run_id: str, study: str = STUDY) -> dict[str, Any]:
    """Wait for the end of a trial; gives its state."""

    def state() -> dict[str, Any] | None:
        answer = client.get(f"/v1/runs/{study}~{run_id}", params={"wait_s": 5})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found if found["state"] in ("done", "failed", "cancelled") else None

    found: dict[str, Any] = until(state)
    return found
