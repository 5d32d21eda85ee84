"""Asks a slow source at a pace of its own, in a thread, so that no other meter waits for it.

A service processor, a power strip or a database takes from milliseconds to seconds to answer, while
the recorder takes what is there many times a second. What came is kept here until it is taken.
"""

from __future__ import annotations

import gc
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from joulebench.errors import SensorLost

Row = tuple[float, Sequence[float]]
"""A monotonic stamp, s, and one value a channel, in its unit; nan where there is none."""

_KEPT_ROWS = 100_000
_COLLECT_EVERY = 256


class NoAnswer(Exception):
    """A source gave no answer this time, or none with a reading in it; one sentence says why."""


class Poller:
    """Asks a source at absolute deadlines in a thread of its own, until closed.

    Args:
        ask: Gives the rows that are new. Any exception is an answer that did not come; it must
            return in bounded time.
        name: What is asked, for messages: ``"the service processor bmc7"``.
        period_s: Time between two requests, s.
        lost_after_s: How long the source may give no reading before it counts as lost, s.
        absent: Values of the row that stands for a request without answer; without it there is no
            such row.
        first: Rows that were read while the source was opened.
    """

    def __init__(
        self,
        ask: Callable[[], Iterable[Row]],
        name: str,
        *,
        period_s: float,
        lost_after_s: float,
        absent: Sequence[float] = (),
        first: Iterable[Row] = (),
    ) -> None:
        self._ask = ask
        self._name = name
        self._period_s = period_s
        self._lost_after_s = lost_after_s
        self._absent = absent
        self._rows: deque[Row] = deque(first, maxlen=_KEPT_ROWS)
        self._requests = self._failed = 0
        self._first_error = self._why = self._lost = ""
        self._news_s = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="joulebench-poll", daemon=True)
        self._thread.start()

    def rows(self) -> list[Row]:
        """Give what came since the last call, without waiting.

        Raises:
            SensorLost: The source has given no reading for too long, and all it gave was taken.
        """
        rows = [self._rows.popleft() for _ in range(len(self._rows))]
        if not rows and self._lost:
            raise SensorLost(self._lost)
        return rows

    def close(self, patience_s: float) -> bool:
        """Ask no more; say whether the request under way ended in time.

        Args:
            patience_s: How long to wait for a request that is under way, s.
        """
        self._stopped.set()
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    @property
    def answering(self) -> bool:
        """Whether the last request was answered."""
        return not (self._why or self._lost)

    def facts(self) -> dict[str, Any]:
        """Give how many requests were made, how many failed and why."""
        facts: dict[str, Any] = {"requests": self._requests, "failed": self._failed}
        if self._failed:
            facts["first_error"] = self._first_error
        return facts

    def _run(self) -> None:
        _step_back()
        start_s, turn = time.monotonic(), 0
        while not self._lost:
            self._poll()
            passed = (time.monotonic() - start_s) / self._period_s
            turn = max(turn + 1, math.ceil(passed))  # a deadline that was missed is skipped
            if self._stopped.wait(start_s + turn * self._period_s - time.monotonic()):
                return

    def _poll(self) -> None:
        begin_s = time.monotonic()
        rows: list[Row] = []
        try:
            rows = list(self._ask())
            self._why = ""
        except Exception as error:  # whatever broke: the next request may succeed
            self._note(error)
            if self._absent:
                rows = [(0.5 * (begin_s + time.monotonic()), self._absent)]
        self._rows.extend(rows)
        self._judge(rows)
        self._requests += 1
        if self._requests % _COLLECT_EVERY == 0 and not gc.isenabled():
            gc.collect()  # the recorder switches it off; what requests leave behind would grow

    def _note(self, error: Exception) -> None:
        self._failed += 1
        self._why = str(error) or type(error).__name__
        self._first_error = self._first_error or self._why

    def _judge(self, rows: Iterable[Row]) -> None:
        now_s = time.monotonic()
        if any(math.isfinite(value) for _, values in rows for value in values):
            self._news_s = now_s
        elif now_s - self._news_s >= self._lost_after_s:
            why = self._why or "it answers, but with no new reading"
            self._lost = (
                f"{self._name} gave no reading for {now_s - self._news_s:.0f} s: {why}; "
                "mend that and measure again"
            )


def _step_back() -> None:
    """Give this thread ordinary priority: the recorder's own may be higher, and goes first."""
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 0)
