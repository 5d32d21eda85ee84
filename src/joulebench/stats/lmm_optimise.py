"""The search for the covariance parameters of a mixed model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.lmm_curvature import second_derivatives
from joulebench.stats.lmm_problem import Problem
from joulebench.stats.lmm_solve import Solution

Floats = NDArray[np.float64]

SINGULAR = 1e-5
"""Below this a diagonal element of a triangle of free parameters is 0."""

_SIZES = (0.1, 0.5, 2.0, 8.0, 32.0, 200.0, 3000.0)
_STEPS = 200
_NEWTON = 30
_OLD = 4
_SETTLED = 1e-7


@dataclass(frozen=True, eq=False)
class Optimum:
    """How a search ended.

    Args:
        theta: Inner parameters, shape (m,), diagonal elements not negative.
        step: Newton's next step as a share of each free parameter, or of 1 for smaller ones: how
            far the optimum may still be.
        curvature: Smallest eigenvalue of the Hessian over the largest, in the same units; negative
            at a saddle, 0 where parameters cannot be told apart.
        slope: Largest derivative, in the same units.
        evaluations: Derivatives that were taken.
    """

    theta: Floats
    step: float
    curvature: float
    slope: float
    evaluations: int

    @property
    def converged(self) -> bool:
        """Whether the search ended at an optimum."""
        return self.step < 1e-4 and self.curvature > -1e-6


@dataclass(eq=False)
class _Objective:
    """The value at free parameters, and its derivatives; the last solution is kept."""

    problem: Problem
    reml: bool
    evaluations: int = 0
    _last: tuple[bytes, Solution] | None = None

    def _solution(self, phi: Floats) -> Solution:
        key = phi.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, self.problem.solution(self.problem.unit @ phi)
        return self._last[1]

    def value(self, phi: Floats) -> float:
        try:
            value = self.problem.value(self._solution(phi), self.reml)
        except (np.linalg.LinAlgError, ValueError):
            return np.inf
        return value if np.isfinite(value) else np.inf

    def slope(self, phi: Floats) -> Floats:
        self.evaluations += 1
        problem, solution = self.problem, self._solution(phi)
        variance = solution.rss / problem.weight(self.reml)
        slope = problem.derivative(problem.unit @ phi, solution, self.reml, variance)
        found: Floats = problem.unit.T @ slope
        return found

    def curvature(self, phi: Floats) -> Floats:
        return second_derivatives(self.slope, phi, refined=False)


def optimise(problem: Problem, reml: bool) -> Optimum:
    """Find the parameters with the largest (restricted) likelihood.

    The criterion is smooth in the elements of the triangles over the whole space, signs of columns
    being arbitrary, so that no bounds are needed: an optimum at a variance of 0 is a stationary
    point. A coarse scan finds its basin; from there steps of a quasi-Newton method (BFGS), with
    directions of negative curvature followed downhill (Nocedal and Wright 2006, Numerical
    Optimization, 3.4 and 6.1), end in Newton steps on the exact derivatives, which resolve the
    parameters further than values of the criterion could. A fit that ends at a boundary is
    started again elsewhere, and the best end is taken.
    """
    goal = _Objective(problem, reml)
    found = _descend(goal, _scan(goal))
    if _at_boundary(problem, found):
        others = [_descend(goal, _identity(problem) * size) for size in (1.0, 10.0)]
        found = min([found, *others], key=lambda phi: round(goal.value(phi), 7))
    return _ended(goal, _canonical(goal, found))


def _identity(problem: Problem) -> Floats:
    found: Floats = (problem.layout.row == problem.layout.column).astype(np.float64)
    return found


def _at_boundary(problem: Problem, phi: Floats) -> bool:
    diagonal = problem.layout.row == problem.layout.column
    return bool((np.abs(phi[diagonal]) < 1e-2).any()) and len(phi) > 1


def _scan(goal: _Objective) -> Floats:
    """Find rough sizes, one a grouping, the others held."""
    diagonal, grouping = _identity(goal.problem), goal.problem.layout.grouping
    best = diagonal.copy()
    for g in range(len(goal.problem.groupings)):
        tries = [np.where(grouping == g, diagonal * size, best) for size in _SIZES]
        best = min(tries, key=goal.value)
    return best


def _descend(goal: _Objective, start: Floats) -> Floats:
    phi, value, slope = start, goal.value(start), goal.slope(start)
    curvature, age = goal.curvature(phi), 0
    learnt: Floats | None = None
    for _ in range(_STEPS):
        step = _downhill(curvature, slope, phi)
        promised = -float(slope @ step)
        share = _share(goal, phi, value, step, promised) if promised > _SETTLED else 0.0
        if share == 0.0 and age == 0:
            return _polished(goal, phi, curvature)
        if share > 0.0:
            phi, before = phi + share * step, slope
            value, slope = goal.value(phi), goal.slope(phi)
            learnt = _learnt(curvature, share * step, slope - before)
        if share < 1.0 or learnt is None or age == _OLD:
            curvature, age = goal.curvature(phi), 0
        else:
            curvature, age = learnt, age + 1
    return _polished(goal, phi, goal.curvature(phi))


def _downhill(curvature: Floats, slope: Floats, phi: Floats) -> Floats:
    """Give Newton's step with all curvatures taken as positive, held to the size of things."""
    size, axes = np.linalg.eigh(curvature)
    floor = max(1e-8, 1e-12 * float(np.abs(size).max()))
    step = -axes @ ((axes.T @ slope) / np.maximum(np.abs(size), floor))
    longest = float(np.max(np.abs(step) / np.maximum(np.abs(phi), 1.0)))
    found: Floats = step / max(1.0, longest)
    return found


