"""How far ordered residuals of a normal distribution stray: one band for all of them at once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from joulebench.analysis.plot_groups import Floats

COVERAGE = 0.95
_SAMPLES, _MOST, _RANKS = 1000, 500, 60
_SEED = 20240503


def positions(n: int) -> Floats:
    """Give the quantiles of a standard normal that n ordered values are held against.

    Blom's positions (1958, Statistical Estimates), ``(i - 3/8) / (n + 1/4)``.
    """
    from scipy.special import ndtri

    found: Floats = ndtri((np.arange(1, n + 1) - 0.375) / (n + 0.25))
    return found


def band(n: int, ranks: Floats) -> tuple[Floats, Floats]:
    """Give the ends of a band that holds all of n standardised normal residuals in 95 % of samples.

    Every order statistic has an interval of one and the same level, by the beta distribution of
    uniform order statistics (Aldor-Noiman et al. 2013, Am. Stat. 67, 249); the level is calibrated
    on samples from which mean and standard deviation are estimated, as from residuals.

    Args:
        n: Number of residuals.
        ranks: Where the band is wanted, 1 to n, shape (k,).

    Returns:
        Lower and upper ends in standard deviations, shape (k,) each.
    """
    from scipy.special import betaincinv, ndtri

    tail = local_level(min(n, _MOST)) / 2
    low, high = (ndtri(betaincinv(ranks, n + 1 - ranks, share)) for share in (tail, 1 - tail))
    return low, high


@lru_cache(maxsize=64)
def local_level(n: int) -> float:
    """Give the level of each order statistic's interval with which 95 % of samples lie inside.

    By 1,000 samples with a fixed seed: to about a tenth of itself.
    """
    from scipy.special import betainc, ndtr

    drawn = np.random.default_rng(_SEED).standard_normal((_SAMPLES, n))
    drawn -= drawn.mean(axis=1, keepdims=True)
    drawn /= drawn.std(axis=1, ddof=1, keepdims=True)
    drawn.sort(axis=1)
    ranks = chosen_ranks(n, _RANKS)
    below = betainc(ranks, n + 1 - ranks, ndtr(drawn[:, ranks.astype(np.intp) - 1]))
    least = 2 * np.minimum(below, 1 - below).min(axis=1)
    return float(np.quantile(least, 1 - COVERAGE))


def chosen_ranks(n: int, most: int) -> Floats:
    """Choose ranks from 1 to n: the outermost, where most happens, and some between."""
    ends = np.arange(1, min(n, 10) + 1)
    chosen = np.concatenate([ends, n + 1 - ends, np.linspace(1, n, min(n, most)).round()])
    return np.unique(chosen).astype(np.float64)
