"""How long a study still takes, from how long its trials took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from joulebench.record import Run

_LATEST = 12


def typical_trial_s(runs: Iterable[Run]) -> float | None:
    """Give the median length of the latest trials, s; ``None`` before the first.

    The first trial often reads files that later ones find in memory, which a mean would remember.
    """
    lengths = [run.facts["wall_s"] for run in runs if "wall_s" in run.facts][-_LATEST:]
    return median(lengths) if lengths else None


def cool_down_s(protocol: Mapping[str, Any]) -> float:
    """Give the wait that a protocol puts between two trials, s."""
    return float(protocol["cooldown"]["fixed_s"])


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
