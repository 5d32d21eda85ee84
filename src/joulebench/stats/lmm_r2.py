"""Shares of variance in a mixed model: intraclass correlations and R squared."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.coefficients import check_confidence
from joulebench.stats.lmm_bootstrap import bootstrapped
from joulebench.stats.lmm_intervals import percentile, profiled
from joulebench.stats.lmm_profile_parameters import share_profile
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

if TYPE_CHECKING:
    from joulebench.stats.lmm_fit import MixedFit
    from joulebench.stats.lmm_model import MixedModel

Floats = NDArray[np.float64]
Interval = Literal["none", "profile", "bootstrap"]

_INTERVALS = ("none", "profile", "bootstrap")


def r_squared(
    model: MixedModel,
    interval: Interval = "none",
    confidence: float = 0.95,
    resamples: int = 1000,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Give the marginal and the conditional R squared of a mixed model.

    Marginal is the share of fixed effects, conditional that of fixed and random effects together,
    in the sum of the variance of the fixed predictions (divisor n - 1), the mean variance that
    random effects give a row, and the residual variance.

    Args:
        model: A mixed model.
        interval: "none" or "bootstrap" (parametric, percentile).
        confidence: Coverage of the interval.
        resamples: Of the bootstrap.
        rng: Of the bootstrap.

    Returns:
        Two rows: ``test, term`` ("marginal", "conditional"), ``effect_size "R squared", effect,
        ci_low, ci_high, confidence, n, note``.

    Raises:
        Refused: An interval that is not known, or a bootstrap without ``rng``.

    Source:
        Nakagawa & Schielzeth 2013, Methods Ecol. Evol. 4, 133, equations 26 and 30; Johnson 2014,
        Methods Ecol. Evol. 5, 944 (random slopes); R: ``r2_nakagawa(m)`` of performance.
    """
    _check(interval, confidence)
    if interval == "profile":
        raise Refused("R squared has no profile interval, since it is made of predictions as well "
                      "as of variances: take interval=\"bootstrap\"")  # fmt: skip
    ends = _ends(model, _r_squared, interval, confidence, resamples, rng)
    return _table(model, "R squared", ["marginal", "conditional"], _r_squared(model.fit), ends,
                  confidence)  # fmt: skip


def icc(
    model: MixedModel,
    interval: Interval = "none",
    confidence: float = 0.95,
    resamples: int = 1000,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Give the intraclass correlations of a mixed model.

    Adjusted is the share of random effects in the variance that fixed effects leave, unadjusted in
    all of it. Of each grouping its share in what fixed effects leave: the correlation of two rows
    that share a group of it and of no other, where only intercepts vary. Random slopes count with
    the mean variance that they give a row.

    Args:
        model: A mixed model.
        interval: "none"; "profile" for the adjusted one, by the full likelihood; "bootstrap"
            (parametric, percentile) for all.
        confidence: Coverage of the interval.
        resamples: Of the bootstrap.
        rng: Of the bootstrap.

    Returns:
        One row each: ``test, term`` ("adjusted", "unadjusted", the groupings), ``effect_size "ICC",
        effect, ci_low, ci_high, confidence, n, note``.

    Raises:
        Refused: An interval that is not known, or a bootstrap without ``rng``.

    Source:
        Nakagawa, Johnson & Schielzeth 2017, J. R. Soc. Interface 14, 20170213, equations 8 to 10;
        R: ``icc(m)`` and ``icc(m, by_group = TRUE)`` of performance.
    """
    _check(interval, confidence)
    names = ["adjusted", "unadjusted", *random_variances(model.fit)]
    if interval == "profile":
        note = "profile intervals are of the adjusted one alone"
        ends = [_profiled(model.fit, confidence), *[(np.nan, np.nan, note)] * (len(names) - 1)]
    else:
        ends = _ends(model, _icc, interval, confidence, resamples, rng)
    return _table(model, "ICC", names, _icc(model.fit), ends, confidence)


def random_variances(fit: MixedFit) -> dict[str, float]:
    """Give the mean variance that each grouping gives a row.

    ``mean_i z_i' Sigma z_i`` over the rows, summed over terms of one grouping (Johnson 2014,
    Methods Ecol. Evol. 5, 944, equation 10).
    """
    found: dict[str, float] = {}
    for block, covariance in zip(fit.blocks, fit.covariances, strict=True):
        z = block.values  # noqa: PD011 - no frame
        rows = np.einsum("nk,kl,nl->n", z, covariance, z)
        found[block.group] = found.get(block.group, 0.0) + float(rows.mean())
    return found


def _r_squared(fit: MixedFit) -> Floats:
    fixed, random, residual = _variances(fit)
    return np.array([fixed, fixed + random]) / (fixed + random + residual)


def _icc(fit: MixedFit) -> Floats:
    fixed, random, residual = _variances(fit)
    left = random + residual
    shares = [value / left for value in random_variances(fit).values()]
    return np.array([random / left, random / (fixed + left), *shares])


def _variances(fit: MixedFit) -> tuple[float, float, float]:
    level = fit.x @ fit.beta
    # About one of them, so that fitted values that are all one have no variance.
    fixed = float(np.var(level - level[0], ddof=1))
    return fixed, sum(random_variances(fit).values()), fit.sigma**2


def _profiled(fit: MixedFit, confidence: float) -> tuple[float, float, str]:
    ratio = sum(random_variances(fit).values()) / fit.sigma**2
    low, high, note = profiled(share_profile(fit), ratio, confidence)
    return low / (1 + low), 1.0 if np.isinf(high) else high / (1 + high), note


def _ends(
    model: MixedModel,
    statistic: Callable[[MixedFit], Floats],
    interval: str,
    confidence: float,
    resamples: int,
    rng: np.random.Generator | None,
) -> list[tuple[float, float, str]]:
    estimates = statistic(model.fit)
    if interval == "none":
        return [(np.nan, np.nan, "")] * len(estimates)
    if rng is None:
        raise Refused("a bootstrap draws random numbers: give rng=numpy.random.default_rng(1)")
    drawn = bootstrapped(model.fit, statistic, resamples, rng)
    return [percentile(float(e), v, confidence) for e, v in zip(estimates, drawn.T, strict=True)]


def _table(
    model: MixedModel,
    name: str,
    terms: list[str],
    values: Floats,
    ends: list[tuple[float, float, str]],
    confidence: float,
) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for term, value, (low, high, doubt) in zip(terms, values, ends, strict=True):
        note = "; ".join(part for part in (doubt, model.note) if part)
        figures = {"effect": float(value), "ci_low": low, "ci_high": high}
        shown = {"test": "shares of variance", "term": term, "effect_size": name}
        rows.append(shown | figures | {"confidence": confidence, "n": model.n, "note": note})
    return tidy(rows)


def _check(interval: str, confidence: float) -> None:
    check_confidence(confidence)
    if interval not in _INTERVALS:
        raise Refused(f"no interval is called {interval!r}: choose {', '.join(_INTERVALS)}")
