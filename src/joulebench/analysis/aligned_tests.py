"""Factors by ranks after alignment: interactions and mixed designs without normality."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from joulebench.analysis.analysis_frame import RUN
from joulebench.analysis.extremes import refuse_pairs
from joulebench.analysis.group_tests import Made, attempt
from joulebench.analysis.result import Result
from joulebench.analysis.sample import Sample

if TYPE_CHECKING:
    import pandas as pd

    from joulebench.stats.art import Art

NAME = "aligned rank transform"

_MOST_CELLS = 40
"""Cells of two factors up to this number (780 pairs) are compared two by two."""


def aligned(sample: Sample, within: str = "") -> Iterator[Result]:
    """Test one or two factors by aligned ranks, ``(1 | run)`` beside them on repetitions.

    Args:
        sample: The rows.
        within: The second factor; none if empty.
    """
    yield from attempt(sample, _aligned(sample, within))


def _aligned(sample: Sample, within: str) -> Iterator[Made]:
    from joulebench.stats.art import art

    factors = f"{sample.factor} * {within}" if within else sample.factor
    right = f"{factors} + (1 | {RUN})" if sample.level == "repetition" else factors

    @cache
    def transformed() -> Art:
        return art(sample.on("raw").formula(right), sample.frame)

    yield "omnibus", NAME, lambda: transformed().anova()
    contrast = "aligned rank contrasts"
    successive = f"{contrast}, successive"
    yield "consec", successive, lambda: transformed().contrasts(sample.factor, kind="consecutive")
    yield "pairwise", contrast, partial(_pairs, sample, transformed, (sample.factor,))
    if within:
        cells = (sample.factor, within)
        yield "pairwise", f"{contrast} of cells", partial(_pairs, sample, transformed, cells)


def _pairs(sample: Sample, transformed: Callable[[], Art], factors: Sequence[str]) -> pd.DataFrame:
    """Contrast all pairs of levels or of cells, unless they are too many to list."""
    levels = sample.frame.groupby(list(factors), observed=True).ngroups
    if len(factors) == 1 or levels > _MOST_CELLS:
        refuse_pairs(levels, ":".join(factors))
    return transformed().contrasts(":".join(factors))
