"""How long a study still takes, from how long its trials took."""

from __future__ import annotations

from collections.abc import Iterable

from joulebench.record import Run

_LATEST = 12


def mean_trial_s(runs: Iterable[Run]) -> float | None:
    """Give the mean length of the latest trials, s; ``None`` before the first."""
    lengths = [run.facts["wall_s"] for run in runs if "wall_s" in run.facts][-_LATEST:]
    return sum(lengths) / len(lengths) if lengths else None


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
