"""Penalised least squares from cross-products, and what its solution says of the likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.lmm_moments import Crossed, Moments, blockwise, gram

Floats = NDArray[np.float64]

_SMALL = 64
"""Columns of a triangle up to which a general solver, which needs no import, is no slower."""


@dataclass(frozen=True, eq=False)
class CrossedSolution:
    """The part of a solution that further groupings make.

    Args:
        whitened: Their columns in the space of the first grouping over its root, sparse or dense.
        gram: ``Z_r' V_1^-1 Z_r`` with ``V_1`` of the first grouping alone, shape (q, q).
        cross: ``Z_r' V_1^-1 [X y]``, shape (q, c).
        root: ``L`` with ``L L' = I + T' gram T``, shape (q, q).
        down: ``L^-1 T' cross``, shape (q, c).
        shapes: Groups and effects of each grouping.
        triangles: ``T`` of each grouping.
    """

    whitened: Any
    gram: Floats
    cross: Floats
    root: Floats
    down: Floats
    shapes: tuple[tuple[int, int], ...]
    triangles: tuple[Floats, ...]

    @property
    def inverse_root(self) -> Floats:
        """``L^-1 T'``, shape (q, q): derivatives alone need it, and it costs most of all."""
        inverse = _forward(self.root, np.eye(len(self.root)))
        return times_triangles(inverse, self.shapes, [one.T for one in self.triangles])


@dataclass(frozen=True, eq=False)
class Solution:
    """The model at one set of covariance parameters, residual variance 1.

    Args:
        log_det: ``log det V``.
        log_det_x: ``log det X' V^-1 X``.
        rss: ``(y - X beta)' V^-1 (y - X beta)``.
        beta: Shape (p,).
        information: ``X' V^-1 X``, shape (p, p).
        half_root: ``L_i^-1 B_i`` with ``L_i L_i' = I + B_i S B_i'``, shape (L, k, k).
        whitened: ``L_i^-1 Q_i' [X y]``, shape (L, k, c).
        crossed: The part of further groupings.
    """

    log_det: float
    log_det_x: float
    rss: float
    beta: Floats
    information: Floats
    half_root: Floats
    whitened: Floats
    crossed: CrossedSolution | None


def solve(made: Moments, triangles: Sequence[Floats]) -> Solution:
    """Solve a mixed model at given covariance parameters.

    The first grouping is eliminated group by group, further ones by a Cholesky factor of their
    Schur complement (Bates et al. 2015, J. Stat. Softw. 67(1), 3.4 to 3.6, in blocks).

    Args:
        made: Cross-products of the random columns with [X y].
        triangles: ``T`` of each grouping, in their order.

    Raises:
        numpy.linalg.LinAlgError: The parameters are so extreme that a factor does not exist.
    """
    k = made.root.shape[1]
    spread = made.root @ triangles[0]
    lower = _roots(np.eye(k) + spread @ np.swapaxes(spread, 1, 2))
    log_det = 2 * float(np.log(np.diagonal(lower, axis1=1, axis2=2)).sum())
    right = np.concatenate([made.root, made.rotated], axis=2)
    both = right / lower if k == 1 else np.linalg.solve(lower, right)
    half_root, whitened = both[:, :, :k], both[:, :, k:]
    flat = whitened.reshape(-1, whitened.shape[2])
    products = np.asarray(made.within + flat.T @ flat, dtype=np.float64)
    crossed = None
    if made.crossed is not None:
        crossed, more = _solve_crossed(made.crossed, lower, flat, triangles[1:])
        products -= crossed.down.T @ crossed.down
        log_det += more
    return Solution(log_det, *_fixed(products), half_root, whitened, crossed)


def _fixed(products: Floats) -> tuple[float, float, Floats, Floats]:
    """Solve for the fixed effects: log determinant, sum of squares, coefficients, information."""
    information, right = products[:-1, :-1], products[:-1, -1]
    lower = _cholesky(products)
    corner, bottom = lower[:-1, :-1], lower[-1]
    log_det = 2 * float(np.log(np.diagonal(corner)).sum())
    beta = np.asarray(np.linalg.solve(information, right), dtype=np.float64)
    return log_det, float(bottom[-1] ** 2), beta, information


def _solve_crossed(
    made: Crossed, lower: Floats, flat: Floats, triangles: Sequence[Floats]
) -> tuple[CrossedSolution, float]:
    """Eliminate further groupings: their part of the solution and of the log determinant."""
    inverse = 1 / lower if lower.shape[1] == 1 else np.linalg.inv(lower)
    whitened = blockwise(np.asarray(inverse, np.float64), made.rotated)
    inner_gram = made.gram + gram(whitened)
    cross = made.cross + whitened.T @ flat
    right = times_triangles(inner_gram, made.shapes, triangles)
    inner = times_triangles(right.T, made.shapes, triangles)
    inner[np.diag_indices_from(inner)] += 1.0
    root = _cholesky(inner)
    log_det = 2 * float(np.log(np.diagonal(root)).sum())
    down = _forward(root, times_triangles(cross.T, made.shapes, triangles).T)
    shared = (made.shapes, tuple(triangles))
    return CrossedSolution(whitened, inner_gram, cross, root, down, *shared), log_det


def times_triangles(
    matrix: Floats, shapes: Sequence[tuple[int, int]], triangles: Sequence[Floats]
) -> Floats:
    """Multiply from the right by a matrix with each grouping's triangle on its diagonal.

    Args:
        matrix: Shape (m, q).
        shapes: Groups and effects of each grouping.
        triangles: One a grouping, shape (k, k).
    """
    parts, start = [], 0
    for (levels, k), one in zip(shapes, triangles, strict=True):
        part = matrix[:, start : start + levels * k]
        turned = part * one[0, 0] if k == 1 else part.reshape(-1, k) @ one
        parts.append(turned.reshape(len(matrix), levels * k))
        start += levels * k
    return parts[0] if len(parts) == 1 else np.hstack(parts)


def _roots(matrices: Floats) -> Floats:
    """Give the Cholesky factor of each matrix, shape (L, k, k); of numbers their roots."""
    if matrices.shape[1] > 1:
        return _cholesky(matrices)
    if not np.isfinite(matrices).all():
        raise np.linalg.LinAlgError
    return np.sqrt(matrices)


def _cholesky(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)


def _forward(root: Floats, right: Floats) -> Floats:
    if len(root) <= _SMALL:
        return np.asarray(np.linalg.solve(root, right), dtype=np.float64)
    from scipy.linalg import solve_triangular

    found: Floats = solve_triangular(root, right, lower=True, check_finite=False)
    return found
