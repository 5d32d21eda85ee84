"""Rows of omnibus tests, as a verdict quotes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from joulebench.analysis.answer import Answer


@dataclass(frozen=True, slots=True)
class Evidence:
    """An F test.

    Args:
        value: F.
        df1: Numerator degrees of freedom.
        df2: Denominator degrees of freedom.
        p: Probability of a larger F if there is no effect.
        note: What is doubtful about the fit; empty where nothing is.
    """

    value: float
    df1: float
    df2: float
    p: float
    note: str = ""

    @property
    def text(self) -> str:
        """The test as people quote it."""
        return f"F({short(self.df1)}, {short(self.df2)}) = {short(self.value)}, {p_text(self.p)}"


def omnibus_row(made: Answer, test: str, scale: str, term: str) -> Evidence | None:
    """Give the row of a term in an omnibus test; ``None`` where there is none."""
    for result in made.all_of(test, scale, "omnibus"):
        if result.reason or "term" not in result.found:
            continue
        rows = [row for row in result.rows if row["term"] == term]
        if rows and not math.isnan(rows[0]["p"]):
            value, df1, df2, p = (float(rows[0][name]) for name in ("value", "df1", "df2", "p"))
            return Evidence(value, df1, df2, p, str(rows[0].get("note") or ""))
    return None


def reason_of(made: Answer, test: str, scale: str) -> str:
    """Say why a test could not be made; empty where it was not tried."""
    return next((each.reason for each in made.all_of(test, scale) if each.reason), "")


def p_text(p: float) -> str:
    """Write a p as people do."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def short(figure: float) -> str:
    """Write a statistic or its degrees of freedom with three digits."""
    if not math.isfinite(figure):
        return "infinity"
    if abs(figure) >= 1e9:
        return f"{figure:.2g}"
    return f"{figure:.3g}" if abs(figure) < 100 else f"{figure:,.0f}"
