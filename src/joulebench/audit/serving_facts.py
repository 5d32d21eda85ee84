"""Facts of a run as rules read them: records of others may hold anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def facts_in(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Give facts inside facts; empty where there are none."""
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


def number(value: object) -> float:
    """Give a number; NaN, which no comparison holds for, where it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return math.nan
