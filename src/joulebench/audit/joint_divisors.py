"""What a published figure may have been divided by: the right thing, or something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from joulebench.audit.columns import Meaning
from joulebench.audit.joint_rows import Joined
from joulebench.audit.table import Floats

_OURS = {
    "token": ("tokens_out",),
    "example": ("requests",),
    "correct": ("n_correct",),
}
"""What a column is counted by -> our counts of it."""

_THEIRS = {
    "token": ("tokens", ("out", "")),
    "example": ("requests", None),
    "correct": ("correct", None),
    "window": ("windows", None),
}
"""What a column is counted by -> quantity and parts of the columns that count it."""

_OTHERS = ("tokens_out", "tokens_in", "requests", "n_correct", "n_graded")
_ALIKE = 0.02


@dataclass(frozen=True, eq=False)
class Divisor:
    """What an energy is divided by.

    Args:
        name: For a person.
        by: Its value for each row; shape (n,).
        doubt: Half the width of its 95 % interval over its value; shape (n,).
        fault: Rule that it breaks for this column; empty where it is what the column says.
    """

    name: str
    by: Floats
    doubt: Floats
    fault: str = ""


def sound_divisors(joined: Joined, column: str, meaning: Meaning) -> list[Divisor]:
    """Give what a column says that it is divided by; several where they cannot be told apart."""
    return [d for d in divisors(joined, column, meaning) if not d.fault]


def divisors(joined: Joined, column: str, meaning: Meaning) -> list[Divisor]:
    """Give everything that a column may have been divided by; nothing where that is not known."""
    if meaning.kind == "power":
        return list(_durations(joined, column))
    if meaning.kind != "energy":
        return []
    if not meaning.per:
        return [Divisor("", np.ones(len(joined)), np.zeros(len(joined)))]
    found = list(_counts(joined, meaning.per))
    if not any(not divisor.fault for divisor in found):
        return []
    return found


def _durations(joined: Joined, column: str) -> Iterator[Divisor]:
    ours_s = joined.duration_s()
    doubt = joined.duration_doubt_s / ours_s
    yield Divisor("the duration", ours_s, doubt)
    for other in joined.table.measures("duration", per="", phase=""):
        theirs_s = joined.si(other)
        if other != column and _near(theirs_s, ours_s, 0.2):
            yield Divisor(f"the column {other}", theirs_s, doubt)
        misread = without_comma(joined.texts(other)) * _size(joined, other)
        if not _same(misread, theirs_s):
            name = f"the column {other} read without its decimal comma"
            yield Divisor(name, misread, doubt, "decimal-comma")
    yield Divisor("the length of the log", joined.duration_s("log"), doubt, "scope-mismatch")


def _counts(joined: Joined, per: str) -> Iterator[Divisor]:
    none = np.zeros(len(joined))
    sound = _OURS.get(per, ())
    if per == "token" and not np.isfinite(joined.count("tokens_out")).any():
        sound = ("tokens_in",)
    for name in _OTHERS:
        by = joined.count(name)
        if np.isfinite(by).any():
            yield Divisor(_called(name), by, none, "" if name in sound else "scope-mismatch")
    both = joined.count("tokens_in") + joined.count("tokens_out")
    if np.isfinite(both).any():
        yield Divisor("tokens in and out", both, none, "scope-mismatch")
    kind, parts = _THEIRS.get(per, ("", None))
    for other in joined.table.columns:
        meaning = joined.table.meaning(other)
        if meaning is None or meaning.per or not meaning.is_value:
            continue
        if meaning.kind not in ("tokens", "requests", "windows", "correct", "graded"):
            continue
        right = meaning.kind == kind and (parts is None or meaning.part in parts)
        fault = "" if right else "scope-mismatch"
        yield Divisor(f"the column {other}", joined.si(other), none, fault)


def _called(name: str) -> str:
    return {
        "tokens_out": "tokens out", "tokens_in": "tokens in", "n_correct": "correct answers",
        "n_graded": "graded answers",
    }.get(name, name)  # fmt: skip


def _size(joined: Joined, column: str) -> float:
    meaning = joined.table.meaning(column)
    return meaning.to_si if meaning else 1.0


def without_comma(texts: list[str]) -> Floats:
    """Read numbers as a program that takes the decimal comma for a thousands separator."""
    return np.array([_digits(text) for text in texts])


def _digits(text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return np.nan


def _same(first: Floats, second: Floats) -> bool:
    return bool(np.array_equal(first, second, equal_nan=True))


def _near(first: Floats, second: Floats, within: float) -> bool:
    both = np.isfinite(first) & np.isfinite(second) & (second > 0)
    return bool(both.any()) and abs(float(np.median(first[both] / second[both])) - 1.0) < within
