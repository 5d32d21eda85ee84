"""Tests of the random terms of a mixed model, one taken out at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from joulebench.stats.fitted_model import check_model
from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.formula import RandomTerm
from joulebench.stats.lmm_blocks import RandomBlock
from joulebench.stats.lmm_compare import Likelihood, criterion_without_groups, ratio_test
from joulebench.stats.lmm_fit import fit_mixed
from joulebench.stats.lmm_model import MixedModel
from joulebench.stats.lmm_random_terms import INTERCEPT, random_blocks
from joulebench.stats.rows import tidy

Blocks = tuple[RandomBlock, ...]


def random_tests(model: MixedModel) -> pd.DataFrame:
    """Test each random term by the likelihood ratio of the model without it.

    Likelihood is of the kind that the model was fitted by; restricted likelihoods may be compared,
    since the fixed effects stay. Of a term with correlated effects, such as ``(days | subject)``,
    each is taken out by itself and the others stay, its intercept last; an intercept alone takes
    the term away. The p beside ``p_boundary`` is that of the plain chi-square, as lmerTest prints
    it: too large, since a variance cannot be below 0.

    Args:
        model: A mixed model.

    Returns:
        One row a test: ``test, term`` ("days in (days | subject)"), ``statistic "chi2", value, df1,
        p, n, parameters`` (of the smaller model), ``aic, bic, log_likelihood, deviance`` (its own),
        ``p_boundary, note``.

    Raises:
        Refused: No mixed model.

    Source:
        Self & Liang 1987, J. Am. Stat. Assoc. 82, 605; Stram & Lee 1994, Biometrics 50, 1171; R:
        ``ranova(m)`` of lmerTest.
    """
    check_model(model, "lmm()")
    fit = model.fit
    whole = Likelihood("", fit.criterion, model.parameters, fit.x, fit.blocks, model.note)
    rows = []
    for name, blocks in _reductions(model):
        smaller = _without(model, blocks)
        found = ratio_test(smaller, whole) | smaller.columns()
        rows.append({"test": "likelihood-ratio test of a random term", "term": name} | found)
    return tidy(rows)


def _without(model: MixedModel, blocks: Blocks) -> Likelihood:
    fit = model.fit
    parameters = fit.p + 1 + sum(block.parameters for block in blocks)
    if blocks:
        criterion = fit_mixed(fit.y, fit.x, blocks, reml=fit.reml).criterion
    else:
        criterion = criterion_without_groups(fit.y, fit.x, fit.reml)
    return Likelihood("", criterion, parameters, fit.x, blocks)


def _reductions(model: MixedModel) -> Iterator[tuple[str, Blocks]]:
    """Give what is taken out, by its name, and the random terms that stay."""
    blocks, start = model.fit.blocks, 0
    for term in model.formula.random:
        count = len(random_blocks([term], model.frame))
        own, others = blocks[start : start + count], (blocks[:start], blocks[start + count :])
        for name, rest in _reduced(term, own, model.frame):
            yield name, (*others[0], *rest, *others[1])
        start += count


def _reduced(term: RandomTerm, own: Blocks, frame: pd.DataFrame) -> Iterator[tuple[str, Blocks]]:
    if len(own) > 1:
        for k, block in enumerate(own):
            yield f"{_effects(block)} in {term.text}", own[:k] + own[k + 1 :]
        return
    block = own[0]
    slopes = _slopes(term, frame)
    if not slopes:
        yield term.text, ()
    for name, columns in slopes:
        kept = np.setdiff1d(np.arange(block.k), columns)
        rest = (_part(block, kept),) if len(kept) else ()
        if not rest and block.k > 1:
            # One effect a level of a factor: without the factor the groups still differ.
            rest = (_intercept(block),)
        yield f"{name} in {term.text}", rest


def _slopes(term: RandomTerm, frame: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
    """Give the terms of the effects that no other one contains, with their columns."""
    if term.effects == "1":
        return []
    terms = FixedDesign.of(term.effects, frame).terms
    parts = {one.name: set(one.name.split(":")) for one in terms}
    top = [one for one in terms if not any(parts[one.name] < other for other in parts.values())]
    return [(one.name, one.columns) for one in top]


def _part(block: RandomBlock, kept: np.ndarray) -> RandomBlock:
    effects = tuple(block.effects[k] for k in kept)
    values = block.values[:, kept]  # noqa: PD011 - no frame
    return RandomBlock(block.group, effects, block.levels, block.codes, values)


def _intercept(block: RandomBlock) -> RandomBlock:
    ones = np.ones((len(block.codes), 1))
    return RandomBlock(block.group, (INTERCEPT,), block.levels, block.codes, ones)


def _effects(block: RandomBlock) -> str:
    return ", ".join(block.effects)
