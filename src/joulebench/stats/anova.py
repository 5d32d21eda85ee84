"""Analysis of variance by term, types I, II and III, with effect sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from joulebench.stats.anova_aliased import AliasedTerm
from joulebench.stats.anova_effect_sizes import effect_sizes, main_effect
from joulebench.stats.anova_refusal import (
    Aliased,
    check_type_three,
    refuse_aliased,
    refuse_saturated,
)
from joulebench.stats.anova_robust import robust_tests
from joulebench.stats.anova_types import SumOfSquares, check_type, sums_of_squares
from joulebench.stats.linear_model import LinearModel, lm
from joulebench.stats.model_frame import Missing
from joulebench.stats.noncentral import Alternative, tail_of
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Robust = Literal["none", "hc3"]

_PERFECT = 1e-10
"""Residuals of less than this share of what is explained are mostly rounding."""


def anova(
    formula: str,
    frame: pd.DataFrame,
    type: int = 2,  # noqa: A002 - the field's own word
    missing: Missing = "refuse",
    confidence: float = 0.95,
    alternative: Alternative = "greater",
    aliased: Aliased = "refuse",
    robust: Robust = "none",
) -> pd.DataFrame:
    """Test the terms of a linear model, one row a term and one for the residuals.

    One- and n-way, with covariates and blocks. Type I tests a term beyond those before it, type II
    beyond those that do not contain it, type III beyond all others in contrasts that sum to 0
    whatever contrasts the formula names (sources: :func:`joulebench.stats.anova_types
    .sums_of_squares`). Effect sizes and their intervals are those of
    :mod:`joulebench.stats.anova_effect_sizes`.

    Args:
        formula: ``log(energy_j) ~ generation * task + size_b``; no random terms.
        frame: One row an observation.
        type: 1, 2 or 3.
        missing: What to do about rows that lack a value.
        confidence: Coverage of the intervals of the effect sizes.
        alternative: Of those intervals: "greater" gives the lower bound that a one-sided F test
            goes with, up to 1; "two-sided" both ends.
        aliased: Whether to refuse terms that the data cannot tell apart, or to test in types I and
            II what is left of them.
        robust: "hc3" for tests that allow for unequal variances (types II and III; F alone, with
            partial eta squared of that F).

    Returns:
        Columns ``test, term, statistic "F", value, df1, df2, p, effect_size "partial eta squared",
        effect, ci_low, ci_high, confidence, n, sum_sq, mean_sq``, further effect sizes ``eta_sq,
        omega_sq, partial_omega_sq, epsilon_sq, partial_epsilon_sq, cohens_f``, each with ``_low``
        and ``_high``, and ``note``; a row a term, then one for the residuals.

    Raises:
        Refused: Aliased terms, no terms, a response that does not vary, no residual degrees of
            freedom, or what :func:`joulebench.stats.linear_model.lm` refuses.
    """
    try:
        model = lm(formula, frame, missing)
    except Refused:
        # Rows too few for so many cells: most of these may be empty.
        refuse_saturated(formula, frame, missing)
        raise
    # Here the frame has columns beside those of the formula, one of which may be a block.
    refuse_aliased(model, type, aliased, frame)
    return anova_of(model, type, confidence, alternative, aliased, robust)


def anova_of(
    model: LinearModel,
    type: int = 2,  # noqa: A002
    confidence: float = 0.95,
    alternative: Alternative = "greater",
    aliased: Aliased = "refuse",
    robust: Robust = "none",
) -> pd.DataFrame:
    """Test the terms of a fitted linear model; see :func:`anova`."""
    check_type(type)
    _check(model, confidence, alternative, aliased, robust)
    doubtful = refuse_aliased(model, type, aliased, model.frame)
    if type == 3:
        check_type_three(model)
    found, residual = sums_of_squares(model.design, model.response, type)
    if robust == "hc3":
        columns = _robust_columns(model, type, confidence, alternative)
    else:
        columns = _plain_columns(found, residual, confidence, alternative)
    note = _note(model, found, residual, doubtful)
    ends = {"confidence": confidence, "n": model.n, "note": note}
    test = _test_name(model, type, robust)
    rows: list[dict[str, Any]] = [
        {"test": test, "term": term.name, **own, **ends}
        for term, own in zip(model.design.terms, columns, strict=True)
    ]
    return tidy([*rows, _residual_row(test, residual, ends, robust)])


def _plain_columns(
    found: Sequence[SumOfSquares],
    residual: SumOfSquares,
    confidence: float,
    alternative: Alternative,
) -> list[dict[str, Any]]:
    sizes = effect_sizes(found, residual, confidence, alternative)
    return [_f_test(term, residual) | dict(size) for term, size in zip(found, sizes, strict=True)]


def _f_test(term: SumOfSquares, residual: SumOfSquares) -> dict[str, Any]:
    mean_square = term.size / term.df if term.df else math.nan
    f = mean_square / (residual.size / residual.df)
    return _f_columns(f, term.df, residual.df) | {"sum_sq": term.size, "mean_sq": mean_square}


def _f_columns(f: float, df1: int, df2: int) -> dict[str, Any]:
    from scipy.special import fdtrc

    p = float(fdtrc(df1, df2, f)) if df1 else math.nan
    return {"statistic": "F", "value": f, "df1": float(df1), "df2": float(df2), "p": p}


def _robust_columns(
    model: LinearModel,
    type: int,  # noqa: A002
    confidence: float,
    alternative: Alternative,
) -> list[dict[str, Any]]:
    df2 = model.df_residual
    rows = []
    for f, df1 in robust_tests(model.design, model.response, type):
        share = f * df1 / (f * df1 + df2)
        size = main_effect(share, df1, df2, confidence, alternative)
        rows.append(_f_columns(f, df1, df2) | dict(size))
    return rows


def _residual_row(
    test: str, residual: SumOfSquares, ends: Mapping[str, Any], robust: Robust
) -> dict[str, Any]:
    row = {"test": test, "term": "Residuals", "df1": float(residual.df), **ends}
    if robust == "none":
        row |= {"sum_sq": residual.size, "mean_sq": residual.size / residual.df}
    return row


def _test_name(model: LinearModel, type: int, robust: Robust) -> str:  # noqa: A002
    one = len(model.design.terms) == 1 and not model.design.covariates
    ways = "one-way ANOVA" if one else f"ANOVA, type {'I' * type}"
    return f"{ways}, HC3" if robust == "hc3" else ways


def _note(
    model: LinearModel,
    found: Sequence[SumOfSquares],
    residual: SumOfSquares,
    doubtful: Sequence[AliasedTerm],
) -> str:
    said = []
    if residual.size < _PERFECT * sum(term.size for term in found):
        said.append("essentially perfect fit: F is unreliable")
    if doubtful:
        said.append("aliased, tested for what is left: " + ", ".join(t.text for t in doubtful))
    few = [name for name in model.design.covariates if _looks_like_levels(model.frame[name])]
    said += [f"{name} is one slope, as a number; for its levels write C({name})" for name in few]
    return "; ".join(said)


def _looks_like_levels(column: pd.Series[Any]) -> bool:
    """Say whether a column of numbers has so few values that they may be meant as levels."""
    return 2 < column.nunique() <= min(12, len(column) // 3)


def _check(
    model: LinearModel, confidence: float, alternative: str, aliased: str, robust: str
) -> None:
    tail_of(confidence, alternative)
    if aliased not in ("refuse", "drop"):
        raise Refused(f"aliased={aliased!r} is not known: choose 'refuse' or 'drop'")
    if robust not in ("none", "hc3"):
        raise Refused(f"robust={robust!r} is not known: choose 'none' or 'hc3'")
    if not model.design.terms:
        raise Refused(f"{model.formula.text!r} has no term to test: name one on its right side")
