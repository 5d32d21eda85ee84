"""Terms of a linear model that the data cannot tell apart, and the refusal that names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from joulebench.stats.anova_types import (
    Projection,
    full_matrix,
    given_terms,
    parts_of,
    project,
    term_columns,
)
from joulebench.stats.filled_cells import nested, smallest_with_gaps
from joulebench.stats.fixed_design import FixedDesign, Term

_MOST_LEVELS = 12
"""A number with no more values than this may stand for levels."""


@dataclass(frozen=True, slots=True)
class AliasedTerm:
    """A term that keeps fewer degrees of freedom than it has levels to compare.

    Args:
        name: Of the term.
        columns: Columns of the model matrix that it has.
        told: How many of them the data tell apart from the terms that do not contain it.
    """

    name: str
    columns: int
    told: int

    @property
    def text(self) -> str:
        """The term with its loss, in words."""
        return f"{self.name} (keeps {self.told} of {self.columns} df)"


def aliased_terms(design: FixedDesign) -> list[AliasedTerm]:
    """Give the terms whose test would mean something else than their name says.

    A term is one where other terms take a part of what its levels differ by, or where it is an
    interaction beside all its main effects and some of its cells are empty. An interaction that
    stands for its cells, since a main effect of it is not in the model (``y ~ a:b``, ``y ~ a/b``),
    has columns to spare by construction and is none.

    Args:
        design: Of the model.
    """
    return list(design.once("aliased terms", lambda: _aliased_terms(design)))


def _aliased_terms(design: FixedDesign) -> list[AliasedTerm]:
    if not design.aliased:
        return []
    columns = term_columns(design)
    projection = project(full_matrix(design))
    constant = np.setdiff1d(np.arange(projection.triangle.shape[1]), np.concatenate(columns))
    found = []
    for place, term in enumerate(design.terms):
        below = [k for k, other in enumerate(design.terms) if parts_of(other) < parts_of(term)]
        own = _new(projection, columns, constant, place, below)
        told = _new(projection, columns, constant, place, given_terms(design.terms, place, 2))
        emptied = _complete_margins(term, design.terms) and own < len(columns[place])
        if told < own or emptied:
            found.append(AliasedTerm(term.name, len(columns[place]), told))
    return found


def _new(
    projection: Projection,
    columns: Sequence[np.ndarray[tuple[int], np.dtype[np.intp]]],
    constant: np.ndarray[tuple[int], np.dtype[np.intp]],
    place: int,
    given: Sequence[int],
) -> int:
    """Give how many columns of a term say what the given terms do not."""
    smaller = np.concatenate([constant, *(columns[k] for k in given)])
    return projection.rank(np.concatenate([smaller, columns[place]])) - projection.rank(smaller)


def _complete_margins(term: Term, terms: Sequence[Term]) -> bool:
    """Say whether all that an interaction contains has a term of its own."""
    parts, known = parts_of(term), {parts_of(other) for other in terms}
    return all(
        frozenset(some) in known
        for size in range(1, len(parts))
        for some in combinations(sorted(parts), size)
    )


def aliased_refusal(formula: str, aliased: Sequence[AliasedTerm], why: str, instead: str) -> str:
    """Say in one line what cannot be told apart, why, and what can be fitted.

    Args:
        formula: That was asked for.
        aliased: What :func:`aliased_terms` found.
        why: What :func:`reasons_of` found.
        instead: Formula of the model that the data carry; empty if none is known.
    """
    told = (
        f"fit {instead!r} instead (fitted_instead() gives its contrasts)"
        if instead
        else ("leave one of the terms that say the same out")
    )
    return (
        f"{formula!r} is aliased: {', '.join(term.text for term in aliased)}{why}; {told}, or "
        "take the reduced tests of types 1 and 2 with aliased='drop'"
    )


def reasons_of(design: FixedDesign) -> str:
    """Say why terms of a design cannot be told apart, to go on a sentence; empty if unknown."""
    frame = design.frame
    factors = list(design.factors)
    numbers = [name for name in design.covariates if name not in factors]
    constant = [
        f"each level of {factor} has one value of {number}"
        for number in numbers
        for factor in factors
        if nested(frame, factor, number)
    ]
    within = [
        f"each level of {inner} occurs with one level of {outer} alone"
        for inner in factors
        for outer in factors
        if inner != outer and nested(frame, inner, outer)
    ]
    gaps = [cells.text for cells in smallest_with_gaps(frame, factors)]
    slopes = [
        f"{name} is a number, and for its levels write C({name})"
        for name in numbers
        if frame[name].nunique() <= _MOST_LEVELS and _in_product(name, design)
    ]
    reasons = [*constant[:2], *within[:2], *gaps[:2], *slopes[:2]]
    return f", because {'; '.join(reasons)}" if reasons else ""


def _in_product(name: str, design: FixedDesign) -> bool:
    return any(name in term.variables and len(parts_of(term)) > 1 for term in design.terms)
