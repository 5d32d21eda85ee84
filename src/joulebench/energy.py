"""The trace of one channel, and the energy that it is integrated to.

The model is written out in ``docs/measurement.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel, Window
from joulebench.counter_trace import CounterTrace
from joulebench.energy_ratio import Ratio
from joulebench.finding import Finding
from joulebench.integral import Integral, increases
from joulebench.joules import Energy, total, weakest
from joulebench.nesting import headline_channels
from joulebench.power_trace import PowerTrace

FloatArray = npt.NDArray[np.float64]

__all__ = [
    "Channel",
    "Energy",
    "Finding",
    "Ratio",
    "Trace",
    "Window",
    "headline_channels",
    "total",
    "weakest",
]


class Trace:
    """The samples of one channel.

    Args:
        channel: What was read.
        t_s: Monotonic time of each reading (the sensor's update, not the poll), s; shape (n,),
            strictly increasing.
        v: The readings in the channel's unit; shape (n,), finite.

    Raises:
        ValueError: Shapes differ, fewer than two samples, time does not increase, or a reading is
            not finite.
    """

    def __init__(self, channel: Channel, t_s: npt.ArrayLike, v: npt.ArrayLike) -> None:
        self.channel = channel
        self.t_s: FloatArray = np.ascontiguousarray(t_s, dtype=np.float64)
        self.v: FloatArray = np.ascontiguousarray(v, dtype=np.float64)
        _check(channel, self.t_s, self.v)
        self._reader: PowerTrace | CounterTrace
        if channel.unit == "W":
            self._reader = PowerTrace(channel, self.t_s, self.v)
        else:
            self._reader = CounterTrace(channel, self.t_s, self.v)

    def __len__(self) -> int:
        """Give the number of samples."""
        return int(self.t_s.size)

    def __repr__(self) -> str:
        """Name the channel, the number of samples and the stretch covered."""
        return (
            f"Trace({self.channel.name!r}, n={len(self)}, "
            f"{self.t_s[0]:.3f} s to {self.t_s[-1]:.3f} s)"
        )

    def energy(self, window: Window | Sequence[Window], *, gaps: str = "refuse") -> Energy:
        """Integrate the trace over a window, or over several that are pooled.

        Args:
            window: One window, or several of one name that do not overlap.
            gaps: ``"refuse"`` holes in the trace, or ``"bridge"`` them: their doubt goes into the
                noise and a finding says so.

        Raises:
            NotCoveredError: The trace does not reach over a window.
            GapError: It has a hole that its own cadence does not explain.
            CounterError: A counter went backwards without a wrap, or may have wrapped unseen.
            ValueError: ``gaps`` is neither word, or there is no window.
        """
        if gaps not in ("refuse", "bridge"):
            raise ValueError(f"gaps = {gaps!r} is not known; use 'refuse' or 'bridge'")
        windows = [window] if isinstance(window, Window) else list(window)
        if not windows:
            raise ValueError(f"no window to integrate {self.channel.name!r} over")
        parts = [self._reader.over(part, bridge=gaps == "bridge") for part in windows]
        return self._energy(Integral.pooled(parts))

    def _energy(self, integral: Integral) -> Energy:
        channel = self.channel
        judged = integral.judged()
        return Energy(
            judged.joules,
            judged.noise_j,
            judged.biases,
            channel.method,
            channel.scope,
            judged.below_resolution,
            judged.findings,
        )

    def mean_power_w(self, window: Window) -> float:
        """Give the mean power over a window, W."""
        return self.energy(window).joules / window.duration_s

    def updates(self) -> tuple[FloatArray, FloatArray]:
        """Give the sensor's own updates: the readings unless they are polled faster than that.

        Returns:
            Times, s, and power, W, or the counter without its wraps, J; shape (n,) each.
        """
        return self._reader.updates()

    def power(self) -> tuple[FloatArray, FloatArray]:
        """Give times and power for a plot: a counter is differenced between its readings.

        Returns:
            Times, s, and power, W; shape (n,) each for power, (n - 1,) for a counter.
        """
        return self._reader.differenced()


def _check(channel: Channel, t_s: FloatArray, v: FloatArray) -> None:
    """Refuse what is no trace."""
    if t_s.ndim != 1 or t_s.shape != v.shape:
        raise ValueError(
            f"trace {channel.name!r}: times {t_s.shape} and readings {v.shape} must be two "
            "one-dimensional arrays of one length"
        )
    if t_s.size < 2:
        raise ValueError(f"trace {channel.name!r}: {t_s.size} sample(s); at least 2 are needed")
    if not np.isfinite(v.sum()) and not np.isfinite(v).all():
        first = int(np.flatnonzero(~np.isfinite(v))[0])
        raise ValueError(
            f"trace {channel.name!r}: reading {first} is {v[first]}; leave absent readings out"
        )
    if not increases(t_s):
        raise ValueError(
            f"trace {channel.name!r}: times must be finite and strictly increasing; sort them and "
            "drop repeats"
        )
