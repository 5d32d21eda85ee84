"""A server that Joulebench starts for a trial, waits for, and stops."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from joulebench.engines.server_keeper import NOT_STARTED
from joulebench.errors import UsageError, unknown

GRACE_S = 10.0
"""How long a server that is asked to end has for it, s."""

_POLL_S = 0.1
_TAIL_LINES = 5
_TAIL_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Serve:
    """How a local server is started.

    Args:
        command: Program and arguments; no shell reads them. ``{port}`` stands for a free port,
            ``{model}`` for the model.
        ready: Path that answers with a status from 200 to 299 once the server is ready.
        timeout_s: Longest that this may take, s.
    """

    command: Sequence[str]
    ready: str = "/v1/models"
    timeout_s: float = 600.0


def read_serve(given: Mapping[str, Any]) -> Serve:
    """Read the option ``serve`` of an engine.

    Raises:
        UsageError: A key that does not exist, or a value that cannot be.
    """
    for name in given:
        if name not in (known := [field.name for field in fields(Serve)]):
            raise unknown("engine 'openai': serve: option", name, known)
    serve = Serve(**{"command": (), **given})
    if isinstance(serve.command, str) or not serve.command:
        raise UsageError(
            "engine 'openai': serve.command must be a list of words, for example "
            "[vllm, serve, '{model}', --port, '{port}']"
        )
    if not isinstance(serve.ready, str) or not serve.ready.startswith("/"):
        raise UsageError(f"engine 'openai': serve.ready = {serve.ready!r} must be a path: /health")
    number = isinstance(serve.timeout_s, int | float) and not isinstance(serve.timeout_s, bool)
    if not number or not 0 < serve.timeout_s < 1e6:
        raise UsageError(f"engine 'openai': serve.timeout_s = {serve.timeout_s!r} must be seconds")
    return serve


def free_port() -> int:
    """Find a port of the loopback interface that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def refuse_missing_program(serve: Serve) -> None:
    """Refuse a command whose program is not on this machine.

    Raises:
        UsageError: Says which.
    """
    if shutil.which(str(serve.command[0])) is None:
        raise UsageError(
            f"engine 'openai': serve.command: the program {str(serve.command[0])!r} is not found; "
            "install it, or give its full path"
        )


class ServerProcess:
    """A running server; a keeper beside it ends it with this process.

    Args:
        words: Program and arguments, with nothing left to fill in.
        log: Where its output goes; a file that is thrown away where ``None``.
    """

    def __init__(self, words: Sequence[str], log: Path | None) -> None:
        self.words = list(words)
        self._kept = log is not None
        self.log = log or _scratch()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        # -P: a file of the user's that is named like a module must not be imported.
        self._keeper = subprocess.Popen(
            [sys.executable, "-P", "-m", "joulebench.engines.server_keeper",
             str(self.log), str(GRACE_S), *self.words],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until the server answers; it is stopped where it does not.

        Args:
            ready: Asks it.
            timeout_s: Longest wait, s.

        Raises:
            UsageError: It ended, or was not ready in time, with the end of its log.
        """
        stop_s = time.monotonic() + timeout_s
        while not ready():
            status = self._keeper.poll()
            if status is not None:
                raise self._failed(_ended(status))
            if time.monotonic() >= stop_s:
                raise self._failed(f"was not ready after {timeout_s:g} s (serve.timeout_s)")
            time.sleep(_POLL_S)

    def _failed(self, why: str) -> UsageError:
        error = UsageError(f"the server {' '.join(self.words)!r} {why}; {self.told()}")
        self.stop()
        return error

    def told(self) -> str:
        """Give the end of the log in one line, and where all of it is."""
        with self.log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()][-_TAIL_LINES:]
        where = f" (all of it: {self.log})" if self._kept else ""
        return f"its log ends: {' | '.join(lines) or 'it is empty'}{where}"

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._keeper.poll() is None

    def stop(self) -> None:
        """Stop it and all that it started, and wait for that."""
        keeper = self._keeper
        if keeper.stdin is not None:
            keeper.stdin.close()
        try:
            keeper.wait(GRACE_S + 5.0)
        except subprocess.TimeoutExpired:
            keeper.kill()  # the kernel then kills the server
            keeper.wait()
        if not self._kept:
            self.log.unlink(missing_ok=True)


def _ended(status: int) -> str:
    if status == NOT_STARTED:
        return "could not be started"
    return f"ended by itself with status {status}"


def _scratch() -> Path:
    number, name = tempfile.mkstemp(prefix="joulebench-server-", suffix=".txt")
    os.close(number)
    return Path(name)
