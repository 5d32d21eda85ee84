"""The factors that units stand for: judged by units that share a level of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from joulebench.analysis.group_tests import Made, attempt
from joulebench.analysis.result import Result
from joulebench.analysis.sample import Sample
from joulebench.analysis.unit_layout import UnitLayout
from joulebench.stats.refused import Refused

if TYPE_CHECKING:
    import pandas as pd

    from joulebench.stats.lmm_model import MixedModel

UNIT_MEANS = "one mean a unit"
HELD = f"{UNIT_MEANS}, the unit's other factors held"
TWO_WAY = "two-way ANOVA of the unit's factors"
RANDOM = "mixed model, units as random"
RANDOM_BLOCKS = "mixed model, conditions as random"
EFFECT = "unit_mean"
"""Column of the mean of each unit, over conditions that count alike."""


def factors_of_units(sample: Sample, layout: UnitLayout) -> Iterator[Result]:
    """Test each factor that makes up a unit on one mean a unit.

    The residual is the scatter of units that share a level of the factor. Over conditions that are
    all filled these are the F tests of a mixed model with the units as random, where that model has
    a variance of units above 0 (Montgomery, Design and Analysis of Experiments, on nested designs).

    Args:
        sample: One row a cell.
        layout: Of the units.
    """
    if len(layout.parts) > 1:
        yield from attempt(sample, _factors(sample, layout))


def two_way(sample: Sample, layout: UnitLayout) -> Iterator[Result]:
    """Test the factors that make up a unit with their interaction, refused where cells are empty.

    Args:
        sample: One row a cell.
        layout: Of the units.
    """
    from joulebench.stats.anova import anova

    right = " + ".join([*layout.blocks, " * ".join(layout.parts)])
    made: Made = "omnibus", TWO_WAY, partial(anova, sample.formula(right), sample.frame, 3)
    if layout.others:
        yield from attempt(sample, iter([made]))


def mixed_units(sample: Sample, layout: UnitLayout) -> Iterator[Result]:
    """Test the question's factor with units, and units in each condition, as random.

    Args:
        sample: Repetitions.
        layout: Of the units.
    """
    yield from attempt(sample, _mixed(sample, layout))


def random_blocks(sample: Sample, layout: UnitLayout) -> Iterator[Result]:
    """Test the question's factor with the conditions as random blocks, units not told apart.

    Args:
        sample: Run means.
        layout: Of the units.
    """
    if layout.others:
        yield from attempt(sample, _random_blocks(sample, layout))


def unit_means(sample: Sample, layout: UnitLayout) -> pd.DataFrame:
    """Give one row a unit: its factors and its mean, over conditions that count alike.

    Where cells are empty the means are those of the additive model by least squares.

    Args:
        sample: One row a cell.
        layout: Of the units.

    Raises:
        Refused: The units cannot be told from the conditions.
    """
    from joulebench.stats.fixed_design import FixedDesign
    from joulebench.stats.formula import parse
    from joulebench.stats.model_frame import coded

    rows = sample.frame
    design = FixedDesign.of(layout.right(), rows)
    if design.aliased:
        raise Refused(
            f"{layout.unit} cannot be told from {' and '.join(layout.others)}: empty cells leave "
            "nothing to compare"
        )
    response = parse(sample.formula(layout.right())).response.values(rows)
    beta = np.linalg.lstsq(design.x, response - response.mean(), rcond=None)[0]
    effects = {term.name: np.concatenate([[0.0], beta[term.columns]]) for term in design.terms}
    others = beta[0] + sum(effects[name].mean() for name in layout.blocks)
    means = response.mean() + others + effects[layout.unit]
    kept = list(dict.fromkeys([layout.unit, *layout.parts]))
    _, first = np.unique(coded(rows[layout.unit])[0], return_index=True)
    return rows[kept].take(first).reset_index(drop=True).assign(**{EFFECT: means})


def _factors(sample: Sample, layout: UnitLayout) -> Iterator[Made]:
    @cache
    def units() -> pd.DataFrame:
        return unit_means(sample, layout)

    for part in layout.parts:
        others = [name for name in layout.parts if name != part]
        yield "omnibus", UNIT_MEANS, partial(_term_of, units, part, part)
        held = " + ".join([part, *others])
        yield "omnibus", HELD, partial(_term_of, units, held, part)


def _term_of(units: Callable[[], pd.DataFrame], right: str, term: str) -> pd.DataFrame:
    """Test one term of a model of the units' means; each factor has a model of its own."""
    from joulebench.stats.anova import anova

    found = anova(f"{EFFECT} ~ {right}", units())
    kept: pd.DataFrame = found[found["term"] == term].reset_index(drop=True)
    return kept


def _mixed(sample: Sample, layout: UnitLayout) -> Iterator[Made]:
    from joulebench.stats.lmm import lmm

    groups = [f"(1 | {layout.unit})"]
    groups += [f"(1 | {layout.unit}:{layout.conditions})"] if layout.others else []

    @cache
    def model() -> MixedModel:
        fixed = [sample.factor, *layout.blocks]
        return lmm(sample.formula(" + ".join([*fixed, *groups])), sample.frame)

    for ddf in ("satterthwaite", "kenward-roger"):
        yield "omnibus", f"{RANDOM}, {ddf}", partial(_terms, model, ddf)
    yield "omnibus", f"{RANDOM}, variances", lambda: variances(model())


def _random_blocks(sample: Sample, layout: UnitLayout) -> Iterator[Made]:
    from joulebench.stats.lmm import lmm

    @cache
    def model() -> MixedModel:
        return lmm(sample.formula(f"{sample.factor} + (1 | {layout.conditions})"), sample.frame)

    for ddf in ("satterthwaite", "kenward-roger"):
        yield "omnibus", f"{RANDOM_BLOCKS}, {ddf}", partial(_terms, model, ddf)
        yield "consec", f"{RANDOM_BLOCKS}, {ddf}", partial(_successive, model, sample.factor, ddf)
    yield "omnibus", f"{RANDOM_BLOCKS}, variances", lambda: variances(model())


def _terms(model: Callable[[], MixedModel], ddf: str) -> pd.DataFrame:
    return model().anova(type=3, ddf=ddf)


def _successive(model: Callable[[], MixedModel], factor: str, ddf: str) -> pd.DataFrame:
    from joulebench.stats.emmeans import emmeans

    return emmeans(model(), factor, ddf=ddf).contrasts("consecutive", adjust="BH")


def variances(model: MixedModel) -> pd.DataFrame:
    """Give the standard deviations of the random effects as estimates."""
    names = {"sd": "estimate", "group": "term", "effect": "random_effect"}
    found = model.variance_components().rename(columns=names)
    return found.assign(statistic="standard deviation", n=model.n, note=model.note)
