"""How many repetitions a comparison needs, and what so many can show."""

from __future__ import annotations

import math

import pandas as pd

from joulebench.stats.number_check import finite, number
from joulebench.stats.power_anova import anova_power, power_anova
from joulebench.stats.power_solve import check_share
from joulebench.stats.power_t import Alternative, Kind, power_t_test, t_power
from joulebench.stats.refused import Refused


def sample_size(
    *,
    d: float | None = None,
    f: float | None = None,
    groups: int = 2,
    power: float = 0.8,
    alpha: float = 0.05,
    kind: Kind = "two-sample",
    alternative: Alternative = "two-sided",
) -> pd.DataFrame:
    """Find the least whole number of values in each group that reaches a power.

    By :func:`~joulebench.stats.power_t_test` for ``d``, by
    :func:`~joulebench.stats.power_anova` for ``f``, rounded up.

    Args:
        d: Standardised difference of two groups or of pairs; give this or ``f``.
        f: Cohen's f of several groups.
        groups: How many, for ``f``.
        power: Chance asked for.
        alpha: Error rate.
        kind: The t test, for ``d``.
        alternative: Its alternative.

    Returns:
        The row of the test, ``n`` whole and ``power`` what it reaches.

    Raises:
        Refused: Neither or both of d and f, one of 0, or figures that cannot be.
    """
    for name, value in (("d", d), ("f", f)):
        if value is not None:
            number(value, name)
    if (d is None) == (f is None):
        raise Refused("give d for two groups or pairs, or f for several groups: one of them")
    if d == 0 or f == 0:
        raise Refused("no number of values shows an effect of 0: give the least that matters")
    if f is not None:
        found = power_anova(groups=groups, f=f, power=power, alpha=alpha)
        found["n"] = math.ceil(found["n"].iloc[0] - 1e-9)
        found["power"] = anova_power(groups, float(found["n"].iloc[0]), f, alpha)
        return found
    found = power_t_test(d=d, power=power, alpha=alpha, kind=kind, alternative=alternative)
    found["n"] = math.ceil(found["n"].iloc[0] - 1e-9)
    n = float(found["n"].iloc[0])
    found["power"] = t_power(n, float(d or 0.0), alpha, kind, alternative)
    return found


def smallest_detectable(
    n: float,
    *,
    sd: float = 1.0,
    groups: int = 2,
    power: float = 0.8,
    alpha: float = 0.05,
    kind: Kind = "two-sample",
    alternative: Alternative = "two-sided",
) -> pd.DataFrame:
    """Find the smallest effect that so many values show with the power asked for.

    Args:
        n: Values in each group, or pairs.
        sd: Standard deviation of values, or of the differences of pairs.
        groups: How many; from 3 on the effect is Cohen's f.
        power: Chance asked for.
        alpha: Error rate.
        kind: The t test, for two groups.
        alternative: Its alternative.

    Returns:
        The row of the test, with ``difference``, in the unit of ``sd``: between the two groups, or
        between the two most different of several when all others lie midway (Cohen 1988, pattern
        1: ``f sqrt(2 groups)``).

    Raises:
        Refused: Figures that cannot be, or a power that nothing reaches.
    """
    if not finite(sd, "sd") > 0:
        raise Refused(f"sd must be above 0, not {sd!r}")
    check_share("power", power)
    if groups == 2:
        found = power_t_test(n=n, power=power, alpha=alpha, kind=kind, alternative=alternative)
        factor = sd
    else:
        found = power_anova(groups=groups, n=n, power=power, alpha=alpha)
        factor = sd * math.sqrt(2 * groups)
    found.insert(len(found.columns) - 1, "difference", found["effect"] * factor)
    return found
