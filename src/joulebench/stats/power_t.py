"""Power, sample size and detectable effect of t tests."""

from __future__ import annotations

import math
from typing import Literal

import pandas as pd
from scipy.special import stdtrit

from joulebench.stats.noncentral_tails import t_tails
from joulebench.stats.power_solve import LEAST_N, MOST_N, asked_for, solved
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Kind = Literal["two-sample", "one-sample", "paired"]
Alternative = Literal["two-sided", "less", "greater"]

KINDS = ("two-sample", "one-sample", "paired")


def power_t_test(
    *,
    n: float | None = None,
    d: float | None = None,
    power: float | None = None,
    alpha: float | None = 0.05,
    kind: Kind = "two-sample",
    alternative: Alternative = "two-sided",
    strict: bool = False,
) -> pd.DataFrame:
    """Find the one of n, d, power and alpha that is left open, for a t test.

    The chance that a noncentral t with noncentrality ``d sqrt(n / 2)`` (two samples) or
    ``d sqrt(n)`` exceeds the critical t (Cohen 1988, Statistical Power Analysis, chapter 2), as R's
    ``power.t.test`` has it.

    Args:
        n: Values in each group, or pairs; need not be whole.
        d: Standardised difference: difference over standard deviation, of the differences where
            values are paired.
        power: Chance to find it.
        alpha: Error rate where there is no difference.
        kind: "two-sample", "one-sample" or "paired".
        alternative: "two-sided", or "greater" or "less" for one side.
        strict: Whether a two-sided test that finds the wrong sign counts as well.

    Returns:
        One row: ``test``, ``effect_size`` "Cohen's d", ``effect``, ``n`` in each group, ``alpha``,
        ``power``, ``alternative``, ``note``.

    Raises:
        Refused: Not exactly one is open, a figure that cannot be, or one that nothing reaches.
    """
    open_name = asked_for({"n": n, "d": d, "power": power, "alpha": alpha})
    _check_words(kind, alternative)
    known = {"n": n, "d": d, "alpha": alpha}

    def reached(name: str, value: float) -> float:
        figures = {**known, name: value} if name in known else known
        return t_power(
            float(figures["n"] or 0.0),
            float(figures["d"] or 0.0),
            float(figures["alpha"] or 0.0),
            kind,
            alternative,
            strict,
        )

    note = ""
    if open_name != "power" and power is not None:
        low, high = {"n": (LEAST_N, MOST_N), "d": (0.0, 1e7), "alpha": (1e-15, 1 - 1e-15)}[
            open_name
        ]
        sign = -1.0 if open_name == "d" and alternative == "less" else 1.0
        found = solved(lambda x: reached(open_name, sign * x), power, low, high)
        known[open_name] = sign * found if found else 0.0
        note = "two values are enough" if open_name == "n" and found == LEAST_N else ""
    return tidy(
        [
            {
                "test": f"{kind} t test",
                "effect_size": "Cohen's d",
                "effect": known["d"],
                "n": known["n"],
                "alpha": known["alpha"],
                "power": reached("", 0.0),
                "alternative": alternative,
                "note": note,
            }
        ]
    )


def t_power(
    n: float,
    d: float,
    alpha: float,
    kind: Kind = "two-sample",
    alternative: Alternative = "two-sided",
    strict: bool = False,
) -> float:
    """Give the power of a t test; see :func:`power_t_test`."""
    samples = 2 if kind == "two-sample" else 1
    sides = 2 if alternative == "two-sided" else 1
    df = samples * (n - 1)
    shift = math.sqrt(n / samples) * (abs(d) if sides == 2 else -d if alternative == "less" else d)
    critical = float(-stdtrit(df, alpha / sides))
    above = t_tails(critical, df, shift)[1]
    return above + t_tails(-critical, df, shift)[0] if strict and sides == 2 else above


def _check_words(kind: str, alternative: str) -> None:
    if kind not in KINDS:
        raise Refused(f"no t test is called {kind!r}: choose one of {', '.join(KINDS)}")
    if alternative not in ("two-sided", "less", "greater"):
        raise Refused(f"alternative must be two-sided, less or greater, not {alternative!r}")
