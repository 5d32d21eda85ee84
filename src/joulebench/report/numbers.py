"""Numbers as they are printed: the uncertainty to two digits, the value to the same place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from joulebench.stats import Estimate

MINUS = "\u2212"
THIN = "\u202f"
ABSENT = "\u2013"

_LOPSIDED = 1.5
"""How much longer one arm of an interval may be than the other for both to be told by one."""

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that a whole column is printed in.

    Args:
        symbol: What is printed, for example ``"kJ"``.
        factor: Multiplies an SI value to give the printed one.
    """

    symbol: str
    factor: float = 1.0


def best_unit(values: Iterable[float | None], symbol: str) -> Unit:
    """Choose the SI prefix that reads best for a column of values (by their median)."""
    sizes = sorted(abs(v) for v in values if v is not None and math.isfinite(v) and v != 0)
    if not sizes:
        return Unit(symbol)
    median = sizes[len(sizes) // 2]
    for scale, prefix in _PREFIXES:
        if median >= scale:
            return Unit(prefix + symbol, 1 / scale)
    return Unit(symbol)


def places(uncertainty: float, digits: int = 2) -> int:
    """Give the decimal places that show ``uncertainty`` to so many significant digits."""
    if not (math.isfinite(uncertainty) and uncertainty > 0):
        return 0
    decimals = digits - 1 - math.floor(math.log10(uncertainty))
    # 0.0996 rounds to 0.10: one place fewer shows the same two digits.
    rounded = round(uncertainty, decimals)
    return digits - 1 - math.floor(math.log10(rounded))


def fixed(value: float, decimals: int) -> str:
    """Print a value rounded to decimal places (negative ones round to tens), digits grouped."""
    rounded = round(value, decimals) + 0.0
    text = f"{abs(rounded):,.{max(decimals, 0)}f}".replace(",", THIN)
    return (MINUS if rounded < 0 else "") + text


def significant(value: float | None, digits: int = 3) -> str:
    """Print a value whose uncertainty is not stated beside it."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return fixed(value, 0 if value == 0 else places(abs(value), digits))


def plus_minus(estimate: Estimate | None, unit: Unit | None = None) -> str:
    """Print ``value ± half width``; the plain value where nothing is known of its interval."""
    return _printed(estimate, unit, _symmetric)


def between(estimate: Estimate | None, unit: Unit | None = None) -> str:
    """Print ``value (low to high)``, for intervals that are not symmetric."""
    return _printed(estimate, unit, _lopsided)


def with_interval(estimate: Estimate | None, unit: Unit | None = None) -> str:
    """Print ``value ± half width``, or the interval's ends where ± would say what it is not."""
    return _printed(estimate, unit, _lopsided if is_lopsided(estimate) else _symmetric)


def is_lopsided(estimate: Estimate | None) -> bool:
    """Say whether one arm of an interval is clearly longer than the other."""
    if estimate is None or not estimate.bounded:
        return False
    low, high = estimate.value - estimate.low, estimate.high - estimate.value
    return max(low, high) > _LOPSIDED * min(low, high)


def _printed(estimate: Estimate | None, unit: Unit | None, told: Callable[[Estimate], str]) -> str:
    """Print an estimate in a unit, its interval only where it has one that is worth printing."""
    if estimate is None:
        return ABSENT
    e = estimate if unit is None else estimate.scaled(unit.factor)
    if not e.bounded:
        return f"{significant(e.value)} (not bounded)"
    return significant(e.value, 4) if _negligible(e) else told(e)


def _symmetric(e: Estimate) -> str:
    decimals = places(e.half_width)
    return f"{fixed(e.value, decimals)} ± {fixed(e.half_width, decimals)}"


def _lopsided(e: Estimate) -> str:
    decimals = places(shorter_arm(e))
    return f"{fixed(e.value, decimals)} ({interval(e, decimals)})"


def share(estimate: Estimate | None, unit: Unit | None = None) -> str:
    """Print a proportion as ``value (low to high)``, two decimals."""
    if estimate is None:
        return ABSENT
    e = estimate if unit is None else estimate.scaled(unit.factor)
    return f"{fixed(e.value, 2)} ({interval(e, 2)})"


def interval(estimate: Estimate, decimals: int) -> str:
    """Print ``low to high``."""
    return f"{fixed(estimate.low, decimals)} to {fixed(estimate.high, decimals)}"


def shorter_arm(estimate: Estimate) -> float:
    """Give the shorter of the arms of an interval, the other where one has no length."""
    arms = sorted((estimate.value - estimate.low, estimate.high - estimate.value))
    return arms[0] if arms[0] > 0 else arms[1]


def _negligible(estimate: Estimate) -> bool:
    """Whether the interval is nothing but rounding: equal readings, no uncertainty known."""
    return estimate.half_width <= 1e-9 * abs(estimate.value)


def duration(seconds: float) -> str:
    """Print a length of time in the two units that suit it: ``3 min 20 s``."""
    if seconds < 120:
        return f"{significant(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def count(number: int, word: str, plural: str = "") -> str:
    """Print a count with its noun: ``1 run``, ``3 runs``."""
    return f"{fixed(number, 0)} {word if number == 1 else plural or word + 's'}"
