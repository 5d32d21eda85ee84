"""A linear mixed model fitted to arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.lmm_blocks import RandomBlock, template
from joulebench.stats.lmm_checks import check_residual, check_saturated
from joulebench.stats.lmm_modes import Modes, modes
from joulebench.stats.lmm_optimise import Optimum, optimise
from joulebench.stats.lmm_problem import Problem

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MixedFit:
    """A fit of ``y = X beta + sum_b Z_b u_b + e``, in the units of the data.

    ``e ~ N(0, sigma^2 I)`` and the effects of each group of block ``b`` are
    ``N(0, sigma^2 T_b T_b')``.

    Args:
        y: Response, shape (n,).
        x: Fixed effects, of full rank, shape (n, p).
        blocks: Random terms, in the order of the formula.
        reml: Whether restricted maximum likelihood was used.
        theta: Elements of the lower triangles ``T_b``, column by column, block after block.
        sigma: Residual standard deviation.
        beta: Fixed effects, shape (p,).
        covariance: Covariance of ``beta`` at ``theta``: ``sigma^2 (X' V^-1 X)^-1``, shape (p, p).
        criterion: -2 log (restricted) likelihood at the optimum.
        optimum: How the optimiser ended.
        problem: The data in scaled form; evaluates the criterion anywhere.
    """

    y: Floats
    x: Floats
    blocks: tuple[RandomBlock, ...]
    reml: bool
    theta: Floats
    sigma: float
    beta: Floats
    covariance: Floats
    criterion: float
    optimum: Optimum
    problem: Problem

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.y)

    @property
    def p(self) -> int:
        """Fixed effects."""
        return len(self.beta)

    @cached_property
    def factors(self) -> tuple[Floats, ...]:
        """``T_b`` of each block, shape (k, k)."""
        ends = np.cumsum([block.parameters for block in self.blocks])[:-1]
        parts = np.split(self.theta, ends)
        return tuple(template(part, b.k) for part, b in zip(parts, self.blocks, strict=True))

    @cached_property
    def covariances(self) -> tuple[Floats, ...]:
        """``sigma^2 T_b T_b'``: covariance of the effects of one group, shape (k, k) a block."""
        return tuple(self.sigma**2 * t @ t.T for t in self.factors)

    @cached_property
    def predicted(self) -> tuple[Modes, ...]:
        """Predicted effects of each block with their covariance given the data."""
        return modes(self.problem, self.optimum.theta, self.reml)

    @property
    def modes(self) -> tuple[Floats, ...]:
        """Predicted effects (best linear unbiased predictors) of each block, shape (L, k)."""
        return tuple(one.value for one in self.predicted)

    @cached_property
    def fitted(self) -> Floats:
        """``X beta + Z u`` at the predicted effects, shape (n,)."""
        found = self.x @ self.beta
        for block, values in zip(self.blocks, self.modes, strict=True):
            found = found + np.einsum("nk,nk->n", block.values, values[block.codes])
        return found

    @property
    def residuals(self) -> Floats:
        """Response less fitted values, shape (n,)."""
        return self.y - self.fitted

    def refit(self, y: Floats | None = None, *, reml: bool | None = None) -> MixedFit:
        """Fit the same model to another response, or by the other likelihood.

        Args:
            y: Response, shape (n,); the same one if ``None``.
            reml: Restricted likelihood or not; as before if ``None``.

        Raises:
            Refused: The response cannot be modelled, as in :func:`fit_mixed`.
        """
        method = self.reml if reml is None else reml
        problem = self.problem if y is None else self.problem.with_response(y)
        return _fitted(problem, self.y if y is None else y, method)

    def criterion_at(self, theta: Floats) -> float:
        """Give -2 log (restricted) likelihood at ``theta``, profiled over beta and sigma."""
        return self.problem.criterion(self.problem.inner(theta), self.reml)


def fit_mixed(
    y: Floats, x: Floats, blocks: Sequence[RandomBlock], *, reml: bool = True
) -> MixedFit:
    """Fit a linear mixed model to arrays.

    The likelihood is profiled over ``beta`` and ``sigma`` and minimised over the elements of
    ``T_b`` (Bates et al. 2015, J. Stat. Softw. 67(1), 3.4), from cross-products, so that nothing
    but their making grows with the rows.

    Args:
        y: Response, shape (n,).
        x: Fixed effects, of full rank, shape (n, p) with p less than n.
        blocks: Random terms; at least one.
        reml: Restricted maximum likelihood, or maximum likelihood.

    Raises:
        Refused: Fixed and random effects leave no residual, or a block explains nothing that
            fixed effects do not.
    """
    problem = Problem.of(y, x, tuple(blocks))
    check_saturated(problem)
    return _fitted(problem, y, reml)


def _fitted(problem: Problem, y: Floats, reml: bool) -> MixedFit:
    check_residual(problem)
    optimum = optimise(problem, reml)
    state = problem.state(optimum.theta, reml)
    return MixedFit(
        y,
        problem.x,
        problem.blocks,
        reml,
        problem.outer(optimum.theta),
        state.sigma,
        state.beta,
        state.covariance,
        state.criterion,
        optimum,
        problem,
    )
