"""Welch's analysis of variance of groups whose variances differ."""

from __future__ import annotations

import pandas as pd

from joulebench.stats.anova_effect_sizes import share_interval
from joulebench.stats.group_moments import GroupMoments, group_moments
from joulebench.stats.groups import groups_of
from joulebench.stats.model_frame import Missing
from joulebench.stats.noncentral import Alternative, tail_of
from joulebench.stats.rows import tidy

TEST = "Welch ANOVA"


def welch_anova(
    formula: str,
    frame: pd.DataFrame,
    missing: Missing = "refuse",
    confidence: float = 0.95,
    alternative: Alternative = "greater",
) -> pd.DataFrame:
    """Test whether groups have one mean, whatever their variances, in one row.

    Welch 1951, Biometrika 38, 330: means weighted by ``n / s^2``, as R's ``oneway.test``. The
    effect sizes are those that an analysis of variance with this F and these degrees of freedom
    would have, an approximation (as the R package effectsize 0.8.3 gives them).

    Args:
        formula: ``energy_j ~ generation``, or ``energy_j ~ a:b`` for cells; a number on the right
            is taken by its levels.
        frame: One row an observation.
        missing: What to do about rows that lack a value.
        confidence: Coverage of the intervals of the effect sizes.
        alternative: Of those intervals: "greater" gives the lower bound, up to 1.

    Returns:
        Columns ``test, term, statistic "F", value, df1, df2, p, effect_size, effect, ci_low,
        ci_high, confidence, n, omega_sq, omega_sq_low, omega_sq_high``, one row.

    Raises:
        Refused: One group, a group of one value or without spread, or what
            :func:`joulebench.stats.groups.groups_of` refuses.
    """
    from scipy.special import fdtrc

    tail_of(confidence, alternative)
    groups = groups_of(formula, frame, missing)
    f, df1, df2 = welch_f(group_moments(groups, TEST))
    eta = f * df1 / (f * df1 + df2)
    omega = max(0.0, (f - 1) * df1 / (f * df1 + df2 + 1))
    low, high = share_interval(eta, df1, df2, confidence, alternative)
    omega_low, omega_high = share_interval(omega, df1, df2, confidence, alternative)
    row = {
        "test": TEST,
        "term": groups.factor,
        "statistic": "F",
        "value": f,
        "df1": df1,
        "df2": df2,
        "p": float(fdtrc(df1, df2, f)),
        "effect_size": "eta squared, approximate",
        "effect": eta,
        "ci_low": low,
        "ci_high": high,
        "confidence": confidence,
        "n": groups.n,
        "omega_sq": omega,
        "omega_sq_low": omega_low,
        "omega_sq_high": omega_high,
    }
    return tidy([row])


def welch_f(moments: GroupMoments) -> tuple[float, float, float]:
    """Give Welch's F with its degrees of freedom.

    ``F = sum(w_i (m_i - m)^2) / (k - 1) / (1 + 2 (k - 2) h)``, ``w_i = n_i / s_i^2``, ``h =
    sum((1 - w_i / w)^2 / (n_i - 1)) / (k^2 - 1)``, with ``k - 1`` and ``1 / (3 h)`` degrees of
    freedom.
    """
    # In units of the smallest variance, so that none is too small or too large to be squared.
    weight = moments.count / (moments.variance / moments.variance.min())
    share = weight / weight.sum()
    apart = moments.mean / float(moments.variance.min()) ** 0.5
    k = len(weight)
    h = float(((1 - share) ** 2 / (moments.count - 1)).sum()) / (k**2 - 1)
    between = float((weight * (apart - share @ apart) ** 2).sum()) / (k - 1)
    return between / (1 + 2 * (k - 2) * h), k - 1.0, 1 / (3 * h)
