"""The assumptions behind a linear model, tested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from joulebench.stats.model_frame import Missing
from joulebench.stats.model_layout import Floats, Grouping, Layout, layout_of
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.shapiro import normality_of, normality_row
from joulebench.stats.variances import (
    bartlett_of,
    chi2_row,
    fligner_of,
    levene_of,
    levene_row,
)


def normality_of_residuals(
    formula: str, frame: pd.DataFrame, missing: Missing = "refuse"
) -> pd.DataFrame:
    """Test whether the residuals of a model are normal, by Shapiro and Wilk.

    Beyond 5,000 residuals, for which their p is not made, by the moments as Jarque and Bera. The
    residuals of a mixed model are those at its predicted random effects.

    Args:
        formula: ``log(energy_j) ~ generation * task``, with or without random terms.
        frame: One row an observation.
        missing: What to do about rows that lack a value.

    Returns:
        One row: ``test, term "residuals", statistic, value, p, n, skewness, kurtosis``.

    Raises:
        Refused: The model cannot be fitted or leaves no residuals.
    """
    layout = layout_of(formula, frame, missing)
    return tidy([_normality(layout.leave(layout.response))])


def assumptions(formula: str, frame: pd.DataFrame, missing: Missing = "refuse") -> pd.DataFrame:
    """Test the assumptions of a linear model: normal residuals, and one variance in all groups.

    Variances are compared between the cells of all factors, or where no cell has 3 values between
    the levels of each factor. Where the model says one thing of each cell the values are compared,
    as ``car::leveneTest`` does; with covariates or random terms its residuals.

    Args:
        formula: ``log(energy_j) ~ generation * task``, with or without random terms.
        frame: One row an observation.
        missing: What to do about rows that lack a value.

    Returns:
        One row a test (Shapiro-Wilk of the residuals; Levene about the median and the mean,
        Bartlett, Fligner-Killeen): ``test, term, statistic, value, df1, df2, p, n, skewness,
        kurtosis, groups, sd_ratio, note``. A test that these data do not allow has no figures, and
        its note says why.

    Raises:
        Refused: The model cannot be fitted or leaves no residuals.
    """
    layout = layout_of(formula, frame, missing)
    residuals = layout.leave(layout.response)
    rows = [{**_normality(residuals), "note": _alone(layout)}]
    for grouping in layout.groupings:
        rows += _variance_rows(layout, grouping, residuals)
    return tidy(rows)


def _alone(layout: Layout) -> str:
    alone = int(np.sum(~layout.free))
    if not alone:
        return ""
    return f"{alone} of {layout.n} rows are alone in their cell: their residuals are 0 by necessity"


def _normality(residuals: Floats) -> dict[str, Any]:
    return {**normality_row(normality_of(residuals)), "term": "residuals"}


def _variance_rows(layout: Layout, grouping: Grouping, residuals: Floats) -> list[dict[str, Any]]:
    values, codes = layout.spread(grouping, layout.response, residuals)
    term, n = grouping.term, len(values)

    def chi2(name: str, size: float) -> dict[str, Any]:
        return chi2_row(name, values, codes, term, size)

    tests: dict[str, Callable[[], dict[str, Any]]] = {
        "Levene (median)": lambda: levene_row(levene_of(values, codes), term),
        "Levene (mean)": lambda: levene_row(levene_of(values, codes, "mean"), term, "mean"),
        "Bartlett": lambda: chi2("Bartlett", bartlett_of(values, codes, grouping.levels)),
        "Fligner-Killeen": lambda: chi2("Fligner-Killeen", fligner_of(values, codes)),
    }
    return [_told(name, test, term, n) for name, test in tests.items()]


def _told(name: str, test: Callable[[], dict[str, Any]], term: str, n: int) -> dict[str, Any]:
    try:
        return {**test(), "note": ""}
    except Refused as refusal:
        return {"test": name, "term": term, "n": n, "note": str(refusal)}
