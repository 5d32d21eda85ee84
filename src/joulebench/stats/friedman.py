"""Tests of treatments within complete blocks by ranks: Friedman's and Quade's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from joulebench.stats.blocks import Blocks, Floats, blocks_of
from joulebench.stats.kruskal import rank_share_interval
from joulebench.stats.midranks import midranks
from joulebench.stats.model_frame import Missing
from joulebench.stats.noncentral import Alternative
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy


def friedman(
    formula: str,
    frame: pd.DataFrame,
    *,
    confidence: float = 0.95,
    alternative: Alternative = "greater",
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Test whether treatments differ within blocks, in one row.

    Friedman's chi-square with the correction for ties (Friedman 1937, J. Am. Stat. Assoc. 32, 675),
    as R's ``friedman.test``. ``effect`` is Kendall's W, ``chi2 / (b (k - 1))``: the share of the
    sum of squares of the ranks within blocks that lies between treatments, 1 where all blocks
    agree. Its interval is that of such a share, from the noncentral F of the ranks (Steiger 2004,
    Psychol. Methods 9, 164).

    Args:
        formula: ``energy_j ~ model | task``: one row a model in each task.
        frame: The rows.
        confidence: Coverage of the interval.
        alternative: Of the interval: "greater" gives the lower bound that goes with the test, up to
            1; "two-sided" both ends; "less" an upper bound.
        missing: What to do about rows that lack a value; a block left incomplete is refused.

    Returns:
        One row: ``test, term, statistic "chi2", value, df1, p, effect_size "Kendall's W", effect,
        ci_low, ci_high, confidence, n, n_blocks``, and ``mean_rank[level]`` of each treatment.

    Raises:
        Refused: Another formula, missing values, blocks that lack a treatment or repeat one, or
            one value everywhere within each block.
    """
    from scipy.special import chdtrc

    blocks = blocks_of(formula, frame, missing)
    ranks = blocks.ranks()
    b, k = ranks.shape
    _check_spread(blocks)
    centred = ranks - (k + 1) / 2
    between = b * float(np.sum(centred.mean(axis=0) ** 2))
    w = min(between / float(np.sum(centred**2)), 1.0)
    low, high = rank_share_interval(w, k - 1, (b - 1) * (k - 1), confidence, alternative)
    chi2 = b * (k - 1) * w
    return tidy(
        [
            {
                "test": "Friedman",
                "term": blocks.treatment,
                "statistic": "chi2",
                "value": chi2,
                "df1": k - 1,
                "p": float(chdtrc(k - 1, chi2)),
                "effect_size": "Kendall's W",
                "effect": w,
                "ci_low": low,
                "ci_high": high,
                "confidence": confidence,
                "n": b * k,
                **_layout(blocks, ranks),
            }
        ]
    )


def quade(formula: str, frame: pd.DataFrame, *, missing: Missing = "refuse") -> pd.DataFrame:
    """Test whether treatments differ within blocks, wide blocks counting for more, in one row.

    Quade's F (Quade 1979, J. Am. Stat. Assoc. 74, 680), as R's ``quade.test``. Where all blocks
    rank the treatments alike, F is infinite and p that of the permutation, ``(1 / k!)^(b - 1)``.

    Args:
        formula: ``energy_j ~ model | task``: one row a model in each task.
        frame: The rows.
        missing: What to do about rows that lack a value; a block left incomplete is refused.

    Returns:
        One row: ``test, term, statistic "F", value, df1, df2, p, n, n_blocks``,
        ``mean_rank[level]`` of each treatment, and ``note``.

    Raises:
        Refused: As :func:`friedman`.
    """
    from scipy.special import fdtrc

    blocks = blocks_of(formula, frame, missing)
    ranks = blocks.ranks()
    b, k = ranks.shape
    _check_spread(blocks)
    scores = midranks(np.ptp(blocks.values, axis=1)).ranks[:, None] * (ranks - (k + 1) / 2)
    whole = float(np.sum(scores**2))
    between = float(np.sum(scores.sum(axis=0) ** 2)) / b
    df1, df2 = k - 1, (b - 1) * (k - 1)
    if whole - between <= 1e-12 * whole:
        value, p = math.inf, float(math.factorial(k)) ** (1 - b)
        note = "all blocks rank the treatments alike"
    else:
        value, note = (b - 1) * between / (whole - between), ""
        p = float(fdtrc(df1, df2, value))
    row = {"statistic": "F", "value": value, "df1": df1, "df2": df2, "p": p, "n": b * k}
    named = {"test": "Quade", "term": blocks.treatment, **row}
    return tidy([{**named, **_layout(blocks, ranks), "note": note}])


def _layout(blocks: Blocks, ranks: Floats) -> dict[str, Any]:
    means = zip(blocks.levels, ranks.mean(axis=0), strict=True)
    return {"n_blocks": len(ranks), **{f"mean_rank[{level}]": float(r) for level, r in means}}


def _check_spread(blocks: Blocks) -> None:
    if not np.ptp(blocks.values, axis=1).any():
        raise Refused(
            f"every block holds one value for all of {blocks.treatment}: there is nothing to rank"
        )
