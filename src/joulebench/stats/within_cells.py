"""Means of cells, judged by how repetitions scatter within the cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.anova_effect_sizes import main_effect
from joulebench.stats.fitted_model import Inference, JointTest, in_one
from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.formula import ModelFormula, parse
from joulebench.stats.linear_model import check_response
from joulebench.stats.model_frame import Missing, complete
from joulebench.stats.model_terms import variables_of
from joulebench.stats.refused import Refused
from joulebench.stats.repeat_scatter import Scatter, scatter_within
from joulebench.stats.rows import tidy

Floats = NDArray[np.float64]

_MOST_FIGURES = 40_000_000
"""Cells times coefficients, or cells squared with blocks: beyond it the matrices are too large."""


@dataclass(frozen=True, eq=False)
class WithinCells:
    """Means of cells by least squares, their covariance from repetitions within cells.

    What the formula does not fit between cells (their interactions) is no error here: the error of
    a cell's mean is the scatter of its repetitions alone, so that claims are about these cells.

    Args:
        formula: The formula, read.
        frame: The repetitions.
        design: Model matrix, one row a cell.
        scatter: Means of the cells, and how repetitions scatter around them.
        solve: Coefficients as linear functions of the means, shape (p, cells).
    """

    formula: ModelFormula
    frame: pd.DataFrame
    design: FixedDesign
    scatter: Scatter
    solve: Floats

    @property
    def n(self) -> int:
        """Repetitions."""
        return len(self.frame)

    @property
    def note(self) -> str:
        """What is doubtful about the fit, in words; empty where nothing is."""
        aliased = self.design.aliased
        return f"{len(aliased)} coefficients cannot be told from others" if aliased else ""

    @cached_property
    def beta(self) -> Floats:
        """Coefficients, shape (p,)."""
        return self.solve @ self.scatter.means

    @property
    def sigma(self) -> float:
        """Standard deviation of repetitions of one cell."""
        return self.scatter.sigma

    @property
    def df(self) -> int:
        """Degrees of freedom of the scatter."""
        return self.scatter.df

    @property
    def fitted(self) -> Floats:
        """Fitted value of each repetition, shape (n,)."""
        fitted: Floats = (self.design.x @ self.beta)[self.scatter.codes]
        return fitted

    @property
    def residuals(self) -> Floats:
        """Response less fitted value of each repetition, shape (n,)."""
        return self.scatter.response - self.fitted

    @cached_property
    def _unscaled(self) -> Floats:
        whole: Floats = self.scatter.spread_of(self.solve)
        return whole

    def covariance(self, ddf: str | None = None) -> Floats:
        """Give the covariance of the coefficients, shape (p, p)."""
        del ddf
        return self._unscaled * self.sigma**2

    def inference(self, functions: Floats, ddf: str | None = None) -> Inference:
        """Estimate linear functions of the coefficients, shape (k, p)."""
        rows = in_one(functions)
        variance = np.einsum("kp,pq,kq->k", rows, self.covariance(ddf), rows)
        df = np.full(len(rows), float(self.df))
        return Inference(rows @ self.beta, np.sqrt(np.maximum(variance, 0.0)), df)

    def joint_test(self, functions: Floats, ddf: str | None = None) -> JointTest:
        """Test that linear functions of the coefficients, shape (q, p), are all 0."""
        del ddf
        rows = in_one(functions)
        middle = rows @ self._unscaled @ rows.T
        rank = int(np.linalg.matrix_rank(middle, hermitian=True))
        value = rows @ self.beta
        size = float(value @ np.linalg.pinv(middle, hermitian=True) @ value) / rank
        return self._tested(size, rank)

    def beyond(self) -> JointTest | None:
        """Test what the formula does not fit between cells; ``None`` where it fits all means."""
        left = len(self.scatter.means) - len(self.beta)
        if left <= 0:
            return None
        return self._tested(self.scatter.least_misfit(self.design.x) / left, left)

    def _tested(self, mean_square: float, rank: int) -> JointTest:
        from scipy.special import fdtrc

        f = mean_square / self.sigma**2
        return JointTest(f, rank, self.df, float(fdtrc(rank, self.df, f)))

    def anova(self, beyond: str = "interaction", confidence: float = 0.95) -> pd.DataFrame:
        """Test each term, and what the terms leave between cells.

        Each term is tested beyond all others. Over cells that are all filled these are the tests of
        type III, of means of cells that count alike (Searle 1987, Linear Models for Unbalanced
        Data, 4.3 on weighted squares of means).

        Args:
            beyond: Name of the term of what is left between cells.
            confidence: Coverage of the lower bound of the effect sizes.

        Returns:
            One row a term, with partial eta squared, ``sum_sq`` and ``mean_sq``, and one row of the
            residuals.
        """
        tested = [(term.name, self.joint_test(np.eye(len(self.beta))[term.columns]))
                  for term in self.design.terms if len(term.columns)]  # fmt: skip
        left = self.beyond()
        rows = [self._row(name, joint, confidence) for name, joint in tested]
        rows += [] if left is None else [self._row(beyond, left, confidence)]
        residual = {
            "term": "Residuals", "df1": float(self.df), "n": self.n,
            "sum_sq": self.df * self.sigma**2, "mean_sq": self.sigma**2, "note": self.note,
        }  # fmt: skip
        return tidy([*rows, residual])

    def _row(self, name: str, joint: JointTest, confidence: float) -> dict[str, Any]:
        explained = joint.F * joint.df1
        share = explained / (explained + joint.df2)
        return {
            "term": name, "statistic": "F", "value": joint.F, "df1": float(joint.df1),
            "df2": float(joint.df2), "p": joint.p,
            **main_effect(share, joint.df1, joint.df2, confidence, "greater"),
            "confidence": confidence, "n": self.n, "sum_sq": explained * self.sigma**2,
            "mean_sq": joint.F * self.sigma**2, "note": self.note,
        }  # fmt: skip


def within_cells(
    formula: str,
    frame: pd.DataFrame,
    cell: str,
    *,
    block: str | None = None,
    missing: Missing = "refuse",
) -> WithinCells:
    """Fit a linear model to the means of cells, judged by repetitions within the cells.

    Every cell counts alike, however often it was repeated. With ``formula`` the full crossing this
    is the linear model of the repetitions; with less it has the same means of a balanced crossing,
    and where cells are empty those of the additive model over the filled ones.

    Args:
        formula: ``log(energy_j) ~ task + model``; of factors that are constant within a cell.
        frame: One row a repetition.
        cell: Column of the cells.
        block: Column of blocks, such as rounds in which each cell was run once: what blocks differ
            by is taken off before the scatter is counted.
        missing: What to do about rows that lack a value.

    Raises:
        Refused: A name that is not there, a factor that varies within a cell, no cell that was
            repeated, no scatter at all, or a design too large for memory.
    """
    read = parse(formula)
    if read.random:
        raise Refused(f"{read.random[0].text} is a random term: fit it with lmm()")
    variables = variables_of(read.fixed, frame)
    beside = [cell, *([block] if block else [])]
    rows = complete(frame, [read.response.column, *variables, *beside], missing)
    response = read.response.values(rows)
    check_response(response, read.response.text)
    codes, first = _cells(rows, cell, variables)
    scatter = scatter_within(response, codes, rows[block] if block else None, cell)
    design = FixedDesign.of(read.fixed, rows.iloc[first].reset_index(drop=True))
    if design.x.size * (len(first) if block else 1) > _MOST_FIGURES:
        raise Refused(
            f"{len(first)} cells of {formula!r} are too many to lay out: leave factors of many "
            "levels out"
        )
    design.frame = rows  # so that what counts rows behind a mean counts repetitions
    q, r = np.linalg.qr(design.x)
    return WithinCells(read, rows, design, scatter, np.linalg.solve(r, q.T))


def _cells(
    rows: pd.DataFrame, cell: str, variables: Sequence[str]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the cell of each row, from 0, and the first row of each cell.

    Raises:
        Refused: A variable is not constant within a cell.
    """
    codes = pd.factorize(rows[cell])[0]
    _, first = np.unique(codes, return_index=True)
    for name in variables:
        column = pd.factorize(rows[name])[0]
        if np.any(column != column[first][codes]):
            row = int(np.argmax(column != column[first][codes]))
            raise Refused(
                f"{name!r} varies within the cell {rows[cell].iloc[row]!r}: name cells of all "
                "factors of the formula"
            )
    return codes.astype(np.intp), first
