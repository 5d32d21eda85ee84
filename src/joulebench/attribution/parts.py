"""Energies of many parts of one whole, as arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from joulebench.energy import Energy, weakest
from joulebench.energy_ratio import Z_95

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parts:
    """Energies of many parts of one whole.

    Args:
        joules: Best estimates, J; shape (n,); NaN where a part does not exist.
        noise: Standard uncertainties that repeats shrink, J; shape (n,).
        biases: Those that repeats do not shrink, J, by source; shape (n,) each.
        below_resolution: Which parts are shorter than the sensor resolves; shape (n,).
        method: Origin of the energy.
        scope: What it covers.
    """

    joules: FloatArray
    noise: FloatArray
    biases: dict[str, FloatArray]
    below_resolution: npt.NDArray[np.bool_]
    method: str
    scope: str

    @property
    def half_width_95_j(self) -> FloatArray:
        """Half the width of each 95 % interval, J; shape (n,)."""
        variance_j2 = self.noise**2 + sum(bias**2 for bias in self.biases.values())
        return Z_95 * np.sqrt(variance_j2)

    def energy(self, place: int) -> Energy | None:
        """Give one part; ``None`` where it does not exist."""
        if np.isnan(self.joules[place]):
            return None
        return Energy(
            float(self.joules[place]),
            float(self.noise[place]),
            {source: float(bias[place]) for source, bias in self.biases.items()},
            self.method,
            self.scope,
            bool(self.below_resolution[place]),
        )

    def only(self, exist: npt.NDArray[np.bool_]) -> Parts:
        """Leave out parts that do not exist: absent is not zero."""
        return replace(self, joules=np.where(exist, self.joules, np.nan))

    def sum_j(self) -> float | None:
        """Add up the parts that exist, J; ``None`` where there is none."""
        existing = self.joules[~np.isnan(self.joules)]
        return math.fsum(existing) if existing.size else None

    @classmethod
    def summed(cls, each: Sequence[Parts]) -> Parts:
        """Add the parts of several channels: noise in quadrature, biases of one source linearly."""
        biases: dict[str, FloatArray] = {}
        for parts in each:
            for source, bias in parts.biases.items():
                biases[source] = biases.get(source, 0.0) + bias
        return cls(
            np.sum([parts.joules for parts in each], axis=0),
            np.sqrt(np.sum([parts.noise**2 for parts in each], axis=0)),
            biases,
            np.all([parts.below_resolution for parts in each], axis=0),
            weakest([parts.method for parts in each]),
            " + ".join(dict.fromkeys(parts.scope for parts in each if parts.scope)),
        )
