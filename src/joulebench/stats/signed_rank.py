"""The Wilcoxon signed-rank test of pairs, or of one sample about a point."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from joulebench.stats.hodges_lehmann import PairSums, asymptotic_shift, exact_shift
from joulebench.stats.midranks import Midranks, midranks
from joulebench.stats.model_frame import Missing
from joulebench.stats.noncentral import Alternative
from joulebench.stats.rank_biserial import effect_columns, nonzero, paired_effect
from joulebench.stats.rank_test import Method, check_mu, chosen_method, method_text, normal_p
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import paired_samples, sample
from joulebench.stats.wilcoxon_exact import signed_rank_distribution


def wilcoxon_signed_rank(
    x: Any,
    y: Any = None,
    *,
    method: Method = "auto",
    correct: bool = True,
    alternative: Alternative = "two-sided",
    mu: float = 0.0,
    confidence: float = 0.95,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Test whether differences within pairs tend to be above, or below, 0, in one row.

    ``V`` is the sum of the ranks of the positive differences (Wilcoxon 1945, Biometrics Bull. 1,
    80). Differences of 0 are dropped, as in R's ``wilcox.test``; ``n_zero`` counts them. "exact" is
    the permutation distribution given the ties that are left, where R has none; "asymptotic" is
    normal with the variance that ties leave; "auto" is R's choice: exact for fewer than 50
    differences without ties and zeroes. ``estimate`` is the pseudomedian (Hodges and Lehmann 1963):
    the median of the averages of two differences, each with itself too, with the interval of the
    test in ``estimate_low`` and ``estimate_high``; ``effect`` is the matched-pairs rank-biserial
    correlation with its own interval.

    Args:
        x: Values, shape (n,); differences where y is not given.
        y: Their partners in the same order, shape (n,).
        method: How p is found.
        correct: Whether the normal p is corrected for continuity.
        alternative: "greater": x tends to be above its partner + mu.
        mu: Difference that is tested, in the unit of the values.
        confidence: Coverage of the intervals.
        missing: What to do about missing values: refuse them, or drop their pairs.

    Returns:
        One row: ``test, estimate, statistic "V", value, p, effect_size, effect, ci_low, ci_high,
        confidence, n`` (pairs, zeroes among them)``, n_zero, estimate_low, estimate_high, z`` (of
        the normal p)``, method, note``.

    Raises:
        Refused: Values that are no numbers, missing or infinite, unequal lengths, differences that
            are all 0, or an exact distribution that would take too long.
    """
    check_mu(mu)
    if y is None:
        differences = sample(x, "x", missing)
    else:
        first, second = paired_samples(x, y, missing)
        differences = first - second
    left = nonzero(differences, mu)
    ranks = midranks(np.abs(left))
    effect = effect_columns(paired_effect(left), confidence, alternative)
    zeroes, pairs = len(differences) - len(left), PairSums.walsh_averages(left + mu)
    value, half = float(ranks.ranks[left > 0].sum()), 0.5 * correct
    chosen = chosen_method(method, len(left), untied=not ranks.tied and not zeroes)
    if chosen == "exact":
        untied = signed_rank_distribution(np.arange(1.0, len(left) + 1))
        null = signed_rank_distribution(ranks.ranks) if ranks.tied else untied
        z, p = math.nan, null.p(value, alternative)
        shift = exact_shift(pairs, untied, confidence, alternative)
    else:
        z, p = normal_p(value - pairs.count / 2, _sigma(len(left), ranks), half, alternative)
        sigma = _sigma(len(left), midranks(left))
        shift = asymptotic_shift(pairs, sigma, half, confidence, alternative)
    return tidy(
        [
            {
                "test": "Wilcoxon signed-rank",
                "estimate": shift.estimate,
                "statistic": "V",
                "value": value,
                "p": p,
                **effect,
                "n": len(differences),
                "n_zero": zeroes,
                "estimate_low": shift.low,
                "estimate_high": shift.high,
                "z": z,
                "method": method_text(chosen, tied=ranks.tied, correct=correct),
                "note": shift.note,
            }
        ]
    )


def _sigma(n: int, ranks: Midranks) -> float:
    """Give the standard deviation of V given the ties (Lehmann 1975, Nonparametrics, chapter 3)."""
    return math.sqrt(n * (n + 1) * (2 * n + 1) / 24 - ranks.tie_sum / 48)
