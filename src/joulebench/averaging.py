"""Undo a sensor's moving average over one window.

A sensor that averages over A shows V(t) = (F(t) - F(t - A)) / A, where F is the energy used until
t. Far from the window's edges the integral of V is that of the power; near them it is not, and the
difference is a weighted integral of the power in the last A before a sample. That local power is
inferred (:mod:`joulebench.local_power`); the posterior deviation of the weighted integral is the
doubt that is left. Formulas: ``docs/measurement.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from joulebench.channel import Channel, Window
from joulebench.integral import UNIFORM, FloatArray, cadence_s
from joulebench.local_power import LocalPower

BEFORE, AFTER = 3.0, 2.0
"""Averaging times of trace before and after an edge that the inference looks at."""

JOINT = 3.0
"""Windows of fewer averaging times than this are inferred whole, longer ones edge by edge."""

FINEST = 20
"""Samples in an averaging time that are used; more cost time and tell nothing."""

AVERAGING_DOUBT = 0.04
"""Relative standard uncertainty of a sensor's averaging time: data sheets round it, and
sensors 5 % off have been seen."""

RELATIVE_FLOOR, FLOOR_W = 1e-4, 1e-3
"""Errors of a reading that no data sheet mentions, relative to the largest reading, and in W."""


OVERCONFIDENCE = 1.5
"""Posterior deviations of a sparse model are too small, since steps judged absent count as known
to be absent; this factor brings the coverage of simulated sensors to the stated 95 %."""


_NOTABLE = 0.1
"""Delays of the stamps that move less energy than this share of the other doubt are not looked at
more closely."""

_NOISE_SAMPLES, _NOISE_CHUNK = 65536, 16

_FEWEST = 3


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


class Deconvolved(NamedTuple):
    """Energy of a window, and what the moving average and the stamps' delay leave in doubt, J."""

    joules: float
    doubt_j: float
    stamp_j: float = 0.0
    powers: tuple[LocalPower, ...] = ()


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

    def over(
        self, window: Window, trapezoid: Callable[[int, int], float], stamp_s: float = 0.0
    ) -> Deconvolved | None:
        """Give the energy of a window; ``None`` where too few readings are near it.

        The inference is done with the declared averaging time and with one a little longer and
        shorter, since far too short a time asks for steps that far too long a one does not; the
        larger difference is what the doubt of the averaging time amounts to. In the same way it is
        done with the window moved to and fro by the doubt of the stamps.

        Args:
            window: The window.
            trapezoid: Integral of the readings from one sample to another, J.
            stamp_s: Standard deviation of a delay that all stamps share, s.
        """
        declared_s = self._channel.averaging_s
        found = self._with(window, declared_s, trapezoid)
        if found is None:
            return None
        lag_j = max(
            self._off(found, window, declared_s * factor, trapezoid, found.powers)
            for factor in (1 + AVERAGING_DOUBT, 1 - AVERAGING_DOUBT)
        )
        doubt_j = math.hypot(OVERCONFIDENCE * found.doubt_j, lag_j)
        stamp_j = 0.0
        if stamp_s * self._swing_w(window) > _NOTABLE * doubt_j:
            moved = (_moved(window, stamp_s), _moved(window, -stamp_s))
            stamp_j = max(self._off(found, other, declared_s, trapezoid) for other in moved)
        return Deconvolved(above_zero(found.joules, doubt_j), doubt_j, stamp_j)

    def _off(
        self,
        found: Deconvolved,
        window: Window,
        averaging_s: float,
        trapezoid: Callable[[int, int], float],
        like: tuple[LocalPower, ...] = (),
    ) -> float:
        """Give by how much another window or averaging time changes the energy, J."""
        other = self._with(window, averaging_s, trapezoid, like)
        return 0.0 if other is None else abs(other.joules - found.joules)

    def _swing_w(self, window: Window) -> float:
        """Give the range of the readings around the edges of a window, W."""
        ends = (self._near(at_s, at_s)[1] for at_s in (window.start_s, window.stop_s))
        return max((float(np.ptp(v)) for v in ends if v.size), default=0.0)

    def _with(
        self,
        window: Window,
        averaging_s: float,
        trapezoid: Callable[[int, int], float],
        like: tuple[LocalPower, ...] = (),
    ) -> Deconvolved | None:
        """Give the energy for one averaging time, with its posterior deviation."""
        first = int(np.searchsorted(self._t_s, window.start_s + averaging_s))
        last = int(np.searchsorted(self._t_s, window.stop_s, side="right")) - 1
        if window.duration_s <= JOINT * (averaging_s + self._spacing_s) or last - first < 2:
            return self._whole(window, averaging_s, like[0] if len(like) == 1 else None)
        inner = float(self._t_s[first]), float(self._t_s[last])
        begun = like if len(like) == 2 else (None, None)
        return self._by_edge(window, averaging_s, trapezoid(first, last), inner, begun)

    def _whole(
        self, window: Window, averaging_s: float, like: LocalPower | None
    ) -> Deconvolved | None:
        edges_s = [window.start_s, window.stop_s]
        near = self._power(averaging_s, edges_s, like=like)
        if near is None:
            return None
        joules, variance = near.functional(near.between(*edges_s))
        return Deconvolved(joules, math.sqrt(variance), powers=(near,))

    def _by_edge(
        self,
        window: Window,
        averaging_s: float,
        inner_j: float,
        inner_s: tuple[float, float],
        like: tuple[LocalPower | None, LocalPower | None],
    ) -> Deconvolved | None:
        """Take the plain integral between two samples well inside, and infer the rest."""
        first_s, last_s = inner_s
        # In a hole the next sample inside may lie far from the edge.
        begins = self._power(averaging_s, [window.start_s], first_s, like[0])
        ends = self._power(averaging_s, [window.stop_s], last_s, like[1])
        if begins is None or ends is None:
            return None
        head = begins.between(window.start_s, first_s) - begins.lag(first_s, averaging_s)
        tail = ends.between(last_s, window.stop_s) + ends.lag(last_s, averaging_s)
        head_j, head_variance = begins.functional(head)
        tail_j, tail_variance = ends.functional(tail)
        doubt_j = math.sqrt(head_variance + tail_variance)
        return Deconvolved(head_j + inner_j + tail_j, doubt_j, powers=(begins, ends))

    def _near(self, start_s: float, stop_s: float) -> tuple[FloatArray, FloatArray]:
        """Give the readings that know something of the power between two times."""
        averaging_s, margin = self._channel.averaging_s, 4 * self._spacing_s
        low = np.searchsorted(self._t_s, start_s - BEFORE * averaging_s - margin)
        high = np.searchsorted(self._t_s, stop_s + AFTER * averaging_s + margin, side="right")
        return self._t_s[low:high], self._v[low:high]

    def _power(
        self,
        averaging_s: float,
        edges_s: list[float],
        inner_s: float | None = None,
        like: LocalPower | None = None,
    ) -> LocalPower | None:
        reach_s = edges_s if inner_s is None else [*edges_s, inner_s]
        t_s, v = self._near(min(reach_s), max(reach_s))
        if t_s.size < _FEWEST:
            return None
        stride = int(averaging_s / (FINEST * self._spacing_s))
        stride = max(min(stride, t_s.size // _FEWEST), 1)
        # Counted from the end, so that the latest reading is among those that are kept.
        t_s, v = t_s[::-stride][::-1], v[::-stride][::-1]
        return LocalPower(t_s, v, averaging_s, edges_s, self._error_w(t_s, v), like)

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


def _moved(window: Window, by_s: float) -> Window:
    return Window(window.name, window.start_s + by_s, window.stop_s + by_s)


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
