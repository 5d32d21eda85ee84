"""What a test of a term says is 0: hypotheses of types I, II and III about coefficients."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.anova_aliased import aliased_terms
from joulebench.stats.fixed_design import FixedDesign, Term
from joulebench.stats.number_check import shown
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]
Margin = Literal["all", "factors"]

_SHOWN = 4
_BLOCK = 512
_MANY = 5000
_TURNABLE = 1e8
_ROMAN = {1: "I", 2: "II", 3: "III"}


def hypotheses(design: FixedDesign, type: int, margin: Margin = "all") -> dict[str, Floats]:  # noqa: A002 - the field's own word
    """Give for each term the linear functions of the coefficients that its test says are 0.

    Type I takes a term after those before it; type II after all that do not contain it; type III
    after all, each main effect the plain average over the levels of the other factors (contrasts
    that sum to 0, covariates at 0). A term contains another that it has all variables of and more.
    The functions of types I and II are those that least squares tests: rows of the triangle of
    the columns in that order, whatever the covariance of the rows. Only the space that the
    functions span matters to F; Satterthwaite's degrees of freedom also depend on the functions
    themselves, which are those of lmerTest.

    Args:
        design: The model matrix, ``p`` columns.
        type: 1, 2 or 3.
        margin: For type II: whether ``x:f`` contains both ``x`` and ``f`` ("all": marginality, as
            Fox has it and car does), or ``x`` alone, since it holds a covariate that ``f`` does not
            ("factors": as SAS has it and lmerTest does, which tests ``f`` where ``x`` is 0). What
            ``scale`` and ``poly`` give is a matrix, which lmerTest takes for no covariate: the
            terms ``scale(x):f`` and ``poly(x, 2):f`` contain ``f`` either way.

    Returns:
        Terms in the order of the formula, each with a matrix of shape (df, p). Type I leaves out
        terms that say nothing new.

    Raises:
        Refused: There is no such type, or, for types II and III, coefficients are aliased.

    Source:
        Goodnight 1976, SAS Technical Report R-101 ("Tests of hypotheses in fixed effects linear
        models"); Fox 2016, Applied Regression Analysis, 8.2; Searle 1971, Linear Models, 8.1.
    """
    if not isinstance(type, int | np.integer) or type not in _ROMAN:
        raise Refused(f"sums of squares are of type 1, 2 or 3, not {shown(type)}")
    if type > 1:
        _refuse_aliased(design, type)
    if type == 1 or len(design.terms) == 1:
        return _sequential(design)
    return _type_two(design, margin) if type == 2 else _type_three(design)


def _sequential(design: FixedDesign) -> dict[str, Floats]:
    rows = _triangle(design.x, np.arange(design.x.shape[1]))
    return {term.name: rows[term.columns] for term in design.terms if len(term.columns)}


def _type_two(design: FixedDesign, margin: Margin) -> dict[str, Floats]:
    p = design.x.shape[1]
    found: dict[str, Floats] = {}
    for term in design.terms:
        above = [other.columns for other in design.terms if _contains(other, term, design, margin)]
        if not above:
            found[term.name] = np.eye(p)[term.columns]
            continue
        last = np.concatenate([term.columns, *above])
        order = np.concatenate([np.setdiff1d(np.arange(p), last), last])
        first = p - len(last)
        rows = _triangle(design.x, order)
        found[term.name] = rows[first : first + len(term.columns)]
    return found


def _type_three(design: FixedDesign) -> dict[str, Floats]:
    """Write the coefficients under contrasts that sum to 0 as functions of those the model has."""
    other, x = _other_coding(design)
    length, other_length = _length(x), _length(other.x)
    p = other.x.shape[1]
    triangle = _qr_triangle(np.hstack([other.x / other_length, x / length]))
    map_ = np.linalg.solve(triangle[:p, :p], triangle[:p, p:]) * length / other_length[:, None]
    own = {term.name: term.columns for term in design.terms}
    return {t.name: _reduced(map_[t.columns], own[t.name]) for t in other.terms}


def _other_coding(design: FixedDesign) -> tuple[FixedDesign, Floats]:
    """Give the design under contrasts that sum to 0, and the rows of the model that go with it.

    One coding is the other times the same matrix in every row, so that of very many rows some do:
    one of each cell, and more spread over the data for the covariates.
    """
    n, p = design.x.shape
    parts = {part for term in design.terms for part in term.name.split(":")}
    plain = parts <= {*design.factors, *design.covariates}
    if n > _MANY and plain and not design.aliased:
        spread = np.linspace(0, n - 1, 20 * p).astype(np.intp)
        cells = design.frame[list(design.factors)] if design.factors else design.frame.iloc[:0]
        first = np.flatnonzero(~cells.duplicated().to_numpy())
        rows = np.union1d(spread, first)
        some = FixedDesign.of(design.fixed, design.frame.iloc[rows].reset_index(drop=True), "sum")
        if not some.aliased and some.x.shape[1] == p:
            return some, design.x[rows]
    return design.recoded("sum"), design.x


def _reduced(rows: Floats, own: NDArray[np.intp]) -> Floats:
    """Turn functions so that each has one coefficient of the term itself, with weight 1.

    Satterthwaite's degrees of freedom of a joint test depend on which functions span its space:
    these are the differences of the averages of levels from that of the first level.
    """
    block = rows[:, own]
    # Columns left out of one coding may be kept in the other: then the functions stay as they are.
    if block.shape[0] != block.shape[1] or np.linalg.cond(block) > _TURNABLE:
        return rows
    found = np.asarray(np.linalg.solve(block, rows))
    found[:, own] = np.eye(len(own))
    return found


def _triangle(x: Floats, order: NDArray[np.intp]) -> Floats:
    """Give the rows of the triangle of ``x`` with its columns in an order, put back in place.

    Each is divided by its element on the diagonal.
    """
    length = _length(x)
    rows = np.zeros((x.shape[1], x.shape[1]))
    upper = _qr_triangle((x / length)[:, order])
    rows[:, order] = upper / np.diag(upper)[:, None] * length[order] / length[order][:, None]
    return rows


def _qr_triangle(x: Floats) -> Floats:
    """Give the triangle of a QR decomposition; of many rows in blocks that fit a cache.

    The triangle of stacked triangles is that of the whole (Demmel, Grigori, Hoemmen & Langou 2012,
    SIAM J. Sci. Comput. 34, A206).
    """
    p = x.shape[1]
    rows = max(_BLOCK, 4 * p)
    while len(x) > 2 * rows:
        count = len(x) // rows
        blocks = np.linalg.qr(x[: count * rows].reshape(count, rows, p), mode="r")
        x = np.vstack([np.asarray(blocks).reshape(-1, p), x[count * rows :]])
    return np.asarray(np.linalg.qr(x, mode="r"), dtype=np.float64)


def _length(x: Floats) -> Floats:
    length: Floats = np.linalg.norm(x, axis=0)
    return length


def _contains(larger: Term, smaller: Term, design: FixedDesign, margin: Margin) -> bool:
    above, below = set(larger.name.split(":")), set(smaller.name.split(":"))
    if not below < above:
        return False
    more = above - below
    return margin == "all" or all(_is_factor(part, design) or _is_matrix(part) for part in more)


def _is_factor(part: str, design: FixedDesign) -> bool:
    """Say whether a term takes a column by its levels; one taken in both ways is ``C(column)``."""
    return part.startswith("C(") or (part in design.factors and part not in design.covariates)


def _is_matrix(part: str) -> bool:
    """Say whether R's model frame holds a matrix for what is written, if of one column."""
    return re.search(r"\b(?:poly|scale)\(", part) is not None


def _refuse_aliased(design: FixedDesign, type_: int) -> None:
    doubtful = {term.name for term in aliased_terms(design)}
    if type_ == 3:
        doubtful |= {term.name for term in design.terms if term.aliased}
    terms = [term for term in design.terms if term.name in doubtful]
    if not terms:
        return
    names = ", ".join(term.name for term in terms)
    aliased = [column for term in terms for column in term.aliased]
    shown = ", ".join(aliased[:_SHOWN])
    more = f" and {len(aliased) - _SHOWN} more" if len(aliased) > _SHOWN else ""
    raise Refused(
        f"type {_ROMAN[type_]} tests of {names} are not defined: {len(aliased)} of their "
        f"coefficients cannot be told from others ({shown}{more}); {_instead(terms, design)}"
    )


def _instead(terms: list[Term], design: FixedDesign) -> str:
    """Say which model can be fitted instead."""
    crossed = [name for term in terms for name in term.variables if name in design.factors]
    names = list(dict.fromkeys(crossed))
    if len(names) < 2:
        return "leave out what others already say, or ask for type 1"
    cells = int(np.prod([len(design.factors[name]) for name in names]))
    filled = len(design.frame[names].astype(str).drop_duplicates())
    joined = " x ".join(names)
    if filled == cells:
        return "leave out what others already say, or ask for type 1"
    return (
        f"{filled} of the {cells} cells of {joined} hold rows: make the filled cells one factor "
        f"and test planned contrasts of its {filled} levels, or ask for type 1"
    )
