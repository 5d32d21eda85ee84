"""Contrasts between the levels of a factor that were planned before the data were seen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.adjust import adjusted
from joulebench.stats.coefficients import check_confidence
from joulebench.stats.factor_means import factor_means
from joulebench.stats.fitted_model import Inference
from joulebench.stats.formula import parse
from joulebench.stats.group_moments import group_moments
from joulebench.stats.groups import Groups, groups_of
from joulebench.stats.linear_model import LinearModel, lm
from joulebench.stats.model_frame import Missing, as_factor, complete, level_text
from joulebench.stats.model_terms import variables_of
from joulebench.stats.number_check import shown
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Floats = NDArray[np.float64]
Weights = Mapping[str, Mapping[Any, float]]
Variances = Literal["equal", "unequal"]

_PART = r"\s*(?:(?:C|factor)\([^()]*\)|[A-Za-z_.][\w.]*)\s*"
_GROUPING = re.compile(f"{_PART}([:*/]{_PART})*")

_SUM = 1e-8
"""Weights may miss a sum of 0 by this share of their size, for thirds and the like."""


def planned_contrasts(
    formula: str,
    frame: pd.DataFrame,
    contrasts: Weights | Literal["successive"] = "successive",
    adjust: str = "BH",
    confidence: float = 0.95,
    variances: Variances = "equal",
    of: str | None = None,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Estimate and test planned contrasts between the levels of a factor, or between cells.

    ``sum(w_i m_i)`` of the means ``m_i`` that the linear model gives the levels, other factors
    averaged with equal weights and covariates at their mean, with the pooled residual variance
    (Scheffe 1959, The Analysis of Variance, 3.2). With ``variances="unequal"`` the standard error
    is ``sqrt(sum(w_i^2 s_i^2 / n_i))`` with Satterthwaite's degrees of freedom (1946, Biometrics
    2, 110; Welch 1938, Biometrika 29, 350).

    Args:
        formula: ``y ~ factor``, ``y ~ a:b`` for filled cells, with blocks and covariates after a
            plus sign. A number as the factor is taken by its levels.
        frame: One row an observation.
        contrasts: By name, the weight of each level that takes part (of a cell: ``"3.2:1B"``),
            adding up to 0; or "successive": each level less the one before it.
        adjust: For how many contrasts there are: see :func:`joulebench.stats.adjust.adjusted`.
        confidence: Coverage of each interval by itself.
        variances: Whether levels share one variance; "unequal" needs a formula without blocks.
        of: The factor, or cells ``a:b``, that contrasts are of; by default the first of the
            formula.
        missing: What to do about rows that lack a value.

    Returns:
        Columns ``test, term, contrast, estimate, se, statistic "t", value, df1, p, p_adjusted,
        adjust, ci_low, ci_high, confidence, n``, a row a contrast.

    Raises:
        Refused: An unknown level, weights that do not add up to 0, a contrast that the data cannot
            tell, or what :func:`joulebench.stats.linear_model.lm` refuses.
    """
    check_confidence(confidence)
    if variances == "unequal":
        groups = groups_of(formula, frame, missing)
        weights = weights_of(contrasts, groups.levels, groups.factor)
        found, term, n = _welch(groups, weights), groups.factor, groups.n
    elif variances == "equal":
        model, names = model_of_levels(formula, frame, of, missing)
        term, n = ":".join(names), model.n
        levels, means = factor_means(model.design, names)
        weights = weights_of(contrasts, levels, term)
        found = contrast_inference(model, means, weights)
    else:
        raise Refused(f"variances={variances!r} is not known: choose 'equal' or 'unequal'")
    test = "planned contrasts" + (", unequal variances" if variances == "unequal" else "")
    return contrast_rows(
        found, list(weights), adjust, confidence, {"test": test, "term": term, "n": n}
    )


def model_of_levels(
    formula: str, frame: pd.DataFrame, of: str | None, missing: Missing
) -> tuple[LinearModel, list[str]]:
    """Fit the linear model in which the factor to be compared is one, even if it is a number.

    Returns:
        The model, and the names of the factors whose levels or cells are compared.
    """
    read = parse(formula)
    names = variables_of(read.fixed, frame)
    if of is not None and not isinstance(of, str):
        raise Refused(f"of must name a factor, or cells as a:b, got {shown(of)}")
    asked = of or re.split(r"[+-]", read.fixed)[0].strip()
    compared = list(variables_of(asked, frame)) if _GROUPING.fullmatch(asked) else []
    if not compared or not set(compared) <= set(names):
        raise Refused(f"{asked!r} is no factor of {formula!r}: name one of its factors")
    rows = complete(frame, [read.response.column, *names], missing)
    for name in compared:
        rows[name] = as_factor(rows[name])
    return lm(formula, rows), compared


