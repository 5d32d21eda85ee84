"""What the oracles of tests, intervals and shares of mixed models share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ORACLES = Path(__file__).parent / "oracles"


@cache
def oracle(name: str) -> Any:
    """Give the values that the R script of this name wrote."""
    return json.loads((ORACLES / f"{name}.json").read_text())


def in_python(formula: str) -> str:
    """Write a formula of R as the formula engine reads it."""
    return formula.replace("^", "**")


def deviation(found: Sequence[float] | Any, expected: Sequence[float] | Any) -> float:
    """Give the largest relative deviation."""
    a, b = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert a.shape == b.shape
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-300), initial=0.0))


def term_deviation(found: pd.DataFrame, expected: dict[str, list[Any]]) -> dict[str, float]:
    """Compare a table of terms with that of lmerTest, by position."""
    pairs = {"value": "F value", "df1": "NumDF", "df2": "DenDF", "p": "Pr(>F)",
             "sum_sq": "Sum Sq", "mean_sq": "Mean Sq"}  # fmt: skip
    return {ours: deviation(found[ours], expected[theirs]) for ours, theirs in pairs.items()}
