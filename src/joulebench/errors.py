"""The errors that a user can cause and mend."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MOST_NAMES = 80
_LONGEST_NAME = 80


class UsageError(ValueError):
    """Wrong use or bad input: one line that says what, where and what to do; exit status 2."""


class Unavailable(UsageError):
    """A part that this machine lacks.

    Args:
        what: What is missing, in one sentence.
        remedy: The line to type that mends it; empty where nothing can.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what} {remedy}".strip() if remedy else what)
        self.what = what
        self.remedy = remedy


class SensorLost(UsageError):
    """A sensor went away for good while it was read; says which, why, and what to do."""


class EnergyError(ValueError):
    """An energy that cannot be given honestly; says which window, which channel, what to do."""


class NotCoveredError(EnergyError):
    """The trace does not reach over the whole window."""


class GapError(EnergyError):
    """The trace has a hole inside the window that its own cadence does not explain."""


class CounterError(EnergyError):
    """A cumulative counter did something that a counter of energy cannot do."""


def unknown(what: str, name: object, allowed: Iterable[str]) -> UsageError:
    """Say that a name is not one of those allowed, naming the nearest.

    Args:
        what: What the name stands for and where it is written, for example ``"engine kind"``.
        name: The name that was given.
        allowed: The names that exist.
    """
    names = [readable(known) for known in sorted(allowed)]
    near = get_close_matches(str(name).casefold(), [n.casefold() for n in names], n=1, cutoff=0.5)
    hint = next((f": did you mean {n!r}?" for n in names if near == [n.casefold()]), "")
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    shown = ", ".join(names[:_MOST_NAMES]) + more
    return UsageError(f"{what} {readable(str(name))!r} is not known{hint} (allowed: {shown})")


def readable(name: str) -> str:
    """Cut a name to what one can read, and write out what a terminal would act on."""
    short = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    return short if short.isprintable() else repr(short)[1:-1]
