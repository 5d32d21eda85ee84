"""What ``joulebench testbed serve`` is told, and every limit of the service."""

from __future__ import annotations

import os
import platform
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from joulebench.errors import UsageError

MOST_BODY = 1 << 20
"""Longest body of a request unless told otherwise, bytes."""

MOST_HEADERS = 16 << 10
"""Longest head of a request, bytes."""

MOST_CONNECTIONS = 128
"""Connections at a time; further ones are closed at once."""

MOST_REQUESTS = 64
"""Requests under way at a time, waiting ones and event streams included; further ones get 503."""

HEAD_S = 10.0
"""Longest time in which the head of a request may come, s."""

BODY_S = 30.0
"""Longest time in which the body of a request may come, s."""

DEAD_S = 20.0
"""A connection whose other end has answered nothing for so long is given up, s."""

IDLE_S = 60.0
"""A connection without a request is closed after so long, s."""

STOP_S = 5.0
"""How long answers under way may take when the service is stopped, s."""

LONGEST_POLL_S = 60.0
"""Longest ``wait_s`` of a request, s."""

HEARTBEAT_S = 10.0
"""Between two comments on an event stream where nothing happens, s."""

RETRY_S = 5.0
"""After so long, s, one may ask again where the queue is full."""

MOST_PLANS = 1000
"""Plans in one check."""

MOST_LOG = 64 << 20
"""Longest log of a trial that is kept, bytes; the middle of a longer one is left out."""

LEAST_FREE = 64 << 20
"""No trial is begun with less room than so on the disk of the state, bytes."""

SHORTEST_TOKEN = 16
"""Characters."""


@dataclass(frozen=True)
class ServiceSettings:
    """How a testbed serves.

    Args:
        state: Folder of everything that it remembers.
        name: What records call it.
        token: That requests must carry; empty for none.
        loopback: Whether it listens on this machine's own address alone.
        allow_command: Whether the workload ``command`` is run, which is anything at all.
        data: Folders in which items, prompts and traces may be named by path.
        models: Folders in which models may be named by path.
        meters: Kinds of meters that may be given hosts, programs and environment variables.
        callbacks: ``HOST`` or ``HOST:PORT`` that callbacks may go to.
        most_body: Longest body of a request, bytes.
        keep_days: Ended trials are forgotten after so many days; never if 0.
    """

    state: Path
    name: str = ""
    token: str = ""
    loopback: bool = True
    allow_command: bool = False
    data: tuple[Path, ...] = ()
    models: tuple[Path, ...] = ()
    meters: tuple[str, ...] = ()
    callbacks: tuple[str, ...] = ()
    most_body: int = MOST_BODY
    keep_days: float = 0.0

    @property
    def open(self) -> bool:
        """Whether requests need no token."""
        return not self.token

    @property
    def called(self) -> str:
        """What records call it: its name, or this machine's."""
        return self.name or platform.node() or "testbed"


def read_token(file: Path) -> str:
    """Read a token from a file that nobody else may read.

    Raises:
        UsageError: No such file, one that others may read, or no token in it.
    """
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"--token-file {file}: {why}; {_make_one(file)}") from error
    if stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"--token-file {file} can be read by others; type: chmod 600 {file}")
    if not re.fullmatch(rf"[!-~]{{{SHORTEST_TOKEN},}}", text):
        raise UsageError(
            f"--token-file {file}: a token has at least {SHORTEST_TOKEN} characters and no spaces; "
            f"{_make_one(file)}"
        )
    return text


def _make_one(file: Path) -> str:
    return f"make one with: (umask 077; openssl rand -hex 32 > {file})"


def folders(option: str, given: list[Path] | None) -> tuple[Path, ...]:
    """Give folders with their links resolved.

    Raises:
        UsageError: One that is no folder.
    """
    for path in given or ():
        if not path.expanduser().is_dir():
            raise UsageError(f"{option} {path}: there is no such folder; make it, or leave it out")
    return tuple(path.expanduser().resolve() for path in given or ())


def default_state() -> Path:
    """Give the folder of the state where none is named."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "joulebench" / "testbed"
