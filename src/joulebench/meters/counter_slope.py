"""What power an energy counter counts, found out by watching it for a moment.

Some counters stand still, count another unit than they say, or cover more than the device that
they are asked of; the power that stands beside them tells.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

AGREES = 1.3
"""Ratio up to which a counter's slope and a power are the same: sensors of one board are closer."""

_POLL_S = 0.01

Reading = Callable[[], float]


@dataclass
class Watched:
    """A counter, and the powers that it may be the integral of.

    Args:
        counter: Gives joules; nan where it gave none.
        beside: Give watts each.
    """

    counter: Reading
    beside: Sequence[Reading]
    _steps: list[tuple[float, float]] = field(default_factory=list)
    _last_j: float = math.nan
    _watts: list[list[float]] = field(default_factory=list)

    def look(self, now_s: float) -> None:
        """Read everything once; a step of the counter is remembered."""
        joules = self.counter()
        if joules != self._last_j and not math.isnan(self._last_j):
            self._steps = [*self._steps[:1], (now_s, joules)]
        self._last_j = joules
        if self._steps:
            self._watts.append([power() for power in self.beside])

    @property
    def watched_s(self) -> float:
        """Time between the first and the last step, s."""
        return self._steps[-1][0] - self._steps[0][0] if len(self._steps) > 1 else 0.0

    @property
    def counter_w(self) -> float | None:
        """Mean power from the first step to the last, W; ``None`` where it did not step twice."""
        if not self.watched_s:
            return None
        return (self._steps[-1][1] - self._steps[0][1]) / self.watched_s

    @property
    def beside_w(self) -> list[float]:
        """Mean of each power beside it, W; nan where it gave nothing."""
        columns = [[w for w in column if w > 0] for column in zip(*self._watts, strict=True)]
        return [sum(column) / len(column) if column else math.nan for column in columns]

    def nearest(self) -> int | None:
        """Give the place of the power that the counter counts; ``None`` where none agrees."""
        counted = self.counter_w
        if counted is None or counted <= 0:
            return None
        off = [
            (abs(math.log(counted / watts)), place)
            for place, watts in enumerate(self.beside_w)
            if not math.isnan(watts)
        ]
        nearest, place = min(off, default=(math.inf, 0))
        return place if nearest <= math.log(AGREES) else None


def watch(
    watched: Sequence[Watched],
    at_least_s: float = 0.4,
    at_most_s: float = 1.5,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Watch counters together until each was seen long enough.

    Args:
        watched: Counters, and what stands beside them.
        at_least_s: Time between steps that is enough, s.
        at_most_s: Time after which those that have not stepped are given up, s.
        clock: Monotonic clock, s.
        sleep: Waits so many seconds.
    """
    start_s = clock()
    while watched and clock() - start_s < at_most_s:
        for one in watched:
            one.look(clock())
        if all(one.watched_s >= at_least_s for one in watched):
            return
        sleep(_POLL_S)
