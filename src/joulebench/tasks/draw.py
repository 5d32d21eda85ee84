"""Which of the items there are a task takes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from joulebench.errors import UsageError

Item = TypeVar("Item")


def drawn(found: Sequence[Item], items: int | None, seed: int | None, where: str) -> list[Item]:
    """Take so many items, the first ones or those that a seed draws without replacement.

    Args:
        found: All items there are, in order.
        items: How many; all of them if not given.
        seed: Draws them in an order of its own, the same on every machine; ``None`` for the first.
        where: Where they come from, for the message.

    Raises:
        UsageError: Fewer items than asked for, or a number or seed that makes no sense.
    """
    wanted = _wanted(items, len(found), where)
    order = list(found)
    if seed is not None:
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise UsageError(f"tasks: seed = {seed!r} must be a whole number from 0")
        random.Random(seed).shuffle(order)  # noqa: S311 (no secret)
    return order[:wanted]


def _wanted(items: int | None, available: int, where: str) -> int:
    if items is None:
        return available
    if isinstance(items, bool) or not isinstance(items, int) or items < 1:
        raise UsageError(f"tasks: items = {items!r} must be a whole number from 1")
    if items > available:
        raise UsageError(
            f"{where} has {available} items but {items} are asked for; set items: {available} or "
            "give a place that has more"
        )
    return items
