"""A model apart from the scale of its response: what residuals it leaves, and in which groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.formula import ModelFormula, parse
from joulebench.stats.groups import cell_codes
from joulebench.stats.linear_model import check_response, lm
from joulebench.stats.model_frame import Missing
from joulebench.stats.refused import Refused
from joulebench.stats.sample_check import check_square

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

_PERFECT = 1e-10
"""Residuals of less than this share of the response's spread are rounding alone."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """Rows in groups whose variances can be compared.

    Args:
        term: ``generation``, or ``generation:task`` for cells.
        levels: Names of the groups.
        codes: Group of each row, shape (n,).
        whole: Whether the model says one thing of each group, so that a group's values have the
            spread of its residuals.
    """

    term: str
    levels: list[str]
    codes: Codes
    whole: bool


@dataclass(frozen=True, eq=False)
class Layout:
    """The terms of a model over rows.

    Args:
        formula: The formula, read.
        frame: Complete rows.
        design: Fixed effects.
        response: Response as modelled, shape (n,).
        leave: What residuals the model leaves of a response, from (n,) to (n,).
        leave_fixed: What the fixed effects alone leave.
        free: Which rows the fixed effects do not fit whatever their value, shape (n,): those that
            are not alone in their cell.
        groupings: The cells of the factors where some hold 3 values, else each factor.
    """

    formula: ModelFormula
    frame: pd.DataFrame
    design: FixedDesign
    response: Floats
    leave: Callable[[Floats], Floats]
    leave_fixed: Callable[[Floats], Floats]
    free: NDArray[np.bool_]
    groupings: tuple[Grouping, ...]

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.response)

    def raw(self) -> Floats:
        """Give the column that the response is made of, shape (n,)."""
        values: Floats = self.frame[self.formula.response.column].to_numpy(dtype=np.float64)
        return values

    def spread(
        self, grouping: Grouping, response: Floats, residuals: Floats
    ) -> tuple[Floats, Codes]:
        """Give what the variances of groups are compared by, and the group of each, shape (k,).

        The values themselves where the model says one thing of each group: it is the same, and
        keeps ties. Otherwise the residuals of the rows that are free.
        """
        if grouping.whole:
            return response, grouping.codes
        _, codes = np.unique(grouping.codes[self.free], return_inverse=True)
        return residuals[self.free], codes


def layout_of(formula: str, frame: pd.DataFrame, missing: Missing, apart: str = "") -> Layout:
    """Lay a model over rows.

    Args:
        formula: ``log(energy_j) ~ generation * task``, with or without random terms.
        frame: One row an observation.
        missing: What to do about rows that lack a value.
        apart: A factor (of blocks) in which variances are not compared.

    Raises:
        Refused: What :func:`lm` or :func:`lmm` refuses of the formula as it is written.
    """
    read = parse(formula)
    if read.random:
        from joulebench.stats.lmm import lmm

        model = lmm(formula, frame, missing=missing)
        rows, design = model.frame, model.design
    else:
        linear = lm(formula, frame, missing)
        rows, design = linear.frame, linear.design
    basis, _ = design.solved
    plain = _least_squares(basis, read.response.text)
    leave = _mixed(read, rows) if read.random else plain
    factors = [name for name in design.factors if name != apart]
    whole = not read.random and not design.covariates
    return Layout(
        read, rows, design, read.response.values(rows), leave, plain, _free(basis),
        tuple(_groupings(rows, factors, whole and not apart)),
    )  # fmt: skip


def _groupings(rows: pd.DataFrame, factors: list[str], whole: bool) -> list[Grouping]:
    if not factors:
        return []
    codes, levels = cell_codes(rows, factors)
    if np.bincount(codes).max() > 2 or len(factors) == 1:
        return [Grouping(":".join(factors), levels, codes, whole)]
    each = [(name, *cell_codes(rows, [name])) for name in factors]
    return [Grouping(name, levels, codes, whole=False) for name, codes, levels in each]


def _free(basis: Floats) -> NDArray[np.bool_]:
    free: NDArray[np.bool_] = np.sum(basis**2, axis=1) < 1 - 1e-9
    return free


def _least_squares(basis: Floats, text: str) -> Callable[[Floats], Floats]:
    def leave(response: Floats) -> Floats:
        check_response(response, text)
        check_square(response, text)
        residuals = response - basis @ (basis.T @ response)
        # Once more, for responses far above their residuals.
        residuals -= basis @ (basis.T @ residuals)
        _check_left(residuals, response, text)
        return residuals

    return leave


def _mixed(read: ModelFormula, rows: pd.DataFrame) -> Callable[[Floats], Floats]:
    from joulebench.stats.lmm import lmm

    column = read.response.column
    right = read.text.partition("~")[2]

    def leave(response: Floats) -> Floats:
        fitted = lmm(f"{column} ~{right}", rows.assign(**{column: response}))
        _check_left(fitted.residuals, response, read.response.text)
        return fitted.residuals

    return leave


def _check_left(residuals: Floats, response: Floats, text: str) -> None:
    if np.abs(residuals).max() <= _PERFECT * np.ptp(response):
        raise Refused(
            f"the model fits {text} in every row without a residual: no assumption can be checked; "
            "leave terms out or add repetitions"
        )
