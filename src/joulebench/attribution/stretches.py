"""What a sensor can tell apart: a window in stretches, each with its energy, and the idle power.

Within a stretch nothing is known of the power but what is known of the work.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from joulebench.channel import Window
from joulebench.energy import Trace
from joulebench.errors import UsageError
from joulebench.integral import UNIFORM, cadence_s

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_NEARLY = 0.999
"""Readings of a steady cadence are a little closer than it now and then."""

_NONE = np.zeros(2)

_EVEN = 0.05
"""Share of the variance of sampled power that is spread evenly, beside that of its steps."""


@dataclass(frozen=True)
class IdlePower:
    """The power of a device that serves nobody, with its uncertainty.

    Args:
        power_w: Best estimate, W.
        noise_w: Standard uncertainty that independent repeats shrink, W.
        biases_w: Standard uncertainties that repeats do not shrink, W, by source.

    Raises:
        UsageError: A power that is not finite or below 0.
    """

    power_w: float
    noise_w: float = 0.0
    biases_w: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.power_w) and self.power_w >= 0):
            raise UsageError(f"idle power: {self.power_w} W must be finite and at least 0 W")

    @classmethod
    def of(cls, trace: Trace, windows: Sequence[Window], *, gaps: str = "refuse") -> IdlePower:
        """Give the mean power of a trace over windows in which the device served nobody.

        Raises:
            EnergyError: See :meth:`joulebench.energy.Trace.energy`.
        """
        energy = trace.energy(windows, gaps=gaps)
        mean = energy / sum(window.duration_s for window in windows)
        return cls(mean.joules, mean.noise, dict(mean.biases))


@dataclass(frozen=True)
class Stretches:
    """A window cut where the sensor tells energies apart.

    Args:
        edges_s: Where stretches begin and end, s, the first and last of them the window's own;
            shape (m + 1,).
        energy_j: Energy of each stretch, which add up to that of the window, J; shape (m,).
        noise_share: Share of the window's variance that each stretch has, which add up to 1;
            shape (m,).
        own_j2: Variance of each stretch that is none of the window's, J^2: where one ends and the
            next begins; shape (m,).
        resolves_s: The shortest time that the sensor resolves, s.
        stamp_s: Standard uncertainty of the delay that all stamps share, s.
    """

    edges_s: FloatArray
    energy_j: FloatArray
    noise_share: FloatArray
    own_j2: FloatArray
    resolves_s: float
    stamp_s: float

    @property
    def length_s(self) -> FloatArray:
        """Length of each stretch, s; shape (m,)."""
        return np.diff(self.edges_s)

    @property
    def slips_w(self) -> FloatArray:
        """How much each stretch gains when all stamps are a second late, J/s; shape (4, m).

        It is the power at its end less that at its beginning. Where that steps at just these edges,
        it matters on which side of them it is read, and a sample shows a step as a slope over a
        whole stretch: so it is given for powers up to two stretches before and after.
        """
        if not self.stamp_s:
            return np.empty((0, self.energy_j.size))
        power_w = self.energy_j / self.length_s
        steps_w = np.diff(np.pad(power_w, 2, mode="edge"))
        return np.stack([steps_w[place : place + power_w.size] for place in range(4)])

    def ends(self, start_s: FloatArray, stop_s: FloatArray) -> tuple[IntArray, IntArray]:
        """Give the stretches in which intervals begin and end; both are one for an instant."""
        highest = self.energy_j.size - 1
        first = np.searchsorted(self.edges_s, start_s, side="right") - 1
        first = np.clip(first, 0, highest)
        last = np.searchsorted(self.edges_s, stop_s, side="left") - 1
        return first, np.clip(last, first, highest)

    @classmethod
    def of(cls, trace: Trace, window: Window, joules: float) -> Stretches:
        """Cut a window at the sensor's readings, or by its averaging time.

        Args:
            trace: Covers the window.
            window: The whole.
            joules: Energy of the whole, J: the best estimate, whose edges are more exact than a
                sum of stretches; these are scaled to it.
        """
        channel = trace.channel
        t_s, v = trace.updates()
        spacing_s = cadence_s(t_s)
        resolves_s = max(channel.period_s, spacing_s, channel.averaging_s)
        if channel.averaging_s >= _NEARLY * spacing_s:
            cut = _averaged(t_s, v, window, channel.averaging_s)
        elif channel.unit == "J":
            cut = _counted(t_s, v, window, resolves_s)
        else:
            # What is averaged over less than the spacing belongs to the middle of that time.
            cut = _sampled(t_s - 0.5 * channel.averaging_s, v, window, resolves_s)
        energy_j = _scaled(cut.energy_j, cut.edges_s, joules)
        shares = cut.variance / cut.variance.sum()
        return cls(cut.edges_s, energy_j, shares, cut.own_j2, resolves_s, _stamp_s(trace))


class _Cut(NamedTuple):
    """Stretches before they are scaled; the variances that the window shares are in any unit."""

    edges_s: FloatArray
    energy_j: FloatArray
    variance: FloatArray
    own_j2: FloatArray


def _stamp_s(trace: Trace) -> float:
    """Give the doubt of a delay of all stamps, which grows where a held reading is polled, s."""
    channel, polled_s = trace.channel, cadence_s(trace.t_s)
    held = channel.unit == "W" and channel.period_s > 1.5 * polled_s
    return math.hypot(channel.stamp_s, UNIFORM * polled_s if held else 0.0)


def _averaged(t_s: FloatArray, v: FloatArray, window: Window, averaging_s: float) -> _Cut:
    """Cut a window into stretches of one averaging time.

    A reading is the mean power of the averaging time before it, so that the reading at the end of
    such a stretch is its energy, without any lag left to undo. Readings are interpolated, which
    errs where their line bends: by sqrt(1/90) of the bend between two of them, both the bend and
    the stretch's end being anywhere.
    """
    count = max(int(window.duration_s / averaging_s), 1)
    edges_s = np.linspace(window.start_s, window.stop_s, count + 1)
    length_s = np.diff(edges_s)
    bend_w2 = np.diff(v, 2, prepend=v[:1], append=v[-1:]) ** 2
    place = np.searchsorted(t_s, edges_s[1:]).clip(1, t_s.size - 1)
    own_j2 = length_s**2 * (bend_w2[place - 1] + bend_w2[place]) / 90
    return _Cut(edges_s, np.interp(edges_s[1:], t_s, v) * length_s, length_s, own_j2)


def _counted(t_s: FloatArray, v: FloatArray, window: Window, resolves_s: float) -> _Cut:
    """Cut a window at the updates of a counter."""
    knots_s, energy_j = _knots(t_s, v, window)
    begins = _apart(knots_s, resolves_s)
    edges_s = np.append(knots_s[begins], knots_s[-1])
    length_s = np.diff(edges_s)
    return _Cut(edges_s, np.add.reduceat(np.diff(energy_j), begins), length_s, 0.0 * length_s)


def _sampled(t_s: FloatArray, v: FloatArray, window: Window, resolves_s: float) -> _Cut:
    """Cut a window at samples of power, whose trapezoids err where the power bends."""
    knots_s, power_w = _knots(t_s, v, window)
    steps_s = np.diff(knots_s)
    energy_j = 0.5 * (power_w[1:] + power_w[:-1]) * steps_s
    slope_w_s = np.diff(power_w) / steps_s
    bend_w_s = np.abs(np.diff(slope_w_s))
    bend_w_s = np.concatenate((bend_w_s[:1], bend_w_s, bend_w_s[-1:])) if bend_w_s.size else _NONE
    # A step between two samples bends the line at both of them, and nowhere else.
    variance = bend_w_s[1:] * bend_w_s[:-1] * steps_s**4
    even = float(variance.sum()) * _EVEN + np.finfo(float).tiny
    variance += even * steps_s / window.duration_s
    begins = _apart(knots_s, resolves_s)
    edges_s = np.append(knots_s[begins], knots_s[-1])
    summed = np.add.reduceat(energy_j, begins), np.add.reduceat(variance, begins)
    return _Cut(edges_s, *summed, 0.0 * summed[0])


def _knots(t_s: FloatArray, v: FloatArray, window: Window) -> tuple[FloatArray, FloatArray]:
    """Give the readings inside a window, and what lies at its edges."""
    edges_s = window.start_s, window.stop_s
    inside = slice(*np.searchsorted(t_s, [np.nextafter(edges_s[0], np.inf), edges_s[1]]))
    knots_s = np.concatenate((edges_s[:1], t_s[inside], edges_s[1:]))
    return knots_s, np.interp(knots_s, t_s, v)


def _apart(knots_s: FloatArray, resolves_s: float) -> IntArray:
    """Choose the knots at which stretches begin: the first in each step of the resolution."""
    steps = np.floor((knots_s[:-1] - knots_s[0]) / (_NEARLY * resolves_s))
    begins = np.flatnonzero(np.diff(steps, prepend=-1.0) > 0)
    # What is left at the end is no stretch of its own where it is too short to be one.
    too_short = begins.size > 1 and knots_s[-1] - knots_s[begins[-1]] < 0.5 * resolves_s
    return begins[:-1] if too_short else begins


def _scaled(energy_j: FloatArray, edges_s: FloatArray, joules: float) -> FloatArray:
    """Scale the stretches to the whole; where they show nothing, its power is taken as steady."""
    seen_j = float(energy_j.sum())
    shape = energy_j / seen_j if seen_j > 0 else np.diff(edges_s) / (edges_s[-1] - edges_s[0])
    scaled: FloatArray = joules * shape
    return scaled
