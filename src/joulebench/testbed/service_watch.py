"""Tells those who watch a trial, from the threads that run it to the loop that serves them."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_MOST_EVENTS = 500
_BOOT = secrets.token_hex(4)
"""Numbers of events begin anew with each start of the service; this tells them apart."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a trial.

    Args:
        number: From 1, one after another.
        kind: ``state``, ``phase`` or ``watts``.
        data: JSON-ready.
    """

    number: int
    kind: str
    data: dict[str, Any]

    @property
    def id(self) -> str:
        """Name for ``Last-Event-ID``."""
        return f"{_BOOT}-{self.number}"


class Watch:
    """The last events of one trial, and who waits for the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=_MOST_EVENTS)
        self._number = 0
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def number(self) -> int:
        """Number of the last event."""
        return self._number

    def tell(self, kind: str, data: dict[str, Any]) -> None:
        """Note an event and wake who waits; from any thread."""
        with self._lock:
            self._number += 1
            self._events.append(Event(self._number, kind, data))
        self.wake()

    def wake(self) -> None:
        """Wake who waits, without an event."""
        with self._lock:
            waiting = list(self._waiting)
        for loop, event in waiting:
            with suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(event.set)

    def since(self, number: int) -> list[Event]:
        """Give the events after one."""
        with self._lock:
            return [event for event in self._events if event.number > number]

    def number_of(self, event_id: str) -> int | None:
        """Give the number of an event by its id; ``None`` if it is not of this life."""
        boot, _, number = event_id.partition("-")
        if boot != _BOOT or not number.isascii() or not number.isdigit() or len(number) > 12:
            return None
        return int(number)

    async def changed(self, number: int, timeout_s: float) -> bool:
        """Wait until there is an event after one, or somebody wakes; ``False`` if time was up."""
        key = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            if self._number > number:
                return True
            self._waiting.add(key)
        try:
            await asyncio.wait_for(key[1].wait(), timeout_s)
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._waiting.discard(key)
        return True
