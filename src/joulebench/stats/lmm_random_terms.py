"""Random terms of a formula laid over the rows of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.formula import RandomTerm
from joulebench.stats.lmm_blocks import RandomBlock
from joulebench.stats.model_frame import level_text, levels_of
from joulebench.stats.model_terms import fixed_terms, variables_of
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

INTERCEPT = "(Intercept)"


def random_variables(terms: Sequence[RandomTerm], frame: pd.DataFrame) -> list[str]:
    """Give the columns that random terms use.

    Raises:
        Refused: A name is no column.
    """
    names: list[str] = []
    for term in terms:
        names += [*term.group, *variables_of(term.effects, frame)]
    return names


def random_blocks(terms: Sequence[RandomTerm], frame: pd.DataFrame) -> tuple[RandomBlock, ...]:
    """Lay random terms over the rows.

    A term without correlations, ``(x || g)``, is one block an effect; a factor among its effects
    stays one block of its levels, as lme4 has it.

    Args:
        terms: Random terms of a formula.
        frame: Complete rows.

    Raises:
        Refused: A grouping has one level or as many as there are rows, effects of a term repeat one
            another, or a term has no fewer effects than there are rows.
    """
    groupings: dict[str, tuple[Codes, tuple[str, ...]]] = {}
    blocks = []
    for term in terms:
        if term.name not in groupings:
            groupings[term.name] = group_codes(term, frame)
        codes, levels = groupings[term.name]
        for effects in _effects(term, frame):
            names, values = effect_values(effects, term, frame)
            blocks.append(RandomBlock(term.name, names, levels, codes, values))
            _check_count(blocks[-1], term, len(frame))
    _check_repeats(blocks)
    return tuple(blocks)


def group_codes(term: RandomTerm, frame: pd.DataFrame) -> tuple[Codes, tuple[str, ...]]:
    """Give the group of each row, from 0, and the names of the groups that occur.

    Raises:
        Refused: There is one group, or one row a group throughout.
    """
    codes, names = _column_codes(frame[term.group[0]])
    for column in term.group[1:]:
        more, texts = _column_codes(frame[column])
        used, codes = np.unique(codes * len(texts) + more, return_inverse=True)
        names = [f"{names[u // len(texts)]}:{texts[u % len(texts)]}" for u in used.tolist()]
    if len(names) < 2:
        raise Refused(
            f"{term.name} has one group, {names[0]!r}, in {term.text}: a variance between groups "
            "needs two or more; leave the random term out and use lm()"
        )
    if len(names) >= len(frame):
        raise Refused(
            f"{term.name} has as many groups as there are rows ({len(frame)}) in {term.text}: "
            "groups cannot be told from residuals; use lm(), or give each group repetitions"
        )
    return codes.astype(np.intp), tuple(names)


def effect_values(
    effects: str, term: RandomTerm, frame: pd.DataFrame
) -> tuple[tuple[str, ...], Floats]:
    """Give the names and the values of the effects of a term, shape (n, k).

    Raises:
        Refused: An effect is no number or factor, or repeats another.
    """
    if effects == "1":
        return (INTERCEPT,), np.ones((len(frame), 1))
    design = FixedDesign.of(effects, frame)
    if design.aliased:
        raise Refused(f"in {term.text} the effect {design.aliased[0]} repeats others: leave it out")
    if not design.columns:
        raise Refused(f"{term.text} lets nothing vary between groups: write (1 | {term.name})")
    return design.columns, design.x


def _column_codes(column: pd.Series[Any]) -> tuple[Codes, list[str]]:
    levels = levels_of(column)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.remove_unused_categories()
    codes = pd.Categorical(column, categories=levels).codes.astype(np.intp)
    return codes, [level_text(level) for level in levels]


def _effects(term: RandomTerm, frame: pd.DataFrame) -> list[str]:
    """Give the right side of each block of a term."""
    if term.effects == "1" or term.correlated:
        return [term.effects]
    read = fixed_terms(term.effects, frame)
    return [*(["1"] if read.intercept else []), *(f"0 + {name}" for name in read.parts)]


def _check_count(block: RandomBlock, term: RandomTerm, rows: int) -> None:
    if block.q >= rows:
        raise Refused(
            f"{term.text} has {block.q} random effects and the data {rows} rows: the effects "
            "cannot be told from residuals; let fewer effects vary"
        )


def _check_repeats(blocks: Sequence[RandomBlock]) -> None:
    seen: set[tuple[str, str]] = set()
    for block in blocks:
        for name in block.effects:
            if (block.group, name) in seen:
                raise Refused(
                    f"{name} varies over {block.group} in two random terms: keep one of them "
                    "(write (0 + x | g) beside (1 | g))"
                )
            seen.add((block.group, name))
