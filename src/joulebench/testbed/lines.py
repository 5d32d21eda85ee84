"""JSON lines on pipes, between the study, the fork server and the trial."""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any

from joulebench.errors import UsageError
from joulebench.testbed.disk import full_message

Message = dict[str, Any]


def send(fd: int, message: Message) -> None:
    """Write one message whole; it starts on a line of its own even after a writer that was killed.

    Raises:
        BrokenPipeError: Nobody reads.
    """
    line = b"\n" + json.dumps(message, allow_nan=False).encode() + b"\n"
    while line:
        line = line[os.write(fd, line) :]


class LineReader:
    """Reads messages from a pipe.

    Args:
        fd: Where to read.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._rest = b""
        self._lines: list[bytes] = []

    def read(self, timeout_s: float | None = None) -> Message | None:
        """Give the next message; ``None`` when time is up.

        Raises:
            EOFError: The other side has closed the pipe.
        """
        stop_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            while self._lines:
                message = _parsed(self._lines.pop(0))
                if message is not None:
                    return message
            left_s = None if stop_s is None else max(0.0, stop_s - time.monotonic())
            if not select.select([self.fd], [], [], left_s)[0]:
                return None
            self._fill()

    def _fill(self) -> None:
        piece = os.read(self.fd, 1 << 16)
        if not piece:
            raise EOFError
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self._lines += lines


def _parsed(line: bytes) -> Message | None:
    """Give the message of a line; ``None`` for an empty or an unfinished one."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def one_line(error: BaseException) -> str:
    """Give an error as one line: its type, unless it is the user's to mend, and its message."""
    full = full_message(error)
    if full:
        return full
    message = " ".join(str(error).split())
    if isinstance(error, UsageError):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
