"""Arrays that a test is given, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.model_frame import Missing
from joulebench.stats.number_check import LARGEST, missing_choice
from joulebench.stats.refused import Refused

Floats = npt.NDArray[np.float64]


def sample(values: Any, name: str, missing: Missing = "refuse", least: int = 1) -> Floats:
    """Give values as numbers, shape (n,), none missing or infinite.

    Args:
        values: A list, array or column of numbers.
        name: What the caller calls them.
        missing: What to do about values that are missing: refuse them, or drop them.
        least: How many values there must be.

    Raises:
        Refused: They are not numbers in one dimension, one is missing (unless dropped) or
            infinite, or there are too few.
    """
    missing_choice(missing)
    numbers = _numbers(values, name)
    lacking = np.isnan(numbers)
    if lacking.any():
        _refuse_lacking(lacking, name, missing)
        numbers = numbers[~lacking]
    return _finite(numbers, name, least)


def paired_samples(
    x: Any, y: Any, missing: Missing = "refuse", least: int = 1
) -> tuple[Floats, Floats]:
    """Give two samples of one length, measured in pairs.

    Args:
        x: Numbers, shape (n,).
        y: Numbers in the same order, shape (n,).
        missing: What to do about pairs that lack a value: refuse them, or drop them.
        least: How many pairs there must be.

    Raises:
        Refused: As :func:`sample`, or the lengths differ.
    """
    missing_choice(missing)
    first, second = _numbers(x, "x"), _numbers(y, "y")
    if len(first) != len(second):
        raise Refused(
            f"pairs need x and y of one length, got {len(first)} and {len(second)}: keep the "
            "values of one run at one place of both"
        )
    lacking = np.isnan(first) | np.isnan(second)
    if lacking.any():
        _refuse_lacking(lacking, "x or y", missing)
        first, second = first[~lacking], second[~lacking]
    return _finite(first, "x", least), _finite(second, "y", least)


def check_square(values: Floats, text: str) -> None:
    """Refuse values whose differences are too small to be squared.

    Raises:
        Refused: The largest difference is below 1e-150.
    """
    spread = float(np.ptp(values))
    if spread < 1 / LARGEST:
        raise Refused(
            f"{text} varies by {spread:g}, too little to be squared: choose a smaller unit"
        )


def _numbers(values: Any, name: str) -> Floats:
    try:
        if isinstance(values, pd.Series) and pd.api.types.is_numeric_dtype(values):
            values = values.to_numpy(dtype=np.float64, na_value=np.nan)
        raw = np.asarray(values)
        if raw.dtype.kind in "USmMc" or (raw.dtype == object and _has_text(raw)):
            raise TypeError
        numbers = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise Refused(f"{name} must be numbers; convert text with pandas.to_numeric") from None
    if numbers.ndim != 1:
        raise Refused(f"{name} must be one row of numbers, not of shape {numbers.shape}")
    return numbers


def _has_text(raw: npt.NDArray[np.object_]) -> bool:
    return any(isinstance(value, str | bytes) for value in raw.flat)


def _refuse_lacking(lacking: npt.NDArray[np.bool_], name: str, missing: Missing) -> None:
    if missing == "drop":
        return
    raise Refused(
        f"{int(lacking.sum())} of {len(lacking)} values of {name} are missing: mend them, or "
        'leave them out with missing="drop"'
    )


def _finite(numbers: Floats, name: str, least: int) -> Floats:
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise Refused(f"{name} is infinite at place {infinite[0]}: mend or drop that value")
    largest = float(np.abs(numbers).max(initial=0.0))
    if largest > LARGEST:
        raise Refused(f"{name} reaches {largest:g}, too large to square: choose a larger unit")
    if len(numbers) < least:
        raise Refused(f"{name} has {len(numbers)} values and needs at least {least}: add values")
    return numbers
