"""What R writes in a formula and the formula engine writes otherwise, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from joulebench.stats.refused import Refused

FUNCTIONS: Mapping[str, Callable[..., Any] | bool] = {
    "sqrt": np.sqrt, "log1p": np.log1p, "expm1": np.expm1, "sin": np.sin, "cos": np.cos,
    "TRUE": True, "FALSE": False,
}  # fmt: skip
"""Words of R that the engine does not know."""

_NAME = r"[A-Za-z_.][\w.]*"
_DOTTED = re.compile(r"(?<![\w.`])[A-Za-z_.]\w*(?:\.\w+)+")


def as_engine_writes(fixed: str) -> str:
    """Write the right side of a formula for the engine: ``C()`` for factors, ``**`` for powers.

    Outside of functions ``^`` crosses terms, and the engine reads it so; inside it is a power.

    Raises:
        Refused: A dot for all columns, an offset, a column whose name is not one word, or
            ``%in%``, which the engine reads in another order.
    """
    if re.search(r"%in%", fixed):
        raise Refused(f"%in% in {fixed!r} is not read: write a:b, or a / b for b within a")
    if re.search(r"(?<![\w.`])\.(?![\w.`])", fixed):
        raise Refused(f"the dot in {fixed!r} does not stand for all columns: name them")
    if re.search(r"(?<![\w.])offset\(", fixed):
        raise Refused(f"offset() in {fixed!r} is not read: take it from the response in the data")
    text = re.sub(r"(?<![\w.])(?:as\.)?factor\(", "C(", _unquoted(fixed))
    inside: list[bool] = []
    made = []
    for place, mark in enumerate(text):
        if mark == "(":
            called = re.search(r"[\w.]$", text[:place]) is not None
            inside.append(called or any(inside))
        elif mark == ")" and inside:
            inside.pop()
        made.append("**" if mark == "^" and any(inside) else mark)
    return "".join(made)


def _unquoted(fixed: str) -> str:
    """Take the quotes off names that need none."""
    for name in re.findall(r"`([^`]*)`", fixed):
        if not re.fullmatch(_NAME, name):
            raise Refused(
                f"column {name!r} has a name that a formula cannot use: rename the column"
            )
    return fixed.replace("`", "")


def as_people_write(name: str) -> str:
    """Write a part of a term as R does: ``I(x^2)``."""
    return re.sub(r"\s*\*\*\s*", "^", name).replace("`", "")


def quoted(part: str, columns: Iterable[str]) -> str:
    """Put the columns whose names have dots in quotes, which the engine needs inside functions."""
    known = set(columns)
    return _DOTTED.sub(lambda found: f"`{found[0]}`" if found[0] in known else found[0], part)
