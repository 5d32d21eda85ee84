"""A number with its interval."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the interval that covers the truth at the stated level.

    Args:
        value: Best estimate.
        low: Lower end of the interval; ``-inf`` or ``nan`` where the data do not bound it.
        high: Upper end of the interval; ``inf`` or ``nan`` where the data do not bound it.
        n: Independent observations behind it (runs, blocks, items).
        noise: Standard uncertainty of ``value`` that more repetitions would shrink.
        bias: Standard uncertainty of ``value`` that repetitions do not shrink.
        dof: Effective degrees of freedom of the combined uncertainty.
        level: Coverage the interval states.
        method: How the interval was made, in a few words.
        noise_half: Half width of the interval of the noise alone, never more than the whole's;
            ``nan`` where the noise is unknown or its interval is not symmetric.
    """

    value: float
    low: float
    high: float
    n: int
    noise: float = math.nan
    bias: float = 0.0
    dof: float = math.inf
    level: float = 0.95
    method: str = ""
    noise_half: float = math.nan

    @property
    def bounded(self) -> bool:
        """Whether both ends of the interval are finite."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def half_width(self) -> float:
        """Half the length of the interval; ``nan`` or ``inf`` where it is not bounded."""
        return (self.high - self.low) / 2

    def excludes(self, value: float) -> bool:
        """Say whether the interval is bounded and leaves ``value`` outside."""
        return self.bounded and not self.low <= value <= self.high

    def scaled(self, factor: float) -> Estimate:
        """Give the estimate in another unit: everything times a positive ``factor``."""
        return Estimate(
            value=self.value * factor,
            low=self.low * factor,
            high=self.high * factor,
            n=self.n,
            noise=self.noise * factor,
            bias=self.bias * factor,
            dof=self.dof,
            level=self.level,
            method=self.method,
            noise_half=self.noise_half * factor,
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the estimate as a JSON-ready dict; what is not finite becomes ``None``."""
        return {key: _finite_or_none(figure) for key, figure in asdict(self).items()}


def _finite_or_none(figure: Any) -> Any:
    return None if isinstance(figure, float) and not math.isfinite(figure) else figure
