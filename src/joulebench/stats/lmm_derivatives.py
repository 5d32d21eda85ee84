"""How the likelihood of a mixed model changes with its covariance parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.lmm_moments import blockwise
from joulebench.stats.lmm_solve import CrossedSolution, Solution

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Projected:
    """One grouping seen through the inverse of the variance ``V``.

    Args:
        own: ``Z_l' V^-1 Z_l`` of each group, shape (L, k, k).
        fixed: ``Z_l' V^-1 X``, shape (L, k, p).
        residual: ``Z_l' V^-1 (y - X beta)``, shape (L, k).
    """

    own: Floats
    fixed: Floats
    residual: Floats


@dataclass(frozen=True, eq=False)
class Slopes:
    """Derivatives with respect to the elements of each triangle, one matrix (k, k) a grouping.

    Args:
        log_det: Of ``log det V``.
        log_det_x: Of ``log det X' V^-1 X``.
        rss: Of the residual sum of squares, profiled over the fixed effects.
    """

    log_det: list[Floats]
    log_det_x: list[Floats]
    rss: list[Floats]


def projected(solution: Solution) -> list[Projected]:
    """See each grouping through the inverse of the variance."""
    half = np.swapaxes(solution.half_root, 1, 2)
    own, columns = half @ solution.half_root, half @ solution.whitened
    if solution.crossed is None:
        return [_projected(own, columns, solution.beta)]
    crossed, inverse = solution.crossed, solution.crossed.inverse_root
    reach = _reach(solution, crossed, inverse)
    own = own - reach @ np.swapaxes(reach, 1, 2)
    columns = columns - reach @ crossed.down
    first = _projected(own, columns, solution.beta)
    return [first, *_further(crossed, inverse, solution.beta)]


def _reach(solution: Solution, crossed: CrossedSolution, inverse: Floats) -> Floats:
    """Give ``Z_l' V_1^-1 Z_r`` over the root of what further groupings add, shape (L, k, q)."""
    count, k, _ = solution.half_root.shape
    across = blockwise(np.swapaxes(solution.half_root, 1, 2), crossed.whitened)
    found: Floats = (across @ inverse.T).reshape(count, k, -1)
    return found


def _further(crossed: CrossedSolution, inverse: Floats, beta: Floats) -> list[Projected]:
    reach = inverse @ crossed.gram
    columns = crossed.cross - reach.T @ crossed.down
    found, start = [], 0
    for levels, k in crossed.shapes:
        here = slice(start, start + levels * k)
        places = np.arange(start, start + levels * k).reshape(levels, k)
        own = crossed.gram[places[:, :, None], places[:, None, :]]
        part = reach[:, here].T.reshape(levels, k, -1)
        own = own - part @ np.swapaxes(part, 1, 2)
        found.append(_projected(own, columns[here].reshape(levels, k, -1), beta))
        start += levels * k
    return found


def _projected(own: Floats, columns: Floats, beta: Floats) -> Projected:
    fixed = columns[:, :, :-1]
    return Projected(own, fixed, columns[:, :, -1] - fixed @ beta)


def slopes(seen: Sequence[Projected], solution: Solution, triangles: Sequence[Floats]) -> Slopes:
    """Differentiate the parts of the likelihood.

    With ``dV = Z dS Z'``: ``d log det V = tr(Z' V^-1 Z dS)``, ``d log det X'V^-1X = - tr(G (X'V^-1
    X)^-1 G' dS)`` with ``G = Z' V^-1 X``, and ``d rss = - g' dS g`` with ``g = Z' V^-1 (y - X
    beta)`` (Searle, Casella and McCulloch 1992, Variance Components, appendix M); ``S = T T'``
    makes of a derivative ``D`` by ``S`` the derivative ``2 D T`` by ``T``.
    """
    made = Slopes([], [], [])
    for one, triangle in zip(seen, triangles, strict=True):
        groups, k, p = one.fixed.shape
        fixed = one.fixed.reshape(groups * k, p)
        scaled = np.linalg.solve(solution.information, fixed.T).T.reshape(one.fixed.shape)
        made.log_det.append(2 * one.own.sum(axis=0) @ triangle)
        made.log_det_x.append(-2 * np.einsum("lap,lbp->ab", one.fixed, scaled) @ triangle)
        made.rss.append(-2 * (one.residual.T @ one.residual) @ triangle)
    return made


def information_slopes(seen: Sequence[Projected], triangles: Sequence[Floats]) -> list[Floats]:
    """Give the derivatives of ``X' V^-1 X`` by the elements of each triangle.

    Returns:
        One array a grouping, shape (k, k, p, p): element (r, c) of the triangle first.
    """
    found = []
    for one, triangle in zip(seen, triangles, strict=True):
        p = one.fixed.shape[2]
        k = len(triangle)
        flat = np.swapaxes(one.fixed, 0, 1).reshape(k, -1, p)
        pairs = np.einsum("alp,blq->abpq", flat, flat, optimize=True)
        half = np.einsum("rbpq,bc->rcpq", pairs, triangle)
        found.append(-(half + np.swapaxes(half, 2, 3)))
    return found
