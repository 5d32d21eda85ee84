"""Banded positive definite matrices: solutions, and the part of the inverse near the diagonal.

Dense inverses of this size would do, but a threaded linear algebra library takes a hundred times
longer for them while other work keeps the processors busy, which is when energy is measured.
"""

from __future__ import annotations

import numpy as np

from joulebench.integral import FloatArray


class Banded:
    """The Cholesky factor of a symmetric banded matrix.

    Args:
        matrix: Symmetric and positive definite; shape (n, n).
        reach: Matrix whose rows say which unknowns occur together; shape (m, n). No element of
            ``matrix`` lies further from the diagonal than its widest row, or than one.
    """

    def __init__(self, matrix: FloatArray, reach: FloatArray) -> None:
        from scipy.linalg import cholesky_banded

        self._width = _width(reach)
        size = len(matrix)
        lower = np.zeros((self._width + 1, size))
        for offset in range(min(self._width + 1, size)):
            lower[offset, : size - offset] = np.diagonal(matrix, -offset)
        self._lower: FloatArray = cholesky_banded(lower, lower=True, check_finite=False)

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve for one right-hand side; shape (n,)."""
        from scipy.linalg import cho_solve_banded

        solution: FloatArray = cho_solve_banded((self._lower, True), right, check_finite=False)
        return solution

    def variances(self) -> tuple[FloatArray, FloatArray]:
        """Give the diagonal of the inverse and the one beside it; shapes (n,) and (n - 1,).

        By Takahashi's recursion from the last row up (Takahashi, Fagan and Chen 1973; Erisman and
        Tinney, CACM 18, 1975), which needs only the elements within the band.
        """
        size, width = self._lower.shape[1], self._width
        inverse = np.zeros((size, size))
        for row in range(size - 1, -1, -1):
            end = min(row + width + 1, size)
            pivot = self._lower[0, row]
            below = self._lower[1 : end - row, row] / pivot
            near = -(inverse[row + 1 : end, row + 1 : end] @ below)
            inverse[row + 1 : end, row] = inverse[row, row + 1 : end] = near
            inverse[row, row] = 1 / pivot**2 - below @ near
        return np.diagonal(inverse), np.diagonal(inverse, 1)


def _width(reach: FloatArray) -> int:
    """Give the distance between the first and the last unknown of the widest row, at least one."""
    used = reach > 0
    first = used.argmax(axis=1)
    last = used.shape[1] - 1 - used[:, ::-1].argmax(axis=1)
    return max(int((last - first)[used.any(axis=1)].max(initial=1)), 1)
