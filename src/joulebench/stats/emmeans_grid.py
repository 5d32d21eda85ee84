"""The reference grid of a model: every combination of its variables' settings, averaged over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.emmeans_weights import Nesting, nesting, rows_in, shares
from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.model_frame import level_text, levels_of
from joulebench.stats.number_check import shown
from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Settings = dict[str, list[Any]]
At = Mapping[str, Any]

_MOST_FIGURES = 200_000_000
_SHOWN = 4
_FAR = 1e5


@dataclass(frozen=True, eq=False)
class Marginal:
    """Means over part of a reference grid, as linear functions of the coefficients.

    Args:
        levels: One row a mean: the levels that it is of; specs first, then by-variables.
        specs: Variables whose levels are compared, the first of them varying fastest.
        by: Variables whose levels are kept apart.
        averaged: Variables of more than one setting that are averaged over.
        block: Means of one by-group; groups follow one another.
        functions: Over all columns of the model matrix, shape (m, p_all); NaN where no row of the
            data gives a mean its weights.
        n: Rows of the data behind each mean, shape (m,).
        empty: The combinations without data that each mean averages over, shape (m,).
        nested: What nested variables are nested in, which equal weights respect.
    """

    levels: pd.DataFrame
    specs: tuple[str, ...]
    by: tuple[str, ...]
    averaged: tuple[str, ...]
    block: int
    functions: Array
    n: npt.NDArray[np.int64]
    empty: tuple[str, ...]
    nested: Nesting


def marginal(
    design: FixedDesign,
    settings: Settings,
    specs: Sequence[str],
    by: Sequence[str],
    weights: str = "equal",
) -> Marginal:
    """Average a model's predictions over the variables that are neither in specs nor in by.

    Least-squares means (Searle, Speed & Milliken 1980, Am. Stat. 34, 216), weighted equally; by the
    rows of each averaged combination ("proportional"); by the product of its variables' own shares
    ("outer"); by the rows of each cell ("cells"), which gives raw means back; or equally over the
    filled cells ("flat"). Equal weights go to the levels that occur: where every level of one
    variable goes with one level of another, it is nested in it, and only combinations of levels
    that go together are averaged over.

    Args:
        design: Model matrix of the model.
        settings: Of each variable; see :func:`settings_of`.
        specs: Variables whose levels are compared.
        by: Variables whose levels are kept apart.
        weights: One of the five words.

    Raises:
        Refused: Unknown weights, settings at which the model is not finite, or a grid too large
            to evaluate.
    """
    kept = [*specs, *by]
    averaged = [name for name in settings if name not in kept]
    # The last axis varies fastest: what is averaged over, then the first of specs.
    axes = [*reversed(kept), *averaged]
    table = _combinations(settings, axes, len(design.all_columns))
    sizes = [len(settings[name]) for name in axes]
    shape = (prod(sizes[: len(kept)]), prod(sizes[len(kept) :]))
    rows = rows_in(design, settings, axes)
    behind = rows.sum(axis=tuple(range(len(kept), len(axes))))
    share = shares(rows, sizes, axes, len(kept), weights)
    return Marginal(
        _picked(table, kept, np.arange(0, len(table), shape[1])),
        tuple(specs),
        tuple(by),
        tuple(name for name in averaged if len(settings[name]) > 1),
        prod(len(settings[name]) for name in specs),
        np.einsum("mk,mkp->mp", share, design.full_rows(table).reshape(*shape, -1)),
        np.broadcast_to(behind, sizes[: len(kept)]).ravel().astype(np.int64),
        _empty_cells(table, [*kept, *averaged], np.broadcast_to(rows, sizes).reshape(shape), share),
        {} if weights != "equal" else nesting(rows, axes),
    )


def settings_of(design: FixedDesign, at: At | None = None, spread: float = 0.0) -> Settings:
    """Give the settings of every variable of a model.

    Levels of factors; both values of a number that has two; the mean of any other number.

    Args:
        design: Model matrix of the model.
        at: Other settings, by variable: one or several numbers, or levels of a factor.
        spread: Set numbers to their mean less and plus this in place of the mean alone; their
            standard deviation where this is out of all proportion to them.

    Raises:
        Refused: A variable that the model does not have, a level that is not there, or a setting
            that is no finite number.
    """
    if at and not isinstance(at, Mapping):
        raise Refused(f"at must be settings by variable, {{name: values}}, got {shown(at)}")
    given = dict(at or {})
    check_names(design, list(given), "at")
    settings: Settings = {}
    for name in ordered_variables(design):
        if name in given:
            settings[name] = _given(design, name, given[name])
        elif name in design.factors:
            settings[name] = _levels(design, name)
        else:
            settings[name] = _numbers(design, name, spread)
    return settings


def ordered_variables(design: FixedDesign) -> list[str]:
    """Give the variables of a model in the order in which its formula names them."""
    named = [name for term in design.terms for name in term.variables]
    return list(dict.fromkeys([*named, *design.variables]))


def check_names(design: FixedDesign, names: Sequence[str], role: str) -> None:
    """Refuse a name that is no variable of the fixed part of a model.

    Raises:
        Refused: It is not there; the nearest one is offered.
    """
    known = ordered_variables(design)
    for name in names:
        if name not in known:
            near = get_close_matches(str(name), known, n=1, cutoff=0.5)
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise Refused(
                f"{role} names {name!r}, which is not in the fixed part {design.fixed!r}{hint} "
                f"(variables: {', '.join(known) or 'none'})"
            )


def _levels(design: FixedDesign, name: str) -> list[Any]:
    # A number that is used as a factor as well must stay a number.
    return levels_of(design.frame[name]) if name in design.covariates else [*design.factors[name]]


def _numbers(design: FixedDesign, name: str, spread: float) -> list[float]:
    values = np.unique(design.frame[name].to_numpy(dtype=np.float64))
    if len(values) == 2:
        return [float(value) for value in values]
    mean = design.covariates[name]
    if not spread:
        return [mean]
    sd = float(values.std())
    # A step that is nothing beside the numbers, or everything, would cost the slope its digits.
    step = spread if sd / _FAR < spread < sd * _FAR else sd
    return [mean - step, mean + step]


def _given(design: FixedDesign, name: str, given: Any) -> list[Any]:
    several = isinstance(given, Sequence | np.ndarray | pd.Series) and not isinstance(given, str)
    values = list(dict.fromkeys(given if several else [given]))
    if not values:
        raise Refused(f"at gives no setting of {name!r}: give one or more")
    if name in design.factors:
        known = {level_text(level): level for level in _levels(design, name)}
        strange = [level_text(value) for value in values if level_text(value) not in known]
        if strange:
            raise Refused(f"at: {name!r} has no level {strange[0]!r} (levels: {', '.join(known)})")
        return [known[level_text(value)] for value in values]
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        numbers = [np.nan]
    if not np.isfinite(numbers).all():
        raise Refused(f"at: settings of {name!r} must be finite numbers, got {given!r}")
    return numbers


def _combinations(settings: Settings, axes: Sequence[str], columns: int) -> pd.DataFrame:
    rows = prod(len(settings[name]) for name in axes)
    if rows * columns > _MOST_FIGURES:
        raise Refused(
            f"the reference grid has {rows} combinations of {', '.join(axes)}: leave factors of "
            "many levels out of the fixed part (make them random), or restrict them with at="
        )
    if not axes:
        return pd.DataFrame(index=range(1))
    cells = zip(*product(*(settings[name] for name in axes)), strict=True)
    return pd.DataFrame({name: list(column) for name, column in zip(axes, cells, strict=True)})


def _picked(table: pd.DataFrame, names: Sequence[str], rows: Rows) -> pd.DataFrame:
    """Give some columns of some rows, numbered from 0."""
    columns = {name: table[name].to_numpy()[rows] for name in names}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def _empty_cells(
    table: pd.DataFrame, names: Sequence[str], count: Array, share: Array
) -> tuple[str, ...]:
    """Name the combinations without data that count towards each mean, shape (m,)."""
    missing = (count == 0) & ((share > 0) | np.isnan(share))
    return tuple(
        _cells_named(_picked(table, names, row * count.shape[1] + np.flatnonzero(missing[row])))
        if missing[row].any()
        else ""
        for row in range(len(count))
    )


def _cells_named(cells: pd.DataFrame) -> str:
    named = [
        " x ".join(f"{name} {level_text(level)}" for name, level in cell.items())
        for cell in cells.head(_SHOWN).to_dict("records")
    ]
    more = f" and {len(cells) - _SHOWN} more" if len(cells) > _SHOWN else ""
    return ", ".join(named) + more
