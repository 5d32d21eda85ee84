"""A slope common to several groups."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from joulebench.stats.estimate import Estimate
from joulebench.stats.mean import Values, checked, expanded_uncertainty
from joulebench.stats.number_check import fraction
from joulebench.stats.refused import Refused


def within_group_slope(
    y: Values, x: Values, groups: Sequence[str], *, level: float = 0.95
) -> Estimate | None:
    """Estimate the slope of ``y`` against ``x`` after each group's own mean is taken away.

    Ordinary least squares with one intercept a group (the within estimator), a t interval with
    ``n - groups - 1`` degrees of freedom.

    Args:
        y: Values, shape (n,).
        x: Where they were taken, shape (n,).
        groups: The group of each value, n names.
        level: Coverage of the interval.

    Returns:
        The slope in units of ``y`` per unit of ``x``; ``None`` if the data hold no degree of
        freedom or no variation of ``x`` inside groups.

    Raises:
        ValueError: Different lengths, or values that are not finite.
    """
    ys, xs = checked(y), checked(x)
    fraction(level, "level", 0.95)
    each = np.asarray(groups)
    if each.shape != ys.shape or ys.shape != xs.shape:
        raise Refused(f"need equal lengths, got {len(ys)}, {len(xs)} and {each.size}")
    names, index = np.unique(each, return_inverse=True)
    count = np.bincount(index)
    y_in = ys - (np.bincount(index, ys) / count)[index]
    x_in = xs - (np.bincount(index, xs) / count)[index]
    dof, spread = len(ys) - len(names) - 1, float(x_in @ x_in)
    if dof < 1 or spread <= 0:
        return None
    slope = float(x_in @ y_in) / spread
    residual = y_in - slope * x_in
    noise = math.sqrt(float(residual @ residual) / dof / spread)
    half, _ = expanded_uncertainty(noise, dof, 0.0, level)
    return Estimate(slope, slope - half, slope + half, len(ys), noise, 0.0, float(dof), level,
                    "within-group least squares")  # fmt: skip
