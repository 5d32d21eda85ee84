"""Numbers and names that a caller gives as arguments, checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from joulebench.stats.refused import Refused

LARGEST = 1e150
"""Largest size of a value whose square is a double."""


def number(value: Any, name: str) -> float:
    """Give one real number, which may be infinite or not a number.

    Raises:
        Refused: It is something else: text, nothing, several numbers, or too large for a double.
    """
    if isinstance(value, Real):
        try:
            return float(value)
        except OverflowError:
            raise Refused(f"{name} is too large a number: choose a larger unit") from None
    raise Refused(f"{name} must be a number, got {shown(value)}")


def finite(value: Any, name: str) -> float:
    """Give one finite number whose square is a double.

    Raises:
        Refused: It is not.
    """
    found = number(value, name)
    if not math.isfinite(found) or abs(found) > LARGEST:
        raise Refused(f"{name} must be a finite number, got {found:g}")
    return found


def fraction(value: Any, name: str, usual: float) -> float:
    """Give a number between 0 and 1: a confidence, an error rate, a power.

    Raises:
        Refused: It is not between them.
    """
    found = number(value, name)
    if not 0 < found < 1:
        raise Refused(f"{name} lies between 0 and 1, and {found:g} does not; {usual:g} is usual")
    return found


def whole(value: Any, name: str, least: int, most: int = 10**9) -> int:
    """Give a whole number within bounds.

    Raises:
        Refused: It is none, or beyond them.
    """
    counts = isinstance(value, Integral) and not isinstance(value, bool)
    if not counts or not least <= value <= most:
        beyond = f", {most:g} at most" if counts and value > most else ""
        raise Refused(
            f"{name} must be a whole number of {least} or more{beyond}, not {shown(value)}"
        )
    return int(value)


def numbers(values: Any, name: str) -> npt.NDArray[np.float64]:
    """Give numbers of any shape as doubles.

    Raises:
        Refused: They are something else.
    """
    try:
        raw = np.asarray(values)
        text = raw.dtype.kind == "O" and any(isinstance(v, str | bytes) for v in raw.flat)
        if text or raw.dtype.kind not in "biufO":
            raise TypeError
        return np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise Refused(f"{name} must be numbers, got {shown(values)}") from None


def names(given: Any, role: str) -> list[str]:
    """Give the names of columns as a list: one name, several, or none.

    Raises:
        Refused: Something that is no name.
    """
    if given is None or isinstance(given, str):
        return [] if given is None else [given]
    several = isinstance(given, Iterable) and not isinstance(given, bytes | Mapping)
    listed = list(given) if several else [given]
    wrong = [name for name in listed if not isinstance(name, str)]
    if wrong:
        raise Refused(f"{role} must be the name of a column, or several, got {shown(wrong[0])}")
    return listed


def missing_choice(missing: Any) -> None:
    """Refuse what is no choice about missing values.

    Raises:
        Refused: Neither "refuse" nor "drop".
    """
    if not isinstance(missing, str) or missing not in ("refuse", "drop"):
        raise Refused(f'missing must be "refuse" or "drop", got {shown(missing)}')


def shown(value: Any) -> str:
    """Write a value on one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."
