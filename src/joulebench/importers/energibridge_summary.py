"""EnergiBridge's own summary of a run, held against its log."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from joulebench.energy import Trace
from joulebench.finding import Finding

NAME = "energibridge-summary.txt"

_SENTENCE = re.compile(r"joules:\s*([-+\d.eE]+)\s+for\s+([-+\d.eE]+)\s+sec")
_LONGEST = 1 << 16


def summary_joules(path: Path) -> float | None:
    """Give the joules of a summary; ``None`` if there is none or it says none."""
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST).decode(errors="replace")
    except FileNotFoundError:
        return None
    match = _SENTENCE.search(text)
    try:
        return float(match[1]) if match else None
    except ValueError:
        return None


def contradiction(joules: float, package: Trace) -> Finding | None:
    """Give the finding that a summary of a whole log contradicts the counter in that log.

    The summary adds up the differences between rows, so it may lack the first and the last of
    them; it does not undo the counter's wrap.
    """
    steps = np.diff(package.v)
    wrap_j = package.channel.wrap_j or 0.0
    wraps = int((steps < 0).sum())
    steps = np.where(steps < 0, steps + wrap_j, steps)
    whole = float(steps.sum())
    tolerance = 2.0 * float(steps.max()) + 1e-3 * whole
    if abs(joules - whole) <= tolerance:
        return None
    if wraps and abs(joules + wraps * wrap_j - whole) <= tolerance:
        return _wrapped(joules, whole, wrap_j)
    return Finding(
        "stale-summary",
        "warning",
        NAME,
        "the tool's summary contradicts its own log; the log was used",
        "do not use the summary: it may belong to another run",
        seen=f"{joules:.1f} J",
        possible=f"{whole:.1f} J",
    )


def _wrapped(joules: float, whole: float, wrap_j: float) -> Finding:
    return Finding(
        "counter-wrap",
        "warning",
        NAME,
        f"the tool's summary is off by the counter's range of {wrap_j:g} J; the log was unwrapped",
        "do not use the summary of this run, nor a table that was made from it",
        seen=f"{joules:.1f} J",
        possible=f"{whole:.1f} J",
    )
