"""The Kruskal-Wallis test of several groups by ranks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.anova_effect_sizes import share_interval
from joulebench.stats.groups import Groups, groups_of
from joulebench.stats.midranks import midranks, printed_ties, tie_sum
from joulebench.stats.model_frame import Missing
from joulebench.stats.noncentral import Alternative, Interval, tail_of
from joulebench.stats.number_check import whole
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Floats = NDArray[np.float64]

_CHUNK = 4_000_000
"""Counts that are held at one time while resampling."""


def kruskal(
    formula: str,
    frame: pd.DataFrame,
    *,
    confidence: float = 0.95,
    alternative: Alternative = "greater",
    rng: np.random.Generator | None = None,
    resamples: int = 2000,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Test whether some group tends to hold higher values than others, in one row.

    ``H`` with the correction for ties (Kruskal and Wallis 1952, J. Am. Stat. Assoc. 47, 583), as
    R's ``kruskal.test``. ``effect`` is epsilon squared, ``H / (n - 1)`` (Tomczak and Tomczak 2014,
    Trends Sport Sci. 1, 19): the share of the ranks' sum of squares that lies between groups. Its
    interval is that of a share of variance, from the noncentral F of the ranks (Steiger 2004,
    Psychol. Methods 9, 164), or with ``rng`` the percentiles of a bootstrap within groups, which
    lie too high where groups barely differ. ``eta_squared_h`` is ``(H - k + 1) / (n - k)``.

    Args:
        formula: ``energy_j ~ generation``, or ``energy_j ~ a:b`` for the cells of two factors.
        frame: One row an observation.
        confidence: Coverage of the interval.
        alternative: Of the interval: "greater" gives the lower bound that goes with the test, up to
            1; "two-sided" both ends; "less" an upper bound.
        rng: Source of the bootstrap; without it the interval is the noncentral one.
        resamples: Bootstrap samples.
        missing: What to do about rows that lack a value.

    Returns:
        One row: ``test, term, statistic "H", value, df1, p, effect_size "epsilon squared", effect,
        ci_low, ci_high, confidence, n, eta_squared_h``, and ``mean_rank[level]`` of each group.

    Raises:
        Refused: No grouping, one group, a name that is not there, missing values, or one value
            everywhere.
    """
    from scipy.special import chdtrc

    groups = groups_of(formula, frame, missing)
    ties = ties_of(groups)
    n, k = groups.n, len(groups.levels)
    means = mean_ranks(groups)
    epsilon = between_share(means, groups.counts.astype(np.float64), ties)
    h = epsilon * (n - 1)
    if rng is None:
        ends = rank_share_interval(epsilon, k - 1, n - k, confidence, alternative)
    else:
        ends = percentiles(resampled_shares(groups, resamples, rng), confidence, alternative)
    return tidy(
        [
            {
                "test": "Kruskal-Wallis",
                "term": groups.factor,
                "statistic": "H",
                "value": h,
                "df1": k - 1,
                "p": float(chdtrc(k - 1, h)),
                "effect_size": "epsilon squared",
                "effect": epsilon,
                "ci_low": ends[0],
                "ci_high": ends[1],
                "confidence": confidence,
                "n": n,
                "eta_squared_h": (h - k + 1) / (n - k) if n > k else np.nan,
                **{f"mean_rank[{level}]": r for level, r in zip(groups.levels, means, strict=True)},
            }
        ]
    )


def ties_of(groups: Groups) -> float:
    """Give the sum of ``t^3 - t`` over groups of ``t`` values that R takes for equal.

    Raises:
        Refused: All values are equal.
    """
    ties = printed_ties(groups.values)
    if len(ties) == 1:
        only = groups.samples[0][0]
        raise Refused(
            f"{groups.response.text} is {only:g} in all {groups.n} rows: there is nothing to rank; "
            "check the column"
        )
    return tie_sum(ties)


def mean_ranks(groups: Groups) -> Floats:
    """Give the mean rank of each group, shape (k,)."""
    ranks = midranks(groups.values).ranks
    means: Floats = np.bincount(groups.codes, ranks, len(groups.levels)) / groups.counts
    return means


def between_share(means: Floats, counts: Floats, ties: float) -> float:
    """Give the share of the ranks' sum of squares that lies between groups: ``H / (n - 1)``."""
    n = float(counts.sum())
    return min(float(counts @ (means - (n + 1) / 2) ** 2) / ((n**3 - n - ties) / 12), 1.0)


def rank_share_interval(
    share: float, df1: float, df2: float, confidence: float, alternative: Alternative
) -> Interval:
    """Give the interval of a share of the sum of squares of ranks, as of any share of variance.

    The F of the ranks is ``share / (1 - share) df2 / df1`` (Conover and Iman 1981, Am. Stat. 35,
    124), and its noncentrality has an interval (Steiger 2004, Psychol. Methods 9, 164). Without
    degrees of freedom left, nothing is known but that a share lies from 0 to 1.
    """
    tail_of(confidence, alternative)
    if df2 <= 0:
        return 0.0, 1.0
    return share_interval(share, df1, df2, confidence, alternative)


def percentiles(shares: Floats, confidence: float, alternative: Alternative) -> Interval:
    """Give the percentile interval of resampled shares."""
    tail = tail_of(confidence, alternative)
    low = 0.0 if alternative == "less" else float(np.quantile(shares, tail))
    high = 1.0 if alternative == "greater" else float(np.quantile(shares, 1 - tail))
    return low, high


def resampled_shares(groups: Groups, resamples: int, rng: np.random.Generator) -> Floats:
    """Give the share between groups of samples drawn anew within each group, shape (resamples,).

    A resample is a number of draws of each distinct value in each group, from which ranks and ties
    follow without sorting.

    Raises:
        Refused: No generator of random numbers, or no resamples.
    """
    whole(resamples, "resamples", 1)
    if not isinstance(rng, np.random.Generator):
        raise Refused("a bootstrap needs rng=numpy.random.default_rng(seed)")
    distinct, place = np.unique(groups.values, return_inverse=True)
    of_groups = [place[groups.codes == k] for k in range(len(groups.levels))]
    chunks = _chunks(resamples, len(distinct) * len(of_groups))
    return np.concatenate(
        [
            shares_of([_draws(places, size, len(distinct), rng) for places in of_groups])
            for size in chunks
        ]
    )


def shares_of(drawn: list[Floats]) -> Floats:
    """Give the share between groups of samples told by how often each distinct value occurs.

    Args:
        drawn: One array a group, a row a sample and a column a distinct value in rising order.
    """
    ties: Floats = np.sum(drawn, axis=0)
    n = ties[0].sum()
    centred = np.cumsum(ties, axis=1) - (ties - 1) / 2 - (n + 1) / 2
    sums = [np.sum(one * centred, axis=1) ** 2 / one[0].sum() for one in drawn]
    between: Floats = np.sum(sums, axis=0)
    whole = np.sum(ties * centred**2, axis=1)
    # A sample of one value everywhere has nothing between its groups.
    shares: Floats = np.divide(between, whole, out=np.zeros(len(whole)), where=whole > 0)
    return shares


def _draws(places: NDArray[np.intp], size: int, d: int, rng: np.random.Generator) -> Floats:
    picked = places[rng.integers(0, len(places), (size, len(places)))]
    picked += d * np.arange(size)[:, None]
    return np.bincount(picked.ravel(), minlength=size * d).reshape(size, d).astype(np.float64)


def _chunks(resamples: int, cells: int) -> list[int]:
    size = max(1, _CHUNK // cells)
    whole, left = divmod(resamples, size)
    return [size] * whole + ([left] if left else [])
