"""Linear models fitted by least squares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.coefficients import coefficient_table
from joulebench.stats.fitted_model import Inference, JointTest, in_one, method_of
from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.formula import ModelFormula, parse
from joulebench.stats.model_frame import Missing, complete
from joulebench.stats.model_terms import variables_of
from joulebench.stats.refused import Refused
from joulebench.stats.sample_check import check_square

Floats = NDArray[np.float64]

_PERFECT = 1e-10
"""Residuals of less than this share of the response's spread are rounding alone."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A linear model with independent rows of one variance.

    Args:
        formula: The formula, read.
        frame: Rows it was fitted to.
        design: Model matrix of full rank.
        response: Response as modelled, shape (n,).
        beta: Coefficients, shape (p,).
        unscaled: ``(X'X)^-1``, shape (p, p).
        residuals: Response less fitted values, shape (n,).
    """

    formula: ModelFormula
    frame: pd.DataFrame
    design: FixedDesign
    response: Floats
    beta: Floats
    unscaled: Floats
    residuals: Floats

    @property
    def n(self) -> int:
        """Rows that the model was fitted to."""
        return len(self.response)

    @property
    def df_residual(self) -> int:
        """Rows less coefficients."""
        return self.n - len(self.beta)

    @cached_property
    def residual_sum_of_squares(self) -> float:
        """Sum of the squared residuals."""
        return float(self.residuals @ self.residuals)

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return float(np.sqrt(self.residual_sum_of_squares / self.df_residual))

    @property
    def fitted(self) -> Floats:
        """Fitted values, shape (n,)."""
        return self.response - self.residuals

    @property
    def note(self) -> str:
        """What is doubtful about the fit, in words; empty where nothing is."""
        aliased = self.design.aliased
        if not aliased:
            return ""
        shown = ", ".join(aliased[:4]) + (f" and {len(aliased) - 4} more" if aliased[4:] else "")
        plural = "" if len(aliased) == 1 else "s"
        return f"{len(aliased)} coefficient{plural} cannot be told from others: {shown}"

    def covariance(self, ddf: str | None = None) -> Floats:
        """Give the covariance of the coefficients, shape (p, p)."""
        method_of(ddf)  # a misspelt one is refused as for a mixed model
        return self.unscaled * self.sigma**2

    def inference(self, functions: Floats, ddf: str | None = None) -> Inference:
        """Estimate linear functions of the coefficients, shape (k, p)."""
        rows = in_one(functions)
        variance = np.einsum("kp,pq,kq->k", rows, self.covariance(ddf), rows)
        df = np.full(len(rows), float(self.df_residual))
        return Inference(rows @ self.beta, np.sqrt(np.maximum(variance, 0.0)), df)

    def joint_test(self, functions: Floats, ddf: str | None = None) -> JointTest:
        """Test that linear functions of the coefficients, shape (q, p), are all 0."""
        from scipy.special import fdtrc

        method_of(ddf)
        rows = in_one(functions)
        middle = rows @ self.unscaled @ rows.T
        rank = int(np.linalg.matrix_rank(middle, hermitian=True))
        value = rows @ self.beta
        # The pseudo-inverse serves functions that repeat one another.
        size = float(value @ np.linalg.pinv(middle, hermitian=True) @ value) / rank
        f = size / self.sigma**2
        return JointTest(f, rank, self.df_residual, float(fdtrc(rank, self.df_residual, f)))

    def coefficients(self, confidence: float = 0.95) -> pd.DataFrame:
        """Give one row a coefficient: estimate, standard error, t, p and interval."""
        return coefficient_table(self, self.design.columns, confidence=confidence)

    def anova(self, type: int = 2) -> pd.DataFrame:  # noqa: A002 - the field's own word
        """Give the analysis of variance by term; see :func:`joulebench.stats.anova`."""
        from joulebench.stats.anova import anova_of

        return anova_of(self, type)

    def __repr__(self) -> str:
        """Give the model in short."""
        from joulebench.stats.model_summary import linear_summary

        return linear_summary(self)


def lm(formula: str, frame: pd.DataFrame, missing: Missing = "refuse") -> LinearModel:
    """Fit a linear model by least squares.

    Args:
        formula: ``log(energy_j) ~ generation * task``; no random terms.
        frame: One row an observation.
        missing: What to do about rows that lack a value.

    Raises:
        Refused: A name is not there, a value is missing, the response does not vary, or nothing is
            left over to estimate the residual variance from.
    """
    read = parse(formula)
    if read.random:
        raise Refused(f"{read.random[0].text} is a random term: fit it with lmm()")
    rows = complete(frame, [read.response.column, *variables_of(read.fixed, frame)], missing)
    response = read.response.values(rows)
    design = FixedDesign.of(read.fixed, rows)
    return _fit(read, rows, design, response)


def check_response(response: Floats, text: str) -> None:
    """Refuse a response that does not vary.

    Raises:
        Refused: All values are one.
    """
    if np.ptp(response) <= 1e-14 * np.abs(response).max(initial=0.0):
        raise Refused(
            f"{text} is {response[0]:g} in all {len(response)} rows: nothing varies, so nothing "
            "can be explained; check the column"
        )


def _fit(
    formula: ModelFormula, frame: pd.DataFrame, design: FixedDesign, response: Floats
) -> LinearModel:
    check_response(response, formula.response.text)
    check_square(response, formula.response.text)
    n, p = design.x.shape
    if p == 0:
        raise Refused(f"{formula.text!r} has nothing to estimate: leave the 1 in, or name a term")
    if n <= p:
        raise Refused(
            f"{n} rows cannot carry {p} coefficients and a residual variance: leave terms out of "
            f"{formula.text!r} or add repetitions"
        )
    q, inverse = design.solved
    # The mean is taken away first, so that values far above their spread keep their digits.
    centre = response.mean() if design.intercept else 0.0
    beta = inverse @ (q.T @ (response - centre))
    residuals = response - centre - design.x @ beta
    beta[0] += centre
    if np.abs(residuals).max() <= _PERFECT * np.ptp(response):
        raise Refused(
            f"{formula.text!r} fits every row without a residual: no variance is left to judge by; "
            "check for a term that repeats the response"
        )
    return LinearModel(formula, frame, design, response, beta, inverse @ inverse.T, residuals)
