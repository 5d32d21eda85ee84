"""What every fitted model offers, whether its rows are independent or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.formula import ModelFormula
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]

METHODS = ("satterthwaite", "kenward-roger", "asymptotic")
"""Ways to find the degrees of freedom of a mixed model; a linear one has those of its residuals."""


def method_of(ddf: str | None) -> str:
    """Give the way that was asked for, Satterthwaite's if none was.

    Raises:
        Refused: It is not one of :data:`METHODS`.
    """
    method = METHODS[0] if ddf is None else ddf
    if method not in METHODS:
        raise Refused(f"no degrees of freedom are called {ddf!r}: choose {', '.join(METHODS)}")
    return method


@dataclass(frozen=True, slots=True)
class Inference:
    """Linear functions of the coefficients, each by itself.

    Args:
        estimate: Shape (k,).
        se: Standard errors, shape (k,).
        df: Degrees of freedom of the t statistics, shape (k,); ``inf`` for normal ones.
    """

    estimate: Floats
    se: Floats
    df: Floats


@dataclass(frozen=True, slots=True)
class JointTest:
    """The test that several linear functions of the coefficients are all 0.

    Args:
        F: The statistic.
        df1: Numerator degrees of freedom: the rank of the functions.
        df2: Denominator degrees of freedom; ``inf`` where the statistic is chi-square over df1.
        p: Probability of a larger F if all are 0.
    """

    F: float
    df1: float
    df2: float
    p: float


class FittedModel(Protocol):
    """A fitted linear model, with or without random effects.

    ``ddf`` names how the denominator degrees of freedom are found: "satterthwaite",
    "kenward-roger" or "asymptotic" for a mixed model (its own default when ``None``); a linear
    model has its residual degrees of freedom whatever is asked.
    """

    @property
    def formula(self) -> ModelFormula: ...  # noqa: D102
    @property
    def design(self) -> FixedDesign: ...  # noqa: D102
    @property
    def frame(self) -> pd.DataFrame:
        """The rows that the model was fitted to."""

    @property
    def beta(self) -> Floats:
        """Coefficients of ``design.columns``, shape (p,)."""

    @property
    def n(self) -> int:
        """Rows that the model was fitted to."""

    @property
    def note(self) -> str:
        """What is doubtful about the fit, in words; empty where nothing is."""

    @property
    def fitted(self) -> Floats:
        """Fitted values in the unit of the response as modelled, shape (n,)."""

    @property
    def residuals(self) -> Floats:
        """Response less fitted values, shape (n,)."""

    def covariance(self, ddf: str | None = None) -> Floats:
        """Give the covariance of the coefficients, shape (p, p)."""

    def inference(self, functions: Floats, ddf: str | None = None) -> Inference:
        """Estimate linear functions of the coefficients, shape (k, p)."""

    def joint_test(self, functions: Floats, ddf: str | None = None) -> JointTest:
        """Test that linear functions of the coefficients, shape (q, p), are all 0."""


def in_one(functions: Any) -> Floats:
    """Give linear functions as a matrix, one a row."""
    return np.atleast_2d(np.asarray(functions, dtype=np.float64))


def check_model(model: Any, makers: str = "lm() or lmm()") -> None:
    """Refuse what is no fitted model.

    Args:
        model: What was given for one.
        makers: What makes one; "lmm()" where random terms are needed.

    Raises:
        Refused: It is none.
    """
    if not hasattr(model, "design") or (makers == "lmm()" and not hasattr(model, "fit")):
        raise Refused(f"give a model fitted by {makers}, not a {type(model).__name__}")
