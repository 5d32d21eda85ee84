"""A fitted linear mixed model and what it can be asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.coefficients import coefficient_table
from joulebench.stats.fitted_model import METHODS, Inference, JointTest, in_one, method_of
from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.formula import ModelFormula
from joulebench.stats.lmm_diagnostics import (
    Diagnostic,
    diagnose,
    diagnostic_table,
    is_singular,
    note_of,
)
from joulebench.stats.lmm_fit import MixedFit
from joulebench.stats.lmm_modes import mode_table
from joulebench.stats.lmm_predict import predictions
from joulebench.stats.lmm_satterthwaite import Satterthwaite, f_tail, satterthwaite
from joulebench.stats.lmm_varcorr import variance_table
from joulebench.stats.model_summary import summary
from joulebench.stats.refused import Refused

if TYPE_CHECKING:
    from joulebench.stats.linear_model import LinearModel
    from joulebench.stats.lmm_kenward_roger import KenwardRoger

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MixedModel:
    """A fitted linear mixed model.

    Args:
        formula: The formula, read.
        frame: Rows it was fitted to.
        design: Model matrix of the fixed effects, of full rank.
        fit: The fit: parameters, likelihood, predicted effects.
    """

    formula: ModelFormula
    frame: pd.DataFrame
    design: FixedDesign
    fit: MixedFit

    @property
    def n(self) -> int:
        """Rows that the model was fitted to."""
        return self.fit.n

    @property
    def reml(self) -> bool:
        """Whether restricted maximum likelihood was used."""
        return self.fit.reml

    @property
    def beta(self) -> Floats:
        """Fixed effects, shape (p,)."""
        return self.fit.beta

    @property
    def theta(self) -> Floats:
        """Elements of the relative covariance factors, as lme4 has them, in formula order."""
        return self.fit.theta

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return self.fit.sigma

    @property
    def fitted(self) -> Floats:
        """Fitted values at the predicted random effects, shape (n,)."""
        return self.fit.fitted

    @property
    def residuals(self) -> Floats:
        """Response less fitted values, shape (n,)."""
        return self.fit.residuals

    @property
    def log_likelihood(self) -> float:
        """Log likelihood, restricted if that was maximised."""
        return -0.5 * self.fit.criterion

    @property
    def reml_criterion(self) -> float:
        """-2 log restricted likelihood.

        Raises:
            Refused: The model was fitted by maximum likelihood.
        """
        if not self.reml:
            raise Refused("the model was fitted by maximum likelihood: ask for its deviance")
        return self.fit.criterion

    @cached_property
    def deviance(self) -> float:
        """-2 log likelihood at the estimates; after REML at its estimates of ``theta``."""
        return self.fit.problem.criterion(self.fit.optimum.theta, False)

    @property
    def parameters(self) -> int:
        """Fixed effects, covariance parameters and the residual variance."""
        return self.fit.p + len(self.fit.theta) + 1

    @property
    def aic(self) -> float:
        """Akaike's information criterion of the likelihood that was maximised."""
        return self.fit.criterion + 2 * self.parameters

    @property
    def bic(self) -> float:
        """Schwarz's information criterion of the likelihood that was maximised, n all rows."""
        return self.fit.criterion + math.log(self.n) * self.parameters

    @cached_property
    def _diagnostics(self) -> list[Diagnostic]:
        return diagnose(self.fit, self.design.aliased)

    @property
    def singular(self) -> bool:
        """Whether a variance is 0 or random effects determine one another."""
        return is_singular(self.fit)

    @property
    def converged(self) -> bool:
        """Whether the search for the covariance parameters ended at an optimum."""
        return self.fit.optimum.converged

    @property
    def note(self) -> str:
        """What is doubtful about the fit, in words; empty where nothing is."""
        return note_of(self._diagnostics)

    def diagnostics(self) -> pd.DataFrame:
        """Give what was looked at: ``check``, ``group``, ``verdict``, ``note``, in words."""
        return diagnostic_table(self._diagnostics)

    @cached_property
    def _satterthwaite(self) -> Satterthwaite:
        return satterthwaite(self.fit)

    @cached_property
    def _kenward_roger(self) -> KenwardRoger:
        from joulebench.stats.lmm_kenward_roger import kenward_roger

        return kenward_roger(self.fit)

    def covariance(self, ddf: str | None = None) -> Floats:
        """Give the covariance of the fixed effects, shape (p, p), adjusted for Kenward-Roger's."""
        if method_of(ddf) == "kenward-roger":
            return self._kenward_roger.covariance
        return self.fit.covariance

    def inference(self, functions: Floats, ddf: str | None = None) -> Inference:
        """Estimate linear functions of the fixed effects, shape (k, p)."""
        rows, method = in_one(functions), method_of(ddf)
        covariance = self.covariance(method)
        se = np.sqrt(np.maximum(np.einsum("kp,pq,kq->k", rows, covariance, rows), 0.0))
        if method == "satterthwaite":
            df = self._satterthwaite.df(rows)
        elif method == "kenward-roger":
            df = self._kenward_roger.df(rows)
        else:
            df = np.full(len(rows), np.inf)
        return Inference(rows @ self.beta, se, df)

    def joint_test(self, functions: Floats, ddf: str | None = None) -> JointTest:
        """Test that linear functions of the fixed effects, shape (q, p), are all 0."""
        method = method_of(ddf)
        if method == "kenward-roger":
            return self._kenward_roger.joint(in_one(functions))
        found = self._satterthwaite.joint(in_one(functions))
        if method == "satterthwaite":
            return found
        return JointTest(found.F, found.df1, np.inf, f_tail(found.F, int(found.df1), np.inf))

    def fixed(self, ddf: str = METHODS[0], confidence: float = 0.95) -> pd.DataFrame:
        """Give one row a fixed effect: estimate, standard error, t, df, p and interval.

        Args:
            ddf: "satterthwaite", "kenward-roger" or "asymptotic".
            confidence: Coverage of the intervals.

        Raises:
            Refused: The method is not known, or the confidence is no share.
        """
        return coefficient_table(self, self.design.columns, method_of(ddf), confidence)

    def variance_components(self) -> pd.DataFrame:
        """Give the variances and correlations of the random effects, and the residual's."""
        return variance_table(self.fit)

    def random_effects(self) -> pd.DataFrame:
        """Give the predicted effect of each group: ``group``, ``level``, ``effect``, ``estimate``.

        ``se`` is the standard deviation of the effect given the data, the parameters taken as
        known.
        """
        blocks = zip(self.fit.blocks, self.fit.predicted, strict=True)
        return pd.concat([mode_table(*one) for one in blocks], ignore_index=True)

    def predict(
        self, grid: pd.DataFrame, ddf: str = METHODS[0], confidence: float = 0.95
    ) -> pd.DataFrame:
        """Give the mean response at settings of the fixed variables, groups averaged over.

        Args:
            grid: One row a setting; a column a variable of the fixed part.
            ddf: How degrees of freedom are found.
            confidence: Coverage of the intervals of the mean.

        Returns:
            The grid with ``estimate``, ``se``, ``df1`` and the interval, in the unit of the
            response as modelled.

        Raises:
            Refused: A variable is missing, or a level that the data do not have.
        """
        return predictions(self, grid, method_of(ddf), confidence)

    def anova(self, type: int = 3, ddf: str = METHODS[0]) -> pd.DataFrame:  # noqa: A002 - its name
        """Test the fixed effects by term; see :func:`joulebench.stats.lmm_anova.anova_table`."""
        from joulebench.stats.lmm_anova import anova_table

        return anova_table(self, type, method_of(ddf))

    def icc(self) -> pd.DataFrame:
        """Give the intraclass correlations; see :func:`joulebench.stats.lmm_r2.icc`."""
        from joulebench.stats.lmm_r2 import icc

        return icc(self)

    def r_squared(self) -> pd.DataFrame:
        """Give R squared, marginal and conditional: :func:`joulebench.stats.lmm_r2.r_squared`."""
        from joulebench.stats.lmm_r2 import r_squared

        return r_squared(self)

    def compare(self, *others: MixedModel | LinearModel) -> pd.DataFrame:
        """Compare nested models by likelihood; see :func:`joulebench.stats.lmm_compare.compare`."""
        from joulebench.stats.lmm_compare import compare

        return compare(self, *others)

    def intervals(
        self,
        method: Literal["wald", "profile", "bootstrap"] = "profile",
        confidence: float = 0.95,
        resamples: int = 1000,
        rng: np.random.Generator | None = None,
    ) -> pd.DataFrame:
        """Give intervals of all parameters: :func:`joulebench.stats.lmm_intervals.lmm_intervals`.

        Args:
            method: By likelihood ("profile"), by refits to simulated responses ("bootstrap"), or
                estimate and standard error of the fixed effects alone ("wald").
            confidence: Coverage.
            resamples: Refits, for the bootstrap.
            rng: Required for the bootstrap.
        """
        from joulebench.stats.lmm_intervals import lmm_intervals

        return lmm_intervals(self, method, confidence, resamples=resamples, rng=rng)

    def __repr__(self) -> str:
        """Give the model in short."""
        return summary(self)
