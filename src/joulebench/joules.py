"""Joules with their uncertainty, and how it goes through sums, differences and ratios.

The model is written out in ``docs/measurement.md``. In short: ``noise`` is what repeats shrink,
``biases`` are what they do not, each kept under the name of its source so that equal sources add
linearly, and cancel in differences and ratios taken with one meter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from joulebench.channel import METHODS
from joulebench.energy_ratio import Z_95, Covariance, Ratio, fieller_ends
from joulebench.errors import EnergyError
from joulebench.finding import Finding

_COMMON_SIGN = ("gain ", "offset ")
"""Sources whose error has one sign for every window of a channel: their biases are signed, and
cancel in differences and ratios. The sign of every other source is unknown."""


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
        biases: Standard uncertainties that repeats do not shrink, J, by source. Those of gain and
            offset are by how much the joules change with one standard deviation of the source, so
            that a difference may have negative ones.
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

    def __sub__(self, other: object) -> Energy:
        """Subtract an energy: what errs alike in both cancels, all else adds in quadrature.

        Gain and offset of one channel keep their sign, so that their biases are subtracted; noise
        and every other bias have unknown signs.
        """
        if not isinstance(other, Energy):
            return NotImplemented
        sources = {**self.biases, **other.biases}
        return Energy(
            self.joules - other.joules,
            math.hypot(self.noise, other.noise),
            {source: self._bias_left(other, source) for source in sources},
            weakest([self.method, other.method]),
            self.scope if self.scope == other.scope else f"{self.scope} less {other.scope}",
            self.below_resolution and other.below_resolution,
            self.findings + other.findings,
        )

    def _bias_left(self, other: Energy, source: str) -> float:
        mine, theirs = self.biases.get(source, 0.0), other.biases.get(source, 0.0)
        return mine - theirs if source.startswith(_COMMON_SIGN) else math.hypot(mine, theirs)

    def __mul__(self, factor: float) -> Energy:
        """Scale an energy, for example to one request."""
        return replace(
            self,
            joules=self.joules * factor,
            noise=self.noise * abs(factor),
            biases={
                source: bias * (factor if source.startswith(_COMMON_SIGN) else abs(factor))
                for source, bias in self.biases.items()
            },
        )

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Energy:
        """Divide an energy by a number, for example of tokens."""
        return self * (1.0 / divisor)

    def ratio(self, other: Energy) -> Ratio:
        """Divide by another energy; a gain that both readings share cancels.

        Gain and offset keep their sign between windows of one channel, so their relative shares
        are subtracted; every other bias has an unknown sign and is added in quadrature. The
        interval is Fieller's, with the covariance that gain and offset bring.

        Raises:
            EnergyError: The other energy is zero.
        """
        if other.joules == 0:
            raise EnergyError("a ratio to 0 J has no value; compare differences instead")
        sources = {*self.biases, *other.biases}
        shares = [self._relative_bias(other, source) for source in sources]
        value = self.joules / other.joules
        noise = math.hypot(self.noise / other.joules, value * other.noise / other.joules)
        bias = math.hypot(*shares)
        covariance = Covariance(
            self.uncertainty**2, other.uncertainty**2, self._shared_j2(other, sources)
        )
        ends = fieller_ends(self.joules, other.joules, covariance, math.hypot(noise, bias))
        return Ratio(value, noise, bias, *ends)

    def _shared_j2(self, other: Energy, sources: Iterable[str]) -> float:
        """Give the covariance with another energy, J^2: of what errs with one sign in both."""
        return math.fsum(
            self.biases.get(source, 0.0) * other.biases.get(source, 0.0)
            for source in sources
            if source.startswith(_COMMON_SIGN)
        )

    def _relative_bias(self, other: Energy, source: str) -> float:
        mine = self.biases.get(source, 0.0) / other.joules
        theirs = self.joules * other.biases.get(source, 0.0) / other.joules**2
        shared = source.startswith(_COMMON_SIGN)
        return mine - theirs if shared else math.hypot(mine, theirs)

    def at(self, place: str) -> Energy:
        """Give the energy as one read at a place, such as a machine.

        Channels of two machines may have one name, and their sensors still err apart.
        """
        return replace(
            self, biases={f"{source} at {place}": bias for source, bias in self.biases.items()}
        )

    def __str__(self) -> str:
        """Print the energy with its 95 % interval: ``12.3 J ± 0.4 J``."""
        factor, unit = _prefix(max(abs(self.joules), self.half_width_95_j))
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
