"""A process that follows a plan of switches: it works while the plan says so, and waits otherwise.

Run as ``python -m joulebench.characterize.follow PROCESSOR`` it spins on one logical processor. The
plan comes on standard input, one JSON line of ``[time, level]`` pairs in monotonic seconds; when
the plan is done, one JSON line says when each level was really begun. It ends when its input does.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

_LOOK_S = 0.2
"""A wait looks this often whether anybody still wants it, s."""

Work = Callable[[float], None]
"""Works until a monotonic time, s, and has finished all of it when it returns."""


def follow(
    plan: Sequence[tuple[float, float]], work: Work, look: Callable[[], None]
) -> list[tuple[float, float]]:
    """Work at each level that is not 0 until the next; gives when each was begun.

    Args:
        plan: Times, s, and levels.
        work: What is done at a level.
        look: Is called now and then during waits.
    """
    begun = []
    for place, (at_s, level) in enumerate(plan):
        _wait(at_s, look)
        begun.append((time.monotonic(), level))
        if level and place + 1 < len(plan):
            work(plan[place + 1][0])
    return begun


def spin(until_s: float) -> None:
    """Keep one processor busy until a time, s."""
    value = 1.000001
    while time.monotonic() < until_s:
        for _ in range(50):
            value = value * 1.000001 % 2.0


def answer(work: Work) -> None:
    """Say that the work is ready, then follow each plan that comes in."""
    _say({"ready": True})
    for line in sys.stdin:
        _say({"begun": follow(json.loads(line), work, _end_with_parent)})


def _wait(at_s: float, look: Callable[[], None]) -> None:
    """Sleep until shortly before a time, s, and look at the clock for the rest."""
    while (left_s := at_s - time.monotonic()) > 0:
        if left_s > 2e-3:
            time.sleep(min(left_s - 1e-3, _LOOK_S))
            look()


def _end_with_parent() -> None:
    """End with the input, also in the middle of a plan."""
    ready, _, _ = select.select((0,), (), (), 0)
    if ready and not os.read(0, 1):
        sys.exit(0)


def _say(content: object) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str]) -> int:
    """Spin on the processor that is named, as planned."""
    with suppress(OSError, AttributeError, ValueError):
        os.sched_setaffinity(0, {int(argv[0])})
    answer(spin)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
