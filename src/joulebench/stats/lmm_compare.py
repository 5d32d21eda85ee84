"""Likelihood-ratio tests between nested models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.linear_model import LinearModel
from joulebench.stats.lmm_blocks import RandomBlock
from joulebench.stats.lmm_boundary import boundary_p, chi2_tail
from joulebench.stats.lmm_model import MixedModel
from joulebench.stats.lmm_nesting import random_nested, removed, spans
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Floats = NDArray[np.float64]

_LOG_2PI = math.log(2 * math.pi)
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Likelihood:
    """How likely the data are under a fitted model.

    Args:
        name: Formula of the model.
        criterion: -2 log (restricted) likelihood.
        parameters: That were estimated.
        x: Fixed effects, shape (n, p).
        blocks: Random terms.
        note: What is doubtful about the fit.
    """

    name: str
    criterion: float
    parameters: int
    x: Floats
    blocks: Sequence[RandomBlock] = field(default=())
    note: str = ""

    def columns(self) -> dict[str, Any]:
        """Give the columns that describe the model alone."""
        n = len(self.x)
        return {
            "n": n,
            "parameters": self.parameters,
            "aic": self.criterion + 2 * self.parameters,
            "bic": self.criterion + math.log(n) * self.parameters,
            "log_likelihood": -self.criterion / 2,
            "deviance": self.criterion,
        }


def compare(*models: MixedModel | LinearModel, refit: bool = True) -> pd.DataFrame:
    """Compare nested models by the likelihood ratio, each with the one before it.

    Models are put in order of their parameters. A p beside the boundary-corrected one is that of
    the plain chi-square, which is too large where a variance of 0 is tested.

    Args:
        models: Two or more, of the same rows and the same response; at least one mixed.
        refit: Whether mixed models fitted by REML are refitted by maximum likelihood, as R's
            ``anova(m0, m1)`` does. Without, restricted likelihoods are compared, which needs the
            same fixed effects.

    Returns:
        Columns ``test, term`` (the formula), ``statistic "chi2", value, df1, p, n, parameters, aic,
        bic, log_likelihood, deviance, p_boundary, note``; the smallest model has no test.

    Raises:
        Refused: Fewer than two models, other rows or another response, or restricted likelihoods of
            different fixed effects.

    Source:
        Wilks 1938, Ann. Math. Stat. 9, 60; Self & Liang 1987, J. Am. Stat. Assoc. 82, 605; Stram &
        Lee 1994, Biometrics 50, 1171.
    """
    _check(models)
    if not refit:
        _check_restricted(models)
    found = sorted((_likelihood(one, refit) for one in models), key=lambda one: one.parameters)
    rows = [_row(found[0], None)]
    rows += [_row(one, before) for before, one in pairwise(found)]
    return tidy(rows)


def criterion_without_groups(y: Floats, x: Floats, reml: bool) -> float:
    """Give -2 log (restricted) likelihood of independent rows.

    Args:
        y: Response, shape (n,).
        x: Fixed effects, of full rank, shape (n, p).
        reml: Restricted or not.

    Source:
        Patterson & Thompson 1971, Biometrika 58, 545; R: ``logLik(lm(), REML =)``.
    """
    n, p = x.shape
    length = np.linalg.norm(x, axis=0)
    basis, upper = np.linalg.qr(x / length)
    residual = y - basis @ (basis.T @ y)
    residual -= basis @ (basis.T @ residual)
    weight = n - p if reml else n
    size = float(np.abs(residual).max())
    log_rss = 2 * math.log(size) + math.log(float(np.sum((residual / size) ** 2)))
    found: float = weight * (1 + _LOG_2PI - math.log(weight) + log_rss)
    if reml:
        found += 2 * float(np.log(np.abs(np.diag(upper))).sum() + np.log(length).sum())
    return found


def _check(models: Sequence[MixedModel | LinearModel]) -> None:
    if len(models) < 2:
        raise Refused(f"a comparison needs two or more models, got {len(models)}")
    for one in models:
        if not isinstance(one, MixedModel | LinearModel):
            raise Refused(
                f"only models of lmm() and lm() can be compared, got {type(one).__name__}"
            )
    first = models[0]
    for one in models[1:]:
        if one.formula.response.text != first.formula.response.text:
            raise Refused(
                f"models of {first.formula.response.text} and {one.formula.response.text} cannot "
                "be compared by likelihood: model the same response"
            )
        if one.n != first.n or not np.array_equal(_response(one), _response(first)):
            raise Refused(
                f"the models hold different rows ({first.n} and {one.n}): drop rows with missing "
                "values before fitting both"
            )


def _check_restricted(models: Sequence[MixedModel | LinearModel]) -> None:
    first = models[0].design.x
    for one in models:
        if isinstance(one, MixedModel) and not one.reml:
            raise Refused("refit=False compares models that were all fitted by REML")
        same = one.design.x.shape == first.shape and spans(first, one.design.x)
        if not same or not np.array_equal(one.design.x, first):
            raise Refused(
                "restricted likelihoods of different fixed effects cannot be compared: leave "
                "refit=True"
            )


def _response(model: MixedModel | LinearModel) -> Floats:
    return model.response if isinstance(model, LinearModel) else model.fit.y


def _likelihood(model: MixedModel | LinearModel, refit: bool) -> Likelihood:
    x = model.design.x
    if isinstance(model, LinearModel):
        criterion = criterion_without_groups(model.response, x, not refit)
        return Likelihood(model.formula.text, criterion, x.shape[1] + 1, x, (), model.note)
    fit = model.fit.refit(reml=False) if refit and model.reml else model.fit
    return Likelihood(
        model.formula.text, fit.criterion, model.parameters, x, fit.blocks, model.note
    )


def _row(model: Likelihood, before: Likelihood | None) -> dict[str, Any]:
    row: dict[str, Any] = {"test": "likelihood-ratio test", "term": model.name}
    if before is None:
        return row | {"statistic": "", "note": model.note} | model.columns()
    return row | ratio_test(before, model) | model.columns()


def ratio_test(smaller: Likelihood, larger: Likelihood) -> dict[str, Any]:
    """Test a model against one that it is a special case of.

    Args:
        smaller: The special case.
        larger: The other.

    Returns:
        Columns ``statistic, value, df1, p, p_boundary, note``.
    """
    df = larger.parameters - smaller.parameters
    value = smaller.criterion - larger.criterion
    note = [larger.note]
    nested = spans(larger.x, smaller.x) and random_nested(smaller.blocks, larger.blocks)
    if not nested or df == 0:
        note.insert(0, "neither model is a special case of the other: compare their AIC")
        p = p_boundary = math.nan
    else:
        # A larger model that fits no better may come out worse by rounding.
        value = 0.0 if abs(value) < _ROUNDING else value
        p = chi2_tail(value, df)
        p_boundary, how = _boundary(smaller, larger, value, df)
        note.insert(0, how)
    return {
        "statistic": "chi2",
        "value": value,
        "df1": float(df),
        "p": p,
        "p_boundary": p_boundary,
        "note": "; ".join(part for part in note if part),
    }


def _boundary(smaller: Likelihood, larger: Likelihood, value: float, df: int) -> tuple[float, str]:
    effects = removed(smaller.blocks, larger.blocks)
    if smaller.x.shape[1] == larger.x.shape[1] or not effects:
        return boundary_p(value, df, effects)
    return math.nan, "fixed effects and variances are tested together: no mixture is known"
