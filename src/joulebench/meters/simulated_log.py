"""Stamps of a log whose wall clock is set while it is written."""

from __future__ import annotations

from collections.abc import Callable

from joulebench.meters.simulated_sensor import Faults
from joulebench.meters.wall_clock import WallClock

STAMP_STEP_S = 1e-3
"""Stamps are whole milliseconds since 1970."""

_SINCE_1970_NS = 1_700_000_000_000_000_000


class JumpingLog:
    """Stamps rows with a wall clock that jumps once, and finds monotonic time again.

    Args:
        clock: Gives monotonic time, s.
        begin_s: When the log began, monotonic s.
        faults: By how much and when the wall clock is set.
    """

    def __init__(self, clock: Callable[[], float], begin_s: float, faults: Faults) -> None:
        self._clock = clock
        self._jump_s = begin_s + faults.clock_jump_at_s
        self._by_ns = round(faults.clock_jump_s * 1e9)
        self._latest_s = begin_s - 1.0
        self._times = WallClock(self._wall_ns, self._monotonic_ns)

    def stamp_s(self) -> float | None:
        """Give the monotonic time of a row written now, from its stamp; ``None`` if in doubt."""
        stamp_ms = self._wall_ns() // 1_000_000
        self._times.look()
        stamp_s = self._times.monotonic_s(stamp_ms, self._latest_s)
        if stamp_s is not None:
            self._latest_s = stamp_s
        return stamp_s

    def _monotonic_ns(self) -> int:
        return round(self._clock() * 1e9)

    def _wall_ns(self) -> int:
        now_ns = self._monotonic_ns() + _SINCE_1970_NS
        return now_ns + (self._by_ns if self._clock() >= self._jump_s else 0)
