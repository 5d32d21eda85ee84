"""Which levels are compared with which."""

from __future__ import annotations

from typing import Literal

from joulebench.stats.refused import Refused

Pairs = Literal["all", "consecutive"]


def pairs_of(count: int, pairs: str) -> list[tuple[int, int]]:
    """Give the places of the levels to compare, the earlier one first.

    Args:
        count: Number of levels.
        pairs: "all", or "consecutive": each with the next.

    Raises:
        Refused: No such choice.
    """
    if pairs == "consecutive":
        return [(i, i + 1) for i in range(count - 1)]
    if pairs == "all":
        return [(i, j) for i in range(count) for j in range(i + 1, count)]
    raise Refused(f"no choice of pairs is called {pairs!r}: choose 'all' or 'consecutive'")
