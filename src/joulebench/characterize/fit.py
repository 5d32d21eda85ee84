"""Least squares for the delay and the averaging time of one channel.

The model is that of :mod:`joulebench.characterize.response`. What is linear in it is solved for
every trial of the rest (variable projection: Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from joulebench.characterize.load import Wave
from joulebench.characterize.points import Points
from joulebench.characterize.polling import FloatArray
from joulebench.integral import UNIFORM

AVERAGES_S = (
    2e-4, 2e-3, 5e-3, 0.01, 0.016, 0.025, 0.04, 0.06, 0.1, 0.15, 0.25, 0.4, 0.6, 0.8, 1.0, 1.25,
    1.6, 2.0, 3.0,
)  # fmt: skip
"""Averaging times that the search begins from, s."""

DELAYS_S = np.arange(-0.05, 0.65, 5e-3)
"""Delays that the search begins from, s."""

LONGEST_S = 5.0
"""Longest averaging time or delay that is looked for, s."""

PARTS = 6
"""Parts of the wave that are left out in turn."""

LINEAR = 4
"""Coefficients that are solved for: power idle and added, and the trend of each."""

_SHORTEST_S = 1e-5
_COARSE = 600
_STARTS = 6
_FAR = 4.0

Place = tuple[float, float]
"""A delay and an averaging time, s."""


class Fit:
    """The deviations of a channel's updates from what a delay and an averaging time predict.

    Args:
        points: The updates.
        wave: What the load did.
        error_w: Standard error of each update, W; all alike where ``None``.
    """

    def __init__(self, points: Points, wave: Wave, error_w: FloatArray | None = None) -> None:
        self._points = points
        self._wave = wave
        self._error_w = np.ones(points.at_s.size) if error_w is None else error_w
        at_s = points.at_s
        self._trend = (at_s - at_s.mean()) / max(float(np.ptp(at_s)), 1e-9)

    @property
    def averages(self) -> bool:
        """Whether the averaging time is looked for; that of a counter is known."""
        return self._points.since_s is None

    @property
    def free(self) -> int:
        """Updates less unknowns."""
        return max(self._points.at_s.size - LINEAR - 2, 1)

    def on(self, wave: Wave) -> Fit:
        """Give the same fit to another wave."""
        return Fit(self._points, wave, self._error_w)

    def squares(self, delay_s: float, averaging_s: float) -> float:
        """Give the sum of squared deviations, in standard errors."""
        if not (abs(delay_s) <= LONGEST_S and _SHORTEST_S <= averaging_s <= LONGEST_S):
            return 1e300
        late = self._deviations(delay_s, averaging_s)[0] / self._error_w
        return float(late @ late)

    def explained(self, delay_s: float, averaging_s: float) -> float:
        """Give the share of the variance that is explained."""
        late, _ = self._deviations(delay_s, averaging_s)
        total = float(np.var(self._points.v))
        return 1 - float(np.mean(late**2)) / total if total > 0 else 0.0

    def swing_w(self, delay_s: float, averaging_s: float) -> float:
        """Give the power that the load adds, W."""
        return float(self._deviations(delay_s, averaging_s)[1][1])

    def weighted(self, delay_s: float, averaging_s: float) -> Fit:
        """Give the fit with each point's error: rounding, noise, and its time on a slope.

        A point that is far off the fit, such as one after a stall, counts for less.
        """
        late, found = self._deviations(delay_s, averaging_s)
        noise_w = 1.4826 * float(np.median(np.abs(late)))
        swing_w = abs(float(found[1]))
        floor_w = max(noise_w, 1e-6 * float(np.abs(self._points.v).max()), 1e-9)
        doubt_s = np.hypot(UNIFORM * self._points.gap_s, self._wave.edge_s)
        slope = np.minimum(self._slope(delay_s, averaging_s) * doubt_s, UNIFORM)
        error_w = np.sqrt(self._points.error_w**2 + floor_w**2 + (swing_w * slope) ** 2)
        return Fit(self._points, self._wave, np.maximum(error_w, np.abs(late) / _FAR))

    def _slope(self, delay_s: float, averaging_s: float) -> FloatArray:
        """Give how fast the answer changes with the time of a point, 1/s."""
        end_s, length_s = self._stretch(delay_s, averaging_s)
        levels = self._wave.level(end_s), self._wave.level(end_s - length_s)
        slope: FloatArray = np.abs(levels[0] - levels[1]) / length_s
        return slope

    def _stretch(self, delay_s: float, averaging_s: float) -> tuple[FloatArray, float | FloatArray]:
        """Give the end and the length of the stretch that each update averages, s."""
        end_s = self._points.at_s - delay_s
        return end_s, averaging_s if self._points.since_s is None else self._points.since_s

    def _deviations(self, delay_s: float, averaging_s: float) -> tuple[FloatArray, FloatArray]:
        """Give what is left after the best linear part, W, and that part's four coefficients."""
        end_s, length_s = self._stretch(delay_s, averaging_s)
        integral = self._wave.integral
        answer = (integral(end_s) - integral(end_s - length_s)) / length_s
        ones = np.ones(answer.size)
        basis = np.stack((ones, answer, self._trend, self._trend * answer), axis=1)
        weighted = basis / self._error_w[:, None]
        normal = weighted.T @ weighted
        diagonal = np.diag_indices(LINEAR)
        normal[diagonal] += 1e-9 * normal[diagonal] + 1e-12
        evidence = weighted.T @ (self._points.v / self._error_w)
        found = np.asarray(np.linalg.solve(normal, evidence), np.float64)
        late = self._points.v - np.asarray(basis @ found, np.float64)
        return late, found

    def searched(self) -> Place:
        """Give the best delay and averaging time, s, from a grid."""
        thin = self._chosen(slice(None, None, math.ceil(self._points.at_s.size / _COARSE)))
        found = sorted(
            (thin.squares(float(delay_s), averaging_s), float(delay_s), averaging_s)
            for averaging_s in (AVERAGES_S if self.averages else (1.0,))
            for delay_s in DELAYS_S
        )
        starts = found[:: max(len(found) // 400, 1)][:_STARTS]
        best = [thin.polished(delay_s, averaging_s) for _, delay_s, averaging_s in starts]
        return self.polished(*min(best, key=lambda place: thin.squares(*place)))

    def polished(self, delay_s: float, averaging_s: float) -> Place:
        """Go down to the nearest minimum."""
        from scipy.optimize import minimize

        step_s = 1e-3 + 0.02 * averaging_s
        simplex = [
            [delay_s, averaging_s],
            [delay_s + step_s, averaging_s],
            [delay_s - step_s, averaging_s + step_s],
        ]
        found = minimize(
            lambda x: self.squares(x[0], x[1]),
            simplex[0],
            method="Nelder-Mead",
            options={"xatol": 1e-6, "fatol": 1e-3, "maxfev": 300, "initial_simplex": simplex},
        )
        return float(found.x[0]), float(found.x[1])

    def parts(self) -> list[Fit]:
        """Give the fits that leave out one part of the wave each."""
        part = np.arange(self._points.at_s.size) * PARTS // self._points.at_s.size
        return [self._chosen(part != left_out) for left_out in range(PARTS)]

    def _chosen(self, keep: Any) -> Fit:
        return Fit(self._points.chosen(keep), self._wave, self._error_w[keep])

    def limit(self, best: Place) -> float:
        """Give the squared deviations that are one standard error above the least."""
        lowest = self.squares(*best)
        return lowest + max(lowest / self.free, 1.0)

    def delay_range(self, best: Place) -> Place:
        """Give the delays within one standard error, s, whatever the averaging time."""

        def least(delay_s: float) -> float:
            if not self.averages:
                return self.squares(delay_s, best[1])
            near_s = best[1] + 2 * (best[0] - delay_s)
            return lowest(lambda free_s: self.squares(delay_s, free_s), near_s, near_s - best[1])

        return reach(best[0], least, self.limit(best))

    def averaging_range(self, best: Place) -> Place:
        """Give the averaging times within one standard error, s, whatever the delay."""

        def least(averaging_s: float) -> float:
            near_s = best[0] + 0.5 * (best[1] - averaging_s)
            return lowest(
                lambda free_s: self.squares(free_s, averaging_s), near_s, near_s - best[0]
            )

        low_s, high_s = reach(best[1], least, self.limit(best))
        return max(low_s, 0.0), high_s


def lowest(squares: Callable[[float], float], near_s: float, reach_s: float) -> float:
    """Give the least squares near a time, s."""
    from scipy.optimize import minimize_scalar

    width_s = 2 * abs(reach_s) + 1e-4
    found = minimize_scalar(
        squares,
        bounds=(near_s - width_s, near_s + width_s),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(found.fun)


def reach(at_s: float, least: Callable[[float], float], limit: float) -> Place:
    """Find where the squared deviations have risen to a limit, on both sides, s."""
    return at_s - _reach_s(at_s, -1, least, limit), at_s + _reach_s(at_s, 1, least, limit)


def _reach_s(at_s: float, sign: int, least: Callable[[float], float], limit: float) -> float:
    """Give how far one can go to one side before the deviations pass a limit, s."""
    inside_s, outside_s = 0.0, _SHORTEST_S
    while least(at_s + sign * outside_s) <= limit:
        inside_s, outside_s = outside_s, 2 * outside_s
        if outside_s > LONGEST_S:
            return LONGEST_S
    for _ in range(6):
        middle_s = 0.5 * (inside_s + outside_s)
        if least(at_s + sign * middle_s) <= limit:
            inside_s = middle_s
        else:
            outside_s = middle_s
    return outside_s
