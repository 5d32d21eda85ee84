"""Chi-squares of likelihood-ratio tests whose null hypothesis is at the edge of what can be."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

ONE_EFFECT = "half-and-half mixture of chi-squares"
SEVERAL = "binomial mixture of chi-squares, as if the variances were estimated independently"
UNKNOWN = (
    "several correlated effects at once: the mixture depends on the data and the naive p is too "
    "large; take them out one by one, or bootstrap"
)


def chi2_tail(value: float, df: float) -> float:
    """Give the probability of a larger chi-square; with 0 df all of it lies at 0."""
    from scipy.special import chdtrc

    if df == 0:
        return 1.0 if value <= 0 else 0.0
    return float(chdtrc(df, max(value, 0.0)))


def boundary_p(value: float, df: int, effects: Sequence[int]) -> tuple[float, str]:
    """Give the p of a likelihood-ratio test that variances of random effects are 0.

    One effect taken out of a term of ``k``: half chi-square with ``k - 1`` and half with ``k``
    degrees of freedom (its variance and its covariances). Effects of terms of one effect each taken
    out together: chi-squares of 0, 1, ... degrees of freedom with binomial weights, right where the
    estimates of the variances do not depend on one another and near it elsewhere.

    Args:
        value: Likelihood-ratio statistic.
        df: Parameters by which the models differ, all of the random part.
        effects: Effects that are taken out of each term.

    Returns:
        The p and how it was found; ``nan`` where the mixture is not known.

    Source:
        Self & Liang 1987, J. Am. Stat. Assoc. 82, 605, cases 5 to 9; Stram & Lee 1994, Biometrics
        50, 1171, cases 1 to 3.
    """
    if not effects:
        return chi2_tail(value, df), ""
    if sum(effects) == 1:
        return 0.5 * (chi2_tail(value, df - 1) + chi2_tail(value, df)), ONE_EFFECT
    if max(effects) == 1 and df == len(effects):
        weights = [math.comb(df, j) / 2**df for j in range(df + 1)]
        tails = [chi2_tail(value, j) for j in range(df + 1)]
        return float(np.dot(weights, tails)), SEVERAL
    return math.nan, UNKNOWN
