"""One energy over another, with the interval that a doubtful denominator leaves.

Formulas and sources stand in ``docs/measurement.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

Z_95 = 1.959963984540054
"""Two-sided 95 % point of the standard normal distribution."""


class Covariance(NamedTuple):
    """Variances of numerator and denominator and their covariance, J^2."""

    above: float
    below: float
    shared: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """One energy over another.

    Args:
        value: The ratio.
        noise: One standard deviation that repeats shrink.
        bias: One standard deviation that repeats do not shrink.
        low: Lower end of the 95 % interval; ``-inf`` where the denominator may be zero.
        high: Upper end of the 95 % interval; ``inf`` where the denominator may be zero.
    """

    value: float
    noise: float
    bias: float
    low: float
    high: float

    @property
    def interval_95(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval."""
        return self.low, self.high

    def __str__(self) -> str:
        """Print the ratio with its 95 % interval."""
        if not math.isfinite(self.high):
            return f"{self.value:.4g} (95 % not bounded: the denominator may be 0 J)"
        return f"{self.value:.4g} (95 % {self.low:.4g} to {self.high:.4g})"


def fieller_ends(
    above_j: float, below_j: float, covariance: Covariance, uncertainty: float
) -> tuple[float, float]:
    """Give the ends of the 95 % interval of a ratio of two normal values.

    They are the ``R`` with ``(y - R x)^2 = z^2 (u_y^2 - 2 R u_xy + R^2 u_x^2)`` (Fieller 1954,
    J. R. Stat. Soc. B 16, 175). Where the denominator is well known this is the delta method.

    Args:
        above_j: Numerator, J.
        below_j: Denominator, J, not 0.
        covariance: Of numerator and denominator.
        uncertainty: Standard uncertainty of the ratio by the delta method, from which the
            discriminant is taken, since differences of large squares would drown it in rounding.

    Returns:
        ``(-inf, inf)`` where the denominator's own interval holds zero.
    """
    z2 = Z_95**2
    a = below_j**2 - z2 * covariance.below
    if a <= 0:
        return -math.inf, math.inf
    b = above_j * below_j - z2 * covariance.shared
    product = covariance.above * covariance.below - covariance.shared**2
    under = z2 * (below_j**2 * uncertainty) ** 2 - z2**2 * product
    half = math.sqrt(max(under, 0.0))
    return (b - half) / a, (b + half) / a
