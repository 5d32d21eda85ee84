"""Energy with its uncertainty, and the trace of one channel that it is integrated from.

The model is written out in ``docs/measurement.md``. In short: ``noise`` is what repeats shrink,
``biases`` are what they do not, each kept under the name of its source so that equal sources add
linearly and cancel in ratios taken with one meter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from joulebench.channel import METHODS, Channel, Window
from joulebench.counter_trace import CounterTrace
from joulebench.errors import EnergyError
from joulebench.finding import Finding
from joulebench.integral import Integral, spacing_range_s
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

Z_95 = 1.959963984540054
"""Two-sided 95 % point of the standard normal distribution."""

_COMMON_SIGN = ("gain ", "offset ")
"""Sources whose error has one sign for every window of a channel, so that it cancels in ratios."""


def weakest(methods: Sequence[str]) -> str:
    """Give the weakest of several methods, the one that a sum of their readings has."""
    return max(methods, key=METHODS.index)


def _printed(value: float, doubt: float, unit: str) -> str:
    """Print ``value unit ± doubt unit``, rounded as the Particle Data Group does."""
    if not (math.isfinite(doubt) and doubt > 0):
        return f"{value:.6g} {unit} ± {doubt:.2g} {unit}"
    exponent = math.floor(math.log10(doubt))
    decimals = -exponent + (1 if doubt / 10**exponent < 3.55 else 0)
    shown = max(decimals, 0)
    return f"{round(value, decimals):.{shown}f} {unit} ± {round(doubt, decimals):.{shown}f} {unit}"


def _prefix(joules: float) -> tuple[float, str]:
    """Give the divisor and the unit that an amount of energy reads best in."""
    size = abs(joules)
    for factor, unit in ((1e6, "MJ"), (1e4, "kJ"), (0.1, "J")):
        if size >= factor:
            return {"MJ": 1e6, "kJ": 1e3, "J": 1.0}[unit], unit
    return (1.0, "J") if size == 0 else (1e-3, "mJ")


@dataclass(frozen=True)
class Energy:
    """Joules with what is known of their error.

    Args:
        joules: Best estimate, J.
        noise: Standard uncertainty that independent repeats shrink, J.
        biases: Standard uncertainties that repeats do not shrink, J, by source.
        method: ``measured``, ``modelled``, ``estimated`` or ``simulated``.
        scope: What it covers, for example ``"gpu board"``.
        below_resolution: Whether the window is shorter than the sensor resolves.
        findings: Checks that did not pass while it was integrated.
    """

    joules: float
    noise: float
    biases: Mapping[str, float] = field(default_factory=dict)
    method: str = "measured"
    scope: str = ""
    below_resolution: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def bias(self) -> float:
        """Root sum of squares of the biases, J (one standard deviation)."""
        return math.hypot(*self.biases.values())

    @property
    def uncertainty(self) -> float:
        """Combined standard uncertainty: noise and bias in quadrature, J."""
        return math.hypot(self.noise, self.bias)

    @property
    def half_width_95_j(self) -> float:
        """Half the width of the 95 % interval, J."""
        return Z_95 * self.uncertainty

    @property
    def interval_95(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval, J."""
        return self.joules - self.half_width_95_j, self.joules + self.half_width_95_j

    def __add__(self, other: object) -> Energy:
        """Add two energies: noise in quadrature, biases of one source linearly."""
        if not isinstance(other, Energy):
            return NotImplemented
        biases = dict(self.biases)
        for source, bias in other.biases.items():
            biases[source] = biases.get(source, 0.0) + bias
        return Energy(
            self.joules + other.joules,
            math.hypot(self.noise, other.noise),
            biases,
            weakest([self.method, other.method]),
            _union(self.scope, other.scope),
            self.below_resolution and other.below_resolution,
            self.findings + other.findings,
        )

    def __mul__(self, factor: float) -> Energy:
        """Scale an energy, for example to one request."""
        return replace(
            self,
            joules=self.joules * factor,
            noise=self.noise * abs(factor),
            biases={source: bias * abs(factor) for source, bias in self.biases.items()},
        )

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Energy:
        """Divide an energy by a number, for example of tokens."""
        return self * (1.0 / divisor)

    def ratio(self, other: Energy) -> Ratio:
        """Divide by another energy; a gain that both readings share cancels.

        Gain and offset keep their sign between windows of one channel, so their relative shares
        are subtracted; every other bias has an unknown sign and is added in quadrature.

        Raises:
            EnergyError: The other energy is zero.
        """
        if other.joules == 0:
            raise EnergyError("a ratio to 0 J has no value; compare differences instead")
        sources = {*self.biases, *other.biases}
        shares = [self._relative_bias(other, source) for source in sources]
        value = self.joules / other.joules
        noise = math.hypot(self.noise / other.joules, value * other.noise / other.joules)
        return Ratio(value, noise, math.hypot(*shares))

    def _relative_bias(self, other: Energy, source: str) -> float:
        mine = self.biases.get(source, 0.0) / other.joules
        theirs = self.joules * other.biases.get(source, 0.0) / other.joules**2
        shared = source.startswith(_COMMON_SIGN)
        return mine - theirs if shared else math.hypot(mine, theirs)

    def __str__(self) -> str:
        """Print the energy with its 95 % interval: ``12.3 J ± 0.4 J``."""
        factor, unit = _prefix(self.joules)
        return _printed(self.joules / factor, self.half_width_95_j / factor, unit)

    def described(self) -> str:
        """Print the energy, its method and its scope: ``12.3 J ± 0.4 J (measured, gpu board)``."""
        origin = ", ".join(part for part in (self.method, self.scope) if part)
        return f"{self} ({origin})"

    def to_dict(self) -> dict[str, Any]:
        """Give the energy as a JSON-ready dict; findings are kept by the record."""
        return {
            "joules": self.joules,
            "noise": self.noise,
            "biases": dict(self.biases),
            "method": self.method,
            "scope": self.scope,
            "below_resolution": self.below_resolution,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Energy:
        """Build an energy from :meth:`to_dict`'s form."""
        return cls(**record)


@dataclass(frozen=True, slots=True)
class Ratio:
    """One energy over another, with one standard deviation of noise and of bias."""

    value: float
    noise: float
    bias: float

    @property
    def interval_95(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval."""
        half = Z_95 * math.hypot(self.noise, self.bias)
        return self.value - half, self.value + half

    def __str__(self) -> str:
        """Print the ratio with its 95 % interval."""
        low, high = self.interval_95
        return f"{self.value:.4g} (95 % {low:.4g} to {high:.4g})"


def _union(first: str, second: str) -> str:
    parts = [part for scope in (first, second) for part in scope.split(" + ") if part]
    return " + ".join(dict.fromkeys(parts))


def total(energies: Sequence[Energy]) -> Energy:
    """Add energies.

    Raises:
        EnergyError: There is none to add: absent is not zero.
    """
    if not energies:
        raise EnergyError("no energy to add: nothing was measured, and absent is not zero")
    result = energies[0]
    for energy in energies[1:]:
        result = result + energy
    return result


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
        longest_s = _check(channel, self.t_s, self.v)
        self._reader: PowerTrace | CounterTrace
        if channel.unit == "W":
            self._reader = PowerTrace(channel, self.t_s, self.v)
        else:
            self._reader = CounterTrace(channel, self.t_s, self.v, longest_s)

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

    def power(self) -> tuple[FloatArray, FloatArray]:
        """Give times and power for a plot: a counter is differenced between its readings.

        Returns:
            Times, s, and power, W; shape (n,) each for power, (n - 1,) for a counter.
        """
        return self._reader.differenced()


def _check(channel: Channel, t_s: FloatArray, v: FloatArray) -> float:
    """Refuse what is no trace; give the longest spacing of one that is, s."""
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
    shortest_s, longest_s = spacing_range_s(t_s)
    if not (shortest_s > 0 and math.isfinite(longest_s)):
        raise ValueError(
            f"trace {channel.name!r}: times must be finite and strictly increasing; sort them and "
            "drop repeats"
        )
    return longest_s


_INSIDE = {
    "node": ("wall",),
    "platform": ("node", "wall"),
    "gpu module": ("node", "wall"),
    "gpu board": ("node", "wall"),
    "cpu package": ("platform", "node", "wall"),
    "dram": ("platform", "node", "wall"),
    "cpu core": ("cpu package", "platform", "node", "wall"),
    "cpu uncore": ("cpu package", "platform", "node", "wall"),
    "process": ("cpu package", "platform", "node", "wall"),
}
"""Which scopes lie inside which others: a nested part is never added to its whole."""


def headline_channels(channels: Sequence[Channel]) -> list[Channel]:
    """Choose the channels whose energies may be added up.

    Of several channels of one device and scope the best is kept (stronger method, counter before
    power); an estimate gives way to a measurement of the same scope; a part gives way to its whole.
    """
    best: dict[tuple[str, str], Channel] = {}
    for channel in sorted(channels, key=_rank):
        best.setdefault((channel.device, channel.scope), channel)
    kept = [channel for channel in best.values() if not _outdone(channel, best.values())]
    order = {channel.name: place for place, channel in enumerate(channels)}
    return sorted(kept, key=lambda channel: order[channel.name])


def _rank(channel: Channel) -> tuple[int, int]:
    return METHODS.index(channel.method), 0 if channel.unit == "J" else 1


def _outdone(channel: Channel, others: Any) -> bool:
    """Say whether another channel already covers what this one reads."""
    for other in others:
        if other.scope in _INSIDE.get(channel.scope, ()):
            return True
        module = (channel.scope, other.scope) == ("gpu board", "gpu module")
        if module and channel.device == other.device:
            return True
        same = other.scope == channel.scope and channel.method == "estimated"
        if same and other.method in ("measured", "modelled"):
            return True
    return False
