"""The smallest step of a reading: of which lattice all readings are multiples."""

from __future__ import annotations

import numpy as np

from joulebench.characterize.polling import FloatArray
from joulebench.meters.sensor_profile import Figure

COHERENT = 0.95
"""Readings on a lattice, each blurred by a twentieth of its step at most, have at least this mean
phasor; readings that are not scatter around zero."""

_FEWEST = 16
_MOST = 4000

_KNOWN = sorted((*(2.0**-k for k in range(21)), *(10.0**-k for k in range(7))), reverse=True)
"""Steps that sensors have: energy units of RAPL (2^-k J), and decimal ones."""

_UNITS = (1.0, 1e-3, 1e-6, 2.0**-14, 2.0**-20)
"""Units that drivers count in, and those of the counters themselves."""

_WHOLE = 1e-3


def resolution(v: FloatArray) -> Figure | None:
    """Find the step of a reading; ``None`` where too few differ.

    It is the largest step of which all readings are multiples: the greatest common divisor of
    their differences, or, where a driver has rounded them once more, a known step that they keep
    to within that rounding.

    Args:
        v: Readings, in the channel's unit; shape (n,).
    """
    levels = np.unique(v)
    if levels.size < _FEWEST:
        return None
    levels = levels[np.linspace(0, levels.size - 1, min(levels.size, _MOST)).astype(np.intp)]
    exact = _common_divisor(levels)
    smallest = float(np.diff(levels).min())
    for step in _KNOWN:
        if 1.5 * exact < step <= 1.05 * smallest and _coherence(levels, step) > COHERENT:
            return Figure(step, _blur(levels, step))
    return Figure(exact, _blur(levels, exact)) if exact else None


def _common_divisor(levels: FloatArray) -> float:
    """Give the greatest common divisor of the differences of readings; 0 without one.

    Drivers count in whole parts of a unit, so that it is taken of whole numbers.
    """
    for unit in _UNITS:
        counts = np.round(levels / unit)
        if float(np.abs(levels / unit - counts).max()) < _WHOLE:
            return float(np.gcd.reduce(np.diff(counts).astype(np.int64))) * unit
    return 0.0


def _coherence(levels: FloatArray, step: float) -> float:
    """Give the length of the mean phasor of readings on a lattice, from 0 to 1."""
    return float(abs(np.mean(np.exp(2j * np.pi * (levels / step % 1)))))


def _blur(levels: FloatArray, step: float) -> float:
    """Give the deviation of readings from the lattice."""
    share = levels / step
    return float(np.std(share - np.round(share))) * step
