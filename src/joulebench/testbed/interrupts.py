"""Ctrl-C that never falls between two steps that belong together."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Holds Ctrl-C and SIGTERM back except where waiting may be interrupted.

    The first one raises KeyboardInterrupt inside :meth:`allowed`, at once or when it is next
    entered; after it every further one raises where it falls, so that a second Ctrl-C ends the wait
    for a clean stop. Outside the main thread, where signals do not arrive, it does nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._allowed = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let an interruption through.

        Raises:
            KeyboardInterrupt: The user asked for a stop, now or earlier.
        """
        self._allowed = True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._allowed = False

    def _on(self, _number: int, _frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if self._allowed or again:
            self._allowed = False
            raise KeyboardInterrupt
