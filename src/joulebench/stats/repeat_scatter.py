"""How repetitions scatter around the means of their cells, blocks taken off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

_ROUNDING = 1e-12
"""A scatter below this share of the response's range is rounding alone."""


@dataclass(frozen=True, eq=False)
class Scatter:
    """Cells and the scatter within them.

    Args:
        response: Of each repetition, shape (n,).
        codes: Cell of each repetition, from 0, shape (n,).
        counts: Repetitions of each cell, shape (cells,).
        means: Of each cell, over blocks that count alike, shape (cells,).
        sigma: Standard deviation of repetitions of one cell.
        df: Degrees of freedom behind it.
        shared: What the blocks' own error adds to the means, over sigma, shape (cells, b).
    """

    response: Floats
    codes: Codes
    counts: Floats
    means: Floats
    sigma: float
    df: int
    shared: Floats

    def spread_of(self, functions: Floats) -> Floats:
        """Give the covariance of linear functions of the means over sigma^2, shape (p, p).

        Args:
            functions: Shape (p, cells).
        """
        moved = functions @ self.shared
        found: Floats = (functions / self.counts) @ functions.T + moved @ moved.T
        return found

    def least_misfit(self, x: Floats) -> float:
        """Give what a design cannot fit of the means, squared and weighted by their precision.

        Generalised least squares: the least of ``(m - x b)' W^-1 (m - x b)`` with ``W`` the
        covariance of the means over sigma^2.

        Args:
            x: Shape (cells, p), of full rank.
        """
        if self.shared.size:
            lower = np.linalg.cholesky(np.diag(1.0 / self.counts) + self.shared @ self.shared.T)
            y, design = np.linalg.solve(lower, self.means), np.linalg.solve(lower, x)
        else:
            root = np.sqrt(self.counts)
            y, design = root * (self.means - self.means.mean()), root[:, None] * x
        q, _ = np.linalg.qr(design)
        left = y - q @ (q.T @ y)
        return float(left @ left)


def scatter_within(
    response: Floats, codes: Codes, blocks: pd.Series[Any] | None, cell: str
) -> Scatter:
    """Estimate the means of cells and the scatter around them.

    With blocks, means are those of the additive model of cells and blocks (Montgomery, Design and
    Analysis of Experiments, on randomised blocks), over blocks that count alike.

    Args:
        response: Shape (n,).
        codes: Cell of each row, from 0, shape (n,).
        blocks: Block of each row; ``None`` for none.
        cell: What a cell is called.

    Raises:
        Refused: No cell was repeated, or repetitions do not scatter.
    """
    counts = np.bincount(codes).astype(np.float64)
    n, cells = len(response), len(counts)
    if n <= cells:
        raise Refused(
            f"each of the {cells} cells of {cell!r} was run once: nothing tells how repetitions "
            "scatter; repeat them"
        )
    centre = response.mean()
    means = np.bincount(codes, response - centre) / counts
    within = response - centre - means[codes]
    shared, lost = np.zeros((cells, 0)), 0
    if blocks is not None:
        shift, shared, within, lost = _of_blocks(within, codes, counts, blocks)
        means = means + shift
    df = n - cells - lost
    if df < 1:
        raise Refused(
            f"{n} repetitions of {cells} cells leave no degree of freedom beside the blocks: "
            "repeat more"
        )
    sigma = float(np.sqrt(within @ within / df))
    if sigma <= _ROUNDING * np.ptp(response):
        raise Refused(
            f"repetitions of each {cell!r} are alike to the last digit: no scatter is left to "
            "judge by; check that they were measured one by one"
        )
    return Scatter(response, codes, counts, means + centre, sigma, df, shared)


def _of_blocks(
    within: Floats, codes: Codes, counts: Floats, blocks: pd.Series[Any]
) -> tuple[Floats, Floats, Floats, int]:
    """Take off blocks.

    Returns:
        What the means of cells move by, shape (cells,); the blocks' error in them, (cells, b); what
        is left of the scatter, (n,); and the degrees of freedom that the blocks took.
    """
    found, _ = pd.factorize(blocks)
    number = int(found.max()) + 1
    dummies = np.eye(number)[found][:, 1:]
    of_cells = np.stack([np.bincount(codes, each) for each in dummies.T], axis=1) / counts[:, None]
    inside = dummies - of_cells[codes]
    # Blocks that no cell links to others say nothing: a pseudo-inverse leaves them out.
    left, size, right = np.linalg.svd(inside, full_matrices=False)
    kept = size > 1e-9 * max(size.max(initial=0.0), 1.0)
    inverse = right[kept].T / size[kept]
    effect = inverse @ (left[:, kept].T @ within)
    away = of_cells - 1.0 / number
    return (
        -(away @ effect),
        away @ inverse,
        within - inside @ effect,
        int(kept.sum()),
    )
