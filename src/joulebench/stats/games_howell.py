"""Games and Howell's comparisons of all pairs of groups whose variances differ."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from joulebench.stats.coefficients import check_confidence
from joulebench.stats.group_moments import group_moments
from joulebench.stats.groups import groups_of
from joulebench.stats.model_frame import Missing
from joulebench.stats.pair_levels import pairs_of
from joulebench.stats.rows import tidy
from joulebench.stats.tukey import studentised_range_isf, studentised_range_sf


def games_howell(
    formula: str, frame: pd.DataFrame, missing: Missing = "refuse", confidence: float = 0.95
) -> pd.DataFrame:
    """Compare the means of all pairs of groups whatever their variances, one row a pair.

    Welch's t of each pair, ``(m_i - m_j) / sqrt(s_i^2 / n_i + s_j^2 / n_j)``, with its degrees of
    freedom, judged by the studentised range of all ``k`` means (Games and Howell 1976, J. Educ.
    Stat. 1, 113), as ``games_howell_test`` of the R package rstatix. First minus second: the
    earlier level less the later.

    Args:
        formula: ``energy_j ~ generation``, or ``energy_j ~ a:b`` for cells.
        frame: One row an observation.
        missing: What to do about rows that lack a value.
        confidence: Coverage of all intervals together.

    Returns:
        Columns ``test, term, contrast, estimate, se, statistic "t", value, df1, p (of Welch's t by
        itself), p_adjusted (for all pairs), adjust, ci_low, ci_high, confidence, n``.

    Raises:
        Refused: One group, a group of one value or without spread, or what
            :func:`joulebench.stats.groups.groups_of` refuses.
    """
    from scipy.special import stdtr

    check_confidence(confidence)
    groups = groups_of(formula, frame, missing)
    moments = group_moments(groups, "Games-Howell")
    k = len(groups.levels)
    first, second = np.array(pairs_of(k, "all")).T
    share = moments.variance / moments.count
    estimate = moments.mean[first] - moments.mean[second]
    variance = share[first] + share[second]
    # Shares of the variance, which no unit can make too small to be squared.
    parts = [(share[side] / variance) ** 2 / (moments.count[side] - 1) for side in (first, second)]
    df = 1 / (parts[0] + parts[1])
    se = np.sqrt(variance)
    t = estimate / se
    p_adjusted = studentised_range_sf(math.sqrt(2) * np.abs(t), k, df)
    half = studentised_range_isf(1 - confidence, np.full(len(df), k), df) / math.sqrt(2) * se
    p = 2 * stdtr(df, -np.abs(t))
    return tidy(
        {
            "test": "Games-Howell",
            "term": groups.factor,
            "contrast": f"{groups.levels[i]} - {groups.levels[j]}",
            "estimate": estimate[pair],
            "se": se[pair],
            "statistic": "t",
            "value": t[pair],
            "df1": df[pair],
            "p": p[pair],
            "p_adjusted": p_adjusted[pair],
            "adjust": "tukey",
            "ci_low": estimate[pair] - half[pair],
            "ci_high": estimate[pair] + half[pair],
            "confidence": confidence,
            "n": int(moments.count[i] + moments.count[j]),
        }
        for pair, (i, j) in enumerate(zip(first, second, strict=True))
    )
