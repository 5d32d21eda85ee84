"""From judgements to a grade: whatever is not clearly said is missing, never wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Judged:
    """What a judge said of one answer.

    Args:
        judgements: All of them, as they are recorded.
        verdicts: By (vote, swapped); ``None`` where no attempt could be read.
    """

    judgements: list[dict[str, Any]] = field(default_factory=list)
    verdicts: dict[tuple[int, bool], str | None] = field(default_factory=dict)

    def sides(self, votes: int) -> tuple[bool | None, bool | None]:
        """Give what was found with the labels as they are, and the other way round."""
        first, second = (
            majority([self.verdicts.get((vote, swapped)) for vote in range(votes)])
            for swapped in (False, True)
        )
        return first, second

    def grade(self, votes: int, *, order_swap: bool) -> bool | None:
        """Give the grade; ``None`` without a majority, or where both orders do not agree."""
        plain, swapped = self.sides(votes)
        if not order_swap:
            return plain
        return plain if plain == swapped else None


def majority(verdicts: Sequence[str | None]) -> bool | None:
    """Give what more than half of all votes say; those that say nothing count among all."""
    half = len(verdicts) / 2
    if verdicts.count("correct") > half:
        return True
    return False if verdicts.count("incorrect") > half else None


def swap_consistency(found: Sequence[Judged], votes: int) -> dict[str, Any]:
    """Give how often both orders of labels and verdicts lead to one grade."""
    sides = [each.sides(votes) for each in found]
    both = [(a, b) for a, b in sides if a is not None and b is not None]
    flipped = sum(a != b for a, b in both)
    rate = {"consistent": 1 - flipped / len(both)} if both else {}
    return {"n": len(both), "flipped": flipped, **rate}
