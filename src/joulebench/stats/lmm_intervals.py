"""Intervals of all parameters of a mixed model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.bootstrap_interval import Resampled
from joulebench.stats.coefficients import check_confidence
from joulebench.stats.lmm_bootstrap import bootstrapped
from joulebench.stats.lmm_profile import Profile
from joulebench.stats.lmm_profile_parameters import profiles
from joulebench.stats.lmm_varcorr import correlation
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

if TYPE_CHECKING:
    from joulebench.stats.lmm_fit import MixedFit
    from joulebench.stats.lmm_model import MixedModel

Floats = NDArray[np.float64]
Method = Literal["profile", "wald", "bootstrap"]

_TESTS = {
    "profile": "profile likelihood interval",
    "wald": "Wald interval",
    "bootstrap": "parametric bootstrap interval, percentile",
}


def lmm_intervals(
    model: MixedModel,
    method: Method = "profile",
    confidence: float = 0.95,
    ddf: str = "asymptotic",
    resamples: int = 1000,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Give an interval of each parameter: standard deviations, correlations, sigma, fixed effects.

    - "profile": values that a likelihood-ratio test does not reject, by the full likelihood also
      after a fit by REML (so that an interval need not be centred on the estimate). An end at the
      limit of what a parameter can be (0, -1, 1) is not rejected either.
    - "wald": of fixed effects alone, estimate and standard error, normal or t by ``ddf``; a normal
      interval of a standard deviation is not to be trusted, so none is given.
    - "bootstrap": percentiles of refits to responses drawn from the model, random effects anew.

    Args:
        model: A mixed model.
        method: "profile", "wald" or "bootstrap".
        confidence: Coverage.
        ddf: Of Wald's: "asymptotic" (as lme4), "satterthwaite" or "kenward-roger".
        resamples: Of the bootstrap.
        rng: Of the bootstrap.

    Returns:
        Columns ``test, term, estimate, ci_low, ci_high, confidence, n, note``; one row a
        ``sd_effect|group``, ``cor_effect.effect|group``, ``sigma`` and fixed effect. ``estimate``
        is that of the fit.

    Raises:
        Refused: A method that is not known, a confidence out of range, or a bootstrap without
            ``rng`` or with too few resamples.

    Source:
        Bates et al. 2015, J. Stat. Softw. 67(1), 5.1 (profile); Davison & Hinkley 1997, Bootstrap
        Methods and their Application, 5.3 (percentile); R: ``confint(m, method =, oldNames =
        FALSE)`` of lme4.
    """
    check_confidence(confidence)
    if method not in _TESTS:
        raise Refused(f"no intervals are called {method!r}: choose {', '.join(_TESTS)}")
    if method == "wald":
        return _wald(model, confidence, ddf)
    names = [*parameter_names(model.fit), *model.design.columns]
    estimates = parameters(model.fit)
    if method == "profile":
        ends = _profiled(model, names, confidence)
    else:
        ends = _bootstrapped(model, confidence, resamples, rng)
    rows = zip(names, estimates, ends, strict=True)
    return tidy(
        _row(model, method, name, float(value), end, confidence) for name, value, end in rows
    )


def parameters(fit: MixedFit) -> Floats:
    """Give all parameters of a fit, in the order of :func:`parameter_names`, then fixed effects."""
    made: list[float] = []
    for covariance in fit.covariances:
        k = len(covariance)
        made += [math.sqrt(covariance[e, e]) for e in range(k)]
        made += [correlation(covariance, r, c) for r, c in _pairs(k)]
    return np.array([*made, fit.sigma, *fit.beta])


def parameter_names(fit: MixedFit) -> list[str]:
    """Name the parameters of the random part, as lme4 does."""
    made: list[str] = []
    for block in fit.blocks:
        made += [f"sd_{effect}|{block.group}" for effect in block.effects]
        named = [(block.effects[r], block.effects[c]) for r, c in _pairs(block.k)]
        made += [f"cor_{one}.{other}|{block.group}" for one, other in named]
    return [*made, "sigma"]


def _pairs(k: int) -> list[tuple[int, int]]:
    return [(r, c) for c in range(k) for r in range(c + 1, k)]


def _profiled(
    model: MixedModel, names: Sequence[str], confidence: float
) -> list[tuple[float, float, str]]:
    made: list[Profile] = profiles(model.fit, model.design.columns)
    by_name = {one.name: one for one in made}
    estimates = dict(zip(names, parameters(model.fit), strict=True))
    return [profiled(by_name[name], float(estimates[name]), confidence) for name in names]


def profiled(profile: Profile, estimate: float, confidence: float) -> tuple[float, float, str]:
    """Give a profile interval with what is doubtful about it.

    Args:
        profile: Of a parameter, by the full likelihood.
        estimate: Of the fit, which may be one by restricted likelihood.
        confidence: Coverage.
    """
    low, high = profile.interval(confidence)
    ends = zip((low, high), profile.limits, strict=True)
    at = " and ".join(f"{end:g}" for end, limit in ends if end == limit)
    notes = [f"the interval ends at {at}, the limit of the parameter"] if at else []
    if not low <= estimate <= high and not math.isnan(estimate):
        notes.append(
            f"the interval is of the full likelihood, whose estimate is {profile.estimate:g}: many "
            "fixed effects make that too small; take the bootstrap"
        )
    return low, high, "; ".join(notes)


def _bootstrapped(
    model: MixedModel, confidence: float, resamples: int, rng: np.random.Generator | None
) -> list[tuple[float, float, str]]:
    if rng is None:
        raise Refused("a bootstrap draws random numbers: give rng=numpy.random.default_rng(1)")
    drawn = bootstrapped(model.fit, parameters, resamples, rng)
    estimates = parameters(model.fit)
    return [percentile(float(e), v, confidence) for e, v in zip(estimates, drawn.T, strict=True)]


def percentile(estimate: float, values: Floats, confidence: float) -> tuple[float, float, str]:
    """Give the percentile interval of resampled values; those that are not defined do not count."""
    known = values[~np.isnan(values)]
    lost = len(values) - len(known)
    note = f"not defined in {lost} of {len(values)} resamples" if lost else ""
    if not len(known):
        return math.nan, math.nan, note
    if np.ptp(known) == 0:
        return float(known[0]), float(known[0]), "the same in every resample"
    low, high, doubt = Resampled(estimate, known).interval("percentile", confidence)
    return low, high, "; ".join(part for part in (note, doubt) if part)


def _row(
    model: MixedModel,
    method: Method,
    name: str,
    value: float,
    end: tuple[float, float, str],
    confidence: float,
) -> dict[str, object]:
    low, high, doubt = end
    return {
        "test": _TESTS[method],
        "term": name,
        "estimate": value,
        "ci_low": low,
        "ci_high": high,
        "confidence": confidence,
        "n": model.n,
        "note": "; ".join(part for part in (doubt, model.note) if part),
    }


def _wald(model: MixedModel, confidence: float, ddf: str) -> pd.DataFrame:
    from scipy.special import stdtrit

    columns = model.design.columns
    found = model.inference(np.eye(len(columns)), ddf)
    half = found.se * stdtrit(found.df, 0.5 + confidence / 2)
    return tidy(
        _row(model, "wald", name, float(value), (value - reach, value + reach, ""), confidence)
        | {"se": float(se), "df1": float(df)}
        for name, value, reach, se, df in zip(
            columns, found.estimate, half, found.se, found.df, strict=True
        )
    )
