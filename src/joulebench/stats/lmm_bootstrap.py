"""The parametric bootstrap of a mixed model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.refused import Refused

if TYPE_CHECKING:
    from joulebench.stats.lmm_fit import MixedFit

Floats = NDArray[np.float64]

_FEWEST = 20


def simulated(fit: MixedFit, rng: np.random.Generator) -> Floats:
    """Draw a response from a fitted model, its random effects anew.

    Args:
        fit: A mixed model.
        rng: Where the numbers come from.

    Returns:
        ``X beta + sum_b Z_b u_b + e`` in the unit of the response as modelled, shape (n,).
    """
    made = fit.x @ fit.beta
    for block, factor in zip(fit.blocks, fit.factors, strict=True):
        effects = rng.standard_normal((len(block.levels), block.k)) @ (fit.sigma * factor).T
        made = made + np.einsum("nk,nk->n", block.values, effects[block.codes])
    return np.asarray(made + fit.sigma * rng.standard_normal(fit.n))


def bootstrapped(
    fit: MixedFit,
    statistic: Callable[[MixedFit], Floats],
    resamples: int,
    rng: np.random.Generator,
) -> Floats:
    """Give a statistic of models refitted to responses drawn from the fit.

    Args:
        fit: A mixed model; refits take its kind of likelihood.
        statistic: Gives figures of a fit, shape (k,).
        resamples: How many, R.
        rng: Where the random numbers come from.

    Returns:
        Shape (R, k).

    Raises:
        Refused: Fewer than 20 resamples.

    Source:
        Davison & Hinkley 1997, Bootstrap Methods and their Application, 2.2; as lme4's bootMer with
        ``type = "parametric"`` and ``use.u = FALSE``.
    """
    if not isinstance(resamples, int | np.integer) or resamples < _FEWEST:
        raise Refused(f"a bootstrap needs at least {_FEWEST} resamples, got {resamples}")
    if not isinstance(rng, np.random.Generator):
        raise Refused("a bootstrap draws random numbers: give rng=numpy.random.default_rng(1)")
    return np.array([statistic(fit.refit(simulated(fit, rng))) for _ in range(resamples)])
