"""Undo a sensor's moving average over one window.

A sensor that averages over A shows V(t) = (F(t) - F(t - A)) / A, where F is the energy used until
t. Far from the window's edges the integral of V is that of the power; near them it is not, and the
difference is a weighted integral of the power in the last A before a sample. That local power is
inferred by a linear model with a sparse prior on its steps (automatic relevance determination:
Tipping 2001, Wipf and Rao 2004), in which a step at the window's edge costs nothing. The posterior
deviation of the weighted integral is the doubt that is left. Formulas: ``docs/measurement.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from joulebench.banded import Banded
from joulebench.channel import Channel, Window
from joulebench.integral import UNIFORM, FloatArray, cadence_s

BEFORE, AFTER = 3.0, 2.0
"""Averaging times of trace before and after an edge that the inference looks at."""

JOINT = 3.0
"""Windows of fewer averaging times than this are inferred whole, longer ones edge by edge."""

ROUNDS = 12
"""Rounds of re-estimating the variance of each step; the energies settle within a dozen."""

FINEST = 20
"""Samples in an averaging time that are used; more cost time and tell nothing."""

STEP_SHAPE, DRIFT_W = 0.1, 0.5
"""Student-t prior of a step: its shape, and the drift that is no step, W."""

AVERAGING_DOUBT = 0.04
"""Relative standard uncertainty of a sensor's averaging time: data sheets round it, and
sensors 5 % off have been seen."""

RELATIVE_FLOOR, FLOOR_W = 1e-4, 1e-3
"""Errors of a reading that no data sheet mentions, relative to the largest reading, and in W."""


OVERCONFIDENCE = 1.5
"""Posterior deviations of a sparse model are too small, since steps judged absent count as known
to be absent; this factor brings the coverage of simulated sensors to the stated 95 %."""


_NOISE_SAMPLES, _NOISE_CHUNK = 65536, 16

_FEWEST = 3


class Deconvolved(NamedTuple):
    """Energy of a window and the doubt that the moving average leaves, J."""

    joules: float
    doubt_j: float


def above_zero(mean: float, deviation: float) -> float:
    """Give the mean of a normal distribution of which only the part above zero is possible.

    It is the mean itself where zero lies many deviations away, and never below zero:
    mean + deviation * pdf(z) / cdf(z) with z = mean / deviation.
    """
    if deviation <= 0 or mean > 8 * deviation:
        return max(mean, 0.0)
    z = max(mean / deviation, -30.0)
    density = math.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return mean + deviation * density / (0.5 * math.erfc(-z / math.sqrt(2)))


class LocalPower:
    """Power near the edges, inferred from averaged readings.

    Args:
        t_s: Times of the readings, s; shape (n,).
        v: Readings, W; shape (n,).
        averaging_s: Averaging time, s.
        edges_s: Times at which the power may step freely, s.
        error_w: Standard error of a reading, W; shape (n,).
    """

    def __init__(
        self,
        t_s: FloatArray,
        v: FloatArray,
        averaging_s: float,
        edges_s: list[float],
        error_w: FloatArray,
    ) -> None:
        self.bounds_s = _bounds(t_s, averaging_s, edges_s)
        seen = _overlap(self.bounds_s, t_s, averaging_s)
        free = _nearest_inner(self.bounds_s, edges_s)
        self._scale_w = max(float(np.ptp(v)), float(np.abs(v).max()) * 0.01, 1.0)
        self._infer(seen, v, free, error_w)

    def _infer(
        self, seen: FloatArray, v: FloatArray, free: FloatArray, error_w: FloatArray
    ) -> None:
        """Alternate between the power given the variances of its steps, and these given it."""
        weighted = seen / error_w[:, None]
        information = weighted.T @ weighted
        evidence = weighted.T @ (v / error_w)
        loose = 1 / self._scale_w**2
        precision = np.full(evidence.size - 1, 20 * loose)
        for _ in range(ROUNDS):
            precision[free] = np.minimum(precision[free], loose)
            self._posterior = Banded(_with_steps(information, precision, 1e-6 * loose), seen)
            self.power_w = self._posterior.solve(evidence)
            precision = self._step_precision()

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


class Unaveraging:
    """Energies of windows of one averaged trace.

    Args:
        channel: The channel, with ``averaging_s`` above 0.
        t_s: Times of the updates, s; shape (n,).
        v: Readings, W; shape (n,).
        stamp_noise_s: Standard deviation of a single stamp, s.
    """

    def __init__(
        self, channel: Channel, t_s: FloatArray, v: FloatArray, stamp_noise_s: float
    ) -> None:
        self._channel = channel
        self._t_s = t_s
        self._v = v
        self._stamp_noise_s = stamp_noise_s

    def over(self, window: Window, trapezoid: Callable[[int, int], float]) -> Deconvolved | None:
        """Give the energy of a window; ``None`` where too few readings are near it.

        The inference is done with the declared averaging time and with one a little longer; the
        difference is what the doubt of the averaging time amounts to.

        Args:
            window: The window.
            trapezoid: Integral of the readings from one sample to another, J.
        """
        declared_s = self._channel.averaging_s
        found = self._with(window, declared_s, trapezoid)
        longer = self._with(window, declared_s * (1 + AVERAGING_DOUBT), trapezoid)
        if found is None or longer is None:
            return None
        doubt_j = math.hypot(OVERCONFIDENCE * found.doubt_j, longer.joules - found.joules)
        return Deconvolved(above_zero(found.joules, doubt_j), doubt_j)

    def _with(
        self, window: Window, averaging_s: float, trapezoid: Callable[[int, int], float]
    ) -> Deconvolved | None:
        """Give the energy for one averaging time, with its posterior deviation."""
        first = int(np.searchsorted(self._t_s, window.start_s + averaging_s))
        last = int(np.searchsorted(self._t_s, window.stop_s, side="right")) - 1
        if window.duration_s <= JOINT * (averaging_s + self._spacing_s) or last - first < 2:
            return self._whole(window, averaging_s)
        return self._by_edge(window, averaging_s, trapezoid(first, last), (first, last))

    def _whole(self, window: Window, averaging_s: float) -> Deconvolved | None:
        edges_s = [window.start_s, window.stop_s]
        near = self._power(averaging_s, edges_s)
        if near is None:
            return None
        joules, variance = near.functional(near.between(*edges_s))
        return Deconvolved(joules, math.sqrt(variance))

    def _by_edge(
        self, window: Window, averaging_s: float, inner_j: float, inner: tuple[int, int]
    ) -> Deconvolved | None:
        """Take the plain integral between two samples well inside, and infer the rest."""
        begins = self._power(averaging_s, [window.start_s])
        ends = self._power(averaging_s, [window.stop_s])
        if begins is None or ends is None:
            return None
        first_s, last_s = (float(self._t_s[place]) for place in inner)
        head = begins.between(window.start_s, first_s) - begins.lag(first_s, averaging_s)
        tail = ends.between(last_s, window.stop_s) + ends.lag(last_s, averaging_s)
        head_j, head_variance = begins.functional(head)
        tail_j, tail_variance = ends.functional(tail)
        return Deconvolved(head_j + inner_j + tail_j, math.sqrt(head_variance + tail_variance))

    def _near(self, start_s: float, stop_s: float) -> tuple[FloatArray, FloatArray]:
        """Give the readings that know something of the power between two times."""
        averaging_s, margin = self._channel.averaging_s, 4 * self._spacing_s
        low = np.searchsorted(self._t_s, start_s - BEFORE * averaging_s - margin)
        high = np.searchsorted(self._t_s, stop_s + AFTER * averaging_s + margin, side="right")
        return self._t_s[low:high], self._v[low:high]

    def _power(self, averaging_s: float, edges_s: list[float]) -> LocalPower | None:
        t_s, v = self._near(edges_s[0], edges_s[-1])
        if t_s.size < _FEWEST:
            return None
        stride = int(averaging_s / (FINEST * self._spacing_s))
        stride = max(min(stride, t_s.size // _FEWEST), 1)
        # Counted from the end, so that the latest reading is among those that are kept.
        t_s, v = t_s[::-stride][::-1], v[::-stride][::-1]
        return LocalPower(t_s, v, averaging_s, edges_s, self._error_w(t_s, v))

    @cached_property
    def _spacing_s(self) -> float:
        return cadence_s(self._t_s)

    @cached_property
    def noise_w(self) -> float:
        """Noise of a reading, W, estimated from the trace."""
        return reading_noise_w(self._v)

    def _error_w(self, t_s: FloatArray, v: FloatArray) -> FloatArray:
        """Give the standard error of each reading: resolution, noise, and stamps times slope."""
        floor = math.hypot(
            UNIFORM * self._channel.resolution,
            RELATIVE_FLOOR * float(np.abs(v).max()),
            self.noise_w,
            FLOOR_W,
        )
        slope = np.gradient(v, t_s) if t_s.size > 2 else np.zeros(v.size)
        return np.hypot(floor, self._stamp_noise_s * slope)


def reading_noise_w(v: FloatArray) -> float:
    """Estimate the noise of averaged readings from the quietest tenth of a trace, W.

    The average of a power that steps is a broken line, whose second differences vanish but at its
    corners; scatter of deviation s makes them scatter by s times the root of 6.
    """
    bends = np.diff(v[:_NOISE_SAMPLES], 2)
    chunks = bends.size // _NOISE_CHUNK
    if chunks == 0:
        return 0.0
    rms = np.sqrt(np.mean(bends[: chunks * _NOISE_CHUNK].reshape(chunks, -1) ** 2, axis=1) / 6)
    # The tenth percentile of the root mean square of 16 correlated second differences of white
    # noise is 0.7 times its expectation (by simulation).
    return float(np.quantile(rms, 0.1)) / 0.7
