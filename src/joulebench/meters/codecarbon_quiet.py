"""CodeCarbon without its words on the user's terminal."""

from __future__ import annotations

import io
import logging
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

from joulebench.errors import Unavailable

_OUR_OWN = "Multiple instances of codecarbon"
"""Begins a warning of what is asked for here: a tracker must not lock out another one."""


class Warnings(logging.Filter):
    """Keeps what CodeCarbon warns of and lets none of its log out, until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self._logger = logging.getLogger("codecarbon")
        self._before = self._logger.level, list(self._logger.handlers)
        self._logger.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep a warning's message, once; give whether it may go on to the terminal: never."""
        if record.levelno >= logging.WARNING:
            self.keep(record.getMessage())
            if record.exc_info and record.exc_info[1] is not None:
                self.keep(f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}")
        return False

    def keep(self, message: str) -> None:
        """Keep a message, in one line, once."""
        message = " ".join(message.split())
        if message not in self.messages and not message.startswith(_OUR_OWN):
            self.messages.append(message)

    def release(self) -> None:
        """Give the log back as it was found."""
        self._logger.removeFilter(self)
        level, handlers = self._before
        self._logger.setLevel(level)
        self._logger.handlers = handlers


def import_codecarbon() -> Any:
    """Import CodeCarbon with all that it loads, and give the package.

    Libraries of GPU vendors that it tries print what they lack; that is kept off standard output.

    Raises:
        Unavailable: It is not installed.
    """
    try:
        with redirect_stdout(io.StringIO()):
            import_module("codecarbon.core.resource_tracker")
            return import_module("codecarbon")
    except ImportError as error:
        raise Unavailable(
            f"CodeCarbon is not installed ({error}).", "pip install 'joulebench[carbon]'"
        ) from error
