"""How likely a test that is looked at repeatedly crosses its boundaries."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr

Array = npt.NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)

_PANEL = 1.5
"""Standard deviations of a step that one panel of nodes spans."""

_CHUNK = 1_000_000
"""Values of the normal density held at a time."""

_BEYOND = 9.0
"""Standard deviations outside which the density of the score is nothing."""

NEAREST = 1e-3
"""Share of the information between two looks below which the panels become too many."""

_FARTHEST = 37.0
"""The largest boundary: beyond it a normal tail cannot be told from 0."""


@dataclass(frozen=True, eq=False)
class Walk:
    """The score ``B(t) = sqrt(t) Z(t)`` of a test that has not stopped by information ``t``.

    Independent normal increments of variance ``dt``, so that the density at each look is the one
    before, cut off at its boundaries, folded with a normal density: the recursive integration of
    Armitage, McPherson and Rowe (1969, J. R. Stat. Soc. A 132, 235), with the notation of Jennison
    and Turnbull (2000, Group Sequential Methods, chapter 19). Panels of Gauss-Legendre nodes no
    wider than 1.5 standard deviations of a step leave errors below 1e-10.

    Args:
        information: Share of the planned information seen so far, 0 at the start.
        score: Nodes, shape (m,).
        mass: Density times weight at the nodes, shape (m,); its sum is the chance to get here.
        sides: 2 stops above and below, 1 only above.
        drift: Mean of the score at information 1.
    """

    information: float
    score: Array
    mass: Array
    sides: int = 2
    drift: float = 0.0

    @classmethod
    def start(cls, sides: int = 2, drift: float = 0.0) -> Walk:
        """Give the walk before its first look."""
        return cls(0.0, np.zeros(1), np.ones(1), sides, drift)

    def crossing(self, information: float, bound: float) -> tuple[float, float]:
        """Give the chance to stop at the next look, first above and then below.

        Args:
            information: Share of the information at that look.
            bound: Boundary of Z there.
        """
        mean, spread = self._step(information)
        reach = bound * math.sqrt(information)
        above = float(self.mass @ ndtr((mean - reach) / spread))
        below = float(self.mass @ ndtr((-reach - mean) / spread)) if self.sides == 2 else 0.0
        return above, below

    def boundary(self, information: float, chance: float) -> float:
        """Give the boundary of Z at which the next look stops with this chance, both sides counted.

        Infinite where the chance is too small to be told from none.
        """

        def excess(bound: float) -> float:
            return math.log(max(sum(self.crossing(information, bound)), 1e-320)) - math.log(chance)

        lowest = 0.0 if self.sides == 2 else -_BEYOND
        if chance < 1e-290 or excess(_FARTHEST) > 0:
            return math.inf
        return float(brentq(excess, lowest, _FARTHEST, xtol=1e-13, rtol=1e-14))

    def go_on(self, information: float, bound: float) -> Walk:
        """Give the walk after a look that did not stop."""
        mean, spread = self._step(information)
        root = math.sqrt(information)
        centre = self.drift * information
        high = min(bound * root, centre + _BEYOND * root)
        cut = -bound * root if self.sides == 2 else -math.inf
        low = max(cut, centre - _BEYOND * root)
        score, weights = _panels(low, max(high, low), spread * _PANEL)
        density = np.concatenate(
            [
                np.exp(-0.5 * ((part[:, None] - mean) / spread) ** 2) @ self.mass
                for part in np.array_split(score, 1 + score.size * mean.size // _CHUNK)
            ]
        )
        mass = density * weights / (spread * math.sqrt(2 * math.pi))
        return Walk(information, score, mass, self.sides, self.drift)

    def _step(self, information: float) -> tuple[Array, float]:
        more = information - self.information
        return self.score + self.drift * more, math.sqrt(more)


def _panels(low: float, high: float, width: float) -> tuple[Array, Array]:
    """Give nodes and weights of composite Gauss-Legendre quadrature."""
    count = max(1, math.ceil((high - low) / width))
    half = (high - low) / (2 * count)
    centres = low + half * (2 * np.arange(count) + 1)
    nodes = (centres[:, None] + half * _NODES[None, :]).ravel()
    return nodes, np.tile(half * _WEIGHTS, count)
