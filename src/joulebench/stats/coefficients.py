"""The table of a model's coefficients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from joulebench.stats.fitted_model import FittedModel
from joulebench.stats.number_check import fraction
from joulebench.stats.rows import tidy


def coefficient_table(
    model: FittedModel, names: Sequence[str], ddf: str | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """Give one row a coefficient: estimate, standard error, t, p and interval.

    Args:
        model: A fitted model.
        names: Names of its coefficients, shape (p,).
        ddf: How degrees of freedom are found, for a mixed model.
        confidence: Coverage of the intervals.
    """
    from scipy.special import stdtr, stdtrit

    check_confidence(confidence)
    found = model.inference(np.eye(len(names)), ddf)
    t = found.estimate / found.se
    half = found.se * stdtrit(found.df, 0.5 + confidence / 2)
    return tidy(
        {
            "term": name,
            "estimate": found.estimate[k],
            "se": found.se[k],
            "statistic": "t",
            "value": t[k],
            "df1": found.df[k],
            "p": 2 * stdtr(found.df[k], -abs(t[k])),
            "ci_low": found.estimate[k] - half[k],
            "ci_high": found.estimate[k] + half[k],
            "confidence": confidence,
            "n": model.n,
            "note": model.note,
        }
        for k, name in enumerate(names)
    )


def check_confidence(confidence: float) -> None:
    """Refuse a confidence that is no share between 0 and 1.

    Raises:
        Refused: It is not between 0 and 1.
    """
    fraction(confidence, "confidence", 0.95)
