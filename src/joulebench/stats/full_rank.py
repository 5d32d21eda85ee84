"""Which columns of a matrix say something new."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_NEW = 1e-7
_SAME = 1e-8


@dataclass(frozen=True, slots=True)
class FullRank:
    """The columns of a matrix that are linearly independent, from the left.

    Args:
        kept: Independent columns, in order, shape (p,).
        dropped: The others, in order.
        null_space: Directions that move nothing, over columns of length one, shape
            (p_all, dropped).
        length: Length of each column, 1 for a column of zeros, shape (p_all,).
    """

    kept: NDArray[np.intp]
    dropped: NDArray[np.intp]
    null_space: Floats
    length: Floats

    def determines(self, functions: Floats) -> NDArray[np.bool_]:
        """Say which linear functions of the coefficients of all columns are estimable, shape (k,).

        Those that are 0 along every direction in which coefficients may move without moving a
        fitted value (Searle 1971, Linear Models, 5.4).
        """
        scaled = functions / self.length
        size = np.linalg.norm(scaled, axis=1, keepdims=True)
        found: NDArray[np.bool_] = (np.abs(scaled @ self.null_space) <= _SAME * size).all(axis=1)
        return found


def full_rank(matrix: Floats) -> FullRank:
    """Find the columns that are independent of those before them.

    A column is dropped where less than 1e-7 of its length remains after those kept before it are
    projected out: the rule of R's limited pivoting (Businger & Golub 1965, Numer. Math. 7, 269, as
    in LINPACK's dqrdc2).

    Args:
        matrix: Shape (n, p_all).
    """
    n, p = matrix.shape
    # A triangle of the same inner products: what follows costs nothing that grows with the rows.
    triangle: Floats = np.asarray(np.linalg.qr(matrix, mode="r")) if n > p else matrix
    length = np.sqrt((triangle**2).sum(axis=0))
    length[length == 0] = 1.0
    unit = triangle / length
    if n > p and (np.abs(np.diag(unit)) > _NEW).all():
        # The diagonal of a triangle is what remains of each column after those before it.
        every = np.arange(p, dtype=np.intp)
        return FullRank(every, every[:0], np.zeros((p, 0)), length)
    kept: list[int] = []
    directions = np.empty((unit.shape[0], p), order="F")
    for column in range(p):
        rest, basis = unit[:, column], directions[:, : len(kept)]
        for _ in range(2):  # twice is enough (Giraud et al. 2005)
            rest = rest - basis @ (basis.T @ rest)
        size = float(np.linalg.norm(rest))
        if size > _NEW:
            directions[:, len(kept)] = rest / size
            kept.append(column)
    inside = np.array(kept, dtype=np.intp)
    dropped = np.setdiff1d(np.arange(p), inside)
    return FullRank(inside, dropped, _null_space(unit, inside, dropped), length)


def _null_space(unit: Floats, kept: NDArray[np.intp], dropped: NDArray[np.intp]) -> Floats:
    directions = np.zeros((unit.shape[1], len(dropped)))
    if len(dropped) and len(kept):
        directions[kept] = -np.linalg.lstsq(unit[:, kept], unit[:, dropped], rcond=None)[0]
    directions[dropped, np.arange(len(dropped))] = 1.0
    found: Floats = directions / np.linalg.norm(directions, axis=0)
    return found
