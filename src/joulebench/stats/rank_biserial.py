"""The rank-biserial correlation: by how much more often one sample is above the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from joulebench.stats.midranks import midranks
from joulebench.stats.model_frame import Missing
from joulebench.stats.noncentral import Alternative, tail_of
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import Floats, paired_samples, sample

Effect = tuple[float, float]
"""A rank-biserial correlation, and its standard error on the scale of atanh if it is 0."""


def rank_biserial(
    x: Any,
    y: Any,
    *,
    paired: bool = False,
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Give the rank-biserial correlation of two samples, or of pairs, in one row.

    Unpaired, the share of pairs (x, y) in which x is above less the share in which it is below
    (Cureton 1956, Psychometrika 21, 287): Cliff's delta. Paired, the sum of the ranks of the
    positive differences less that of the negative ones, over both, differences of 0 left out
    (Kerby 2014, Compr. Psychol. 3, 11.IT.3.1). The interval is ``tanh(atanh(r) +- z se)`` with
    the standard error of r if there is no difference, as in R's ``effectsize::rank_biserial``;
    :func:`~joulebench.stats.cliffs_delta.cliffs_delta` has one made for differences.

    Args:
        x: Values, shape (n,).
        y: Values, shape (m,).
        paired: Whether x and y belong together in pairs.
        confidence: Coverage of the interval.
        alternative: "greater" makes the upper end 1, "less" the lower one -1.
        missing: What to do about missing values: refuse them, or drop them (whole pairs).

    Returns:
        One row: ``test, effect_size, effect, ci_low, ci_high, confidence, n``, and ``n_x, n_y`` of
        two samples.

    Raises:
        Refused: Values that are no numbers, too few, missing or infinite, or in pairs that all
            agree.
    """
    if paired:
        first, second = paired_samples(x, y, missing)
        counts = {"n": len(first)}
        found = paired_effect(nonzero(first - second, 0.0))
    else:
        first, second = sample(x, "x", missing), sample(y, "y", missing)
        counts = {"n": len(first) + len(second), "n_x": len(first), "n_y": len(second)}
        found = unpaired_effect(first, second)
    kind = "rank-biserial correlation" + (" of pairs" if paired else "")
    return tidy([{"test": kind, **effect_columns(found, confidence, alternative), **counts}])


def unpaired_effect(x: Floats, y: Floats) -> Effect:
    """Give the rank-biserial correlation of two samples."""
    n, m = float(len(x)), float(len(y))
    ranks = midranks(np.concatenate([x, y])).ranks[: len(x)]
    above = float(ranks.sum()) - n * (n + 1) / 2
    return 2 * above / (n * m) - 1, math.sqrt((n + m + 1) / (3 * n * m))


def paired_effect(differences: Floats) -> Effect:
    """Give the matched-pairs rank-biserial correlation of differences that are not 0."""
    n = float(len(differences))
    ranks = midranks(np.abs(differences)).ranks
    whole = n * (n + 1) / 2
    positive = float(ranks[differences > 0].sum())
    se = math.sqrt(n * (n + 1) * (2 * n + 1) / 6) / whole
    return 2 * positive / whole - 1, se


def nonzero(differences: Floats, mu: float) -> Floats:
    """Give the differences from ``mu`` that are not 0.

    Raises:
        Refused: All are 0.
    """
    left: Floats = differences - mu
    left = left[left != 0]
    if not len(left):
        raise Refused(
            f"all {len(differences)} differences are 0: no sign speaks for either side; check that "
            "x and y are not one column"
        )
    return left


def effect_columns(
    effect: Effect, confidence: float, alternative: Alternative
) -> dict[str, str | float]:
    """Give the columns of a rank-biserial correlation with its interval."""
    from scipy.special import ndtri

    r, se = effect
    z = -float(ndtri(tail_of(confidence, alternative)))
    low, high = (
        (math.tanh(math.atanh(r) - z * se), math.tanh(math.atanh(r) + z * se))
        if abs(r) < 1
        else (r, r)
    )
    return {
        "effect_size": "rank-biserial",
        "effect": r,
        "ci_low": -1.0 if alternative == "less" else low,
        "ci_high": 1.0 if alternative == "greater" else high,
        "confidence": confidence,
    }
