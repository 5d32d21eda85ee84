"""Linear mixed models: a formula and a frame in, a fitted model out."""

from __future__ import annotations

import pandas as pd

from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.formula import parse
from joulebench.stats.linear_model import check_response
from joulebench.stats.lmm_fit import fit_mixed
from joulebench.stats.lmm_model import MixedModel
from joulebench.stats.lmm_random_terms import random_blocks, random_variables
from joulebench.stats.model_frame import Missing, complete
from joulebench.stats.model_terms import variables_of
from joulebench.stats.refused import Refused
from joulebench.stats.sample_check import check_square


def lmm(
    formula: str, frame: pd.DataFrame, reml: bool = True, missing: Missing = "refuse"
) -> MixedModel:
    """Fit a linear mixed model, as R's ``lmer`` does.

    Random terms: ``(1 | run)``; ``(days | subject)`` and ``(1 + days | subject)`` with correlated
    effects; ``(days || subject)`` without correlations; ``(0 + task | run)`` one effect a level of
    a factor; ``(1 | a/b)`` nested; several of them crossed. What stands right of the bar is taken
    by its values, numbers too. The likelihood is the profiled one of Bates, Maechler, Bolker and
    Walker (2015), J. Stat. Softw. 67(1).

    Args:
        formula: ``log(energy_j) ~ generation * task + (1 | run)``.
        frame: One row an observation.
        reml: Restricted maximum likelihood; else maximum likelihood, as comparisons of fixed
            effects by likelihood need.
        missing: What to do about rows that lack a value.

    Raises:
        Refused: A name is not there, a value is missing, there is no random term, a grouping has
            one level or as many as rows, the response does not vary, fixed effects already tell all
            groups apart, or nothing is left to estimate the residual variance from.
    """
    read = parse(formula)
    if not isinstance(reml, bool):
        raise Refused(f"reml is True or False (for maximum likelihood), not {reml!r}")
    if not read.random:
        raise Refused(
            f"{formula!r} has no random term: add one, such as (1 | run), or use lm() where rows "
            "are independent"
        )
    used = [*variables_of(read.fixed, frame), *random_variables(read.random, frame)]
    rows = complete(frame, [read.response.column, *used], missing)
    response = read.response.values(rows)
    check_response(response, read.response.text)
    check_square(response, read.response.text)
    blocks = random_blocks(read.random, rows)
    design = FixedDesign.of(read.fixed, rows)
    n, p = design.x.shape
    if not p:
        raise Refused(f"{formula!r} has no fixed effect: leave the intercept in")
    if n <= p:
        raise Refused(
            f"{n} rows cannot carry {p} fixed effects and a residual variance: leave terms out of "
            f"{formula!r} or add repetitions"
        )
    return MixedModel(read, rows, design, fit_mixed(response, design.x, blocks, reml=reml))
