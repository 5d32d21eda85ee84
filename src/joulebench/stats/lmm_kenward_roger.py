"""Kenward and Roger's adjusted tests of fixed effects in small samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.fitted_model import JointTest, in_one
from joulebench.stats.lmm_information import Information, information
from joulebench.stats.refused import Refused

if TYPE_CHECKING:
    from joulebench.stats.lmm_fit import MixedFit

Floats = NDArray[np.float64]

_SINGULAR = 1e-12
_RANK = 1e-9
REFITTED = "Kenward-Roger degrees of freedom of the fit by restricted maximum likelihood"


@dataclass(frozen=True, eq=False)
class KenwardRoger:
    """The fixed effects of a mixed model with the small-sample adjustment.

    Args:
        beta: Fixed effects of the fit by restricted maximum likelihood, shape (p,).
        plain: Their covariance unadjusted, ``Phi``, shape (p, p).
        covariance: Their adjusted covariance, shape (p, p).
        moves: ``Phi P_r Phi`` of each variance component, up to sign, residual variance last, shape
            (r, p, p), in units in which the residual variance is 1.
        spread: Covariance ``W`` of the variance components, shape (r, r), in those units.
        note: What is doubtful, in words; empty where nothing is.
    """

    beta: Floats
    plain: Floats
    covariance: Floats
    moves: Floats
    spread: Floats
    note: str = ""

    def df(self, functions: Floats) -> Floats:
        """Give the denominator degrees of freedom of linear functions, each by itself.

        For one function the degrees of freedom of Kenward & Roger come down to ``2 / A_2``, and
        the factor of F to 1.

        Args:
            functions: Shape (k, p), or (p,) for one.

        Returns:
            Shape (k,); ``inf`` for a function that is 0.

        Source:
            Kenward & Roger 1997, Biometrics 53, 983, sections 3 and 4, with l = 1.
        """
        rows = in_one(functions)
        variance = np.einsum("kp,pq,kq->k", rows, self.plain, rows)
        moved = np.einsum("kp,rpq,kq->kr", rows, self.moves, rows)
        share = np.divide(moved, variance[:, None], out=np.zeros_like(moved), where=moved != 0)
        curvature = np.einsum("kr,rs,ks->k", share, self.spread, share)
        found = np.full(len(rows), np.inf)
        np.divide(2.0, curvature, out=found, where=curvature > 0)
        return found

    def joint(self, functions: Floats) -> JointTest:
        """Test that linear functions of the fixed effects are all 0.

        Args:
            functions: Shape (q, p), or (p,) for one; functions that repeat others do not count.

        Raises:
            Refused: All functions are 0, or the approximation has no degrees of freedom to give.

        Source:
            Kenward & Roger 1997, Biometrics 53, 983, section 3.2 and the moments of section 4; the
            two cases in which the moments are infinite as Halekoh & Højsgaard 2014, J. Stat. Softw.
            59(9), 3.2, settle them.
        """
        from scipy.special import fdtrc

        rows = self._independent(in_one(functions))
        count = len(rows)
        value = rows @ self.beta
        inner = rows @ self.covariance @ rows.T
        wald = float(value @ np.linalg.solve(inner, value))
        df2, factor = self._scaled(rows)
        f = factor * wald / count
        return JointTest(f, float(count), df2, float(fdtrc(count, df2, f)))

    def _independent(self, rows: Floats) -> Floats:
        """Replace functions by as many as are independent."""
        size = np.sqrt(np.diag(self.plain))
        _, values, right = np.linalg.svd(rows * size, full_matrices=False)
        kept = values > _RANK * values.max(initial=0.0)
        if not kept.any():
            raise Refused("a test of functions that are all 0 says nothing: check the contrasts")
        return np.asarray(right[kept] / size)

    def _scaled(self, rows: Floats) -> tuple[float, float]:
        """Give denominator degrees of freedom and the factor of F."""
        count = len(rows)
        if count == 1:
            return float(self.df(rows)[0]), 1.0
        turned = np.linalg.solve(rows @ self.plain @ rows.T, rows @ self.moves @ rows.T)
        trace = np.einsum("rii->r", turned)
        a1 = float(trace @ self.spread @ trace)
        a2 = float(np.einsum("rij,sji,rs->", turned, turned, self.spread))
        df2 = _denominator(count, a1, a2)
        if not df2 > 0:
            raise Refused(
                f"Kenward-Roger's approximation gives {df2:.3g} denominator degrees of freedom to "
                f'a test of {count} functions: ask for ddf="satterthwaite"'
            )
        return df2, _factor(df2, a2 / count)


def kenward_roger(fit: MixedFit) -> KenwardRoger:
    """Adjust the covariance of fixed effects and their tests to a small sample.

    ``Phi_A = Phi + 2 Phi (sum_rs W_rs (Q_rs - P_r Phi P_s)) Phi``, with ``W`` the inverse of the
    expected information of the variance components under restricted maximum likelihood. The
    covariance of the rows is linear in them, so that no second derivatives enter. A variance of 0
    takes part like any other, as in pbkrtest. What is adjusted does not depend on the units of the
    response.

    Args:
        fit: A mixed model; one fitted by maximum likelihood is refitted by restricted maximum
            likelihood (as pbkrtest does), and the note says so.

    Raises:
        Refused: More than 5000 random effects hang together.

    Source:
        Kenward & Roger 1997, Biometrics 53, 983; Halekoh & Højsgaard 2014, J. Stat. Softw. 59(9).
    """
    restricted = fit if fit.reml else fit.refit(reml=True)
    scaling = restricted.problem.scaling
    found = information(scaling.basis, restricted.blocks, restricted.factors)
    note = "" if fit.reml else REFITTED
    return adjusted(found, scaling.back, restricted.beta, restricted.sigma, note)


def adjusted(
    found: Information, back: Floats, beta: Floats, sigma: float, note: str = ""
) -> KenwardRoger:
    """Make the adjustment from the derivatives.

    Args:
        found: Derivatives at the estimates, said of an orthonormal basis of the fixed effects.
        back: What takes coefficients of the basis to fixed effects, shape (p, p).
        beta: Fixed effects, shape (p,).
        sigma: Residual standard deviation.
        note: What is doubtful about the fit.
    """
    phi = np.asarray(np.linalg.inv(found.fixed), dtype=np.float64)
    spread = _spread(found, phi)
    middle = np.einsum("rs,rspq->pq", spread, found.second)
    middle -= np.einsum("rs,rpa,ab,sbq->pq", spread, found.first, phi, found.first, optimize=True)
    plain = back @ phi @ back.T
    outer = back @ phi
    correction = 2 * outer @ middle @ outer.T
    moves = outer @ found.first @ outer.T
    covariance = sigma**2 * (plain + (correction + correction.T) / 2)
    # Both in units of a residual variance of 1: their ratio to ``plain`` is all that counts.
    return KenwardRoger(beta, sigma**2 * plain, covariance, sigma**2 * moves, spread, note)


def _spread(found: Information, phi: Floats) -> Floats:
    """Give the inverse of the expected information: the covariance of the variance components."""
    moved = phi @ found.first
    expected = (
        found.traces
        - 2 * np.einsum("pq,rspq->rs", phi, found.second)
        + np.einsum("rpq,sqp->rs", moved, moved)
    )
    size = np.sqrt(np.diag(expected))
    size[~(size > 0)] = 1.0
    scaled = expected / np.outer(size, size)
    inverse = np.linalg.pinv(scaled, rcond=_SINGULAR, hermitian=True)
    return np.asarray(2 * inverse / np.outer(size, size), dtype=np.float64)


def _denominator(count: int, a1: float, a2: float) -> float:
    """Match the first two moments of a scaled F."""
    b = (a1 + 6 * a2) / (2 * count)
    g = ((count + 1) * a1 - (count + 4) * a2) / ((count + 2) * a2)
    under = 3 * count + 2 * (1 - g)
    upper = 1 + g / under * b
    low = 1 - (count - g) / under * b
    lower = 1 - (count + 2 - g) / under * b
    if lower == 0:  # rho is infinite: exactly 4 degrees of freedom
        return 4.0
    mean = 1 - a2 / count
    ratio = 1.0 if abs(mean) < 1e-14 and abs(low) < 1e-14 else mean / low
    rho = ratio**2 * (0.0 if abs(upper) < 1e-10 else upper) / lower / count
    return 4 + (count + 2) / (count * rho - 1)


def _factor(df2: float, share: float) -> float:
    return 1.0 if abs(df2 - 2) < 0.01 else df2 * (1 - share) / (df2 - 2)
