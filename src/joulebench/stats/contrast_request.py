"""The contrasts that a resampling is asked for, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from joulebench.stats.planned_contrasts import Weights, weights_of
from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Contrasts = Mapping[Any, float] | Weights | str


def asked_contrasts(weights: Contrasts, levels: Sequence[str], factor: str) -> dict[str, Array]:
    """Give the weights of all cells for each contrast, by name.

    Args:
        weights: One contrast, level to weight; several by name; or "successive".
        levels: Cells in order.
        factor: What they are cells of.

    Raises:
        Refused: No contrast, an unknown cell, or weights that do not add up to 0.
    """
    single = isinstance(weights, Mapping) and not any(
        isinstance(weight, Mapping) for weight in weights.values()
    )
    named = {"": weights} if single and weights else weights
    found = weights_of(cast("Weights", named), levels, factor)
    return {name or contrast_name(row, levels): row for name, row in found.items()}


def contrast_name(weights: Array, levels: Sequence[str]) -> str:
    """Write weights as people do: "3 - 2", "0.5*3.1 + 0.5*3.2 - 2"."""
    used = np.flatnonzero(weights)
    text = ""
    for k in (*used[weights[used] > 0], *used[weights[used] < 0]):
        size = abs(weights[k])
        part = levels[k] if size == 1 else f"{size:g}*{levels[k]}"
        sign = " - " if weights[k] < 0 else " + "
        text += f"{sign}{part}" if text else part
    return text


def check_spread(values: Array, codes: Codes) -> None:
    """Refuse cells within none of which anything varies.

    Raises:
        Refused: They are such, or too large or small to be squared.
    """
    largest = float(np.abs(values).max())
    if largest > 1e150 or 0 < largest < 1e-140:
        raise Refused(f"the response reaches {largest:g}, which cannot be squared: change its unit")
    centre = np.bincount(codes, values) / np.maximum(np.bincount(codes), 1)
    if np.abs(values - centre[codes]).max() <= 1e-13 * np.abs(values).max():
        raise Refused(
            "the response does not vary within the cells compared: nothing is left to judge by; "
            "check the column"
        )
