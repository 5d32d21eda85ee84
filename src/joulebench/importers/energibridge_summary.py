"""EnergiBridge's own summary of a run, held against its log."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from joulebench.finding import Finding
from joulebench.importers.plain_file import open_plain

if TYPE_CHECKING:
    from joulebench.energy import Trace

NAME = "energibridge-summary.txt"

_SENTENCE = re.compile(r"joules:\s*([-+\d.eE]+)\s+for\s+([-+\d.eE]+)\s+sec")
_LONGEST = 1 << 16


def summary_joules(path: Path) -> float | None:
    """Give the joules of a summary; ``None`` if there is none or it says none.

    Raises:
        UsageError: It is no file or cannot be read.
    """
    if not os.path.lexists(path):
        return None
    with open_plain(path) as file:
        text = file.read(_LONGEST).decode(errors="replace")
    match = _SENTENCE.search(text)
    try:
        joules = float(match[1]) if match else math.nan
    except ValueError:
        return None
    return joules if math.isfinite(joules) else None


def contradiction(joules: float, package: Trace) -> Finding | None:
    """Give the finding that a summary of a whole log contradicts the counter in that log.

    The summary adds up the differences between rows, so it may lack the first and the last of
    them; it does not undo the counter's wrap.
    """
    import numpy as np

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
