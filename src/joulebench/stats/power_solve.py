"""Which of n, effect, error rate and power is asked for, and the search for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from joulebench.stats.number_check import fraction, number
from joulebench.stats.refused import Refused

LEAST_N, MOST_N = 2.0, 1e9
MOST_EFFECT = 1e4


def asked_for(given: Mapping[str, float | None]) -> str:
    """Give the name of the one figure that is left open, the others checked.

    Args:
        given: ``n``, the effect, ``alpha`` and ``power``; ``None`` for what is asked.

    Raises:
        Refused: Not exactly one is left open, or one cannot be.
    """
    open_names = [name for name, value in given.items() if value is None]
    if len(open_names) != 1:
        names = ", ".join(given)
        said = "none is" if not open_names else f"{', '.join(open_names)} are"
        raise Refused(f"leave exactly one of {names} at None, to be found: {said}")
    for name, value in given.items():
        if value is not None:
            _check(name, value)
    return open_names[0]


def check_share(name: str, value: float) -> None:
    """Refuse a power, an error rate or a confidence outside 0 to 1.

    Raises:
        Refused: It is not between 0 and 1.
    """
    fraction(value, name, 0.8 if name == "power" else 0.95 if name == "confidence" else 0.05)


def solved(power: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Find where a rising power reaches what is wanted; an end of the range where it never does.

    Args:
        power: Rises with its argument.
        wanted: Power asked for.
        low: Least argument that makes sense.
        high: Largest one.

    Returns:
        The argument; ``low`` where the power is reached there already.

    Raises:
        Refused: The power stays below what is wanted all the way to ``high``.
    """
    from scipy.optimize import brentq

    if power(low) >= wanted:
        return low
    near, far = low, min(max(2 * low, 1e-6), high)
    while power(far) < wanted:
        if far >= high:
            raise Refused(
                f"a power of {wanted:g} is out of reach: nothing from {low:g} to {high:g} gives "
                "it; ask for less power or a larger effect"
            )
        near, far = far, min(2 * far, high)
    return float(brentq(lambda x: power(x) - wanted, near, far, xtol=1e-300, rtol=1e-14))


def _check(name: str, value: float) -> None:
    if isinstance(value, bool) or not math.isfinite(number(value, name)):
        raise Refused(f"{name} must be a number, not {value!r}")
    if name in ("d", "f") and abs(value) > MOST_EFFECT:
        raise Refused(f"{name} = {value:g} needs no test: give a value below {MOST_EFFECT:g}")
    if name in ("alpha", "power"):
        check_share(name, value)
    elif name == "n" and not LEAST_N <= value <= MOST_N:
        raise Refused(f"n must be 2 or more in each group, and at most {MOST_N:g}, not {value:g}")
