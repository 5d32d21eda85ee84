"""The time in which work takes place: this machine's, or a computed one."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, Protocol

from joulebench.errors import UsageError

VIRTUAL = "virtual"
"""What a study's ``protocol.clock`` and a record's fact ``clock`` call computed time."""


def is_virtual(plan: Mapping[str, Any]) -> bool:
    """Say whether the protocol of a trial's plan has it take place on computed time."""
    return bool(plan["protocol"].get("clock") == VIRTUAL)


class Clock(Protocol):
    """Time that can be read and waited for."""

    def now_s(self) -> float:
        """Give monotonic time, s."""

    def wait(self, length_s: float) -> None:
        """Let time pass, s; nothing at or below 0."""


class RealClock:
    """This machine's monotonic time."""

    def now_s(self) -> float:
        """Give monotonic time, s."""
        return time.monotonic()

    def wait(self, length_s: float) -> None:
        """Sleep, s; nothing at or below 0."""
        time.sleep(max(0.0, length_s))


class VirtualClock:
    """Time that passes only where something waits for it, and then at once.

    Args:
        now_s: Where it begins, s.
        limit_s: How long it may go on, s, as ``protocol.timeout_s`` says; for ever if ``None``.
    """

    def __init__(self, now_s: float = 0.0, limit_s: float | None = None) -> None:
        self._now_s = now_s
        self._limit_s = limit_s
        self._end_s = math.inf if limit_s is None else now_s + limit_s

    def now_s(self) -> float:
        """Give the time, s."""
        return self._now_s

    def wait(self, length_s: float) -> None:
        """Set the time forward, s; nothing at or below 0.

        Raises:
            UsageError: It goes on for longer than it may.
        """
        self._now_s += max(0.0, length_s)
        if self._now_s > self._end_s:
            self._end_s = math.inf  # what follows is the tidying
            raise UsageError(f"timed out after {self._limit_s:g} s (protocol.timeout_s)")
