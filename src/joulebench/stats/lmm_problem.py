"""A mixed model's data in scaled form, and its likelihood at any parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.lmm_blocks import RandomBlock
from joulebench.stats.lmm_derivatives import Projected, projected, slopes
from joulebench.stats.lmm_free import acting_on_triangle, orthonormalising
from joulebench.stats.lmm_groups import Grouped, Layout, grouped, layout
from joulebench.stats.lmm_moments import Moments, moments, with_last_column
from joulebench.stats.lmm_solve import Solution, solve
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]

_PERFECT = 1e-10
_LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True, slots=True)
class State:
    """A model at one set of covariance parameters, in units of the data.

    Args:
        criterion: -2 log (restricted) likelihood.
        sigma: Residual standard deviation.
        beta: Fixed effects, shape (p,).
        covariance: Their covariance, shape (p, p).
    """

    criterion: float
    sigma: float
    beta: Floats
    covariance: Floats


@dataclass(frozen=True, eq=False)
class Scaling:
    """How the columns and the response were scaled.

    The columns are made orthonormal and the response is taken off them, so that neither units nor
    a large mean cost precision.

    Args:
        basis: Orthonormal columns, shape (n, p).
        back: What takes coefficients of the basis to those of the columns, shape (p, p).
        log_det: ``log det`` of the cross-products of the columns.
        ordinary: Coefficients of ordinary least squares, shape (p,).
        spread: Root mean square of its residuals.
    """

    basis: Floats
    back: Floats
    log_det: float
    ordinary: Floats
    spread: float

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.basis)

    @property
    def p(self) -> int:
        """Columns."""
        return int(self.basis.shape[1])


@dataclass(frozen=True, eq=False)
class Problem:
    """All that fitting needs. Parameters are inner ones: those of covariates scaled to size 1.

    Args:
        x: Fixed effects, shape (n, p).
        blocks: Random terms.
        groupings: The same, put together by grouping.
        layout: Where parameters stand.
        scaling: How columns and response were scaled.
        moments: Cross-products of the scaled data.
    """

    x: Floats
    blocks: tuple[RandomBlock, ...]
    groupings: tuple[Grouped, ...]
    layout: Layout
    scaling: Scaling
    moments: Moments

    @classmethod
    def of(cls, y: Floats, x: Floats, blocks: tuple[RandomBlock, ...]) -> Problem:
        """Scale the data and take their cross-products.

        Raises:
            Refused: Fixed effects leave no residual, or too many groups are crossed.
        """
        groupings = grouped(blocks)
        basis, back, log_det = _orthonormal(x)
        scaling, scaled = _scaled(y, basis, back, log_det)
        made = moments(groupings, np.column_stack([basis, scaled]))
        return cls(x, blocks, groupings, layout(blocks, groupings), scaling, made)

    def with_response(self, y: Floats) -> Problem:
        """Give the same problem with another response, shape (n,).

        Raises:
            Refused: Fixed effects explain all of it.
        """
        old = self.scaling
        scaling, scaled = _scaled(y, old.basis, old.back, old.log_det)
        made = with_last_column(self.moments, self.groupings, old.basis, scaled)
        return replace(self, scaling=scaling, moments=made)

    @property
    def n(self) -> int:
        """Rows."""
        return self.scaling.n

    @property
    def p(self) -> int:
        """Fixed effects."""
        return self.scaling.p

    @cached_property
    def unit(self) -> Floats:
        """What makes inner parameters of free ones, shape (m, m).

        Free parameters are those of covariates made orthonormal within each block, so large that
        at 1 the effects of a group weigh as much as the residuals of its rows: a search in them
        neither knows units nor where a covariate has its origin.
        """
        parts = [orthonormalising(self.inner_values(b), len(block.levels))
                 for b, block in enumerate(self.blocks)]  # fmt: skip
        made = np.zeros((len(self.layout.row), len(self.layout.row)))
        start = 0
        for part in parts:
            own = acting_on_triangle(part)
            made[start : start + len(own), start : start + len(own)] = own
            start += len(own)
        return made

    def inner_values(self, block: int) -> Floats:
        """Give the scaled covariates of a block, shape (n, k)."""
        for one in self.groupings:
            for place, first in one.members:
                if place == block:
                    return one.joined.values[:, first : first + self.blocks[block].k]
        raise IndexError(block)

    def inner(self, theta: Floats) -> Floats:
        """Scale parameters in units of the data."""
        return theta * self.layout.scale

    def outer(self, theta: Floats) -> Floats:
        """Give inner parameters in units of the data."""
        return theta / self.layout.scale

    def solution(self, theta: Floats) -> Solution:
        """Solve the model at inner parameters, shape (m,)."""
        return solve(self.moments, self.layout.triangles(theta))

    def seen(self, solution: Solution) -> list[Projected]:
        """See the groupings through the variance of a solution."""
        return projected(solution)

    def weight(self, reml: bool) -> int:
        """Degrees of freedom that the residual variance is estimated from."""
        return self.n - self.p if reml else self.n

    def value(self, solution: Solution, reml: bool) -> float:
        """Give -2 log likelihood of the scaled data, profiled, but for what is constant.

        The profiled deviance and REML criterion of Bates et al. (2015), J. Stat. Softw. 67(1),
        equations 34 and 41.
        """
        log_det_x = solution.log_det_x if reml else 0.0
        return solution.log_det + log_det_x + self.weight(reml) * math.log(solution.rss)

    def derivative(self, theta: Floats, solution: Solution, reml: bool, variance: float) -> Floats:
        """Differentiate -2 log likelihood at a given residual variance, profiled over beta alone.

        At the variance ``rss / weight`` it is the derivative of the profiled value as well.
        """
        triangles = self.layout.triangles(theta)
        parts = slopes(self.seen(solution), solution, triangles)
        total = [a + c / variance for a, c in zip(parts.log_det, parts.rss, strict=True)]
        if reml:
            total = [a + b for a, b in zip(total, parts.log_det_x, strict=True)]
        return self.layout.gathered(total)

    def rss_slope(self, theta: Floats) -> Floats:
        """Differentiate the residual sum of squares of the scaled data, shape (m,)."""
        solution, triangles = self.solution(theta), self.layout.triangles(theta)
        return self.layout.gathered(slopes(self.seen(solution), solution, triangles).rss)

    def criterion(self, theta: Floats, reml: bool) -> float:
        """Give -2 log (restricted) likelihood of the data at inner parameters, profiled."""
        return self._criterion(self.solution(theta), reml)

    def _criterion(self, solution: Solution, reml: bool) -> float:
        weight = self.weight(reml)
        constant = weight * (1 + _LOG_2PI - math.log(weight) + 2 * math.log(self.scaling.spread))
        return self.value(solution, reml) + constant + (self.scaling.log_det if reml else 0.0)

    def state(self, theta: Floats, reml: bool) -> State:
        """Give the model at inner parameters, in units of the data."""
        solution, scaling = self.solution(theta), self.scaling
        sigma = scaling.spread * math.sqrt(solution.rss / self.weight(reml))
        beta = scaling.ordinary + scaling.spread * (scaling.back @ solution.beta)
        root = scaling.back @ np.linalg.inv(np.linalg.cholesky(solution.information)).T
        covariance = sigma**2 * (root @ root.T)
        return State(self._criterion(solution, reml), sigma, beta, covariance)


def _orthonormal(x: Floats) -> tuple[Floats, Floats, float]:
    """Give an orthonormal basis of the columns, the way back, and the log determinant."""
    if not x.shape[1]:
        return x, np.zeros((0, 0)), 0.0
    largest = np.abs(x).max(axis=0)
    length = largest * np.linalg.norm(x / largest, axis=0)
    basis, upper = np.linalg.qr(x / length)
    log_det = 2 * float(np.log(np.abs(np.diag(upper))).sum() + np.log(length).sum())
    return basis, np.linalg.inv(upper) / length[:, None], log_det


def _scaled(y: Floats, basis: Floats, back: Floats, log_det: float) -> tuple[Scaling, Floats]:
    size = float(np.abs(y).max(initial=0.0)) or 1.0
    unit = y / size
    first = basis.T @ unit
    residual = unit - basis @ first
    # A second pass: of a large mean the first leaves rounding.
    second = basis.T @ residual
    residual = residual - basis @ second
    if np.abs(residual).max() <= _PERFECT * max(float(np.ptp(unit)), np.finfo(float).tiny):
        raise Refused(
            "the fixed effects fit every row without a residual: no variance is left to judge by; "
            "check for a term that repeats the response"
        )
    spread = math.sqrt(float(np.mean(residual**2)))
    ordinary = size * (back @ (first + second))
    return Scaling(basis, back, log_det, ordinary, size * spread), residual / spread
