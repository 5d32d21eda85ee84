"""The model matrix of fixed effects, its terms, and which of its columns can be told apart."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.design_digest import design_digest
from joulebench.stats.full_rank import FullRank, full_rank
from joulebench.stats.model_frame import codes_of_levels, level_text, levels_of
from joulebench.stats.model_matrix import matrix_maker
from joulebench.stats.model_terms import FACTOR_MARK, FixedTerms, fixed_terms, variables_of
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]
Coding = Literal["treatment", "sum"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the fixed part.

    Args:
        name: ``generation:task``, variables in the order in which the formula first names them.
        variables: Columns of the data that it uses.
        columns: Which columns of ``x`` are its own, shape (k,); fewer than it has levels to tell
            where some are aliased.
        aliased: Names of those of its columns that other columns already say.
    """

    name: str
    variables: tuple[str, ...]
    columns: NDArray[np.intp]
    aliased: tuple[str, ...] = ()


_KEPT: dict[bytes, FixedDesign] = {}
"""Designs that were made last: several responses and tests share one."""

_LARGEST = 100_000
"""Figures of a matrix that is kept."""
_MOST = 1_000_000
"""Figures of all that are kept."""


class FixedDesign:
    """The model matrix of the fixed effects of a formula over a frame.

    Args:
        terms: The formula, read.
        frame: Complete rows.
        coding: Contrasts of factors: against the first level, or to a sum of 0.
    """

    def __init__(self, terms: FixedTerms, frame: pd.DataFrame, coding: Coding) -> None:
        self._terms = terms
        self.coding: Coding = coding
        self.fixed = terms.text
        self.frame = frame
        self.factors: dict[str, list[str]] = {
            name: [level_text(level) for level in levels_of(frame[name])] for name in terms.factors
        }
        self._check_levels()
        self.covariates: dict[str, float] = {
            name: float(frame[name].mean()) for name in terms.covariates
        }
        settings = self._settings(frame)
        self._maker = matrix_maker(terms, coding, self.factors, settings)
        matrix = self._maker.rows(settings) if settings else self._constant(frame)
        self.all_columns = self._maker.names
        self.rank: FullRank = full_rank(matrix)
        kept = self.rank.kept
        self.x: Floats = matrix if len(kept) == matrix.shape[1] else matrix[:, kept]
        self.columns = tuple(self.all_columns[k] for k in kept)
        self.aliased = tuple(self.all_columns[k] for k in self.rank.dropped)
        self.intercept = terms.intercept
        self._made: dict[object, Any] = {}

    @classmethod
    def of(cls, fixed: str, frame: pd.DataFrame, coding: Coding = "treatment") -> FixedDesign:
        """Read the fixed part of a formula and lay it over a frame.

        Text, yes-and-no and categorical columns are factors, and so is what the formula has in
        ``C()`` or ``factor()``. Columns that others already say are left out, as R does: a column
        goes where less than 1e-7 of its length is new after the columns before it.

        Args:
            fixed: Right side of a formula without random terms.
            frame: One row an observation, complete in the columns that the formula uses.
            coding: Contrasts of factors against the first level ("treatment"), or to a sum of 0
                ("sum"); a contrast that the formula names itself gives way to "sum".

        Raises:
            Refused: A name is no column, the formula cannot be read or evaluated, or a factor has
                one level.
        """
        digest = design_digest(fixed, coding, frame, variables_of(fixed, frame))
        if digest is None:
            return cls(fixed_terms(fixed, frame), frame, coding)
        if digest not in _KEPT:
            made = cls(fixed_terms(fixed, frame), frame, coding)
            if made.x.size > _LARGEST:
                return made
            while _KEPT and sum(each.x.size for each in _KEPT.values()) > _MOST - made.x.size:
                del _KEPT[next(iter(_KEPT))]
            made.x.setflags(write=False)
            _KEPT[digest] = made
        return _KEPT[digest].over(frame)

    def over(self, frame: pd.DataFrame) -> FixedDesign:
        """Give the same design over a frame that has the same values of its variables."""
        same = copy(self)
        same.frame = frame
        return same

    def recoded(self, coding: Coding) -> FixedDesign:
        """Give the same design under other contrasts of its factors."""
        return self if coding == self.coding else FixedDesign.of(self.fixed, self.frame, coding)

    def once(self, what: object, make: Callable[[], T]) -> T:
        """Give what follows from the matrix alone, made once for all responses.

        Args:
            what: Its name.
            make: Makes it.
        """
        if what not in self._made:
            self._made[what] = make()
        found: T = self._made[what]
        return found

    @property
    def solved(self) -> tuple[Floats, Floats]:
        """Orthonormal columns, shape (n, p), and what makes coefficients of coordinates in them."""
        return self.once("solved", self._solved)

    def _solved(self) -> tuple[Floats, Floats]:
        # Columns of one length, so that units do not decide what is precise.
        length = np.linalg.norm(self.x, axis=0)
        q, r = np.linalg.qr(self.x / length)
        return q, np.linalg.inv(r) / length[:, None]

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The terms but for the intercept, in the order of the columns."""
        place = {column: k for k, column in enumerate(self.rank.kept)}
        return tuple(
            Term(
                name,
                self._terms.variables[name],
                np.array([place[k] for k in columns if k in place], dtype=np.intp),
                tuple(self.all_columns[k] for k in columns if k not in place),
            )
            for name, columns in self._maker.columns.items()
        )

    @property
    def variables(self) -> tuple[str, ...]:
        """Every column of the data that the fixed part uses, factors first."""
        return (*self.factors, *(name for name in self.covariates if name not in self.factors))

    def rows(self, grid: pd.DataFrame) -> Floats:
        """Give the rows of ``x`` that belong to settings of the variables, shape (m, p).

        Args:
            grid: One row a setting; a column a variable, factors by the text of their level.

        Raises:
            Refused: A variable is missing, or a level that the data do not have.
        """
        return self.full_rows(grid)[:, self.rank.kept]

    def full_rows(self, grid: pd.DataFrame) -> Floats:
        """Give rows as :meth:`rows` does, aliased columns among them, shape (m, p_all)."""
        absent = [name for name in self.variables if name not in grid.columns]
        if absent:
            raise Refused(f"settings of the model need a column {absent[0]!r}")
        settings = self._settings(grid)
        return self._maker.rows(settings) if settings else self._constant(grid)

    def estimable(self, functions: Floats) -> NDArray[np.bool_]:
        """Say which linear functions of the coefficients the data determine, shape (k,).

        Args:
            functions: Over all columns, aliased ones too (:meth:`full_rows`), shape (k, p_all).
        """
        return self.rank.determines(np.atleast_2d(functions))

    def _check_levels(self) -> None:
        for name, levels in self.factors.items():
            if len(levels) < 2:
                only = f"one level, {levels[0]!r}" if levels else "no level"
                raise Refused(
                    f"factor {name!r} has {only}: nothing can be compared; leave it out of "
                    f"{self.fixed!r}"
                )

    def _constant(self, frame: pd.DataFrame) -> Floats:
        """Give the rows of a design without variables: of an intercept, or of nothing."""
        return np.ones((len(frame), int(self._terms.intercept)))

    def _settings(self, frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
        """Give the numbers of covariates, and of factors the places of their levels."""
        covariates = {name: frame[name].to_numpy(dtype=np.float64) for name in self.covariates}
        marked = {
            name + FACTOR_MARK: codes_of_levels(frame[name], levels)
            for name, levels in self.factors.items()
        }
        return {**covariates, **marked}
