"""Times of a log of nvidia-smi, which are local ones of a zone that it does not name.

Clocks are set now and then, and twice a year by an hour. What cannot be put right is refused with
the line, since an hour too much or too little would be an hour of power.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.importers.nvidia_smi_damage import line_of_row
from joulebench.importers.nvidia_smi_form import TIME, Form
from joulebench.importers.stamp_findings import repeated_stamps, stepped_back
from joulebench.integral import GAP_CADENCES, cadence_s

FloatArray = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

LARGEST_STEP_S = 1.0
"""Rows up to so much earlier than one before them are left out: a clock that was put right."""

_HOUR_S = 3600.0
_NEAR_S = 5.0
_NIGHT_H = 4
"""Clocks are set by an hour before four in the morning."""


def kept_rows(form: Form, t_s: FloatArray, rows: Places, findings: list[Finding]) -> Places:
    """Choose a board's rows whose stamps are later than all before them, and say what was left out.

    Args:
        form: The log.
        t_s: Stamps of all rows, s; shape (n,).
        rows: Places of the board's rows, in the order of the file; shape (m,).
        findings: What was left out is added here.

    Raises:
        UsageError: The stamps go back by more than a second, or forward by the hour of summer time;
            names the line.
    """
    stamps = t_s[rows]
    latest = np.maximum.accumulate(stamps)
    before = np.concatenate(([-np.inf], latest[:-1]))
    _refuse_back(form, rows, stamps, before)
    keep = stamps > before
    repeats, back = int((stamps == before).sum()), int((stamps < before).sum())
    if repeats:
        findings.append(
            repeated_stamps(TIME, repeats, "log less often than the stamps have digits for")
        )
    if back:
        findings.append(stepped_back(TIME, back))
    kept = rows[keep]
    _refuse_summer_time(form, t_s, kept)
    return kept


def _refuse_back(form: Form, rows: Places, stamps: FloatArray, before: FloatArray) -> None:
    far = np.flatnonzero(stamps < before - LARGEST_STEP_S)
    if not far.size:
        return
    by_s = float(before[far[0]] - stamps[far[0]])
    line = line_of_row(form, int(rows[far[0]]))
    why = (
        "summer time ended" if abs(by_s - _HOUR_S) < _NEAR_S else "the clock was set or logs mixed"
    )
    raise UsageError(
        f"{form.path} line {line}: time goes back by {by_s:.3f} s ({why}); cut the log in two "
        f"before this line and import both: head -n {line - 1}, tail -n +{line}"
    )


def _refuse_summer_time(form: Form, t_s: FloatArray, kept: Places) -> None:
    """Refuse a jump from the end of one hour of the night to the beginning of the next but one."""
    if kept.size < 3:
        return
    steps = np.diff(t_s[kept])
    slack_s = _NEAR_S + GAP_CADENCES * cadence_s(t_s[kept])
    for place in np.flatnonzero(np.abs(steps - _HOUR_S) < slack_s):
        before_s = float(t_s[kept[place]])
        to_hour_s = -before_s % _HOUR_S
        if to_hour_s < slack_s and before_s % 86_400 < _NIGHT_H * _HOUR_S:
            line = line_of_row(form, int(kept[place + 1]))
            raise UsageError(
                f"{form.path} line {line}: time jumps by {steps[place]:.3f} s, as where summer "
                f"time begins; cut the log in two before this line: head -n {line - 1}, "
                f"tail -n +{line}"
            )


def stretches(
    t_s: FloatArray, kept: dict[int, Places], restarts: list[int]
) -> list[tuple[float, float]]:
    """Give the stretches in which all boards were logged, s.

    The log is parted where nvidia-smi was started again (its header is there again) and the hole is
    longer than the cadence explains: nobody knows what ran in the meantime.

    Args:
        t_s: Stamps of all rows, s; shape (n,).
        kept: By board, the places of its rows.
        restarts: Rows before which the header stands again.
    """
    edges = [0, *restarts, t_s.size]
    found: list[tuple[float, float]] = []
    for first, stop in pairwise(edges):
        inside = [rows[(rows >= first) & (rows < stop)] for rows in kept.values()]
        if any(rows.size < 2 for rows in inside):
            continue
        start_s = max(float(t_s[rows[0]]) for rows in inside)
        stop_s = min(float(t_s[rows[-1]]) for rows in inside)
        hole_s = GAP_CADENCES * max(cadence_s(t_s[rows]) for rows in inside)
        if found and start_s - found[-1][1] <= hole_s:
            found[-1] = (found[-1][0], stop_s)
        elif stop_s > start_s:
            found.append((start_s, stop_s))
    return found
