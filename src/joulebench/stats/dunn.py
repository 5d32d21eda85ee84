"""Dunn's comparisons of groups by their mean ranks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from joulebench.stats.adjust import adjusted
from joulebench.stats.groups import groups_of
from joulebench.stats.kruskal import mean_ranks, ties_of
from joulebench.stats.model_frame import Missing
from joulebench.stats.pair_levels import Pairs, pairs_of
from joulebench.stats.rows import tidy


def dunn(
    formula: str,
    frame: pd.DataFrame,
    *,
    adjust: str = "BH",
    pairs: Pairs = "all",
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Compare groups two by two after a Kruskal-Wallis test, one row a pair.

    The difference of mean ranks, taken over all groups, over its standard deviation when no group
    differs, ``sqrt((n(n+1)/12 - sum(t^3-t)/(12(n-1))) (1/n_i + 1/n_j))`` (Dunn 1964, Technometrics
    6, 241), two-sided. First minus second: the earlier level less the later.

    Args:
        formula: ``energy_j ~ generation``.
        frame: One row an observation.
        adjust: How p is adjusted for the number of pairs in the table.
        pairs: All pairs, or each level with the next.
        missing: What to do about rows that lack a value.

    Returns:
        Columns ``test, contrast, estimate`` (difference of mean ranks)``, se, statistic "z", value,
        p, p_adjusted, adjust, n`` (of the pair), a row a pair.

    Raises:
        Refused: As :func:`~joulebench.stats.kruskal.kruskal`, or an adjustment or choice of pairs
            that is not known.
    """
    from scipy.special import ndtr

    groups = groups_of(formula, frame, missing)
    ties = ties_of(groups)
    chosen = np.array(pairs_of(len(groups.levels), pairs))
    first, second = chosen[:, 0], chosen[:, 1]
    means, counts, n = mean_ranks(groups), groups.counts, groups.n
    variance = n * (n + 1) / 12 - ties / (12 * (n - 1))
    estimate = means[first] - means[second]
    se = np.sqrt(variance * (1 / counts[first] + 1 / counts[second]))
    p = 2 * ndtr(-np.abs(estimate / se))
    table = zip(chosen, estimate, se, p, adjusted(p, adjust), strict=True)
    return tidy(
        {
            "test": "Dunn",
            "contrast": f"{groups.levels[i]} - {groups.levels[j]}",
            "estimate": difference,
            "se": error,
            "statistic": "z",
            "value": difference / error,
            "p": one,
            "p_adjusted": corrected,
            "adjust": adjust,
            "n": int(counts[i] + counts[j]),
        }
        for (i, j), difference, error, one, corrected in table
    )
