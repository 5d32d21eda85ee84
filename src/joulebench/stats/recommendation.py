"""Which test the data allow, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from joulebench.stats.design_question import Choice, Question, question_of
from joulebench.stats.model_frame import Missing
from joulebench.stats.rows import tidy
from joulebench.stats.transformation import Advice, Candidate, advise

_FEW = 20
"""Residuals below which Shapiro and Wilk see gross departures alone."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A test, why it, and what else.

    Args:
        test: Name of the function: "anova", "welch_anova", "kruskal", "t_test",
            "wilcoxon_rank_sum", "wilcoxon_signed_rank", "friedman", "art", "lmm" or "spearman".
        words: Its name in words.
        formula: The formula to give it, the response on the scale to test.
        call: How it is called; ``x`` and ``y`` are the values of the two groups, ``np`` numpy.
        reason: Why, in one sentence.
        alternatives: Calls of the other tests of the same question, the nearest first.
        warnings: What the data are too few or too uneven for, in words.
        advice: What was seen of the assumptions on each scale.
    """

    test: str
    words: str
    formula: str
    call: str
    reason: str
    alternatives: tuple[str, ...]
    warnings: tuple[str, ...]
    advice: Advice

    def frame(self) -> pd.DataFrame:
        """Give one row: ``test, n, words, formula, call, reason, alternatives, note``."""
        figures = {
            "test": self.test, "n": self.advice.n, "words": self.words, "formula": self.formula,
            "call": self.call, "reason": self.reason,
            "alternatives": "; ".join(self.alternatives), "note": "; ".join(self.warnings),
        }  # fmt: skip
        return tidy([figures])


def recommended_test(
    formula: str,
    frame: pd.DataFrame,
    *,
    blocks: str | None = None,
    alpha: float = 0.05,
    missing: Missing = "refuse",
) -> Recommendation:
    """Recommend a test of a formula from its design and from the assumptions that hold.

    1. Residuals normal and variances equal (as :mod:`joulebench.stats.judgement` says) on the scale
       of the formula: Student's t test for two groups, the paired t test for pairs, analysis of
       variance for more groups, blocks, several factors or covariates, a mixed model where there
       are random terms.
    2. Normal there, if each group only by itself, but unequal variances of one factor's groups:
       Welch's t test or analysis of variance.
    3. Both on another scale, logarithm, root or raw, one that the interval of Box and Cox allows
       first: as 1 there.
    4. Normal residuals on some scale, but equal variances on none: as 2 there, and for several
       factors or covariates analysis of variance with robust errors.
    5. Otherwise ranks: Wilcoxon for two groups or pairs, Kruskal-Wallis, Friedman in blocks, the
       aligned rank transform for several factors and for mixed designs (over the filled cells
       Kruskal-Wallis, where some are empty), Spearman for one covariate. Where there is no test of
       ranks, the test of means, and the reason says so.

    A test chosen by tests on the same data keeps its level only roughly (Rochon, Gondan and Kieser
    2012, BMC Med. Res. Methodol. 12, 81): report the alternative beside it.

    Args:
        formula: ``energy_j ~ generation``, with several factors or random terms as well; a column
            of numbers is a covariate, ``C(generation)`` its levels.
        frame: One row an observation.
        blocks: Column of blocks or pairs, beside a formula of one factor.
        alpha: p below which a departure from an assumption is claimed.
        missing: What to do about rows that lack a value.

    Raises:
        Refused: The model cannot be fitted or leaves no residuals.
    """
    question = question_of(formula, frame, blocks, missing)
    advice = advise(question.layout, alpha)
    scales = _scales(question, advice)
    choice, reason = _chosen(question, scales)
    others = _alternatives(question, scales, choice)
    warnings = _warnings(question, advice, choice, alpha)
    return Recommendation(
        choice.test, choice.words, choice.formula, choice.call, reason, others, warnings, advice
    )


def _scales(question: Question, advice: Advice) -> list[Candidate]:
    """Give the scales that a formula can write: its own first, then those Box and Cox allow."""
    own = {"log10": "log", "log2": "log", "none": "raw"}
    transform = question.layout.formula.response.transform
    first = own.get(transform, transform)
    box = advice.box_cox
    others = [each for each in ("log", "sqrt", "raw") if each != first]
    others.sort(key=lambda scale: not (box and box.allows(advice.of(scale).power)))
    return [advice.of(scale) for scale in (first, *others)]


def _chosen(question: Question, scales: list[Candidate]) -> tuple[Choice, str]:
    welch = question.kind in ("two groups", "groups")
    own = scales[0]
    for each in scales:
        if each.passes:
            return question.parametric(each.response), _because(each, own)
        unequal = question.unequal(each.response)
        if welch and unequal and each is own and each.normal_groups:
            return unequal, _because(each, own)
    for each in scales:
        unequal = question.unequal(each.response)
        if unequal and each.normal_groups:
            return unequal, f"{_because(each, own)[:-1]}; no scale has equal variances."
    ranks = question.ranks()
    if ranks:
        return (
            ranks,
            f"On no scale do the assumptions hold; {own.scale}: {own.words}.",
        )
    robust = question.unequal(own.response) or question.parametric(own.response)
    return robust, (
        f"No test of ranks serves this design, though assumptions fail; {own.scale}: {own.words}."
    )


def _because(each: Candidate, own: Candidate) -> str:
    here = f"On the {each.scale} scale {each.words}"
    return f"{here}." if each is own else f"{here}; {own.scale}: {own.words}."


def _alternatives(question: Question, scales: list[Candidate], choice: Choice) -> tuple[str, ...]:
    response = next((each for each in scales if each.passes), scales[0]).response
    means = [question.parametric(response), question.unequal(response)]
    offered = [question.ranks(), *means] if choice != question.ranks() else means
    calls = [each.call for each in offered if each and each.call != choice.call]
    return tuple(dict.fromkeys(calls))


def _warnings(question: Question, advice: Advice, choice: Choice, alpha: float) -> tuple[str, ...]:
    found = [_power_of_shapiro(question), _least_p(question, choice, alpha), _numbers(question)]
    if question.kind in ("factorial", "mixed") and question.unfit and choice.test != "art":
        found.append(f"no aligned ranks: {question.unfit}")
    lone = int(np.sum(~question.layout.free))
    if lone:
        found.append(
            f"{lone} of {advice.n} rows are alone in their cell: nothing tells their noise"
        )
    return tuple(filter(None, found))


def _power_of_shapiro(question: Question) -> str:
    free = int(question.layout.free.sum())
    if free >= _FEW:
        return ""
    return (
        f"with {free} residuals only gross departures from normal are seen: check by ranks as well"
    )


def _least_p(question: Question, choice: Choice, alpha: float) -> str:
    """Say where even perfectly separated ranks would not be significant."""
    if choice.test not in ("wilcoxon_rank_sum", "wilcoxon_signed_rank", "kruskal", "friedman"):
        return ""
    least = _smallest_p(question)
    if least <= alpha:
        return ""
    return (
        f"so few values cannot reach p < {alpha:g} by ranks (least exact p {least:.2g}): measure "
        "more"
    )


def _smallest_p(question: Question) -> float:
    """Give the p of the most extreme arrangement of ranks, in the exact distribution."""
    if question.kind == "pairs":
        return float(2.0 ** (1 - len(question.layout.free)))
    factors = question.layout.design.factors
    if question.kind == "blocks":
        k = len(factors[question.plain])
        return float(math.factorial(k) ** (1.0 - len(factors[question.blocks])))
    counts = np.bincount(question.layout.groupings[0].codes)
    arrangements = math.lgamma(counts.sum() + 1) - sum(math.lgamma(n + 1) for n in counts)
    return min(1.0, math.exp(math.lgamma(len(counts) + 1) - arrangements))


def _numbers(question: Question) -> str:
    named = [
        name
        for name in question.layout.design.covariates
        if 2 <= question.layout.frame[name].nunique() <= min(12, question.layout.n // 3)
    ]
    if not named:
        return ""
    return (
        f"{named[0]} holds numbers and is taken as a covariate: write C({named[0]}) for its levels"
    )
