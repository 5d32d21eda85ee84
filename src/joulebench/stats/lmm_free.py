"""Free covariance parameters: those of covariates made orthonormal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.lmm_blocks import triangle

Floats = NDArray[np.float64]


def orthonormalising(values: Floats, levels: int) -> Floats:
    """Give the lower triangle that a covariance factor is multiplied with, shape (k, k).

    With ``A = M' M`` the mean cross-product of a group, ``M`` lower triangular, the covariates
    ``Z M^-1`` are orthonormal on average, and a factor ``F`` for them is ``M^-1 F`` for ``Z``:
    again lower triangular, so that the model stays the same.

    Args:
        values: Covariates, shape (n, k).
        levels: Groups.
    """
    mean = values.T @ values / levels
    if len(mean) == 1:
        return 1.0 / np.sqrt(mean)
    try:
        # Cholesky's factor of the reversed matrix, reversed, is the upper one.
        upper = np.linalg.cholesky(mean[::-1, ::-1])[::-1, ::-1]
    except np.linalg.LinAlgError:
        return np.diag(1.0 / np.sqrt(np.diag(mean)))
    return np.tril(np.linalg.inv(upper.T))


def acting_on_triangle(factor: Floats) -> Floats:
    """Write multiplication of a lower triangle from the left as one of its elements, shape (m, m).

    Args:
        factor: Lower triangle, shape (k, k).
    """
    row, column = triangle(len(factor))
    same = column[:, None] == column[None, :]
    found: Floats = np.where(same, factor[row[:, None], row[None, :]], 0.0)
    return found
