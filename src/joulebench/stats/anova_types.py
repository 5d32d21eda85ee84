"""Sums of squares of a linear model by term: types I, II and III."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.fixed_design import FixedDesign, Term
from joulebench.stats.full_rank import full_rank
from joulebench.stats.number_check import shown
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]
Columns = NDArray[np.intp]

TYPES = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class SumOfSquares:
    """What a term, or the residuals, take of the variation.

    Args:
        size: Sum of squares, in the square of the unit of the response.
        df: Degrees of freedom.
    """

    size: float
    df: int


@dataclass(frozen=True, eq=False)
class Projection:
    """The columns of a model matrix in as few coordinates as the matrix is wide.

    Args:
        basis: Orthonormal columns, shape (n, p).
        triangle: The columns in the coordinates of the basis, shape (p, p_all).
    """

    basis: Floats
    triangle: Floats

    def beyond(self, columns: Columns, given: Columns) -> Floats:
        """Give the directions that ``columns`` reach and those ``given`` do not, shape (p, k).

        What a response has along them is the model comparison behind every type: the drop of the
        residual sum of squares from the smaller model to the larger (Scheffe 1959, The Analysis of
        Variance, 2.9).
        """
        chosen = self.triangle[:, np.concatenate([given, columns])]
        new = full_rank(chosen).kept
        q, _ = np.linalg.qr(chosen[:, new])
        found: Floats = q[:, new >= len(given)]
        return found

    def rank(self, columns: Columns) -> int:
        """Give how many of the columns are independent."""
        return len(full_rank(self.triangle[:, columns]).kept)


def project(columns: Floats) -> Projection:
    """Lay the columns of a model matrix over a basis.

    Args:
        columns: Model matrix, aliased columns among them, shape (n, p_all).
    """
    length = np.linalg.norm(columns, axis=0)
    unit = columns / np.where(length > 0, length, 1.0)
    q, _ = np.linalg.qr(unit[:, full_rank(unit).kept])
    return Projection(q, q.T @ unit)


def sums_of_squares(
    design: FixedDesign,
    response: Floats,
    type: int,  # noqa: A002 - the field's own word
) -> tuple[list[SumOfSquares], SumOfSquares]:
    """Give the sum of squares of each term, in the order of the formula, and of the residuals.

    Type I: beyond the terms before it. Type II: beyond the terms that do not contain it. Type III:
    beyond all other terms, in contrasts that sum to 0 (Yates 1934, J. Am. Stat. Assoc. 29, 51;
    Speed, Hocking and Hackney 1978, J. Am. Stat. Assoc. 73, 105).

    Args:
        design: Of the model; where columns are aliased, types I and II compare the spaces that
            the terms span.
        response: Shape (n,).
        type: 1, 2 or 3.

    Raises:
        Refused: Another type.
    """
    check_type(type)
    coded = design.recoded("sum") if type == 3 else design
    basis, spaces = coded.once(("spaces", type), lambda: _spaces(coded, design.terms, type))
    # The mean is taken away first, so that one far above the spread costs no digits.
    centred = response - (response.mean() if design.intercept else 0.0)
    along = basis.T @ centred
    rest = centred - basis @ along
    residual = SumOfSquares(float(rest @ rest), len(response) - basis.shape[1])
    sizes = [float(np.sum((own.T @ along) ** 2)) for own in spaces]
    return [SumOfSquares(z, s.shape[1]) for z, s in zip(sizes, spaces, strict=True)], residual


def _spaces(design: FixedDesign, terms: Sequence[Term], type: int) -> tuple[Floats, list[Floats]]:  # noqa: A002
    """Give an orthonormal basis of a design, and the directions in it that each term adds."""
    matrix = full_matrix(design)
    projection = project(matrix)
    own = term_columns(design)
    constant = np.setdiff1d(np.arange(matrix.shape[1]), np.concatenate(own))
    spaces = []
    for place, columns in enumerate(own):
        others = [own[k] for k in given_terms(terms, place, type)]
        spaces.append(projection.beyond(columns, np.concatenate([constant, *others])))
    return projection.basis, spaces


def check_type(type: int) -> None:  # noqa: A002
    """Refuse a type of sums of squares that is not known.

    Raises:
        Refused: It is none of 1, 2 and 3.
    """
    if not isinstance(type, int | np.integer) or type not in TYPES:
        raise Refused(
            f"type {shown(type)} of an analysis of variance is not known: choose 1, 2 or 3"
        )


def given_terms(terms: Sequence[Term], place: int, type: int) -> list[int]:  # noqa: A002
    """Give the terms that the term at ``place`` is judged beyond, by their places."""
    if type == 1:
        return list(range(place))
    others = [k for k in range(len(terms)) if k != place]
    if type == 3:
        return others
    return [k for k in others if not parts_of(terms[place]) < parts_of(terms[k])]


def parts_of(term: Term) -> frozenset[str]:
    """Give the factors and covariates that a term multiplies."""
    return frozenset(term.name.split(":"))


def full_matrix(design: FixedDesign) -> Floats:
    """Give the model matrix with its aliased columns, shape (n, p_all)."""
    return design.full_rows(design.frame) if design.aliased else design.x


def term_columns(design: FixedDesign) -> list[Columns]:
    """Give the columns of :func:`full_matrix` that belong to each term."""
    if not design.aliased:
        return [term.columns for term in design.terms]
    place = {name: k for k, name in enumerate(design.all_columns)}
    return [
        np.array([place[name] for name in _names_of(term, design)], dtype=np.intp)
        for term in design.terms
    ]


def _names_of(term: Term, design: FixedDesign) -> list[str]:
    return [*(design.columns[k] for k in term.columns), *term.aliased]
