"""How much of the variation a term of an analysis of variance explains, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from joulebench.stats.anova_types import SumOfSquares
from joulebench.stats.noncentral import Alternative, noncentral_f_interval

MAIN = "partial eta squared"
"""The effect size that stands in the common columns; the others have columns of their own."""


def effect_sizes(
    terms: Sequence[SumOfSquares],
    residual: SumOfSquares,
    confidence: float,
    alternative: Alternative,
) -> list[dict[str, float | str]]:
    """Give the effect sizes of each term, as columns of its row.

    Eta squared and partial eta squared (Fisher; Cohen 1973, Educ. Psychol. Meas. 33, 107), omega
    squared and partial omega squared (Hays 1963; Olejnik and Algina 2003, Psychol. Methods 8, 434),
    epsilon squared (Kelley 1935, PNAS 21, 554) and its partial form, Cohen's f (1988). The total
    is the sum over the table. Shares below 0 are 0.

    Args:
        terms: Sums of squares of the terms.
        residual: Of the residuals.
        confidence: Coverage of the intervals.
        alternative: "greater" gives a lower bound, the upper end being 1.
    """
    total = SumOfSquares(
        sum(term.size for term in terms) + residual.size,
        sum(term.df for term in terms) + residual.df,
    )
    return [_sizes(term, residual, total, confidence, alternative) for term in terms]


def _sizes(
    term: SumOfSquares,
    residual: SumOfSquares,
    total: SumOfSquares,
    confidence: float,
    alternative: Alternative,
) -> dict[str, float | str]:
    if term.df == 0:
        return {"effect_size": MAIN}
    mean_square = residual.size / residual.df
    excess = max(0.0, term.size - term.df * mean_square)
    both = term.size + residual.size
    shares = {
        "eta_sq": term.size / total.size,
        "omega_sq": excess / (total.size + mean_square),
        "partial_omega_sq": excess / (term.size + (total.df + 1 - term.df) * mean_square),
        "epsilon_sq": excess / total.size,
        "partial_epsilon_sq": excess / both,
    }
    columns = main_effect(term.size / both, term.df, residual.df, confidence, alternative)
    for name, share in shares.items():
        low, high = share_interval(share, term.df, residual.df, confidence, alternative)
        columns |= {name: share, f"{name}_low": low, f"{name}_high": high}
    return columns | _cohens_f(columns)


def main_effect(
    share: float, df1: float, df2: float, confidence: float, alternative: Alternative
) -> dict[str, float | str]:
    """Give partial eta squared with its interval, in the common columns."""
    low, high = share_interval(share, df1, df2, confidence, alternative)
    return {"effect_size": MAIN, "effect": share, "ci_low": low, "ci_high": high}


@lru_cache(maxsize=4096)  # the shares of a single term are in part the same
def share_interval(
    share: float, df1: float, df2: float, confidence: float, alternative: Alternative
) -> tuple[float, float]:
    """Give the interval of a share of variance, by the noncentrality of the F that it stands for.

    The share is turned into ``F = (share / df1) / ((1 - share) / df2)``, and the limits ``ncp`` of
    the noncentrality of that F into ``ncp / (ncp + df2)`` (Steiger 2004, Psychol. Methods 9, 164);
    so for omega and epsilon squared too, as the R package effectsize 0.8.3 does it.

    Args:
        share: 0 to 1.
        df1: Degrees of freedom of the term.
        df2: Of the residuals.
        confidence: Coverage.
        alternative: "greater" has 1 for its upper end, "less" 0 for its lower one.
    """
    if share >= 1.0:
        return (0.0 if alternative == "less" else 1.0), 1.0
    f = (share / df1) / ((1.0 - share) / df2)
    low, high = noncentral_f_interval(f, df1, df2, confidence, alternative)
    return low / (low + df2), 1.0 if math.isinf(high) else high / (high + df2)


def _cohens_f(columns: dict[str, float | str]) -> dict[str, float]:
    ends = {"cohens_f": "effect", "cohens_f_low": "ci_low", "cohens_f_high": "ci_high"}
    return {name: _f_of(float(columns[share])) for name, share in ends.items()}


def _f_of(share: float) -> float:
    return math.sqrt(share / (1.0 - share)) if share < 1 else math.inf
