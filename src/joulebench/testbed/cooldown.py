"""The wait between two trials, so that one does not warm the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def cool_down(protocol: Mapping[str, Any], wait: Callable[[float], None]) -> float:
    """Wait as long as a protocol says.

    Args:
        protocol: Of the study.
        wait: Waits so many seconds; may be interrupted.

    Returns:
        How long it waited, s.
    """
    fixed_s = float(protocol["cooldown"]["fixed_s"])
    if fixed_s > 0:
        wait(fixed_s)
    return fixed_s
