"""Whether the assumptions of a test hold, on which scale, and the test that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from joulebench.analysis.aligned_tests import NAME as ALIGNED
from joulebench.analysis.analysis_frame import RUN
from joulebench.analysis.group_tests import ANOVA, KRUSKAL, WELCH
from joulebench.analysis.question import Question
from joulebench.analysis.result import Result
from joulebench.analysis.sample import Sample
from joulebench.stats.refused import Refused

if TYPE_CHECKING:
    import pandas as pd

    from joulebench.stats.recommendation import Recommendation

_NAMES = {
    "anova": (ANOVA, "two-way ANOVA, type 3"),
    "welch_anova": (WELCH,),
    "t_test": (ANOVA, WELCH),
    "kruskal": (KRUSKAL,),
    "wilcoxon_rank_sum": (KRUSKAL,),
    "art": (ALIGNED,),
    "lmm": ("mixed model, satterthwaite",),
}
"""Functions that may be recommended -> names of their results; a t of two groups is their F."""

_RANKS = (KRUSKAL, ALIGNED)
_SCALES = {"log": "log", "none": "raw"}


@dataclass(frozen=True, eq=False)
class Checked:
    """The assumptions of a question on one level.

    Args:
        level: ``run`` or ``repetition``.
        results: What was looked at, on each scale.
        summary: One row a scale, with what follows; empty where nothing could be checked.
        advised: The test that follows; ``None`` where nothing does.
        reason: Why that test, or why none.
    """

    level: str
    results: tuple[Result, ...]
    summary: pd.DataFrame
    advised: Recommendation | None
    reason: str

    def marked(self, result: Result) -> Result:
        """Mark a result as chosen if it is the test that the assumptions ask for."""
        if self.advised is None or result.ending != "omnibus":
            return result
        named = result.test in _NAMES.get(self.advised.test, ())
        scale = result.test in _RANKS or result.scale == self.scale
        return replace(result, chosen=named and scale)

    @property
    def scale(self) -> str:
        """Scale of the response that the test is made on; empty for one that is not made here."""
        from joulebench.stats.formula import parse

        if self.advised is None:
            return ""
        return _SCALES.get(parse(self.advised.formula).response.transform, "")


def check_assumptions(sample: Sample, question: Question) -> Checked:
    """Check normality and variances on each scale, and say which test follows.

    Args:
        sample: The rows, raw.
        question: What is asked: its factors make the model whose residuals are looked at.
    """
    from joulebench.stats.recommendation import recommended_test

    right = model_terms(sample, question)
    results = tuple(_looked_at(sample, right, question))
    try:
        advised = recommended_test(sample.formula(right), sample.frame)
    except Refused as error:
        import pandas as pd

        return Checked(sample.level, results, pd.DataFrame(), None, str(error))
    follows: dict[str, Any] = {
        "recommended_test": advised.words,
        "recommended_formula": advised.formula,
        "reason": advised.reason,
        "warnings": "; ".join(advised.warnings),
    }
    return Checked(
        sample.level, results, advised.advice.frame().assign(**follows), advised, advised.reason
    )


def model_terms(sample: Sample, question: Question) -> str:
    """Give the right side of the model whose residuals are looked at."""
    if question.kind != "crossed":
        return sample.factor
    crossed = f"{sample.factor} * {question.within}"
    return f"{crossed} + (1 | {RUN})" if sample.level == "repetition" else crossed


def _looked_at(sample: Sample, right: str, question: Question) -> Iterator[Result]:
    from joulebench.stats.assumptions import assumptions

    for scale in question.scales:
        rows = sample.on(scale)
        try:
            yield rows.result("assumption_summary", assumptions(rows.formula(right), rows.frame))
        except Refused as error:
            yield rows.without("assumption_summary", "assumptions", str(error))
