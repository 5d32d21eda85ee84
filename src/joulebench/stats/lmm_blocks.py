"""Random terms as matrices: which row belongs to which group, and what varies between groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class RandomBlock:
    """One random term over the rows: ``k`` effects that vary over ``L`` groups.

    The effects of one group have covariance ``sigma^2 T T'`` with ``T`` lower triangular (Bates,
    Maechler, Bolker and Walker 2015, J. Stat. Softw. 67(1), 2.2); groups are independent.

    Args:
        group: Name of the grouping: ``run``, ``a:b``.
        effects: Names of what varies, k of them: ``(Intercept)``, ``days``.
        levels: Names of the groups, L of them.
        codes: Group of each row, from 0, shape (n,).
        values: Value of each effect's covariate in each row, shape (n, k); ones for an intercept.
    """

    group: str
    effects: tuple[str, ...]
    levels: tuple[str, ...]
    codes: Codes
    values: Floats

    @property
    def k(self) -> int:
        """Effects a group has."""
        return len(self.effects)

    @property
    def q(self) -> int:
        """Columns of the random part: effects times groups."""
        return self.k * len(self.levels)

    @property
    def parameters(self) -> int:
        """Elements of ``T``."""
        return self.k * (self.k + 1) // 2

    @property
    def z(self) -> Any:
        """The columns of the random part, a scipy CSR matrix of shape (n, L k).

        The effects of one group stand together: column ``level * k + effect``.
        """
        from scipy.sparse import csr_matrix

        n, k = self.values.shape
        columns = (self.codes[:, None] * k + np.arange(k)).ravel()
        starts = np.arange(0, n * k + 1, k)
        return csr_matrix((self.values.ravel(), columns, starts), shape=(n, self.q))


def triangle(k: int) -> tuple[Codes, Codes]:
    """Give row and column of each element of a lower triangle, column by column."""
    column, row = np.triu_indices(k)
    return row, column


def template(theta: Floats, k: int) -> Floats:
    """Lay the parameters of one block, column by column, into ``T``, shape (k, k)."""
    made = np.zeros((k, k))
    made[triangle(k)] = theta
    return made
