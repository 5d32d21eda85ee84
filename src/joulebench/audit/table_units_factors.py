"""The factors by which figures are off when a unit is mistaken or a decimal comma is lost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from joulebench.audit.table import Floats

_FACTORS: Mapping[float, str] = {
    1e3: "1,000", 1e6: "1,000,000", 1e9: "1,000,000,000", 3600.0: "3,600 (hours and seconds)",
    3.6e6: "3,600,000 (kWh and J)", 60.0: "60 (minutes and seconds)", 3.6: "3.6 (Wh and kJ)",
}  # fmt: skip

_WIDE = (1e3, 1e6, 1e9, 3600.0, 3.6e6)
"""Factors that no work explains; 60 and 3.6 count only where a ratio is the same in all rows."""

_STRICT = 0.01
_NEARLY_ALL = 0.9
_TENS = 0.01


def unit_factor(ratios: Floats, spread: float) -> float:
    """Give the factor between units that all ratios show; 0 where there is none.

    Args:
        ratios: Positive ratios of what is stated to what is possible.
        spread: How far they may be from the factor, relative.
    """
    logs = np.log(ratios)
    middle = float(np.median(logs))
    signed = [(factor, sign * np.log(factor)) for factor in _FACTORS for sign in (1.0, -1.0)]
    factor, target = min(signed, key=lambda each: abs(middle - each[1]))
    width = np.log1p(spread if factor in _WIDE else min(spread, _STRICT))
    fits = abs(middle - target) <= width and np.mean(np.abs(logs - target) <= width) > _NEARLY_ALL
    return float(np.exp(target)) if fits else 0.0


def factor_told(factor: float) -> str:
    """Name a factor between units for a person."""
    large = max(factor, 1 / factor)
    return next(
        (told for known, told in _FACTORS.items() if np.isclose(known, large)), f"{large:g}"
    )


def lost_comma(ratios: Floats) -> bool:
    """Say whether ratios are powers of ten, as when "111,84" is read as 11184.

    A single power that is also a factor between units does not count.
    """
    tens = np.log10(ratios)
    whole = np.round(tens)
    if np.any(whole < 1) or np.any(np.abs(tens - whole) > np.log10(1 + _TENS)):
        return False
    return bool(np.any(whole % 3))
