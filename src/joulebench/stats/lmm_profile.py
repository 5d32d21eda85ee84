"""Profile likelihood: how likely a parameter is with all others at their best."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bounds = tuple[float, float]
Goal = Callable[[Floats], tuple[float, Floats]]

_INSIDE = 0.2
"""How far from a bound a search starts at least: there no slope tells which way is down."""

_TOO_FAR = 60
"""Doublings of a step after which a side is taken as open."""


@dataclass(eq=False)
class Profile:
    """One parameter, with all others free.

    Args:
        name: Of the parameter.
        estimate: Most likely value, in units of the data.
        step: A first guess of how far an interval reaches.
        limits: Values that the parameter can have.
        surface_at: Gives for a value of the parameter -2 log likelihood and its slope over the
            other coordinates.
        rest: Other coordinates at the estimate, shape (m,); then where the last search ended.
        units: How far a coordinate may sensibly move, shape (m,).
        mirrors: Where the other coordinates mirror themselves, shape (m,): ``inf`` at 0 alone, as a
            standard deviation that counts by its square; a period, as an angle that counts by its
            cosine; 0 nowhere.
        signed: Which coordinates cannot be below 0 although they mirror nowhere, shape (m,).
        least: -2 log likelihood at the estimate.
        origin: Other coordinates at the estimate, kept.
    """

    name: str
    estimate: float
    step: float
    limits: Bounds
    surface_at: Callable[[float], Goal]
    rest: Floats
    units: Floats
    mirrors: Floats
    signed: NDArray[np.bool_]
    least: float = field(default=math.inf)
    origin: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Keep where the first search starts."""
        self.origin = self.rest

    def lowest(self, value: float) -> float:
        """Give the least -2 log likelihood over all other coordinates at a value."""
        goal = self.surface_at(value)
        if not len(self.rest):
            return goal(self.rest)[0]
        low = np.where(self.signed, 0.0, -math.inf)
        # Where a bound can hold a search, the estimate is a second place to start from.
        starts = [self.rest, *([self.origin] if self.signed.any() else [])]
        ends = [_minimum(goal, self._aside(start), self.units, low) for start in starts]
        found, self.rest = min(ends, key=lambda end: end[0])
        return found

    def root(self, value: float) -> float:
        """Give the square root of the rise of -2 log likelihood above its least."""
        return math.sqrt(max(0.0, self.lowest(value) - self.least))

    def interval(self, confidence: float) -> Bounds:
        """Give the values whose likelihood-ratio test does not reject them.

        The ends are where -2 log likelihood has risen by the quantile of chi-square with one degree
        of freedom; the limit of what the parameter can be where it does not rise so far.

        Source:
            Venzon & Moolgavkar 1988, Appl. Stat. 37, 87; Bates et al. 2015, J. Stat. Softw. 67(1),
            5.1.
        """
        from scipy.special import ndtri

        cutoff = float(ndtri(0.5 + confidence / 2))
        kept = self.rest.copy()
        ends = []
        for limit, sign in zip(self.limits, (-1, 1), strict=True):
            self.rest = kept.copy()
            ends.append(self._end(cutoff, limit, sign))
        self.rest = kept
        return ends[0], ends[1]

    def _aside(self, start: Floats) -> Floats:
        """Move a start aside of where the slope is 0 whatever lies beside.

        That is where coordinates mirror themselves, so that a search which is not to end there
        must be free to pass.
        """
        at_zero = np.isinf(self.mirrors) | (self.mirrors == 0)
        period = np.where(at_zero, 1.0, self.mirrors)
        mirror = np.where(at_zero, 0.0, np.round(start / period) * period)
        away = start - mirror
        room = np.minimum(_INSIDE * self.units, self.mirrors / 4)
        room = np.where(self.signed, _INSIDE * self.units, room)
        return np.where(np.abs(away) < room, mirror + np.copysign(room, away), start)

    def _end(self, cutoff: float, limit: float, sign: int) -> float:
        from scipy.optimize import brentq

        if self.estimate == limit:
            return limit
        inner, step = self.estimate, self.step
        for _ in range(_TOO_FAR):
            outer = self.estimate + sign * step
            beyond = (outer - limit) * sign >= 0
            if beyond:
                outer = limit
            if self.root(outer) >= cutoff:
                ends = sorted((inner, outer))
                # An end may lie at 0, which no share of itself comes near.
                near = 1e-12 * abs(outer - self.estimate)
                return float(brentq(lambda v: self.root(v) - cutoff, *ends, rtol=1e-12, xtol=near))
            if beyond:
                return limit
            inner, step = outer, step * 1.6
        return sign * math.inf


def _minimum(
    goal: Callable[[Floats], tuple[float, Floats]],
    start: Floats,
    units: Floats,
    low: Floats,
) -> tuple[float, Floats]:
    from scipy.optimize import minimize

    def scaled(at: Floats) -> tuple[float, Floats]:
        value, slope = goal(at * units)
        return value, slope * units

    ranges = [(least / unit, math.inf) for least, unit in zip(low, units, strict=True)]
    found = minimize(
        scaled, start / units, jac=True, method="L-BFGS-B", bounds=ranges,
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500, "maxcor": 20},
    )  # fmt: skip
    return float(found.fun), np.asarray(found.x * units)
