"""Degrees of freedom of fixed effects after Satterthwaite, Fai and Cornelius."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.fitted_model import Inference, JointTest, in_one
from joulebench.stats.lmm_curvature import second_derivatives
from joulebench.stats.lmm_derivatives import information_slopes
from joulebench.stats.lmm_fit import MixedFit
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]

_FLAT = 1e-9
_SAME = 1e-8
_RANK = float(np.sqrt(np.finfo(np.float64).eps))


@dataclass(frozen=True, eq=False)
class Satterthwaite:
    """What the degrees of freedom of a fit need.

    Args:
        beta: Fixed effects, shape (p,).
        covariance: Their covariance, shape (p, p).
        jacobian: Its derivatives by the covariance parameters and the residual standard deviation,
            shape (m + 1, p, p).
        uncertainty: Covariance of these parameters, shape (m + 1, m + 1).
    """

    beta: Floats
    covariance: Floats
    jacobian: Floats
    uncertainty: Floats

    def df(self, functions: Floats) -> Floats:
        """Give the degrees of freedom of linear functions, each by itself, shape (k,).

        ``2 v^2 / g' A g`` with the variance ``v`` of the function, its gradient ``g`` by the
        variance parameters and their covariance ``A`` (Satterthwaite 1946, Biometrics Bull. 2,
        110; Giesbrecht and Burns 1985, Biometrics 41, 477; as in Kuznetsova, Brockhoff and
        Christensen 2017, J. Stat. Softw. 82(13), 2.1).

        Args:
            functions: Shape (k, p).
        """
        rows = in_one(functions)
        variance = np.einsum("kp,pq,kq->k", rows, self.covariance, rows)
        gradient = np.einsum("kp,mpq,kq->km", rows, self.jacobian, rows, optimize=True)
        spread = np.einsum("km,ml,kl->k", gradient, self.uncertainty, gradient)
        found: Floats = 2 * np.divide(
            variance**2, spread, out=np.full(len(rows), np.inf), where=spread > 0
        )
        return found

    def inference(self, functions: Floats) -> Inference:
        """Estimate linear functions, shape (k, p)."""
        rows = in_one(functions)
        variance = np.einsum("kp,pq,kq->k", rows, self.covariance, rows)
        return Inference(rows @ self.beta, np.sqrt(variance), self.df(rows))

    def joint(self, functions: Floats) -> JointTest:
        """Test that linear functions are all 0.

        The functions are turned into uncorrelated ones, whose squared t statistics have degrees of
        freedom ``d_m``; their mean is taken as an F with ``2 E / (E - q)`` denominator degrees of
        freedom, ``E`` the sum of ``d_m / (d_m - 2)`` (Fai and Cornelius 1996, J. Stat. Comput.
        Simul. 54, 363; Kuznetsova et al. 2017, 2.2).

        Args:
            functions: Shape (q, p); functions that repeat one another count once.
        """
        rows = in_one(functions)
        size, axes = np.linalg.eigh(rows @ self.covariance @ rows.T)
        kept = size > _RANK * size[-1]
        if not kept.any():
            raise Refused("a joint test needs at least one function that is not 0 throughout")
        turned = (axes[:, kept].T @ rows)[::-1]
        f = float(np.mean((turned @ self.beta) ** 2 / size[kept][::-1]))
        rank = int(kept.sum())
        df = joint_df(self.df(turned), alike=len(self.jacobian) <= 2)
        return JointTest(f, rank, df, f_tail(f, rank, df))


def joint_df(parts: Floats, *, alike: bool = True) -> float:
    """Give the denominator degrees of freedom of a mean of squared t statistics.

    Parts that agree are the answer. Where they differ and one has two or fewer, whose square has no
    expectation, the answer is 2, as lmerTest has it.

    Args:
        parts: Degrees of freedom of each t statistic.
        alike: Whether small parts that agree count as equal. lmerTest takes derivatives by
            differences, whose error makes equal parts differ unless the model has one covariance
            parameter alone: it then says 2 where each part is 1, and so does this.
    """
    if np.isinf(parts).all():
        return float(np.inf)
    small = bool(np.any(parts <= 2 + _SAME))
    if np.all(np.abs(np.diff(parts)) < _SAME) and (alike or not small or len(parts) == 1):
        return float(np.mean(parts))
    if small:
        return 2.0
    finite = np.where(np.isinf(parts), 1.0, parts / (parts - 2))
    expected = float(finite.sum())
    return 2 * expected / (expected - len(parts)) if expected > len(parts) else float(np.inf)


def f_tail(f: float, df1: float, df2: float) -> float:
    """Give the probability of a larger F; of a larger chi-square over ``df1`` at infinite df2."""
    from scipy.special import chdtrc, fdtrc

    return float(chdtrc(df1, df1 * f) if np.isinf(df2) else fdtrc(df1, df2, f))


def satterthwaite(fit: MixedFit) -> Satterthwaite:
    """Find what the degrees of freedom of a fit need.

    The covariance of the variance parameters is twice the inverse Hessian of -2 log (restricted)
    likelihood in (theta, sigma), profiled over the fixed effects alone; directions in which it does
    not rise say nothing and are left out (Kuznetsova et al. 2017, J. Stat. Softw. 82(13), 2.1).
    """
    free = np.asarray(np.linalg.solve(fit.problem.unit, fit.optimum.theta), dtype=np.float64)
    # Each parameter by its size, so that what is flat does not depend on which is large.
    unit = np.append(np.maximum(np.abs(free), 1.0), 1 / np.sqrt(4 * fit.n))
    size, axes = np.linalg.eigh(_hessian(fit, free) * np.outer(unit, unit))
    kept = size > _FLAT * max(1.0, float(size[-1]))
    axes = unit[:, None] * axes[:, kept]
    return Satterthwaite(fit.beta, fit.covariance, _jacobian(fit), 2 * (axes / size[kept]) @ axes.T)


def _hessian(fit: MixedFit, free: Floats) -> Floats:
    """Differentiate twice by free parameters, and by sigma over its estimate."""
    problem, theta = fit.problem, fit.optimum.theta
    unit, weight = problem.unit, problem.weight(fit.reml)
    variance = problem.solution(theta).rss / weight

    def slope(phi: Floats) -> Floats:
        at = unit @ phi
        found: Floats = unit.T @ problem.derivative(at, problem.solution(at), fit.reml, variance)
        return found

    m = len(theta)
    made = np.empty((m + 1, m + 1))
    made[:m, :m] = second_derivatives(slope, free)
    made[:m, m] = made[m, :m] = -2 * unit.T @ problem.rss_slope(theta) / variance
    made[m, m] = 4 * weight
    return made


def _jacobian(fit: MixedFit) -> Floats:
    """Differentiate the covariance of the fixed effects, in the same units."""
    problem, theta = fit.problem, fit.optimum.theta
    solution = problem.solution(theta)
    parts = information_slopes(problem.seen(solution), problem.layout.triangles(theta))
    where = problem.layout
    places = zip(where.grouping, where.row, where.column, strict=True)
    by_theta = np.array([parts[g][r, c] for g, r, c in places])
    by_free = np.tensordot(problem.unit.T, by_theta, axes=1)
    back = problem.scaling.back @ np.linalg.inv(solution.information)
    return np.concatenate([-(fit.sigma**2) * back @ by_free @ back.T, 2 * fit.covariance[None]])
