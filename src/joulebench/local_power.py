"""The power near the edges of a window, inferred from readings that each average over a while.

A linear model in the mean powers of short cells of time, with a sparse prior on the steps between
them (automatic relevance determination: Tipping 2001, Wipf and Rao 2004), in which a step at the
window's edge costs nothing. Formulas: ``docs/measurement.md``.
"""

from __future__ import annotations

import numpy as np

from joulebench.banded import Banded
from joulebench.integral import FloatArray

ROUNDS = 12
"""Rounds of re-estimating the variance of each step; the energies settle within a dozen."""

ROUNDS_AGAIN = 4
"""Rounds that are enough where the steps are known from nearly the same averaging time."""

STEP_SHAPE, DRIFT_W = 0.1, 0.5
"""Student-t prior of a step: its shape, and the drift that is no step, W."""


class LocalPower:
    """Power near the edges, inferred from averaged readings.

    Args:
        t_s: Times of the readings, s; shape (n,).
        v: Readings, W; shape (n,).
        averaging_s: Averaging time, s.
        edges_s: Times at which the power may step freely, s.
        error_w: Standard error of a reading, W; shape (n,).
        like: The same with another averaging time, whose steps are begun with.
    """

    def __init__(
        self,
        t_s: FloatArray,
        v: FloatArray,
        averaging_s: float,
        edges_s: list[float],
        error_w: FloatArray,
        like: LocalPower | None = None,
    ) -> None:
        self.bounds_s = _bounds(t_s, averaging_s, edges_s)
        seen = _overlap(self.bounds_s, t_s, averaging_s)
        free = _nearest_inner(self.bounds_s, edges_s)
        self._scale_w = max(float(np.ptp(v)), float(np.abs(v).max()) * 0.01, 1.0)
        if like is None:
            self._precision = np.full(self.bounds_s.size - 2, 20 / self._scale_w**2)
            rounds = ROUNDS
        else:
            self._precision = like.precision_at(self.bounds_s[1:-1])
            rounds = ROUNDS_AGAIN
        self._infer(seen, v, free, error_w, rounds)

    def _infer(
        self,
        seen: FloatArray,
        v: FloatArray,
        free: FloatArray,
        error_w: FloatArray,
        rounds: int,
    ) -> None:
        """Alternate between the power given the variances of its steps, and these given it."""
        weighted = seen / error_w[:, None]
        information = weighted.T @ weighted
        evidence = weighted.T @ (v / error_w)
        loose = 1 / self._scale_w**2
        for _ in range(rounds):
            self._precision[free] = np.minimum(self._precision[free], loose)
            with_steps = _with_steps(information, self._precision, 1e-6 * loose)
            self._posterior = Banded(with_steps, seen)
            self.power_w = self._posterior.solve(evidence)
            self._precision = self._step_precision()

    def precision_at(self, times_s: FloatArray) -> FloatArray:
        """Give the precision of the step nearest to each time, W^-2."""
        inner_s = self.bounds_s[1:-1]
        after = np.clip(np.searchsorted(inner_s, times_s), 1, inner_s.size - 1)
        nearer = times_s - inner_s[after - 1] < inner_s[after] - times_s
        return self._precision[after - nearer]

    def _step_precision(self) -> FloatArray:
        """Give the expected precision of each step, W^-2, from its size and its variance."""
        spread, beside = self._posterior.variances()
        variance = spread[1:] + spread[:-1] - 2 * beside
        step2 = np.diff(self.power_w) ** 2 + np.maximum(variance, 0)
        precision: FloatArray = (STEP_SHAPE + 0.5) / (0.5 * DRIFT_W**2 + 0.5 * step2)
        return precision

    def functional(self, weights: FloatArray) -> tuple[float, float]:
        """Give a weighted sum of the cells' power and its posterior variance."""
        variance = float(weights @ self._posterior.solve(weights))
        return float(weights @ self.power_w), max(variance, 0.0)

    def between(self, start_s: float, stop_s: float) -> FloatArray:
        """Give the weights of the integral of the power from one time to another, s."""
        low = np.maximum(self.bounds_s[:-1], start_s)
        lengths: FloatArray = np.maximum(np.minimum(self.bounds_s[1:], stop_s) - low, 0)
        return lengths

    def lag(self, at_s: float, averaging_s: float) -> FloatArray:
        """Give the weights of F(t) less its mean over the averaging time before t, s.

        It is the integral over [t - A, t] of (u - t + A) / A times the power at u.
        """
        low = np.clip(self.bounds_s[:-1], at_s - averaging_s, at_s) - at_s + averaging_s
        high = np.clip(self.bounds_s[1:], at_s - averaging_s, at_s) - at_s + averaging_s
        weights: FloatArray = (high**2 - low**2) / (2 * averaging_s)
        return weights


def _bounds(t_s: FloatArray, averaging_s: float, edges_s: list[float]) -> FloatArray:
    """Cut time where a reading's averaging begins or ends, and at the edges."""
    cuts = np.sort(np.concatenate((t_s, t_s - averaging_s, edges_s)))
    # Bounds nearer than this carry no information of their own and would make the model singular.
    apart = 1e-3 * min(averaging_s, float(np.median(np.diff(t_s))))
    bounds = cuts[np.concatenate(([True], np.diff(cuts) > apart))]
    for edge in edges_s:
        bounds[np.argmin(np.abs(bounds - edge))] = edge
    return bounds


def _overlap(bounds_s: FloatArray, t_s: FloatArray, averaging_s: float) -> FloatArray:
    """Give the share of each reading's averaging time that falls into each cell; shape (n, m)."""
    low = np.maximum(bounds_s[:-1][None, :], (t_s - averaging_s)[:, None])
    high = np.minimum(bounds_s[1:][None, :], t_s[:, None])
    shares: FloatArray = np.maximum(high - low, 0) / averaging_s
    return shares


def _nearest_inner(bounds_s: FloatArray, edges_s: list[float]) -> FloatArray:
    """Give the places of the edges among the inner bounds."""
    return np.array([np.argmin(np.abs(bounds_s[1:-1] - edge)) for edge in edges_s], dtype=np.intp)


def _with_steps(information: FloatArray, precision: FloatArray, level: float) -> FloatArray:
    """Add the prior: of the steps, a tridiagonal matrix, and of the level, hardly any."""
    full = information.copy()
    rows = np.arange(precision.size)
    full[np.diag_indices_from(full)] += level
    full[rows, rows] += precision
    full[rows + 1, rows + 1] += precision
    full[rows, rows + 1] -= precision
    full[rows + 1, rows] -= precision
    return full
