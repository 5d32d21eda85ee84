"""The Wilcoxon rank-sum test of two samples (Mann-Whitney)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from joulebench.stats.hodges_lehmann import PairSums, asymptotic_shift, exact_shift
from joulebench.stats.midranks import midranks
from joulebench.stats.model_frame import Missing
from joulebench.stats.noncentral import Alternative
from joulebench.stats.rank_biserial import effect_columns, unpaired_effect
from joulebench.stats.rank_test import Method, check_mu, chosen_method, method_text, normal_p
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import Floats, sample
from joulebench.stats.wilcoxon_exact import rank_sum_distribution


def wilcoxon_rank_sum(
    x: Any,
    y: Any,
    *,
    method: Method = "auto",
    correct: bool = True,
    alternative: Alternative = "two-sided",
    mu: float = 0.0,
    confidence: float = 0.95,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Test whether values of x tend to be above, or below, those of y, in one row.

    ``W`` is the number of pairs (x, y) in which x is above, ties a half (Mann and Whitney 1947,
    Ann. Math. Stat. 18, 50), as R's ``wilcox.test`` counts it. "exact" is its permutation
    distribution given the ties (Streitberg and Roehmel 1986), which R leaves to the package coin;
    "asymptotic" is normal with the variance that ties leave, with or without continuity correction;
    "auto" is R's choice between them. ``estimate`` is the Hodges-Lehmann shift, the median of all
    differences x - y, with the interval of the test in ``estimate_low`` and ``estimate_high``;
    ``effect`` is the rank-biserial correlation (Cliff's delta) with its own interval. Neither needs
    a table of all pairs: 100,000 against 100,000 values take seconds.

    Args:
        x: Values, shape (n,).
        y: Values, shape (m,).
        method: How p is found.
        correct: Whether the normal p is corrected for continuity.
        alternative: "greater": x tends to be above y + mu.
        mu: Shift that is tested, in the unit of the values.
        confidence: Coverage of the intervals.
        missing: What to do about missing values: refuse them, or drop them.

    Returns:
        One row: ``test, estimate, statistic "W", value, p, effect_size, effect, ci_low, ci_high,
        confidence, n, n_x, n_y, estimate_low, estimate_high, z`` (of the normal p)``, method,
        note``.

    Raises:
        Refused: Values that are no numbers, missing, infinite or all one, or an exact distribution
            that would take too long.
    """
    check_mu(mu)
    first, second = sample(x, "x", missing), sample(y, "y", missing)
    return tidy(
        [
            {
                "test": "Wilcoxon rank-sum",
                **rank_sum_columns(
                    first,
                    second,
                    method=method,
                    correct=correct,
                    alternative=alternative,
                    mu=mu,
                    confidence=confidence,
                ),
            }
        ]
    )


def rank_sum_columns(
    x: Floats,
    y: Floats,
    *,
    method: Method,
    correct: bool,
    alternative: Alternative,
    mu: float = 0.0,
    confidence: float,
) -> dict[str, Any]:
    """Give the columns of the rank-sum test of two checked samples."""
    shifted = x - mu
    ranks = midranks(np.concatenate([shifted, y]))
    if len(ranks.ties) == 1:
        raise Refused(f"all {len(ranks.ranks)} values are {y[0]:g}: there is nothing to rank")
    effect = effect_columns(unpaired_effect(shifted, y), confidence, alternative)
    n, m = len(x), len(y)
    above = float(ranks.ranks[:n].sum()) - n * (n + 1) / 2
    chosen = chosen_method(method, max(n, m), untied=not ranks.tied)
    pairs, half = PairSums.differences(x, y), 0.5 * correct
    if chosen == "exact":
        untied = rank_sum_distribution(np.arange(1.0, n + m + 1), n)
        null = rank_sum_distribution(ranks.ranks, n) if ranks.tied else untied
        z, p = math.nan, null.p(above + n * (n + 1) / 2, alternative)
        shift = exact_shift(pairs, untied, confidence, alternative)
    else:
        z, p = normal_p(above - n * m / 2, _sigma(n, m, ranks.tie_sum), half, alternative)
        shift = asymptotic_shift(pairs, _sigma_between(x, y), half, confidence, alternative)
    return {
        "estimate": shift.estimate,
        "statistic": "W",
        "value": above,
        "p": p,
        **effect,
        "n": n + m,
        "n_x": n,
        "n_y": m,
        "estimate_low": shift.low,
        "estimate_high": shift.high,
        "z": z,
        "method": method_text(chosen, tied=ranks.tied, correct=correct),
        "note": shift.note,
    }


def _sigma(n: int, m: int, ties: float) -> float:
    """Give the standard deviation of W given the ties (Lehmann 1975, Nonparametrics, chapter 1)."""
    total = n + m
    return math.sqrt(n * m / 12 * ((total + 1) - ties / (total * (total - 1))))


def _sigma_between(x: Floats, y: Floats) -> float:
    """Give it at a shift that lets no x meet a y, where only ties within a sample are left."""
    ties = midranks(x).tie_sum + midranks(y).tie_sum
    return _sigma(len(x), len(y), ties)
