"""Power, sample size and detectable effect of a one-way analysis of variance."""

from __future__ import annotations

from numbers import Integral

import pandas as pd
from scipy.special import fdtri

from joulebench.stats.noncentral_tails import f_tails
from joulebench.stats.power_solve import LEAST_N, MOST_N, asked_for, solved
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy


def power_anova(
    *,
    groups: int,
    n: float | None = None,
    f: float | None = None,
    power: float | None = None,
    alpha: float | None = 0.05,
) -> pd.DataFrame:
    """Find the one of n, f, power and alpha that is left open, for a one-way analysis of variance.

    The chance that a noncentral F with ``groups - 1`` and ``groups (n - 1)`` degrees of freedom and
    noncentrality ``groups n f^2`` exceeds the critical F (Cohen 1988, Statistical Power Analysis,
    chapter 8). R's ``power.anova.test`` is asked with ``between.var = f^2 groups / (groups - 1)``
    and ``within.var = 1``.

    Args:
        groups: How many, 2 or more.
        n: Values in each group; need not be whole.
        f: Cohen's f: standard deviation of the group means (over ``groups``) over that within.
        power: Chance to find it.
        alpha: Error rate where all means are one.

    Returns:
        One row: ``test``, ``effect_size`` "Cohen's f", ``effect``, ``n`` in each group, ``groups``,
        ``alpha``, ``power``, ``note``.

    Raises:
        Refused: Not exactly one is open, a figure that cannot be, or one that nothing reaches.
    """
    open_name = asked_for({"n": n, "f": f, "power": power, "alpha": alpha})
    if isinstance(groups, bool) or not isinstance(groups, Integral) or groups < 2:
        raise Refused(f"groups must be a whole number of 2 or more, not {groups!r}")
    if f is not None and f < 0:
        raise Refused(f"f is a standard deviation and cannot be {f:g}")
    known = {"n": n, "f": f, "alpha": alpha}

    def reached(name: str, value: float) -> float:
        figures = {**known, name: value} if name in known else known
        return anova_power(
            groups,
            float(figures["n"] or 0.0),
            float(figures["f"] or 0.0),
            float(figures["alpha"] or 0.0),
        )

    note = ""
    if open_name != "power" and power is not None:
        low, high = {"n": (LEAST_N, MOST_N), "f": (0.0, 1e4), "alpha": (1e-15, 1 - 1e-15)}[
            open_name
        ]
        known[open_name] = solved(lambda x: reached(open_name, x), power, low, high)
        enough = open_name == "n" and known["n"] == LEAST_N
        note = "two values a group are enough" if enough else ""
    return tidy(
        [
            {
                "test": "one-way ANOVA",
                "effect_size": "Cohen's f",
                "effect": known["f"],
                "n": known["n"],
                "groups": groups,
                "alpha": known["alpha"],
                "power": reached("", 0.0),
                "note": note,
            }
        ]
    )


def anova_power(groups: int, n: float, f: float, alpha: float) -> float:
    """Give the power of a one-way analysis of variance; see :func:`power_anova`."""
    df1, df2 = groups - 1, groups * (n - 1)
    critical = float(fdtri(df1, df2, 1 - alpha))
    return f_tails(critical, df1, df2, groups * n * f**2)[1]
