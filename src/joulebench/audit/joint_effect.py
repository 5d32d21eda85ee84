"""How large an effect is, and whether it differs between what is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from joulebench.audit.table import Floats

_BIASES = 0.01
"""Difference between the effects on two levels from which on a comparison of them is biased."""

_OVER_SCATTER = 3.0


@dataclass(frozen=True, eq=False)
class Effect:
    """By which share figures are off.

    Args:
        shares: Of each row, NaN where nothing is known; shape (n,).
        levels: Level of each row, by setting.
    """

    shares: Floats
    levels: Mapping[str, Sequence[str]]

    @property
    def known(self) -> Floats:
        """The shares that are known."""
        return self.shares[np.isfinite(self.shares)]

    @property
    def median(self) -> float:
        """Median share."""
        return float(np.median(self.known)) if self.known.size else 0.0

    @property
    def largest(self) -> float:
        """Size of the largest share."""
        return float(np.abs(self.known).max()) if self.known.size else 0.0

    def seen(self) -> str:
        """Print the median and the range: ``"+15 % (median), +14 % to +19 %"``."""
        if not self.known.size:
            return ""
        low, high = float(self.known.min()), float(self.known.max())
        if high - low <= 0.02 * max(abs(high), abs(low)):
            return percent(self.median)
        return f"{percent(self.median)} (median), {percent(low)} to {percent(high)}"

    def by_level(self) -> str:
        """Say for which levels it is largest and least; empty where it is alike for all."""
        found = [each for name in self.levels if (each := self._spread(name)) is not None]
        if not found:
            return ""
        spread, name, low, high = max(found)
        scatter = float(np.median(np.abs(self.known - self.median)))
        if spread < _BIASES and spread < _OVER_SCATTER * scatter:
            return ""
        medians = self._medians(name)
        biased = ", so that it biases the comparison" if spread >= _BIASES else ""
        return (
            f"by {name} it ranges from {percent(medians[low])} for {low} to "
            f"{percent(medians[high])} for {high}{biased}"
        )

    def _medians(self, name: str) -> dict[str, float]:
        labels = np.array(self.levels[name], dtype=object)
        found = {}
        for label in dict.fromkeys(self.levels[name]):
            shares = self.shares[(labels == label) & np.isfinite(self.shares)]
            if shares.size:
                found[label] = float(np.median(shares))
        return found

    def _spread(self, name: str) -> tuple[float, str, str, str] | None:
        medians = self._medians(name)
        if len(medians) < 2:
            return None
        low = min(medians, key=lambda label: medians[label])
        high = max(medians, key=lambda label: medians[label])
        return medians[high] - medians[low], name, low, high


def percent(share: float) -> str:
    """Print a share with its sign: ``"+15 %"``; a factor where it is large: ``"30 times"``."""
    if share >= 2.0:
        return f"{share + 1:.3g} times"
    return f"{100 * share:+.2g} %" if abs(share) < 0.1 else f"{100 * share:+.3g} %"
