"""Stretches of a power trace in which nothing is known: stalls of the sensor, and what holes cost.

A reading that scatters from update to update does not repeat to the last digit many times in a
row; one that does has stalled, and nothing is known of the power in between. A sensor whose
readings often repeat, because its steps are coarse or its load is steady to the digit, is believed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from joulebench.integral import GAP_CADENCES, UNIFORM, FloatArray, blocks

UNLIKELY = 1e-6
"""Probability below which a run of equal readings is a stall."""

_PLACES, _FEWEST_PLACES = 512, 16
"""At how many places a hole is tried, at most, and of how many places it can be judged at all."""

_FEWEST_HOLES = 5.0
"""A trace that is shorter than so many of its holes cannot tell what one costs."""

_SMALL_SWING, _SMALL_LEVEL = 0.02, 0.01
_IN_A_ROW, _FEWEST_STEADY = 5, 12

_STEADY = 0.5
"""Share of repeated readings above which repeats say nothing."""


def stalls(values: FloatArray, repeats: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Say which runs of equal readings are stalls.

    A reading repeats the one before with the probability p, so that a run repeats at all with p;
    judged by that from all other runs, n repeats in a row have the probability p^n, times the
    number of runs that it may happen in. However long other stalls are, they count once.

    Args:
        values: The reading of each run, W; shape (n,).
        repeats: How often each run repeats its reading, 0 or more; shape (n,).
    """
    none: npt.NDArray[np.bool_] = np.zeros(repeats.size, dtype=bool)
    suspects = repeats > GAP_CADENCES
    if not suspects.any() or not _scatters(values, int(suspects.sum())):
        return none
    repeating = repeats > 0
    others = (repeating.sum() - repeating + 1) / (repeats.size + 1)
    probability = repeats.size * others ** repeats.astype(np.float64)
    found: npt.NDArray[np.bool_] = suspects & (others < _STEADY) & (probability < UNLIKELY)
    return found


def _scatters(values: FloatArray, suspects: int) -> bool:
    """Say whether the sensor scatters where the load is steady, so that it never stands still.

    It does where readings change a little, to and fro, many times in a row; a load without noise
    (of a simulated board, or asleep) shows steps and ramps instead.
    """
    small_w = max(_SMALL_SWING * float(np.ptp(values)), _SMALL_LEVEL * float(np.abs(values).max()))
    change = np.diff(values)
    small = (np.abs(change) < small_w).astype(np.intp)
    turns = np.concatenate(([0], (change[1:] * change[:-1] < 0).astype(np.intp)))
    in_a_row = np.ones(_IN_A_ROW, dtype=np.intp)
    if change.size < _IN_A_ROW:
        return False
    steady = np.convolve(small, in_a_row, "valid") == _IN_A_ROW
    steady &= np.convolve(turns, in_a_row, "valid") > 1
    return int(steady.sum()) > max(_FEWEST_STEADY, 3 * suspects)


def without_stalls(t_s: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Leave out the readings that repeat the one before within a stall, so that it is a hole."""
    repeated = _repeated(v)
    if not 0 < repeated < _STEADY * v.size:
        return t_s, v
    starts = np.concatenate(([0], np.flatnonzero(v[1:] != v[:-1]) + 1))
    lengths = np.diff(np.concatenate((starts, [v.size])))
    stalled = stalls(v[starts], lengths - 1)
    if not stalled.any():
        return t_s, v
    kept = np.ones(v.size, dtype=bool)
    for start, length in zip(starts[stalled], lengths[stalled], strict=True):
        kept[start + 1 : start + length] = False
    kept[-1] = True  # how far the trace reaches
    return t_s[kept], v[kept]


def _repeated(v: FloatArray) -> int:
    """Count the readings that repeat the one before, block by block."""
    return sum(int(np.count_nonzero(part[1:] == part[:-1])) for part in blocks(v))


def hole_doubt_j(t_s: FloatArray, v: FloatArray, hole_s: float, limit_s: float) -> float:
    """Give the standard error of a straight line across a hole, J.

    The same hole is put wherever the trace has samples, and the straight line compared with what it
    has there. Where there are too few such places, the hole may hide a step of the whole swing at
    any time of it.

    Args:
        t_s: Times of the samples of a window, s; shape (n,).
        v: Power, W; shape (n,).
        hole_s: Length of the hole, s.
        limit_s: Spacing from which on two samples have a hole between them, s.
    """
    swing_w = float(np.ptp(v)) or float(np.abs(v).max())
    worst_j = UNIFORM * swing_w * hole_s
    energy_j = np.concatenate(([0.0], np.cumsum(0.5 * (v[1:] + v[:-1]) * np.diff(t_s))))
    holes = np.concatenate(([0], np.cumsum(np.diff(t_s) > limit_s)))
    starts = np.unique(np.linspace(0, t_s.size - 1, _PLACES).astype(np.intp))
    stops = np.searchsorted(t_s, t_s[starts] + hole_s)
    inside = stops < t_s.size
    starts, stops = starts[inside], stops[inside]
    sound = holes[starts] == holes[stops]
    starts, stops = starts[sound], stops[sound]
    if starts.size < _FEWEST_PLACES or t_s[stops[-1]] - t_s[starts[0]] < _FEWEST_HOLES * hole_s:
        return worst_j
    straight_j = 0.5 * (v[starts] + v[stops]) * (t_s[stops] - t_s[starts])
    off_j = energy_j[stops] - energy_j[starts] - straight_j
    return float(np.sqrt(np.mean(off_j**2)))
