"""The pair of levels that lie farthest apart, where there are too many pairs to list."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from joulebench.stats.refused import Refused

if TYPE_CHECKING:
    import pandas as pd

    from joulebench.stats.fitted_model import FittedModel

MOST_LEVELS = 20
"""More levels than this (190 pairs) are not compared two by two."""


def too_many_pairs(levels: int) -> bool:
    """Say whether a factor has too many levels to compare all of them two by two."""
    return levels > MOST_LEVELS


def refuse_pairs(levels: int, factor: str) -> None:
    """Refuse to compare all levels two by two where they are too many.

    Raises:
        Refused: They are.
    """
    if too_many_pairs(levels):
        raise Refused(
            f"{factor} has {levels} levels, which are {levels * (levels - 1) // 2:,} pairs: too "
            "many to list; leave levels out with --exclude to compare those that matter"
        )


def extreme_pair(model: Callable[[], FittedModel], unit: str) -> pd.DataFrame:
    """Contrast the highest level with the lowest, adjusted for all pairs that could have been.

    Tukey's adjustment: the largest of all differences is what the studentised range is about.

    Args:
        model: Gives the fitted model.
        unit: Factor whose levels are compared.
    """
    from joulebench.stats.emmeans import emmeans
    from joulebench.stats.emmeans_contrasts import contrast_set

    means = emmeans(model(), unit)
    found = means.frame()["estimate"].to_numpy()
    high, low = int(found.argmax()), int(found.argmin())
    weights = [0.0] * len(found)
    weights[high], weights[low] = 1.0, -1.0
    levels = model().design.factors[unit]
    (name,) = contrast_set(
        "pairwise", [levels[high], levels[low]], reverse=False, max_degree=None
    ).names
    single = means.contrasts({name: weights}, adjust="none", scale="model")
    shown = means.contrasts({name: weights}, adjust="none", scale="response")
    return _widened(shown, single, len(found))


def _widened(shown: pd.DataFrame, single: pd.DataFrame, levels: int) -> pd.DataFrame:
    """Give p and interval by the studentised range in place of t."""
    import numpy as np

    from joulebench.stats.tukey import studentised_range_isf, studentised_range_sf

    df, t = single["df1"].to_numpy(), single["value"].to_numpy()
    half = studentised_range_isf(0.05, levels, df) / np.sqrt(2.0) * single["se"].to_numpy()
    ends = {"ci_low": single["estimate"] - half, "ci_high": single["estimate"] + half}
    p = studentised_range_sf(np.sqrt(2.0) * np.abs(t), levels, df)
    ratio = "effect_size" in shown
    moved = {name: np.exp(end) if ratio else end for name, end in ends.items()}
    return shown.assign(**moved, p_adjusted=p, adjust="tukey")