def _share(goal: _Objective, phi: Floats, value: float, step: Floats, promised: float) -> float:
    """Halve the step until the value falls; 0 if it never does."""
    share = 1.0
    while share > 1e-6:
        if goal.value(phi + share * step) <= value - 1e-4 * share * promised:
            return share
        share /= 2
    return 0.0


def _learnt(curvature: Floats, moved: Floats, change: Floats) -> Floats | None:
    """Learn the curvature from a step; ``None`` where the step shows none that is positive."""
    along = float(moved @ change)
    turned = curvature @ moved
    stiff = float(moved @ turned)
    if along <= 1e-8 * float(np.linalg.norm(moved) * np.linalg.norm(change)) or stiff <= 0:
        return None
    found: Floats = curvature + np.outer(change, change) / along - np.outer(turned, turned) / stiff
    return found


def _polished(goal: _Objective, phi: Floats, curvature: Floats) -> Floats:
    """Follow Newton's steps on the derivatives, from where values no longer tell points apart."""
    phi = _leave_saddle(goal, phi, curvature)
    slope, ceiling = goal.slope(phi), goal.value(phi)
    ceiling += 1e-10 * max(1.0, abs(ceiling))
    for _ in range(_NEWTON):
        step = _downhill(curvature, slope, phi)
        moved = float(np.max(np.abs(step) / np.maximum(np.abs(phi), 1.0)))
        tried = goal.slope(phi + step)
        gained = float(np.linalg.norm(tried)) < 0.5 * float(np.linalg.norm(slope))
        if moved < 1e-13 or (not gained and (moved < 1e-7 or goal.value(phi + step) > ceiling)):
            break
        phi, slope = phi + step, tried
        if np.linalg.norm(tried) > 1e-10:
            curvature = goal.curvature(phi)
    return phi


def _leave_saddle(goal: _Objective, phi: Floats, curvature: Floats) -> Floats:
    """Go on from a stationary point that is no minimum."""
    size, axes = np.linalg.eigh(curvature)
    aside = phi + 0.3 * axes[:, 0]
    if size[0] < -1e-4 * max(1.0, float(size[-1])) and goal.value(aside) < goal.value(phi):
        return _descend(goal, aside)
    return phi


def _canonical(goal: _Objective, phi: Floats) -> Floats:
    """Make the diagonals positive, and exactly 0 where they are 0 but for rounding."""
    where = goal.problem.layout
    triangles = [_upright(one) for one in where.triangles(phi)]
    return where.gathered(triangles)


def _upright(triangle: Floats) -> Floats:
    """Give the triangle of the same product whose diagonal is not negative."""
    made = triangle.copy()
    for j in range(len(made)):
        if abs(made[j, j]) > SINGULAR:
            made[:, j] *= np.sign(made[j, j])
            continue
        made[j, j] = 0.0
        if (np.abs(made[j + 1 :, j]) > 0).any():
            # What the column holds below its diagonal goes into the columns after it.
            turned = np.linalg.qr(made[j + 1 :, j:].T)[1].T
            made[j + 1 :, j] = 0.0
            made[j + 1 :, j + 1 :] = turned[:, : len(made) - j - 1]
    return made


def _ended(goal: _Objective, phi: Floats) -> Optimum:
    size_of = np.maximum(np.abs(phi), 1.0)
    slope, curvature = goal.slope(phi), second_derivatives(goal.slope, phi)
    size = np.linalg.eigvalsh(curvature * np.outer(size_of, size_of))
    step = _downhill(curvature, slope, phi)
    return Optimum(
        goal.problem.unit @ phi,
        float(np.max(np.abs(step) / size_of)),
        float(size[0] / max(abs(size[-1]), 1e-300)),
        float(np.abs(slope * size_of).max()),
        goal.evaluations,
    )
