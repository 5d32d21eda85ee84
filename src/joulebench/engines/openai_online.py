"""Answers that are waited for while others are asked for."""

from __future__ import annotations

import math
import queue
from concurrent.futures import Future
from contextlib import suppress

from joulebench.work import Response


class UnderWay:
    """Requests under way, each a future; its methods are for one thread."""

    def __init__(self) -> None:
        self._count = 0
        self._done: queue.SimpleQueue[Future[Response]] = queue.SimpleQueue()

    def add(self, future: Future[Response]) -> None:
        """Take one more."""
        self._count += 1
        future.add_done_callback(self._done.put)

    def collect(self, timeout_s: float) -> tuple[list[Response], BaseException | None]:
        """Give the answers that are there, waiting for the first one at most so long, s.

        Where a request failed, all others are waited for: nothing that was answered is lost.

        Returns:
            The answers, and what the first request that failed failed with.
        """
        ends = self._take(timeout_s)
        failed = next((error for end in ends if (error := end.exception()) is not None), None)
        while failed is not None and self._count:
            ends += self._take(math.inf)
        return [end.result() for end in ends if end.exception() is None], failed

    def _take(self, timeout_s: float) -> list[Future[Response]]:
        ends: list[Future[Response]] = []
        with suppress(queue.Empty):
            if self._count:
                ends.append(self._done.get(timeout=timeout_s if timeout_s < math.inf else None))
            while len(ends) < self._count:
                ends.append(self._done.get_nowait())
        self._count -= len(ends)
        return ends
