"""Slopes of a covariate, level by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from joulebench.stats.coefficients import check_confidence
from joulebench.stats.emmeans import Means, check_roles, listed
from joulebench.stats.emmeans_grid import At, check_names, marginal, settings_of
from joulebench.stats.emmeans_scale import back_transform
from joulebench.stats.fitted_model import FittedModel, check_model
from joulebench.stats.refused import Refused

_STEP = 0.001


def trends(
    model: FittedModel,
    covariate: str,
    specs: str | Sequence[str] = "1",
    by: str | Sequence[str] | None = None,
    ddf: str | None = None,
    at: At | None = None,
    weights: str = "equal",
    confidence: float = 0.95,
) -> Means:
    """Estimate the slope of a covariate at the levels of factors.

    The difference of the predictions at the covariate's mean and 0.001 of its range above, over
    that step: exact where the model is linear in it. On the scale of the model. R's
    ``emtrends(model, ~ specs | by, var=covariate)``.

    Args:
        model: A fitted linear or mixed model.
        covariate: The number whose slope is asked for.
        specs: Variables at whose levels slopes are compared; "1" for the mean slope.
        by: Variables whose levels are kept apart.
        ddf: For a mixed model, "satterthwaite", "kenward-roger" or "asymptotic".
        at: Settings of variables; see :func:`joulebench.stats.emmeans.emmeans`.
        weights: Of the combinations averaged over.
        confidence: Coverage of the intervals.

    Returns:
        Slopes, with ``frame()`` and ``contrasts()`` as means have them.

    Raises:
        Refused: The covariate is no number of the fixed part, or a name or setting is not there.
    """
    check_confidence(confidence)
    check_model(model)
    compared, apart = listed(specs), listed(by)
    check_names(model.design, [covariate], "trends")
    check_roles(model, compared, apart)
    if covariate not in model.design.covariates or covariate in model.design.factors:
        raise Refused(f"{covariate!r} is a factor: a slope needs a number")
    if covariate in [*compared, *apart]:
        raise Refused(f"the slope of {covariate!r} cannot be kept apart by {covariate!r} itself")
    settings = settings_of(model.design, at)
    step = _STEP * float(np.ptp(model.design.frame[covariate].to_numpy(dtype=np.float64)))
    if step == 0:
        raise Refused(f"{covariate!r} does not vary: it has no slope")
    moved = settings | {covariate: [value + step for value in settings[covariate]]}
    here = marginal(model.design, settings, compared, apart, weights)
    there = marginal(model.design, moved, compared, apart, weights)
    of = replace(here, functions=(there.functions - here.functions) / step)
    return Means(model, of, ddf, confidence, "model", back_transform("none"))
