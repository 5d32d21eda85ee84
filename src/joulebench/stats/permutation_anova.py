"""Permutation tests of the terms of a linear model, within blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.bootstrap_interval import check_rng
from joulebench.stats.fixed_design import FixedDesign, Term
from joulebench.stats.formula_rows import rows_for
from joulebench.stats.groups import cell_codes
from joulebench.stats.linear_model import LinearModel, lm
from joulebench.stats.model_frame import Missing
from joulebench.stats.number_check import shown
from joulebench.stats.permutation import check_draws, tail_share
from joulebench.stats.permutation_arrangements import shuffles
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


def permutation_anova(
    formula: str,
    frame: pd.DataFrame,
    *,
    rng: np.random.Generator,
    block: str | None = None,
    resamples: int = 10_000,
    type: int = 2,  # noqa: A002 - the field's own word
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Test each term of a linear model by permuting residuals (Freedman and Lane).

    The residuals of the model without the term are shuffled, within blocks where there are any,
    and put back on its fitted values; p is ``(b + 1) / (m + 1)`` with ``b`` the shuffled F at least
    as large as the observed one (Freedman and Lane 1983, J. Bus. Econ. Stat. 1, 292; Anderson and
    Legendre 1999, J. Stat. Comput. Simul. 62, 271). For one factor this is the plain permutation
    test; beside other terms it is approximate, and the best of the approximations (Winkler et al.
    2014, NeuroImage 92, 381). The same as R's ``vegan::anova.cca(rda(y ~ a + Condition(b)), model =
    "reduced")``.

    Rows are what is exchanged: repetitions of one run are exchangeable only with one another, so
    test claims about runs on run means.

    Args:
        formula: ``log(energy_j) ~ generation * task``, covariates allowed; no random terms.
        frame: One row an exchangeable unit.
        rng: Generator of the shuffles.
        block: Column within whose levels rows are shuffled; have it in the formula too where
            blocks differ.
        resamples: Shuffles.
        type: 2 tests each term beside all that do not contain it, 3 beside all others (factors
            coded to a sum of 0).
        missing: What to do about rows that lack a value.

    Returns:
        One row a term: ``test``, ``term``, ``statistic`` "F", ``value``, ``df1``, ``df2``, ``p``,
        ``effect_size`` "partial eta squared", ``effect``, ``n``, ``resamples``, ``note``.

    Raises:
        Refused: What :func:`~joulebench.stats.linear_model.lm` refuses, cells without rows, or
            blocks of one row each.
    """
    check_rng(rng)
    check_draws(resamples)
    if not isinstance(type, int | np.integer) or type not in (2, 3):
        raise Refused(f"type must be 2 or 3, not {shown(type)}")
    frame = rows_for(formula, frame, block, missing)
    model = lm(formula, frame)
    if not model.design.intercept:
        raise Refused(f"{formula!r} has no intercept, so that shuffling leaves every mean free")
    if not model.design.terms:
        raise Refused(f"{formula!r} has no term to test: name a factor or a covariate")
    if model.design.aliased:
        raise Refused(
            f"{model.note}; leave out what repeats others, or test filled cells as one factor, "
            "y ~ a:b"
        )
    design, blocks = model.design.recoded("sum"), blocks_of(frame, block)
    rows = []
    for term in design.terms:
        test = _TermTest(model, design, term, type)
        found = np.concatenate([test.of(chunk) for chunk in shuffles(blocks, resamples, rng)])
        rows.append(test.row(found, block))
    return tidy(rows)


def blocks_of(frame: pd.DataFrame, block: str | None) -> Codes:
    """Give the block of each row, shape (n,); one for all where no column is named.

    Raises:
        Refused: No block has two rows.
    """
    if block is None:
        return np.zeros(len(frame), dtype=np.intp)
    codes = cell_codes(frame, [block])[0]
    if np.bincount(codes).max() < 2:
        raise Refused(f"each {block} holds one row: nothing can be shuffled within it")
    return codes


class _TermTest:
    """The F of one term as a function of how the residuals without it are arranged."""

    def __init__(self, model: LinearModel, design: FixedDesign, term: Term, type_: int) -> None:
        others = _others(design, term, type_)
        rest, own = design.x[:, others], design.x[:, term.columns]
        basis = np.linalg.qr(np.hstack([rest, own]))[0]
        self._own = basis[:, len(others) :]
        self._full = np.linalg.qr(design.x)[0]
        before = basis[:, : len(others)]
        scale = float(np.abs(model.response).max())
        centred = model.response / scale
        self._residuals = centred - before @ (before.T @ centred)
        # Twice is enough to be orthogonal to the last digit.
        self._residuals -= before @ (before.T @ self._residuals)
        self._total = float(self._residuals @ self._residuals)
        self._term, self._df = term, (len(term.columns), model.df_residual)
        self._n = model.n

    def of(self, arrangements: Codes) -> Array:
        """Give F for each arrangement, shape (r,)."""
        shuffled = self._residuals[arrangements]
        explained = ((shuffled @ self._own) ** 2).sum(axis=1) / self._df[0]
        left = self._total - ((shuffled @ self._full) ** 2).sum(axis=1)
        with np.errstate(divide="ignore"):
            return np.asarray(explained / (np.maximum(left, 0.0) / self._df[1]))

    def row(self, found: Array, block: str | None) -> dict[str, Any]:
        """Give the row of the term."""
        f = float(self.of(np.arange(self._n)[None, :])[0])
        share = f * self._df[0] / (f * self._df[0] + self._df[1])
        # An infinite F, of an arrangement without residuals, is as extreme as can be.
        found = np.minimum(found, np.finfo(np.float64).max)
        return {
            "test": f"permutation ANOVA{f' within {block}' if block else ''}",
            "term": self._term.name,
            "statistic": "F",
            "value": f,
            "df1": self._df[0],
            "df2": self._df[1],
            "p": tail_share(np.minimum(found, 2 * f + 1), f, "greater", exact=False),
            "effect_size": "partial eta squared",
            "effect": share,
            "n": self._n,
            "resamples": len(found),
            "note": "",
        }


def _others(design: FixedDesign, term: Term, type_: int) -> list[int]:
    """Give the columns that a term is tested beside."""
    mine = set(term.variables)
    left_out = {
        int(column)
        for other in design.terms
        for column in other.columns
        if other.name == term.name or (type_ == 2 and mine < set(other.variables))
    }
    return [k for k in range(design.x.shape[1]) if k not in left_out]
