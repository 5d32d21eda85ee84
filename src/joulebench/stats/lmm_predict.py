"""Mean responses of a fitted model at settings of its variables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from joulebench.stats.coefficients import check_confidence
from joulebench.stats.fitted_model import FittedModel
from joulebench.stats.refused import Refused


def predictions(
    model: FittedModel, grid: pd.DataFrame, ddf: str | None, confidence: float
) -> pd.DataFrame:
    """Give the mean at each setting with its standard error and t interval.

    Args:
        model: A fitted model.
        grid: One row a setting; a column a variable of the fixed part.
        ddf: How degrees of freedom are found.
        confidence: Coverage of the intervals.

    Raises:
        Refused: A variable is missing, a level that the data do not have, or a setting whose mean
            the data do not determine.
    """
    from scipy.special import stdtrit

    check_confidence(confidence)
    rows = model.design.rows(grid)
    if not model.design.estimable(model.design.full_rows(grid)).all():
        raise Refused("the data do not determine the mean at some settings: leave those out")
    found = model.inference(rows, ddf)
    half = found.se * stdtrit(found.df, 0.5 + confidence / 2)
    return grid.assign(
        estimate=found.estimate,
        se=found.se,
        df1=found.df,
        ci_low=found.estimate - half,
        ci_high=found.estimate + half,
        confidence=np.full(len(grid), confidence),
    )
