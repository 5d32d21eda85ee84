"""Residuals of the model whose assumptions are checked: against a normal, and against its fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulebench.analysis.answer import Answer
from joulebench.analysis.assumption_checks import Checked, model_terms
from joulebench.analysis.plot_groups import (
    MOST_POINTS,
    Axis,
    Floats,
    axis_of,
    thinned,
)
from joulebench.analysis.plot_normal_band import band, chosen_ranks, positions
from joulebench.analysis.plot_sheet import RASTER_FROM, Sheet, set_axis, sheet
from joulebench.analysis.result import Result
from joulebench.report.drawing import BAND, INK, MUTED, RULE, SERIES
from joulebench.report.numbers import count, fixed
from joulebench.stats.refused import Refused

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from joulebench.stats.fitted_model import FittedModel

_HEIGHT = 205.0
_QUANTILES, _BINS = 1500, 12
_SEED = 20240504


@dataclass(frozen=True, eq=False)
class Fit:
    """Residuals on one scale.

    Args:
        scale: ``raw`` or ``log``.
        formula: Of the model.
        residuals: In standard deviations, shape (n,).
        fitted: In SI units, shape (n,).
        tested: What the test of normality says, in words.
        note: What is doubtful about it; empty for nothing.
    """

    scale: str
    formula: str
    residuals: Floats
    fitted: Floats
    tested: str
    note: str = ""

    @property
    def heading(self) -> str:
        """Name of the scale, for a panel."""
        return "logarithm" if self.scale == "log" else "as measured"


def fits_of(answer: Answer, checked: Checked) -> list[Fit]:
    """Fit the models whose residuals were tested, on each scale where they have a spread.

    Args:
        answer: The question.
        checked: Assumptions on one level.
    """
    found = []
    for result in checked.results:
        if not result.reason:
            found += list(_fit(answer, result))
    return found


def _fit(answer: Answer, result: Result) -> Iterator[Fit]:
    sample = answer.sample("run" if result.level == "run" else "repetition", "raw")
    formula = sample.on(result.scale).formula(model_terms(sample, answer.question))
    try:
        model = _model(formula, sample.frame)
    except Refused:
        return
    spread = float(np.sqrt(np.mean(model.residuals**2)))
    if spread > 0:
        fitted = np.exp(model.fitted) if result.scale == "log" else model.fitted
        free = len(model.residuals) / max(1, len(model.residuals) - len(model.beta))
        scaled = model.residuals / (spread * np.sqrt(free))
        yield Fit(result.scale, formula, scaled, fitted, *_tested(result))


def _model(formula: str, frame: pd.DataFrame) -> FittedModel:
    from joulebench.stats.formula import parse
    from joulebench.stats.linear_model import lm
    from joulebench.stats.lmm import lmm

    return lmm(formula, frame) if parse(formula).random else lm(formula, frame)


def _tested(result: Result) -> tuple[str, str]:
    rows = result.found[result.found["term"] == "residuals"].to_dict("records")
    if not rows:
        return "", ""
    row = rows[0]
    said = f"{row['test']}: {row['statistic']} = {row['value']:.3g}, {p_words(float(row['p']))}"
    return said, str(row.get("note") or "")


def p_words(p: float) -> str:
    """Write a p as people do."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def qq_sheet(fits: Sequence[Fit], title: str, rows: str) -> Sheet:
    """Draw ordered residuals against normal quantiles, a panel a scale."""
    n = len(fits[0].residuals)
    thin = " The outermost and evenly spaced ranks drawn." if n > _QUANTILES else ""
    note = f"{_of(fits, rows)}; band: holds all points of 95 % of normal samples.{thin}"
    drawn = sheet(title, note, _HEIGHT, len(fits))
    for axes, fit in zip(drawn.axes, fits, strict=True):
        _qq(axes, fit)
    drawn.only.set_ylabel("residual, standard deviations")
    return drawn


def _of(fits: Sequence[Fit], rows: str) -> str:
    """Say which residuals are drawn; formulas stay in one piece."""
    formulas = " and ".join(fit.formula.replace(" ", "\u00a0") for fit in fits)
    doubt = f" ({fits[0].note})" if fits[0].note else ""
    return f"Residuals of {formulas}, {count(len(fits[0].residuals), rows)}{doubt}"


