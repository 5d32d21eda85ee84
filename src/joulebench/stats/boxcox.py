"""The power of a response under which a model fits it best."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.refused import Refused
from joulebench.stats.root import least_between, root_between

Floats = NDArray[np.float64]

_FARTHEST = 8.0
"""Powers beyond it say that no power is right."""
_STEPS = 41


@dataclass(frozen=True, slots=True)
class BoxCox:
    """A power of a response.

    Args:
        power: The most likely one, lambda: 1 the response as it is, 0 its logarithm.
        low: Lower end of its interval; ``-inf`` where no power tried is unlikely enough.
        high: Upper end; ``inf`` likewise.
        confidence: Coverage of the interval.
    """

    power: float
    low: float
    high: float
    confidence: float

    @property
    def bounded(self) -> bool:
        """Whether both ends of the interval were found."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def allows(self, power: float) -> bool:
        """Say whether a power lies in the interval."""
        return self.low <= power <= self.high


def box_cox(values: Floats, leave: Callable[[Floats], Floats], confidence: float = 0.95) -> BoxCox:
    """Estimate the power by profile likelihood, as ``MASS::boxcox`` draws it.

    The log likelihood of ``lambda`` is ``-n/2 log RSS((z^lambda - 1) / lambda)``, ``z`` the values
    over their geometric mean; its interval holds what lies within half the chi-square quantile of
    the greatest (Box and Cox 1964, J. R. Stat. Soc. B 26, 211).

    Args:
        values: Positive, shape (n,).
        leave: What residuals the model leaves of a response, from (n,) to (n,).
        confidence: Coverage of the interval.

    Raises:
        Refused: A value that is not above 0, or values so far apart that no power can be tried.
    """
    from scipy.special import chdtri

    likelihood, reach = profile(values, leave)
    grid = np.linspace(-reach, reach, _STEPS).tolist()
    best = int(np.argmax([likelihood(power) for power in grid]))
    around = grid[max(best - 1, 0)], grid[min(best + 1, _STEPS - 1)]
    power = least_between(lambda power: -likelihood(power), *around, xtol=1e-10)
    least = likelihood(power) - float(chdtri(1, 1 - confidence)) / 2

    def excess(power: float) -> float:
        return likelihood(power) - least

    low, high = (_end(excess, power, edge) for edge in (-reach, reach))
    return BoxCox(power, low, high, confidence)


def over_mean(values: Floats) -> Floats:
    """Give positive values over their geometric mean, so that no power of them loses digits."""
    logs = np.log(values)
    scaled: Floats = np.exp(logs - logs.mean())
    return scaled


def power_of(values: Floats, power: float) -> Floats:
    """Give ``(values^power - 1) / power``, or logarithms for a power of 0, shape (n,)."""
    return _power_of_logs(np.log(values), power)


def _power_of_logs(logs: Floats, power: float) -> Floats:
    if power == 0:
        return logs
    # Without the digits that a power near 0 would cost.
    powered: Floats = np.expm1(power * logs) / power
    return powered


def profile(
    values: Floats, leave: Callable[[Floats], Floats]
) -> tuple[Callable[[float], float], float]:
    """Give the log likelihood of a power, and the largest power that can be tried.

    Raises:
        Refused: A value that is not above 0.
    """
    if values.min() <= 0:
        raise Refused(
            f"a power needs values above 0, and {int(np.sum(values <= 0))} of {len(values)} are not"
        )
    logs = np.log(over_mean(values))

    def likelihood(power: float) -> float:
        residuals = leave(_power_of_logs(logs, power))
        # Of a large power the squares of the residuals would be beyond floating point.
        largest = float(np.abs(residuals).max())
        squares = float(np.sum((residuals / largest) ** 2))
        return -len(values) * (math.log(largest) + math.log(squares) / 2)

    return likelihood, min(_FARTHEST, 300 / float(np.abs(logs).max()))


def _end(excess: Callable[[float], float], start: float, edge: float) -> float:
    if excess(edge) >= 0:
        return math.copysign(math.inf, edge)
    return root_between(excess, start, edge, xtol=1e-12, rtol=1e-13)
