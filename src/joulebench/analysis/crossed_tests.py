"""Two crossed factors: tests of both and of their interaction, and contrasts inside one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

from joulebench.analysis.analysis_frame import REPETITION, RUN
from joulebench.analysis.group_tests import Made, attempt
from joulebench.analysis.result import Result
from joulebench.analysis.sample import Sample
from joulebench.analysis.unit_tests import variances

if TYPE_CHECKING:
    import pandas as pd

    from joulebench.stats.fitted_model import FittedModel
    from joulebench.stats.lmm_model import MixedModel

METHODS = ("satterthwaite", "kenward-roger")
"""How the degrees of freedom of a mixed model are found; the first is the published one."""

MEANS = "marginal means"


def mixed(sample: Sample, within: str) -> Iterator[Result]:
    """Fit ``factor * within + (1 | run)`` to repetitions, and test with it.

    Args:
        sample: Repetitions.
        within: The other factor.
    """
    yield from attempt(sample, _mixed(sample, within))


def crossed_means(sample: Sample, within: str) -> Iterator[Result]:
    """Fit ``factor * within`` to run means by least squares, and test with it.

    Args:
        sample: Run means.
        within: The other factor.
    """
    yield from attempt(sample, _crossed(sample, within))


def _mixed(sample: Sample, within: str) -> Iterator[Made]:
    from joulebench.stats.lmm import lmm

    @cache
    def model() -> MixedModel:
        right = f"{sample.factor} * {within} + (1 | {RUN})"
        return lmm(sample.formula(right), sample.frame)

    for ddf in METHODS:
        yield "omnibus", f"mixed model, {ddf}", partial(_terms, model, ddf)
        yield "omnibus", f"mixed model, {ddf}, coefficients", partial(_coefficients, model, ddf)
    yield "omnibus", "mixed model, variances", lambda: variances(model())
    yield "omnibus", "mixed model, (1 | run)", lambda: _random(model())
    yield "omnibus", "mixed model, R squared", lambda: model().r_squared()
    yield "omnibus", "mixed model, ICC", lambda: model().icc()
    for ddf in METHODS:
        yield from _contrasts(sample, within, model, f"mixed model, {ddf}", ddf)
    yield from _beside(sample, within)


def _beside(sample: Sample, within: str) -> Iterator[Made]:
    """Fit the models beside it: rounds of repetitions as random too, and no interaction."""
    from joulebench.stats.lmm import lmm

    crossed = f"{sample.factor} * {within} + (1 | {RUN})"
    others = {
        "mixed model with repetitions": f"{crossed} + (1 | {REPETITION})",
        "mixed model without interaction": f"{sample.factor} + {within} + (1 | {RUN})",
    }
    for name, right in others.items():
        model = cache(partial(lmm, sample.formula(right), sample.frame))
        yield "omnibus", f"{name}, {METHODS[0]}", partial(_terms, model, METHODS[0])
        yield "omnibus", f"{name}, variances", partial(_variances, model)


def _crossed(sample: Sample, within: str) -> Iterator[Made]:
    from joulebench.stats.anova import anova
    from joulebench.stats.linear_model import lm

    formula = sample.formula(f"{sample.factor} * {within}")

    @cache
    def model() -> FittedModel:
        return lm(formula, sample.frame)

    for kind in (3, 2):
        name = f"two-way ANOVA, type {kind}"
        yield "omnibus", name, partial(anova, formula, sample.frame, kind)
    yield from _contrasts(sample, within, model, "two-way ANOVA", None)


def _contrasts(
    sample: Sample, within: str, model: Callable[[], FittedModel], test: str, ddf: str | None
) -> Iterator[Made]:
    """Contrast successive levels, over all levels of the other factor and inside each."""
    make = partial(_consecutive, model, sample.factor, ddf)
    yield "desc", f"{test}, {MEANS}", partial(_means, model, sample.factor, ddf, None)
    yield "desc", f"{test}, {MEANS} in each {within}", partial(_means, model, sample.factor, ddf,
                                                               within)  # fmt: skip
    yield "consec", f"{test}, over {within}", partial(make, None, "by")
    yield "consec", f"{test}, in each {within}", partial(make, within, "by")
    yield "consec", f"{test}, all of them", partial(make, within, "all")
    if sample.scale == "log":
        yield "consec", f"{test}, ratios over {within}", partial(make, None, "by", "response")
        yield "consec", f"{test}, ratios", partial(make, within, "by", "response")
    yield "pairwise", f"{test}, over {within}", partial(_pairs, model, sample.factor, ddf)


def _terms(model: Callable[[], MixedModel], ddf: str) -> pd.DataFrame:
    return model().anova(type=3, ddf=ddf)


def _variances(model: Callable[[], MixedModel]) -> pd.DataFrame:
    return variances(model())


def _random(model: MixedModel) -> pd.DataFrame:
    from joulebench.stats.lmm_random_tests import random_tests

    return random_tests(model)


def _coefficients(model: Callable[[], MixedModel], ddf: str) -> pd.DataFrame:
    return model().fixed(ddf)


def _consecutive(
    model: Callable[[], FittedModel],
    factor: str,
    ddf: str | None,
    within: str | None,
    families: str,
    scale: str = "model",
) -> pd.DataFrame:
    from joulebench.stats.emmeans import emmeans

    means = emmeans(model(), factor, by=within, ddf=ddf)
    return means.contrasts("consecutive", adjust="BH", families=families, scale=scale)


def _means(
    model: Callable[[], FittedModel], factor: str, ddf: str | None, within: str | None
) -> pd.DataFrame:
    from joulebench.stats.emmeans import emmeans

    return emmeans(model(), factor, by=within, ddf=ddf).frame()


def _pairs(model: Callable[[], FittedModel], factor: str, ddf: str | None) -> pd.DataFrame:
    from joulebench.stats.emmeans import emmeans

    return emmeans(model(), factor, ddf=ddf).contrasts("pairwise", adjust="BH")