def weights_of(contrasts: Weights | str, levels: Sequence[str], factor: str) -> dict[str, Floats]:
    """Give the weights of all levels for each contrast, checked.

    Raises:
        Refused: No contrast, an unknown level, or weights that do not add up to 0.
    """
    if isinstance(contrasts, str):
        if contrasts != "successive":
            raise Refused(f"no contrasts are called {contrasts!r}: 'successive', or name weights")
        steps = pairwise(levels)
        contrasts = {f"{later} - {first}": {later: 1.0, first: -1.0} for first, later in steps}
    if not isinstance(contrasts, Mapping) or not contrasts:
        raise Refused(f"no contrast of {factor} is asked for: name weights, or 'successive'")
    return {name: _weights(name, given, levels, factor) for name, given in contrasts.items()}


def _weights(name: str, given: Any, levels: Sequence[str], factor: str) -> Floats:
    if not isinstance(given, Mapping):
        raise Refused(f"contrast {name!r} must be a mapping of levels to weights")
    weights = np.zeros(len(levels))
    for level, weight in given.items():
        text = level_text(level)
        if text not in levels:
            near = get_close_matches(text, levels, n=1, cutoff=0.5)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise Refused(f"{factor} has no level {text!r}{hint} (levels: {', '.join(levels[:8])})")
        weights[levels.index(text)] += _number(weight, name)
    size = np.abs(weights).sum()
    if size == 0 or abs(weights.sum()) > _SUM * size:
        raise Refused(
            f"the weights of contrast {name!r} add up to {weights.sum():g}: they must add up to 0 "
            "and not all be 0"
        )
    return weights


def _number(weight: Any, name: str) -> float:
    try:
        number = float(weight)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise Refused(f"contrast {name!r} has the weight {weight!r}: weights are finite numbers")
    return number


def contrast_inference(
    model: LinearModel, means: Floats, weights: Mapping[str, Floats]
) -> Inference:
    """Estimate contrasts of means that are functions of all coefficients of a model.

    Args:
        model: A linear model.
        means: The means, shape (levels, p_all).
        weights: By name, shape (levels,).

    Raises:
        Refused: A contrast that the data cannot tell.
    """
    # Less the first mean, so that what all means share is gone before rounding can leave some.
    functions = np.array(list(weights.values())) @ (means - means[0])
    told = model.design.estimable(functions)
    if not told.all():
        name = list(weights)[int(np.argmin(told))]
        raise Refused(
            f"contrast {name!r} cannot be told from the data of {model.formula.text!r}: other "
            "terms change with it; leave them out, or compare filled cells (a:b)"
        )
    return model.inference(functions[:, model.design.rank.kept])


def contrast_rows(
    found: Inference,
    names: Sequence[str],
    adjust: str,
    confidence: float,
    common: Mapping[str, Any],
) -> pd.DataFrame:
    """Make one row a contrast of estimates, with t tests and intervals."""
    from scipy.special import stdtr, stdtrit

    t = found.estimate / found.se
    half = found.se * stdtrit(found.df, 0.5 + confidence / 2)
    p = 2 * stdtr(found.df, -np.abs(t))
    p_adjusted = adjusted(p, adjust)
    return tidy(
        {
            **common,
            "contrast": name,
            "estimate": found.estimate[k],
            "se": found.se[k],
            "statistic": "t",
            "value": t[k],
            "df1": found.df[k],
            "p": p[k],
            "p_adjusted": p_adjusted[k],
            "adjust": adjust,
            "ci_low": found.estimate[k] - half[k],
            "ci_high": found.estimate[k] + half[k],
            "confidence": confidence,
        }
        for k, name in enumerate(names)
    )


def _welch(groups: Groups, weights: Mapping[str, Floats]) -> Inference:
    moments = group_moments(groups, "a contrast with unequal variances")
    matrix = np.array(list(weights.values()))
    part = matrix**2 * (moments.variance / moments.count)
    variance = part.sum(axis=1)
    # Shares of the variance, which no unit can make too small to be squared.
    df = 1 / ((part / variance[:, None]) ** 2 / (moments.count - 1)).sum(axis=1)
    return Inference(matrix @ moments.mean, np.sqrt(variance), df)
