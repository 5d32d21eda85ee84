"""Which designs the aligned rank transform serves, and the models of its ranks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.art_align import check_cells, subsets
from joulebench.stats.fitted_model import FittedModel
from joulebench.stats.formula import ModelFormula, parse
from joulebench.stats.linear_model import check_response, lm
from joulebench.stats.model_frame import Missing, as_factor, complete
from joulebench.stats.model_terms import fixed_terms, variables_of
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]

_FUNCTION = re.compile(r"[\w.]\s*\(")


@dataclass(frozen=True, eq=False)
class ArtDesign:
    """A full factorial of factors over rows, with or without random terms.

    Args:
        formula: The formula, read.
        frame: Complete rows, the factors categorical.
        factors: Names of the factors, in the order of the formula.
        response: Response as modelled, shape (n,).
    """

    formula: ModelFormula
    frame: pd.DataFrame
    factors: tuple[str, ...]
    response: Floats

    @property
    def mixed(self) -> bool:
        """Whether there are random terms."""
        return bool(self.formula.random)

    def fit(self, values: Floats) -> FittedModel:
        """Fit the model of the formula to other values of the response, shape (n,).

        Raises:
            Refused: The model cannot be fitted.
        """
        name = unused_name("aligned", self.frame)
        random = [term.text for term in self.formula.random]
        text = f"{name} ~ {' + '.join([' * '.join(self.factors), *random])}"
        frame = self.frame.assign(**{name: values})
        if not self.mixed:
            return lm(text, frame)
        from joulebench.stats.lmm import lmm

        return lmm(text, frame)

    def merged(self, names: Sequence[str], column: str) -> ArtDesign:
        """Give the design with several factors made one, the first of them slowest."""
        codes = np.zeros(len(self.frame), dtype=np.int64)
        cells = [""]
        for name in names:
            levels = [str(level) for level in self.frame[name].cat.categories]
            codes = codes * len(levels) + self.frame[name].cat.codes.to_numpy(dtype=np.int64)
            cells = [f"{cell}:{level}" if cell else level for cell in cells for level in levels]
        if len(set(cells)) < len(cells):
            raise Refused(f"levels of {' and '.join(names)} have colons: rename them")
        frame = self.frame.copy()
        frame[column] = pd.Categorical.from_codes(codes, categories=pd.Index(cells))
        others = tuple(name for name in self.factors if name not in names)
        return replace(self, frame=frame, factors=(column, *others))


def art_design(formula: str, frame: pd.DataFrame, missing: Missing = "refuse") -> ArtDesign:
    """Read the formula of an aligned rank transform and check its design.

    Raises:
        Refused: The fixed part is not a full factorial of factors, a cell is empty, all cells hold
            one row, the response does not vary, a name is not there, or a value is missing.
    """
    read = parse(formula)
    if _FUNCTION.search(read.fixed):
        raise Refused(f"aligned ranks take factors by their names: write a * b, not {read.fixed!r}")
    factors = variables_of(read.fixed, frame)
    if not factors:
        raise Refused(f"{formula!r} names no factor: write response ~ a * b")
    random: list[str] = []
    if read.random:
        from joulebench.stats.lmm_random_terms import random_variables

        random = random_variables(read.random, frame)
    rows = complete(frame, [read.response.column, *factors, *random], missing)
    response = read.response.values(rows)
    check_response(response, read.response.text)
    rows = rows.assign(**{name: as_factor(rows[name]) for name in factors})
    _check_factorial(read, rows, factors)
    check_cells(rows, factors)
    return ArtDesign(read, rows, factors, response)


def unused_name(name: str, frame: pd.DataFrame) -> str:
    """Give a name that no column of the frame has."""
    while name in frame.columns:
        name += "_"
    return name


def _check_factorial(read: ModelFormula, rows: pd.DataFrame, factors: tuple[str, ...]) -> None:
    terms = fixed_terms(read.fixed, rows)
    found = {frozenset(variables) for variables in terms.variables.values()}
    wanted = {frozenset(term) for term in subsets(factors)[1:]}
    if found != wanted or not terms.intercept:
        raise Refused(
            f"aligned ranks need every interaction of their factors, and {read.fixed!r} lacks "
            f"some: write {' * '.join(factors)}"
        )
