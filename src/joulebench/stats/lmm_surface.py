"""The likelihood of a mixed model over standard deviations and correlations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.lmm_derivatives import slopes
from joulebench.stats.lmm_problem import Problem
from joulebench.stats.lmm_solve import solve

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Height:
    """The surface at one place.

    Args:
        value: -2 log likelihood, but for what is constant.
        slope: Its derivatives in the coordinates, shape (m,).
        slope_log_variance: Its derivative in the logarithm of the residual variance.
        variance: Residual variance, in units of the scaled response.
    """

    value: float
    slope: Floats
    slope_log_variance: float
    variance: float


@dataclass(frozen=True, eq=False)
class Surface:
    """-2 log likelihood over coordinates that have a meaning each.

    Of each random term first the standard deviations of its effects over the residual one, then
    the angles whose cosines make the correlations: row ``i`` of the Cholesky factor of the
    correlations is a unit vector in spherical coordinates (Pinheiro & Bates 1996, Stat. Comput. 6,
    289, 2.3), so that the cosine of a term's first angle is the correlation of its first two
    effects.

    Args:
        problem: The data in scaled form.
        orders: Of each term, the order in which its effects are taken.
    """

    problem: Problem
    orders: tuple[Codes, ...]

    @classmethod
    def of(cls, problem: Problem) -> Surface:
        """Take the effects of each term in the order of the formula."""
        return cls(problem, tuple(np.arange(block.k) for block in problem.blocks))

    def first(self, block: int, one: int, other: int) -> Surface:
        """Give the surface on which two effects of a term come first."""
        rest = [e for e in range(self.problem.blocks[block].k) if e not in (one, other)]
        orders = list(self.orders)
        orders[block] = np.array([one, other, *rest], dtype=np.intp)
        return Surface(self.problem, tuple(orders))

    def starts(self) -> list[int]:
        """Give where the coordinates of each term begin."""
        counts = [block.parameters for block in self.problem.blocks]
        return [0, *np.cumsum(counts).tolist()]

    @cached_property
    def places(self) -> tuple[tuple[int, slice], ...]:
        """Of each term the grouping that it belongs to and its place in it."""
        found: dict[int, tuple[int, slice]] = {}
        for g, one in enumerate(self.problem.groupings):
            for block, first in one.members:
                found[block] = (g, slice(first, first + self.problem.blocks[block].k))
        return tuple(found[block] for block in range(len(self.problem.blocks)))

    def scale(self, block: int) -> Floats:
        """Give what takes relative standard deviations of a term to those of scaled covariates."""
        g, where = self.places[block]
        return np.asarray(self.problem.groupings[g].scale[where][self.orders[block]])

    def coordinates(self, factors: Sequence[Floats]) -> Floats:
        """Give the coordinates of the triangles ``T_b`` of the terms, in units of the data."""
        parts: list[Floats] = []
        for b, factor in enumerate(factors):
            covariance = (factor @ factor.T)[np.ix_(self.orders[b], self.orders[b])]
            parts += [np.sqrt(np.diag(covariance)) * self.scale(b), _angles(covariance)]
        return np.concatenate(parts)

    def height(self, at: Floats, log_variance: float | None = None) -> Height:
        """Give the surface and its derivatives, profiled over the fixed effects.

        Args:
            at: Coordinates, shape (m,).
            log_variance: Logarithm of the residual variance in scaled units; the most likely one
                if ``None``.
        """
        problem, n = self.problem, self.problem.n
        parts = list(self._parts(at))
        triangles = self._triangles(parts)
        solution = solve(problem.moments, triangles)
        log_s2 = math.log(solution.rss / n) if log_variance is None else log_variance
        s2 = math.exp(log_s2)
        constant = 2 * n * math.log(problem.scaling.spread)
        value = solution.log_det + n * log_s2 + solution.rss / s2 + constant
        found = slopes(problem.seen(solution), solution, triangles)
        total = [a + c / s2 for a, c in zip(found.log_det, found.rss, strict=True)]
        return Height(value, self._slope(parts, total), n - solution.rss / s2, s2)

    def share(self, at: Floats) -> tuple[float, Floats]:
        """Give the mean variance of a row that random terms make, over the residual variance.

        ``sum_b mean_i z_i' T_b T_b' z_i`` (Johnson 2014, Methods Ecol. Evol. 5, 944), with its
        derivatives.
        """
        parts = list(self._parts(at))
        triangles = self._triangles(parts)
        total, made = 0.0, []
        for one, triangle in zip(self.problem.groupings, triangles, strict=True):
            mean = one.joined.values.T @ one.joined.values / self.problem.n
            total += float(np.sum((mean @ triangle) * triangle))
            made.append(2 * mean @ triangle)
        return total, self._slope(parts, made)

    def _parts(self, at: Floats) -> Iterator[tuple[Floats, Floats]]:
        for block, start in zip(self.problem.blocks, self.starts(), strict=False):
            middle = start + block.k
            yield at[start:middle], at[middle : start + block.parameters]

    def _triangles(self, parts: Sequence[tuple[Floats, Floats]]) -> list[Floats]:
        made = [np.zeros((one.k, one.k)) for one in self.problem.groupings]
        for b, (sizes, angles) in enumerate(parts):
            g, where = self.places[b]
            block = np.zeros((len(sizes), len(sizes)))
            block[self.orders[b]] = sizes[:, None] * _root(angles, len(sizes))
            made[g][where, where] = block
        return made

    def _slope(self, parts: Sequence[tuple[Floats, Floats]], total: Sequence[Floats]) -> Floats:
        made: list[Floats] = []
        for b, (sizes, angles) in enumerate(parts):
            g, where = self.places[b]
            own = total[g][where, where][self.orders[b]]
            made.append(np.sum(own * _root(angles, len(sizes)), axis=1))
            made.append(_angle_slopes(angles, sizes[:, None] * own))
        return np.concatenate(made)


def _root(angles: Floats, k: int) -> Floats:
    """Lay angles into the Cholesky factor of correlations, shape (k, k)."""
    made = np.zeros((k, k))
    for i, own in _rows(angles, k):
        made[i, : i + 1] = _unit(own)
    return made


def _angle_slopes(angles: Floats, slope: Floats) -> Floats:
    """Take derivatives by the elements of the factor to derivatives by the angles."""
    made = []
    for i, own in _rows(angles, len(slope)):
        for which in range(i):
            turned = own.copy()
            turned[which] += math.pi / 2  # the derivative of a sine or cosine is itself, turned
            row = _unit(turned)
            row[:which] = 0.0  # elements before do not hold this angle
            made.append(float(slope[i, : i + 1] @ row))
    return np.array(made)


def _unit(own: Floats) -> Floats:
    """Give the unit vector of spherical coordinates, one longer than they are."""
    sines = np.concatenate([[1.0], np.cumprod(np.sin(own))])
    return np.asarray(sines * np.concatenate([np.cos(own), [1.0]]))


def _rows(angles: Floats, k: int) -> Iterator[tuple[int, Floats]]:
    start = 0
    for i in range(k):
        yield i, angles[start : start + i]
        start += i


def _angles(covariance: Floats) -> Floats:
    """Give the angles of a covariance; right angles where an effect does not vary."""
    sizes = np.sqrt(np.diag(covariance))
    still = sizes <= 0
    correlation = covariance / np.outer(np.where(still, 1, sizes), np.where(still, 1, sizes))
    correlation[still] = correlation[:, still] = 0.0
    np.fill_diagonal(correlation, 1.0)
    values, axes = np.linalg.eigh(correlation)
    upper = np.asarray(
        np.linalg.qr((axes * np.sqrt(np.maximum(values, 0.0))).T, mode="r"), dtype=np.float64
    )
    root = (upper * np.where(np.diag(upper) < 0, -1.0, 1.0)[:, None]).T
    made = [
        math.atan2(float(np.linalg.norm(root[i, j + 1 : i + 1])), float(root[i, j]))
        for i in range(len(root))
        for j in range(i)
    ]
    return np.array(made)
