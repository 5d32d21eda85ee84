"""When an analysis of variance is refused for terms that cannot be told apart."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from joulebench.stats.anova_aliased import (
    AliasedTerm,
    aliased_refusal,
    aliased_terms,
    reasons_of,
)
from joulebench.stats.anova_types import parts_of
from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.formula import parse
from joulebench.stats.layout_digest import layout_digest
from joulebench.stats.linear_model import LinearModel
from joulebench.stats.model_frame import Missing, complete
from joulebench.stats.model_terms import variables_of
from joulebench.stats.refused import Refused

Aliased = Literal["refuse", "drop"]


def refuse_aliased(
    model: LinearModel,
    type: int,  # noqa: A002 - the field's own word
    aliased: Aliased,
    frame: pd.DataFrame,
) -> list[AliasedTerm]:
    """Refuse aliased terms, or give them where what is left of them may be tested.

    Args:
        model: Fitted model.
        type: Of the sums of squares: III has no answer for such terms.
        aliased: Whether to refuse.
        frame: The data, with columns beside those of the formula that may be blocks.

    Raises:
        Refused: There are any, and ``aliased`` is "refuse" or the type is III.
    """
    doubtful = aliased_terms(model.design)
    if not doubtful or (aliased == "drop" and type != 3):
        return doubtful
    if aliased == "drop":
        named = ", ".join(term.text for term in doubtful)
        raise Refused(
            f"type III of {model.formula.text!r} has no answer, since terms are aliased: {named}; "
            "take type=2"
        )
    raise Refused(_with_offer(model.formula.text, model.design, doubtful, frame))


def refuse_saturated(formula: str, frame: pd.DataFrame, missing: Missing) -> None:
    """Refuse a formula with as many coefficients as rows whose terms are aliased besides.

    Raises:
        Refused: So it is.
    """
    read = parse(formula)
    if read.random:
        return
    rows = complete(frame, [read.response.column, *variables_of(read.fixed, frame)], missing)
    design = FixedDesign.of(read.fixed, rows)
    doubtful = aliased_terms(design) if len(rows) <= design.x.shape[1] else []
    if doubtful:
        raise Refused(_with_offer(formula, design, doubtful, frame))


def check_type_three(model: LinearModel) -> None:
    """Refuse type III where it would judge a term beyond one that spans it.

    Raises:
        Refused: A term is inside an aliased one, as ``a`` in ``y ~ a/b``.
    """
    terms = model.design.terms
    for term in terms:
        inner = [other.name for other in terms if parts_of(other) < parts_of(term)]
        if term.aliased and inner:
            raise Refused(
                f"type III has no answer for {inner[0]} beside {term.name}, which stands for its "
                "cells: take type=1 or type=2"
            )


def _with_offer(
    formula: str, design: FixedDesign, doubtful: list[AliasedTerm], frame: pd.DataFrame
) -> str:
    return aliased_refusal(formula, doubtful, *_reasons(formula, design, frame))


_KNOWN: dict[tuple[str, bytes], tuple[str, str]] = {}
"""Reasons and offers that were found; an analysis asks for each response on each scale."""

_MOST_KNOWN = 256


def _reasons(formula: str, design: FixedDesign, frame: pd.DataFrame) -> tuple[str, str]:
    """Say why terms cannot be told apart, and what can be fitted instead."""
    from joulebench.stats.fitted_instead import offered_formula

    response = parse(formula).response
    digest = layout_digest(frame, design.variables, response.column)
    key = design.fixed, digest or b""
    if digest is None or key not in _KNOWN:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _, _, right = offered_formula(formula, frame).partition(" ~ ")
        _KNOWN[key] = reasons_of(design), right
    why, right = _KNOWN[key]
    return why, f"{response.text} ~ {right}" if right else ""
