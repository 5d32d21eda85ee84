"""Tests of the terms of a mixed model: types I, II and III."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.anova_effect_sizes import MAIN, share_interval
from joulebench.stats.fitted_model import FittedModel, JointTest
from joulebench.stats.lmm_hypotheses import Margin, hypotheses
from joulebench.stats.noncentral import Alternative, tail_of
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

if TYPE_CHECKING:
    from joulebench.stats.lmm_model import MixedModel

Floats = NDArray[np.float64]

_NAMES = {
    "satterthwaite": "Satterthwaite",
    "kenward-roger": "Kenward-Roger",
    "asymptotic": "Wald",
}


def anova_table(
    model: MixedModel,
    type: int = 3,  # noqa: A002 - the field's own word
    ddf: str = "satterthwaite",
    confidence: float = 0.95,
    alternative: Alternative = "greater",
    margin: Margin = "factors",
) -> pd.DataFrame:
    """Test the terms of the fixed effects, one row a term.

    ``sum_sq`` and ``mean_sq`` are ``F`` times the residual variance, the F before the factor of
    Kenward and Roger, as lmerTest prints them: they are no parts of a total. Partial eta squared is
    the share that F stands for, ``F df1 / (F df1 + df2)``, with the interval of the noncentrality
    of F.

    Args:
        model: A mixed model.
        type: 1 (terms one after the other), 2 or 3; see
            :func:`joulebench.stats.lmm_hypotheses.hypotheses`.
        ddf: "satterthwaite", "kenward-roger" or "asymptotic".
        confidence: Coverage of the interval of the effect size.
        alternative: Of that interval: "greater" gives the lower bound that goes with a one-sided F
            test, up to 1; "two-sided" both ends.
        margin: For type 2: "factors" as lmerTest tests a factor beside a covariate's slopes, at
            covariate 0; "all" as car does.

    Returns:
        Columns ``test, term, statistic "F", value, df1, df2, p, effect_size "partial eta squared",
        effect, ci_low, ci_high, confidence, n, sum_sq, mean_sq, note``.

    Raises:
        Refused: There is no term, the type or the method is not known, coefficients are aliased
            (types 2 and 3), or Kenward and Roger's approximation has no answer.

    Source:
        Kuznetsova, Brockhoff & Christensen 2017, J. Stat. Softw. 82(13), 2.2 and 4.1; Kenward &
        Roger 1997, Biometrics 53, 983; Steiger 2004, Psychol. Methods 9, 164 (interval).
    """
    tail_of(confidence, alternative)
    if ddf not in _NAMES:
        raise Refused(f"no degrees of freedom are called {ddf!r}: choose {', '.join(_NAMES)}")
    found = hypotheses(model.design, type, margin)
    if not found:
        raise Refused(f"{model.formula.text!r} has no term to test: name one on its right side")
    shared = {
        "confidence": confidence,
        "n": model.n,
        "note": _note(model, type, ddf),
    }
    test = f"mixed model, type {'I' * type}, {_NAMES[ddf]}"
    rows = []
    for term, functions in found.items():
        joint = model.joint_test(functions, ddf)
        mean_square = _wald(model, functions, ddf, joint) * model.sigma**2
        rows.append(
            {"test": test, "term": term, "statistic": "F", "value": joint.F, "df1": joint.df1}
            | {"df2": joint.df2, "p": joint.p}
            | _effect(joint, confidence, alternative)
            | {"sum_sq": mean_square * joint.df1, "mean_sq": mean_square}
            | shared
        )
    return tidy(rows)


def _wald(model: FittedModel, functions: Floats, ddf: str, joint: JointTest) -> float:
    """Give F before any factor."""
    if ddf != "kenward-roger":
        return joint.F
    value = functions @ model.beta
    inner = functions @ model.covariance(ddf) @ functions.T
    return float(value @ np.linalg.lstsq(inner, value, rcond=None)[0]) / joint.df1


def _effect(joint: JointTest, confidence: float, alternative: Alternative) -> dict[str, Any]:
    if math.isinf(joint.df2):
        return {"effect_size": "", "effect": math.nan, "ci_low": math.nan, "ci_high": math.nan}
    share = joint.F * joint.df1 / (joint.F * joint.df1 + joint.df2)
    low, high = share_interval(share, joint.df1, joint.df2, confidence, alternative)
    return {"effect_size": MAIN, "effect": share, "ci_low": low, "ci_high": high}


def _note(model: MixedModel, type_: int, ddf: str) -> str:
    said = [model.note]
    if ddf == "kenward-roger" and not model.reml:
        said.append("Kenward-Roger of the fit by restricted maximum likelihood")
    absent = [term.name for term in model.design.terms if not len(term.columns)]
    if type_ == 1 and absent:
        said.append(f"nothing new beyond the terms before: {', '.join(absent)}")
    return "; ".join(part for part in said if part)
