"""From stamps of the wall clock to monotonic time, through steps of the wall clock.

On Linux both clocks run at one rate, so that their difference changes only when the wall clock is
set. It is taken again at every look; a change of more than :data:`STEP_NS` is a step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

STEP_NS = 1_000_000
"""Differences that change by less, ns, are the noise of reading two clocks: stamps are in ms."""

_TRIES = 5
_TIGHT_NS = 20_000

Clock = Callable[[], int]


@dataclass
class _Stretch:
    """A time in which the wall clock was not set: wall = monotonic + offset.

    Where it begins and ends is known only between two looks, so neighbours overlap.
    """

    offset_ns: int
    from_ns: float
    to_ns: float = math.inf


class WallClock:
    """Follows the difference of the two clocks.

    Args:
        wall_ns: Gives the time since 1970, ns.
        monotonic_ns: Gives monotonic time, ns.
    """

    def __init__(
        self, wall_ns: Clock = time.time_ns, monotonic_ns: Clock = time.monotonic_ns
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._stretches = [_Stretch(self._offset_ns()[0], -math.inf)]
        self._looked_ns = monotonic_ns()

    def look(self) -> None:
        """Take the difference again; stamps that were read before this call can then be placed."""
        offset_ns, doubt_ns = self._offset_ns()
        now_ns = self._monotonic_ns()
        current = self._stretches[-1]
        if abs(offset_ns - current.offset_ns) > STEP_NS + doubt_ns:
            current.to_ns = now_ns
            self._stretches.append(_Stretch(offset_ns, self._looked_ns))
        self._looked_ns = now_ns

    def monotonic_s(self, stamp_ms: int, after_s: float) -> float | None:
        """Give the monotonic time of a stamp, s; ``None`` where a step leaves it in doubt.

        Args:
            stamp_ms: Milliseconds since 1970, of a moment before the last look.
            after_s: Monotonic time that it lies after, s.
        """
        fitting = []
        for stretch in self._stretches:
            at_ns = stamp_ms * 1_000_000 - stretch.offset_ns
            until_ns = min(stretch.to_ns, self._looked_ns)
            if stretch.from_ns <= at_ns <= until_ns and at_ns * 1e-9 > after_s:
                fitting.append(at_ns)
        return fitting[0] * 1e-9 if len(fitting) == 1 else None

    def steps(self) -> list[dict[str, Any]]:
        """Give when the wall clock was set and by how much, JSON values."""
        pairs = zip(self._stretches, self._stretches[1:], strict=False)
        return [
            {
                "before_t_s": round(before.to_ns * 1e-9, 3),
                "by_s": round((after.offset_ns - before.offset_ns) * 1e-9, 6),
            }
            for before, after in pairs
        ]

    def _offset_ns(self) -> tuple[int, int]:
        """Give wall less monotonic time, and how far it may be off, ns: the tightest of a few."""
        best = (0, 1 << 62)
        for _ in range(_TRIES):
            before_ns = self._monotonic_ns()
            wall_ns = self._wall_ns()
            after_ns = self._monotonic_ns()
            doubt_ns = (after_ns - before_ns + 1) // 2
            if doubt_ns < best[1]:
                best = (wall_ns - (before_ns + after_ns) // 2, doubt_ns)
            if doubt_ns < _TIGHT_NS:
                break
        return best
