"""F tests of terms that allow for a residual variance that is not the same everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.anova_types import given_terms, parts_of
from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]
Columns = NDArray[np.intp]

_FULL = 1.0 - 1e-10


def hc3_covariance(x: Floats, residuals: Floats) -> Floats:
    """Give the covariance of least-squares coefficients whatever the variance of each row.

    ``(X'X)^-1 X' diag(e^2 / (1 - h)^2) X (X'X)^-1`` with the leverages ``h``: HC3 of MacKinnon and
    White (1985, J. Econometrics 29, 305), which Long and Ervin (2000, Am. Stat. 54, 217) advise
    for samples under 250.

    Args:
        x: Model matrix of full rank, shape (n, p).
        residuals: Shape (n,).

    Raises:
        Refused: A row that alone decides a coefficient.
    """
    q, r = np.linalg.qr(x)
    leverage = (q**2).sum(axis=1)
    alone = np.flatnonzero(leverage >= _FULL)
    if len(alone):
        raise Refused(
            f"row {alone[0]} is the only one that tells one of the coefficients, so its variance "
            "cannot be judged: use robust='none', or repeat that cell"
        )
    spread = q * (residuals / (1.0 - leverage))[:, None]
    inverse = np.linalg.inv(r)
    found: Floats = inverse @ (spread.T @ spread) @ inverse.T
    return found


def robust_tests(
    design: FixedDesign,
    response: Floats,
    type: int,  # noqa: A002 - the field's own word
) -> list[tuple[float, int]]:
    """Give F and its numerator degrees of freedom for each term, with HC3.

    ``F = (W(term and given) - W(given)) / df`` with Wald statistics ``W = b' V^-1 b`` over the
    coefficients of the terms that contain the tested one (type II; none in type III): White (1980,
    Econometrica 48, 817), the hypotheses being conjugate in the metric of ``V``.

    Args:
        design: Without aliased columns.
        response: Shape (n,).
        type: 2 or 3.

    Raises:
        Refused: Type I, aliased columns, or a row that alone decides a coefficient.
    """
    if not isinstance(type, int | np.integer) or type not in (2, 3):
        raise Refused("the robust test exists for types 2 and 3: choose one of them")
    if design.aliased:
        raise Refused("the robust test needs every coefficient: leave the aliased terms out")
    coded = design.recoded("sum") if type == 3 else design
    # The mean taken away costs only the intercept's estimate, which no term tests.
    rest = response - response.mean() if design.intercept else response
    q, r = np.linalg.qr(coded.x)
    beta = np.linalg.solve(r, q.T @ rest)
    covariance = hc3_covariance(coded.x, rest - coded.x @ beta)
    tests = []
    for place, term in enumerate(coded.terms):
        containing = _containing(coded, place, type)
        both = np.concatenate([term.columns, *containing])
        size = _wald(beta, covariance, both) - _wald(beta, covariance, both[len(term.columns) :])
        tests.append((size / len(term.columns), len(term.columns)))
    return tests


def _containing(design: FixedDesign, place: int, type: int) -> list[Columns]:  # noqa: A002
    """Give the columns of the terms that are left out of both models that a term compares."""
    given = given_terms(design.terms, place, type)
    own = parts_of(design.terms[place])
    left_out = set(range(len(design.terms))) - {place, *given}
    return [design.terms[k].columns for k in sorted(left_out) if own < parts_of(design.terms[k])]


def _wald(beta: Floats, covariance: Floats, columns: Columns) -> float:
    if not len(columns):
        return 0.0
    some = beta[columns]
    return float(some @ np.linalg.solve(covariance[np.ix_(columns, columns)], some))
