"""Rank-sum tests of groups two by two."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from joulebench.stats.adjust import adjusted
from joulebench.stats.groups import groups_of
from joulebench.stats.model_frame import Missing
from joulebench.stats.pair_levels import Pairs, pairs_of
from joulebench.stats.rank_test import Method
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import Floats
from joulebench.stats.wilcoxon import rank_sum_columns


def pairwise_wilcoxon(
    formula: str,
    frame: pd.DataFrame,
    *,
    pairs: Pairs = "all",
    adjust: str = "BH",
    method: Method = "auto",
    correct: bool = True,
    confidence: float = 0.95,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Compare groups two by two with Wilcoxon's rank-sum test, one row a pair.

    As R's ``pairwise.wilcox.test``, with the shift, the effect and their intervals beside it (see
    :func:`~joulebench.stats.wilcoxon.wilcoxon_rank_sum`). First minus second: the earlier level
    less the later. Intervals are not adjusted. Two groups that hold one value have no p and a note.

    Args:
        formula: ``energy_j ~ generation``.
        frame: One row an observation.
        pairs: All pairs, or each level with the next.
        adjust: How p is adjusted for the number of pairs in the table.
        method: How p is found.
        correct: Whether a normal p is corrected for continuity.
        confidence: Coverage of the intervals.
        missing: What to do about rows that lack a value.

    Returns:
        One row a pair: ``test, contrast, estimate, statistic "W", value, p, p_adjusted, adjust,
        effect_size, effect, ci_low, ci_high, confidence, n, n_x, n_y, estimate_low, estimate_high,
        z, method, note``.

    Raises:
        Refused: No grouping, one group, missing values, or an adjustment, method or choice of pairs
            that is not known.
    """
    groups = groups_of(formula, frame, missing)
    samples = groups.samples
    chosen = pairs_of(len(groups.levels), pairs)
    compare = partial(
        rank_sum_columns,
        method=method,
        correct=correct,
        alternative="two-sided",
        confidence=confidence,
    )
    rows = [_alike(samples[i], samples[j]) or compare(samples[i], samples[j]) for i, j in chosen]
    corrected = adjusted([row["p"] for row in rows], adjust)
    return tidy(
        {
            "test": "Wilcoxon rank-sum",
            "contrast": f"{groups.levels[i]} - {groups.levels[j]}",
            **row,
            "p_adjusted": value,
            "adjust": adjust,
        }
        for (i, j), row, value in zip(chosen, rows, corrected, strict=True)
    )


def _alike(x: Floats, y: Floats) -> dict[str, Any]:
    """Give the row of two groups that hold one value between them, else nothing."""
    if np.ptp(np.concatenate([x, y])) > 0:
        return {}
    n, m = len(x), len(y)
    note = f"all {n + m} values are {x[0]:g}: there is nothing to rank"
    return {
        "estimate": 0.0,
        "statistic": "W",
        "value": n * m / 2,
        "p": np.nan,
        "n": n + m,
        "n_x": n,
        "n_y": m,
        "note": note,
    }
