"""How much each combination of a reference grid counts towards a mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.model_frame import coded, level_text
from joulebench.stats.number_check import shown
from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]
Nesting = Mapping[str, frozenset[str]]

WEIGHTS = ("equal", "proportional", "outer", "cells", "flat")


def rows_in(
    design: FixedDesign, settings: Mapping[str, Sequence[Any]], axes: Sequence[str]
) -> Array:
    """Count the rows of the data in each cell, an axis a variable.

    An axis has length 1 where the rows do not go by the settings of its variable.

    Args:
        design: Model matrix of the model.
        settings: Of each variable.
        axes: The variables, in order.
    """
    cells = [name for name in axes if _makes_cells(design, name, settings[name])]
    shape = [len(settings[name]) for name in cells]
    codes = [_codes(design.frame[name], settings[name]) for name in cells]
    known = np.all([code >= 0 for code in codes], axis=0) if codes else np.array(True)
    inside = [code[known] for code in codes]
    place = np.ravel_multi_index(inside, shape) if cells else np.zeros(len(design.frame), np.intp)
    count = np.bincount(place, minlength=prod(shape)).astype(np.float64)
    return count.reshape([len(settings[name]) if name in cells else 1 for name in axes])


def nesting(rows: Array, axes: Sequence[str]) -> dict[str, frozenset[str]]:
    """Find factors each level of which goes with one level alone of others.

    Args:
        rows: Of the data in each cell, an axis a variable.
        axes: Names of the variables.

    Returns:
        What each nested factor is nested in; of two that say the same, the first is nested.
    """
    found: dict[str, frozenset[str]] = {}
    long = [k for k, size in enumerate(rows.shape) if size > 1]
    for inner in long:
        outers = [
            axes[outer]
            for outer in long
            if outer != inner
            and axes[inner] not in found.get(axes[outer], frozenset())
            and _together(rows, inner, outer).sum(axis=1).max() == 1
        ]
        if outers:
            found[axes[inner]] = frozenset(outers)
    return found


def shares(
    rows: Array, sizes: Sequence[int], axes: Sequence[str], kept: int, weights: str
) -> Array:
    """Give the share of each averaged combination in each mean, shape (means, combinations).

    Args:
        rows: Of the data in each cell, an axis a variable: those kept, then those averaged over.
        sizes: How many settings each variable has.
        axes: Names of the variables.
        kept: How many of them are kept.
        weights: One of ``WEIGHTS``.

    Raises:
        Refused: Unknown weights.
    """
    if not isinstance(weights, str) or weights not in WEIGHTS:
        raise Refused(f"weights must be one of {', '.join(WEIGHTS)}, got {shown(weights)}")
    shape = (prod(sizes[:kept]), prod(sizes[kept:]))
    if weights == "equal":
        return np.broadcast_to(_equal(rows, sizes, axes, kept), sizes).reshape(shape)
    count = np.broadcast_to(rows, sizes).reshape(shape)
    if shape[1] == 1:
        return np.ones(shape)
    if weights == "proportional":
        part = np.broadcast_to(count.sum(axis=0), shape)
    elif weights == "outer":
        part = np.broadcast_to(_outer(count.sum(axis=0).reshape(sizes[kept:])), shape)
    else:
        part = count if weights == "cells" else (count > 0).astype(np.float64)
    total = part.sum(axis=1, keepdims=True)
    return np.where(total > 0, part / np.where(total > 0, total, 1.0), np.nan)


def _equal(rows: Array, sizes: Sequence[int], axes: Sequence[str], kept: int) -> Array:
    """Share equally between the levels of each variable, or those that its nesting leaves.

    A nested one has those that occur with the levels of what it is nested in; one in which a kept
    variable is nested has the level that the kept one goes with.
    """
    nested = nesting(rows, axes)
    share = np.ones([1] * len(axes))
    for axis in range(kept, len(axes)):
        name = axes[axis]
        beside = nested.get(name, frozenset()) | {
            inner for inner in axes[:kept] if name in nested.get(inner, frozenset())
        }
        others = tuple(k for k in range(len(axes)) if k != axis and axes[k] not in beside)
        there = (rows > 0).any(axis=others, keepdims=True).astype(np.float64) if beside else 1.0
        whole = np.ones([sizes[k] if k == axis else 1 for k in range(len(axes))]) * there
        total = whole.sum(axis=axis, keepdims=True)
        share = share * np.where(total > 0, whole / np.where(total > 0, total, 1.0), np.nan)
    return share


def _together(rows: Array, inner: int, outer: int) -> npt.NDArray[np.bool_]:
    """Say which levels of two variables occur in one row, shape (inner, outer)."""
    others = tuple(k for k in range(rows.ndim) if k not in (inner, outer))
    there = (rows > 0).any(axis=others)
    return np.asarray(there if inner < outer else there.T)


def _outer(table: Array) -> Array:
    total = np.ones(())
    for axis in range(table.ndim):
        others = tuple(k for k in range(table.ndim) if k != axis)
        total = np.multiply.outer(total, table.sum(axis=others))
    return np.asarray(total).ravel()


def _makes_cells(design: FixedDesign, name: str, settings: Sequence[Any]) -> bool:
    if name in design.factors:
        return True
    values = set(design.frame[name].unique())
    return len(values) == 2 and values == set(settings)


def _codes(column: pd.Series[Any], settings: Sequence[Any]) -> npt.NDArray[np.intp]:
    """Give the place of each row's value among the settings; -1 where it is not there."""
    codes, levels = coded(column)
    place = {level_text(value): k for k, value in enumerate(settings)}
    found: npt.NDArray[np.intp] = np.array([place.get(level, -1) for level in levels])[codes]
    return found
