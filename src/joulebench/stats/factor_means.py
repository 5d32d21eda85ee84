"""Means of the levels of a factor, or of filled cells, as functions of a model's coefficients."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.groups import cell_codes
from joulebench.stats.model_frame import as_factor

Floats = NDArray[np.float64]


def factor_means(design: FixedDesign, names: list[str]) -> tuple[list[str], Floats]:
    """Give the means of the filled cells of some factors, all else in the model held equal.

    Other factors are averaged over their levels with equal weights, covariates held at their mean:
    the population marginal means of Searle, Speed and Milliken (1980, Am. Stat. 34, 216).

    Args:
        design: Of a model in which ``names`` are factors.
        names: One factor, or those whose filled cells are meant.

    Returns:
        Names of the cells, levels joined by ``:``, and linear functions of all coefficients of the
        model, aliased ones too, shape (cells, p_all).
    """
    codes, labels = cell_codes(design.frame, names)
    _, first = np.unique(codes, return_index=True)
    own = {name: as_factor(design.frame[name]).to_numpy()[first] for name in names}
    others = {name: levels for name, levels in design.factors.items() if name not in names}
    settings = list(product(*others.values()))
    grid = pd.DataFrame(
        [
            {name: own[name][k] for name in names} | dict(zip(others, setting, strict=True))
            for k in range(len(labels))
            for setting in settings
        ]
    )
    for name, mean in design.covariates.items():
        if name not in grid.columns:
            grid[name] = mean
    rows = design.full_rows(grid)
    means: Floats = rows.reshape(len(labels), len(settings), -1).mean(axis=1)
    return labels, means
