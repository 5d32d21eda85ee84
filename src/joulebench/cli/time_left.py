"""How long a study still takes, from how long its trials took."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from joulebench.record_entry import Entry

LATEST = 12
"""So many of the latest trials tell how long one takes."""


def typical_trial_s(lengths: Iterable[float | None]) -> float | None:
    """Give the median length of the latest trials, s; ``None`` before the first.

    The first trial often reads files that later ones find in memory, which a mean would remember.

    Args:
        lengths: Of trials, s, in the order in which they ended; ``None`` where it is unknown.
    """
    known = [length_s for length_s in lengths if length_s is not None][-LATEST:]
    return median(known) if known else None


def latest_lengths(entries: Sequence[Entry]) -> list[float]:
    """Give the lengths of the latest runs, s, in their order.

    Args:
        entries: What the index knows of each run.
    """
    known = (length_s for entry in reversed(entries) if (length_s := entry.wall_s) is not None)
    return list(itertools.islice(known, LATEST))[::-1]


def cool_down_s(protocol: Mapping[str, Any]) -> float:
    """Give the least wait that a protocol puts between two trials, s; none on computed time."""
    if protocol.get("clock") == "virtual":
        return 0.0
    cooldown = protocol["cooldown"]
    return float(cooldown["fixed_s"]) + float((cooldown.get("adaptive") or {}).get("min_s", 0.0))


def left_s(trials: int, trial_s: float, wait_s: float, testbeds: int) -> float:
    """Give how long trials take, s.

    Args:
        trials: How many are left.
        trial_s: Length of one, s.
        wait_s: Between two on one testbed, s.
        testbeds: How many share them.
    """
    rounds = math.ceil(trials / max(1, testbeds))
    return max(0.0, rounds * (trial_s + wait_s) - wait_s)


def in_words(length_s: float) -> str:
    """Print a length of time: ``40 s``, ``3 min 20 s``, ``2 h 5 min``."""
    seconds = round(length_s)
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
