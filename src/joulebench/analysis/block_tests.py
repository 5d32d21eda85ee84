"""Units compared among what they were crossed with: by repetitions, and by what interacts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from joulebench.analysis.extremes import extreme_pair, too_many_pairs
from joulebench.analysis.group_tests import Made, attempt
from joulebench.analysis.result import Result
from joulebench.analysis.sample import Sample
from joulebench.analysis.unit_layout import UnitLayout

if TYPE_CHECKING:
    import pandas as pd

    from joulebench.stats.fitted_model import FittedModel
    from joulebench.stats.linear_model import LinearModel
    from joulebench.stats.within_cells import WithinCells

BLOCKED = "units with blocks"
PAIRS = f"{BLOCKED}, Tukey"
ONE_STEP = f"{BLOCKED}, one factor changed"
REPEATED = "units by blocks, repetitions as residual"
PAIRS_HERE = f"{REPEATED}, Tukey"
ONE_STEP_HERE = f"{REPEATED}, one factor changed"
MEANS = "marginal means"

_MOST_CELLS = 200
"""More cells than this are not listed one by one."""

Weights = Mapping[str, Mapping[str, float]]


def blocked(sample: Sample, layout: UnitLayout, one_step: Weights) -> Iterator[Result]:
    """Compare units on means of cells, what they were crossed with as blocks.

    The residual is how the units' differences change from one condition to the next: what a claim
    about other conditions stands up to.

    Args:
        sample: One row a cell.
        layout: Of the units.
        one_step: Contrasts of units that differ in one factor alone, weights by name.
    """
    if layout.others:
        yield from attempt(sample, _blocked(sample, layout, one_step))


def repeated(
    sample: Sample, layout: UnitLayout, one_step: Weights, block: str = ""
) -> Iterator[Result]:
    """Compare units in these very cells, against the scatter of repetitions.

    Args:
        sample: Repetitions; runs, where each cell has several.
        layout: Of the units.
        one_step: Contrasts of units that differ in one factor alone, weights by name.
        block: Column of the rounds in which all cells were run once; empty for none.
    """
    yield from attempt(sample, _repeated(sample, layout, one_step, block))


def _blocked(sample: Sample, layout: UnitLayout, one_step: Weights) -> Iterator[Made]:
    from joulebench.stats.anova import anova
    from joulebench.stats.linear_model import lm

    formula = sample.formula(layout.right())

    @cache
    def model() -> LinearModel:
        return lm(formula, sample.frame)

    yield "omnibus", BLOCKED, partial(anova, formula, sample.frame)
    yield from _comparisons(model, layout, one_step, (PAIRS, ONE_STEP))
    if layout.joint and sample.scale == "raw":
        yield from _ranks(sample, layout)


def _ranks(sample: Sample, layout: UnitLayout) -> Iterator[Made]:
    from joulebench.stats.friedman import friedman, quade

    formula = f"{sample.response} ~ {layout.unit} | {layout.conditions}"
    yield "omnibus", "Friedman", partial(friedman, formula, sample.frame)
    yield "omnibus", "Quade", partial(quade, formula, sample.frame)


def _repeated(sample: Sample, layout: UnitLayout, one_step: Weights, block: str) -> Iterator[Made]:
    from joulebench.stats.within_cells import within_cells

    @cache
    def model(right: str) -> WithinCells:
        formula = sample.formula(right)
        return within_cells(formula, sample.frame, layout.cell, block=block or None)

    additive = partial(model, layout.right())
    beyond = f"{layout.unit}:{layout.conditions}" if layout.joint else "interactions"
    yield "omnibus", REPEATED, lambda: additive().anova(beyond)
    yield from _comparisons(additive, layout, one_step, (PAIRS_HERE, ONE_STEP_HERE))
    if layout.others and layout.complete and layout.units * layout.places <= _MOST_CELLS:
        full = partial(model, f"{layout.conditions} * {layout.unit}")
        yield "consec", REPEATED, partial(_in_each, full, layout, "contrasts")
        yield "desc", f"{REPEATED}, {MEANS}", partial(_in_each, full, layout, "means")


def _in_each(model: Callable[[], FittedModel], layout: UnitLayout, what: str) -> pd.DataFrame:
    """Give successive contrasts of the units, or their means, in each condition."""
    from joulebench.stats.emmeans import emmeans

    means = emmeans(model(), layout.unit, by=layout.conditions, scale="response")
    return means.frame() if what == "means" else means.contrasts("consecutive", adjust="BH")


def _comparisons(
    model: Callable[[], FittedModel], layout: UnitLayout, one_step: Weights, names: tuple[str, str]
) -> Iterator[Made]:
    """Compare all units with one another, and those that differ in one factor alone."""
    pairs, steps = names
    unit = layout.unit
    few = not too_many_pairs(layout.units)
    made = partial(_contrasts, model, unit, "pairwise", "tukey")
    yield "pairwise", pairs, made if few else partial(extreme_pair, model, unit)
    if one_step:
        levels = _levels(model, unit)
        weights = {n: [by.get(level, 0.0) for level in levels] for n, by in one_step.items()}
        yield "consec", steps, partial(_contrasts, model, unit, weights, "BH")


def _levels(model: Callable[[], FittedModel], unit: str) -> list[str]:
    from joulebench.stats.refused import Refused

    try:
        return model().design.factors[unit]
    except Refused:  # said where the comparison itself is made
        return []


def _contrasts(model: Callable[[], FittedModel], unit: str, kind: Any, adjust: str) -> pd.DataFrame:
    from joulebench.stats.emmeans import emmeans

    return emmeans(model(), unit).contrasts(kind, adjust=adjust, scale="response")
