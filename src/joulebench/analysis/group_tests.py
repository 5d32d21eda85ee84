"""One factor: the test of all its levels, their successive contrasts and their pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from joulebench.analysis.extremes import refuse_pairs
from joulebench.analysis.result import Ending, Result
from joulebench.analysis.sample import Sample
from joulebench.stats.refused import Refused

if TYPE_CHECKING:
    import pandas as pd

ANOVA, WELCH, KRUSKAL = "one-way ANOVA", "Welch's ANOVA", "Kruskal-Wallis"
_HIGHEST = 4
"""Highest degree of polynomial trends; nobody can say what a higher one means."""

MEANS = "one-way ANOVA, marginal means"

Made = tuple[Ending, str, Callable[[], "pd.DataFrame"]]


def attempt(sample: Sample, made: Iterator[Made]) -> Iterator[Result]:
    """Give each result, or the reason why the data do not allow it."""
    for ending, test, make in made:
        try:
            yield sample.result(ending, make(), test)
        except Refused as error:
            yield sample.without(ending, test, str(error))


def parametric(sample: Sample) -> Iterator[Result]:
    """Compare the means of the levels: F tests, contrasts, trend and standardised differences."""
    yield from attempt(sample, _parametric(sample))


def ranked(sample: Sample) -> Iterator[Result]:
    """Compare the ranks of the levels, which no monotone transformation changes."""
    yield from attempt(sample, _ranked(sample))


def _parametric(sample: Sample) -> Iterator[Made]:
    from joulebench.stats.anova import anova
    from joulebench.stats.games_howell import games_howell
    from joulebench.stats.pairwise_differences import pairwise_hedges_g, pairwise_t
    from joulebench.stats.planned_contrasts import planned_contrasts
    from joulebench.stats.polynomial_trend import polynomial_trend
    from joulebench.stats.welch import welch_anova

    formula, frame = sample.formula(), sample.frame
    yield "omnibus", ANOVA, lambda: anova(formula, frame)
    yield "omnibus", WELCH, lambda: welch_anova(formula, frame)
    yield "consec", "planned contrasts", lambda: planned_contrasts(formula, frame)
    degree = min(_HIGHEST, int(frame[sample.factor].nunique()) - 1)
    yield "consec", "polynomial trend", lambda: polynomial_trend(formula, frame, degree)
    yield "consec", "Welch t", lambda: pairwise_t(formula, frame, pairs="consecutive")
    yield "consec", "Hedges' g", lambda: pairwise_hedges_g(formula, frame, pairs="consecutive")
    yield "desc", MEANS, partial(_means, formula, frame, sample.factor)
    few = partial(_of_all_pairs, sample)
    yield "pairwise", "Tukey", few(lambda: _tukey(formula, frame, sample.factor))
    yield "pairwise", "Games-Howell", few(lambda: games_howell(formula, frame))


def _of_all_pairs(sample: Sample, make: Callable[[], pd.DataFrame]) -> Callable[[], pd.DataFrame]:
    """Make a comparison of all pairs unless they are too many."""

    def made() -> pd.DataFrame:
        refuse_pairs(int(sample.frame[sample.factor].nunique()), sample.factor)
        return make()

    return made


def _means(formula: str, frame: pd.DataFrame, factor: str) -> pd.DataFrame:
    from joulebench.stats.emmeans import emmeans
    from joulebench.stats.linear_model import lm

    return emmeans(lm(formula, frame), factor).frame()


def _tukey(formula: str, frame: pd.DataFrame, factor: str) -> pd.DataFrame:
    from joulebench.stats.emmeans import emmeans
    from joulebench.stats.linear_model import lm

    return emmeans(lm(formula, frame), factor).contrasts("pairwise", adjust="tukey")


def _ranked(sample: Sample) -> Iterator[Made]:
    from joulebench.stats.dunn import dunn
    from joulebench.stats.kruskal import kruskal
    from joulebench.stats.pairwise_differences import pairwise_cliffs_delta
    from joulebench.stats.pairwise_ranks import pairwise_wilcoxon

    formula, frame = sample.formula(), sample.frame
    yield "omnibus", KRUSKAL, lambda: kruskal(formula, frame)
    yield (
        "consec",
        "Wilcoxon, successive",
        lambda: pairwise_wilcoxon(formula, frame, pairs="consecutive"),
    )
    yield "consec", "Dunn, successive", lambda: dunn(formula, frame, pairs="consecutive")
    yield (
        "consec",
        "Cliff's delta",
        lambda: pairwise_cliffs_delta(formula, frame, pairs="consecutive"),
    )
    few = partial(_of_all_pairs, sample)
    yield "pairwise", "Dunn", few(lambda: dunn(formula, frame))
    yield "pairwise", "Wilcoxon", few(lambda: pairwise_wilcoxon(formula, frame))