def _qq(axes: Axes, fit: Fit) -> None:
    n = len(fit.residuals)
    ranks = chosen_ranks(n, _QUANTILES)
    low, high = band(n, ranks)
    at = ranks.astype(np.intp) - 1
    expected, values = positions(n)[at], np.sort(fit.residuals)[at]
    axes.fill_between(expected, low, high, color=BAND, lw=0, zorder=0)
    for edge in (low, high):
        axes.plot(expected, edge, color=RULE, lw=0.6, zorder=0)
    axes.plot(expected[[0, -1]], expected[[0, -1]], color=INK, lw=0.8, zorder=1)
    axes.plot(expected, values, "o", color=SERIES[0], ms=3.2 if n <= 60 else 2.0, mew=0,
              alpha=0.8, rasterized=len(at) > RASTER_FROM)  # fmt: skip
    axes.set_xlabel("normal quantile")
    axes.set_title(f"{fit.heading}\n{fit.tested}", size=7, color=MUTED, loc="left")
    _cut(axes, np.concatenate([values, expected]), np.concatenate([low, high]))


def _cut(axes: Axes, values: Floats, ends: Floats) -> None:
    """Leave the ends of the band outside where they would take the room of the points."""
    most = 1.25 * float(np.abs(values).max())
    axes.set_ylim(max(-most, min(ends.min(), values.min()) * 1.05),
                  min(most, max(ends.max(), values.max()) * 1.05))  # fmt: skip


def fitted_sheet(fits: Sequence[Fit], answer: Answer, title: str, rows: str) -> Sheet:
    """Draw residuals against fitted values, a panel a scale, with their spread along the way."""
    n = len(fits[0].residuals)
    thin = f" {fixed(MOST_POINTS, 0)} of {fixed(n, 0)} points drawn." if n > MOST_POINTS else ""
    note = (
        f"{_of(fits, rows)}; bars: one standard deviation about the mean of residuals at like "
        f"fitted values.{thin}"
    )
    drawn = sheet(title, note, _HEIGHT, len(fits))
    axis = axis_of(answer.repetitions, answer.question.response)
    for axes, fit in zip(drawn.axes, fits, strict=True):
        positive = bool(np.all(fit.fitted > 0))
        _against(axes, fit, Axis(f"fitted {axis.label}", axis.unit, fit.scale == "log" or
                                 (axis.logarithmic and positive)))  # fmt: skip
    drawn.only.set_ylabel("residual, standard deviations")
    return drawn


def _against(axes: Axes, fit: Fit, axis: Axis) -> None:
    x, y = fit.fitted * axis.unit.factor, fit.residuals
    shown = thinned(y, MOST_POINTS, np.random.default_rng(_SEED))
    axes.axhline(0.0, color=MUTED, lw=0.8, zorder=1)
    axes.plot(x[shown], y[shown], "o", color=SERIES[0], ms=3.2 if len(y) <= 60 else 1.8, mew=0,
              alpha=0.6, rasterized=len(shown) > RASTER_FROM)  # fmt: skip
    for at, middle, spread in _spreads(axis.even(x), y):
        place = float(axis.back(np.array([at]))[0])
        axes.plot([place, place], [middle - spread, middle + spread], color=SERIES[1], lw=1.6,
                  solid_capstyle="butt")  # fmt: skip
        axes.plot([place], [middle], "D", color=SERIES[1], ms=3.2, mew=0)
    axes.margins(x=0.06)
    set_axis(axes, "x", axis)
    axes.set_title(fit.heading, size=7, color=MUTED, loc="left")


def _spreads(x: Floats, y: Floats) -> Iterator[tuple[float, float, float]]:
    """Give mean and standard deviation of residuals at like fitted values, and where."""
    values, codes = np.unique(x.round(9), return_inverse=True)
    if len(values) > _BINS:
        edges = np.quantile(x, np.linspace(0, 1, _BINS + 1)[1:-1])
        codes = np.searchsorted(edges, x)
    for code in np.unique(codes):
        own = codes == code
        if own.sum() > 2:
            yield float(x[own].mean()), float(y[own].mean()), float(y[own].std(ddof=1))
