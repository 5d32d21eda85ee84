"""How a measured time is written: with half its 95 % interval, and no digit too many."""

from __future__ import annotations

import math

from joulebench.energy_ratio import Z_95
from joulebench.meters.sensor_profile import Figure

_MOST_DECIMALS = 3
"""Microseconds: the clock's own doubt and that of a poll are no smaller."""

_TWO_DIGITS = 3.55
"""Below this first digit an uncertainty is printed with two (Particle Data Group)."""


def in_ms(figure: Figure) -> str:
    """Print a time in ms: ``25.0 ± 0.4 ms``.

    Args:
        figure: The time, s.
    """
    half_ms = max(1e3 * Z_95 * figure.standard_error, 10.0**-_MOST_DECIMALS)
    decimals = math.floor(-math.log10(half_ms)) + 1
    if half_ms * 10.0**decimals < _TWO_DIGITS:
        decimals += 1
    decimals = min(max(decimals, 0), _MOST_DECIMALS)
    return f"{1e3 * figure.value:.{decimals}f} ± {half_ms:.{decimals}f} ms"
