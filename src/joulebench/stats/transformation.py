"""On which scale of a response a linear model's assumptions hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.boxcox import BoxCox, box_cox, over_mean, power_of
from joulebench.stats.judgement import Judgement, equal_enough, normal_enough
from joulebench.stats.model_frame import Missing
from joulebench.stats.model_layout import Layout, layout_of
from joulebench.stats.number_check import fraction
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.shapiro import Normality, normality_of
from joulebench.stats.variances import LeveneTest, levene_of

Floats = NDArray[np.float64]

_STEEPEST = 3.0
_UNSEEN = Judgement(False, "")
_NOT_COMPARED = Judgement(None, "")

NONE = "none"
"""What is recommended where the assumptions hold on no scale."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A scale and how the assumptions fare on it.

    Args:
        scale: "raw", "log", "sqrt" or "Box-Cox".
        response: As a formula writes it: ``log(energy_j)``.
        power: Its lambda.
        normality: The test of the residuals; ``None`` where the scale cannot be had.
        variances: Levene's test about medians; ``None`` where there is nothing to compare.
        normal: Whether the residuals are normal enough.
        equal: Whether the variances are equal enough; where several factors are compared, all.
        within: Where variances are unequal, whether the values of each group by itself are normal:
            groups of unequal spread together never are.
        note: Why the scale cannot be had.
    """

    scale: str
    response: str
    power: float
    normality: Normality | None = None
    variances: LeveneTest | None = None
    normal: Judgement = _UNSEEN
    equal: Judgement = _NOT_COMPARED
    within: Judgement = _NOT_COMPARED
    note: str = ""

    @property
    def passes(self) -> bool:
        """Whether nothing was found against both assumptions."""
        return bool(self.normal.holds) and self.equal.holds is not False

    @property
    def normal_groups(self) -> bool:
        """Whether the values are normal enough once groups may differ in spread."""
        return bool(self.normal.holds) or bool(self.within.holds)

    @property
    def words(self) -> str:
        """What was seen, in words."""
        return self.note or "; ".join(
            filter(None, (self.normal.words, self.equal.words, self.within.words))
        )


@dataclass(frozen=True, slots=True)
class Advice:
    """Which scale of a response to analyse, and why.

    Args:
        recommended: "raw", "log", "sqrt", "Box-Cox", or "none" where none will do.
        reason: Why, in one sentence.
        candidates: What was tried.
        box_cox: The most likely power; ``None`` where a value is not above 0.
        n: Rows.
    """

    recommended: str
    reason: str
    candidates: tuple[Candidate, ...]
    box_cox: BoxCox | None
    n: int

    def of(self, scale: str) -> Candidate:
        """Give the candidate of a scale."""
        return next(each for each in self.candidates if each.scale == scale)

    def frame(self) -> pd.DataFrame:
        """Give one row a scale.

        Columns: ``scale, response, statistic, value, p`` (of the residuals' normality)``, n,
        lambda, lambda_low, lambda_high`` (the interval of Box and Cox, of its own row)``,
        skewness, kurtosis, levene_f, levene_df1, levene_df2, levene_p, sd_ratio, normal,
        equal_variances, recommended, note``. ``equal_variances`` is empty where there is nothing
        to compare.
        """
        rows = [self._row(candidate) for candidate in self.candidates]
        return tidy(rows, levels=("scale", "response"))

    def _row(self, each: Candidate) -> dict[str, Any]:
        normality, levene = each.normality, each.variances
        box = self.box_cox if each.scale == "Box-Cox" else None
        return {
            "scale": each.scale, "response": each.response, "n": self.n,
            "statistic": normality.statistic if normality else "",
            **_or_nan(normality, value="value", p="p"), "lambda": each.power,
            "lambda_low": box.low if box else math.nan,
            "lambda_high": box.high if box else math.nan,
            **_or_nan(normality, skewness="skewness", kurtosis="kurtosis"),
            **_or_nan(levene, levene_f="value", levene_df1="df1", levene_df2="df2", levene_p="p",
                      sd_ratio="sd_ratio"),
            "normal": each.normal.holds, "equal_variances": each.equal.holds,
            "recommended": each.scale == self.recommended, "note": each.note,
        }  # fmt: skip


def transformation_advice(
    formula: str, frame: pd.DataFrame, alpha: float = 0.05, missing: Missing = "refuse"
) -> Advice:
    """Say on which scale of the response the assumptions of a linear model hold.

    Tried are the column of the response as it is, its logarithm, its root and the power that fits
    best (Box and Cox 1964, J. R. Stat. Soc. B 26, 211; of a mixed model by its fixed effects). Of
    each the residuals are tested by Shapiro and Wilk, the variances by Levene about medians, judged
    as :mod:`joulebench.stats.judgement` says: with 100 rows or more a small p alone is not held
    against a scale. Rows that are alone in their cell, which a model fits whatever they are, are
    left out. Recommended is the raw scale if both assumptions hold there; else the logarithm
    or root on which they do, one that the interval of Box and Cox allows first; else the power;
    else a scale with normal residuals alone; else none.

    Args:
        formula: ``energy_j ~ generation * task``, with or without random terms; a function of the
            response is left aside.
        frame: One row an observation.
        alpha: p below which a departure is claimed.
        missing: What to do about rows that lack a value.

    Raises:
        Refused: The model cannot be fitted or leaves no residuals.
    """
    return advise(layout_of(formula, frame, missing), alpha)


def advise(layout: Layout, alpha: float = 0.05) -> Advice:
    """Try the scales over a layout; see :func:`transformation_advice`.

    Raises:
        Refused: ``alpha`` is out of range, or the model leaves no residuals on the raw scale.
    """
    fraction(alpha, "alpha", 0.05)
    raw, column = layout.raw(), layout.formula.response.column
    box = _box_of(layout, raw)
    power = box.power if box else math.nan
    tries: list[tuple[Candidate, Callable[[Floats], Floats]]] = [
        (Candidate("raw", column, 1.0), lambda y: y),
        (Candidate("log", f"log({column})", 0.0), np.log),
        (Candidate("sqrt", f"sqrt({column})", 0.5), np.sqrt),
        (
            Candidate("Box-Cox", f"{column}^{power:.3g}", power),
            lambda y: power_of(over_mean(y), power),
        ),
    ]
    candidates = tuple(_tried(each, change, layout, raw, alpha) for each, change in tries)
    recommended, reason = _choice(candidates, box)
    return Advice(recommended, reason, candidates, box, layout.n)


def _box_of(layout: Layout, raw: Floats) -> BoxCox | None:
    return box_cox(raw, layout.leave_fixed) if raw.min() > 0 else None


def _tried(
    candidate: Candidate,
    change: Callable[[Floats], Floats],
    layout: Layout,
    raw: Floats,
    alpha: float,
) -> Candidate:
    least = float(raw.min())
    if (least <= 0 and candidate.scale in ("log", "Box-Cox")) or (
        least < 0 and candidate.scale == "sqrt"
    ):
        return replace(candidate, note=f"needs values above 0, and the least is {least:g}")
    response = change(raw)
    residuals = layout.leave(response)
    normality = normality_of(residuals[layout.free])
    tests = _levene_tests(layout, response, residuals)
    worst = min(tests, key=lambda found: found.p, default=None)
    equal = equal_enough(worst, alpha) if layout.groupings else _NOT_COMPARED
    normal = normal_enough(normality, alpha)
    grouped = equal.holds is False and not normal.holds
    return replace(
        candidate, normality=normality, variances=worst, normal=normal, equal=equal,
        within=_within(layout, response, alpha) if grouped else _NOT_COMPARED,
    )  # fmt: skip


def _within(layout: Layout, response: Floats, alpha: float) -> Judgement:
    """Judge each group by itself, the worst of k against ``alpha / k``."""
    whole = [grouping for grouping in layout.groupings if grouping.whole]
    samples = [response[one.codes == k] for one in whole for k in range(len(one.levels))]
    found = [normality_of(each) for each in samples if len(each) > 2 and np.ptp(each) > 0]
    if not found:
        return _NOT_COMPARED
    judged = [normal_enough(each, alpha / len(found)) for each in found]
    bad = sum(not each.holds for each in judged)
    if bad:
        return Judgement(False, f"not normal even by itself: {bad} of {len(found)} groups")
    return Judgement(True, "each group by itself is normal enough")


def _levene_tests(layout: Layout, response: Floats, residuals: Floats) -> list[LeveneTest]:
    found = []
    for grouping in layout.groupings:
        try:
            spread, codes = layout.spread(grouping, response, residuals)
            found.append(levene_of(spread, codes))
        except Refused:
            continue  # too few values in each group: there is nothing to compare
    return found


def _choice(candidates: tuple[Candidate, ...], box: BoxCox | None) -> tuple[str, str]:
    raw, log, root, power = candidates
    if raw.passes:
        return "raw", f"As it is: {raw.words}."
    allowed = [each for each in (log, root) if box and box.allows(each.power)]
    # A power at the edge of what was tried, or beyond a cube, means nothing.
    sensible = [power] if box and abs(box.power) <= _STEEPEST and box.bounded else []
    for each in (*allowed, log, root, *sensible):
        if each.passes:
            fits = (
                f"; the interval of lambda, {box.low:.2g} to {box.high:.2g}, allows it"
                if (box and each in allowed)
                else ""
            )
            return each.scale, f"On the {each.scale} scale {each.words}{fits}; raw: {raw.words}."
    for each in (raw, log, root):
        if each.normal_groups:
            return each.scale, (
                f"On the {each.scale} scale {each.words}; no scale has both: compare means without "
                "assuming equal variances."
            )
    return NONE, f"On no scale do both assumptions hold (raw: {raw.words}): use ranks."


def _or_nan(found: object, **names: str) -> dict[str, float]:
    return {
        name: math.nan if found is None else getattr(found, attribute)
        for name, attribute in names.items()
    }
