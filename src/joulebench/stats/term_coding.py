"""How the factors of each term of a model are coded so that no column repeats another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

Coded = dict[str, bool]
"""The variables of a product, with whether a factor has a column for every level."""


@dataclass(frozen=True, slots=True)
class CellCoding:
    """A term as one product, some columns of which other terms say already.

    Args:
        product: Its variables.
        repeats: Sets of factors: a column is left out where all of one set are at their last level.
    """

    product: Coded
    repeats: tuple[frozenset[str], ...]


def coded_terms(
    terms: Sequence[tuple[str, ...]], factors: Collection[str], *, intercept: bool
) -> list[list[Coded]]:
    """Write each term as products whose factors are coded by contrasts, or by all their levels.

    A factor coded by all levels stands for 1 and its contrasts. A term is so the sum of the
    products over the subsets of its factors, coded by contrasts; those that terms before it hold
    are left out, and what is left is put together again where one product has a factor that the
    other lacks (the rule of patsy and of the formula engine; Chambers and Hastie 1992, Statistical
    Models in S, 2.4.1).

    Args:
        terms: The variables of each term but the intercept, in order.
        factors: Variables that have levels; others are numbers.
        intercept: Whether the model has one.

    Returns:
        For each term its products, each with the variables in the term's order.
    """
    held: dict[frozenset[str], set[frozenset[str]]] = {}
    if intercept:
        held[frozenset()] = {frozenset()}
    found = []
    for term in terms:
        own = [variable for variable in term if variable in factors]
        known = held.setdefault(frozenset(term) - frozenset(own), set())
        subsets = [some for size in range(len(own) + 1) for some in combinations(own, size)]
        new = [dict.fromkeys(some, False) for some in subsets if frozenset(some) not in known]
        known.update(map(frozenset, subsets))
        found.append([_with_numbers(product, term, factors) for product in _joined(new)])
    return found


def cell_codings(
    terms: Sequence[tuple[str, ...]], factors: Collection[str], *, intercept: bool
) -> list[CellCoding]:
    """Write each term as one product, as R does, without the columns that R finds to be repeated.

    A factor has contrasts where the term without it is held by those before, else a column for
    every level. Of the columns of ``a:b`` beside an intercept alone, R leaves out the last: a
    function of some of the factors that is held already takes, for each value of it, the column of
    the last levels of the others, since columns are compared with those to their left.

    Args:
        terms: The variables of each term but the intercept, in order.
        factors: Variables that have levels; others are numbers.
        intercept: Whether the model has one.

    Source:
        Chambers and Hastie 1992, Statistical Models in S, 2.4.1; R: ``terms.formula``.
    """
    held: dict[frozenset[str], set[frozenset[str]]] = {}
    if intercept:
        held[frozenset()] = {frozenset()}
    found = []
    for term in terms:
        own = frozenset(variable for variable in term if variable in factors)
        known = held.setdefault(frozenset(term) - own, set())
        product = {v: v in own and own - {v} not in known for v in term}
        full = frozenset(v for v in term if product[v])
        repeats = [full - some for some in _subsets(full) if own - full | some in known]
        known.update(_subsets(own))
        found.append(CellCoding(product, tuple(repeats)))
    return found


def _subsets(variables: frozenset[str]) -> list[frozenset[str]]:
    ordered = sorted(variables)
    return [frozenset(s) for size in range(len(ordered) + 1) for s in combinations(ordered, size)]


def _joined(products: list[Coded]) -> list[Coded]:
    """Put products together until none lacks just one factor of another."""
    for place, short in enumerate(products):
        for later in range(place + 1, len(products)):
            longer = products[later]
            extra = [variable for variable in longer if variable not in short]
            if len(extra) != 1 or longer[extra[0]] or {**short, extra[0]: False} != longer:
                continue
            whole = {variable: full or variable == extra[0] for variable, full in longer.items()}
            return _joined([*products[:place], *products[place + 1 : later], whole,
                            *products[later + 1 :]])  # fmt: skip
    return products


def _with_numbers(product: Coded, term: tuple[str, ...], factors: Collection[str]) -> Coded:
    return {
        variable: product.get(variable, False)
        for variable in term
        if variable in product or variable not in factors
    }
