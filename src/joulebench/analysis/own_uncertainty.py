"""What the uncertainty of the energies themselves adds to the scatter of their repetitions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.recorded_biases import recorded_biases
from joulebench.joules import Energy

if TYPE_CHECKING:
    import pandas as pd

Z_95 = 1.959963984540054
"""Two-sided 95 % point of the standard normal distribution."""

_METERS = ("testbed", "host")
_NOTHING = 5e-5
"""Relative biases below this are nothing beside any scatter."""


@dataclass(frozen=True, slots=True)
class OwnUncertainty:
    """The bias of a response, by group: what repetitions do not shrink.

    Args:
        relative: Relative standard uncertainty of the mean of each group; empty where the source
            states none.
        energies: Mean of each group with its biases by source, over its own size, where records
            tell them.
        shares: The same by the place where a part of the group was measured, where a column tells
            the sum of all sources alone.
        means: Mean of each group, in the unit of the response.
        noise: Relative standard uncertainty of the mean of each group that repetitions do shrink.
    """

    relative: Mapping[str, float]
    energies: Mapping[str, Energy] = field(default_factory=dict)
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)

    def of_ratio(self, above: str, below: str) -> float:
        """Give the relative bias that the ratio of two groups keeps.

        Where records tell the biases by source, gain and offset of one sensor subtract and all else
        adds in quadrature (JCGM 100:2008, 5.2.2; :meth:`joulebench.joules.Energy.ratio`). Where
        only their sum is known, two groups of one meter share its gain g and its offset o:
        ``u1^2 - u2^2 = o^2 / x1^2 - o^2 / x2^2`` is at least the square of what is left,
        ``o / x1 - o / x2``, so that its root is a safe bound. Groups of several meters share
        nothing, and a group that was measured on several has its share of each.
        """
        if above in self.energies and below in self.energies:
            return self.energies[above].ratio(self.energies[below]).bias
        return _left(self.shares.get(above, {}), self.shares.get(below, {}))

    def of_difference(self, above: str, below: str) -> float:
        """Give the bias that the difference of two groups keeps, in the unit of the response."""
        first, second = (abs(self.means.get(name, 0.0)) for name in (above, below))
        if above in self.energies and below in self.energies:
            return (self.energies[above] * first - self.energies[below] * second).bias
        return _left(
            {meter: share * first for meter, share in self.shares.get(above, {}).items()},
            {meter: share * second for meter, share in self.shares.get(below, {}).items()},
        )

    def noise_of_ratio(self, above: str, below: str) -> float:
        """Give the relative noise of the ratio of two groups by their readings' own noise."""
        return math.hypot(self.noise.get(above, 0.0), self.noise.get(below, 0.0))

    @property
    def stated(self) -> bool:
        """Whether the source states what its sensors add."""
        return bool(self.relative)

    @property
    def sentence(self) -> str:
        """What the intervals hold beside scatter, in words."""
        if not self.relative:
            return "the source states no uncertainty of its own: intervals hold scatter alone"
        told = f"each figure is known to ± {percent(max(self.relative.values()))}"
        groups = list(self.relative)
        left = max((self.of_ratio(a, b) for a in groups for b in groups if a != b), default=0.0)
        if left < _NOTHING:
            return f"{told} (95 %), which one meter shares: in ratios it cancels"
        if left < max(self.relative.values()):
            return f"{told} (95 %), of which ± {percent(left)} at most stays in ratios"
        return f"{told} (95 %), all of which stays in ratios of several meters"


def own_uncertainty(frame: AnalysisFrame, response: str, by: str) -> OwnUncertainty:
    """Give the bias of a response in each group.

    Args:
        frame: Run means or repetitions, with a column of the groups.
        response: Tidy name.
        by: Column of the groups.
    """
    rows = frame.frame
    noise, bias = frame.response(response).noise, frame.response(response).bias
    scatter = _noise(rows, response, noise, by) if noise in rows else {}
    means = {str(k): float(v) for k, v in rows.groupby(by, observed=True)[response].mean().items()}
    recorded = recorded_biases(frame, response, by)
    if recorded:
        relative = {name: each.bias for name, each in recorded.items()}
        return OwnUncertainty(relative, recorded, {}, means, scatter)
    shares = _shares(rows, response, bias, by) if bias in rows else {}
    relative = {name: math.hypot(*each.values()) for name, each in shares.items()}
    return OwnUncertainty(relative, {}, shares, means, scatter)


def widened(low: float, high: float, relative: float, noise: float = 0.0) -> tuple[float, float]:
    """Give the 95 % interval of a ratio with a bias in it, combined on the log scale.

    Args:
        low: Lower end by scatter, above 0.
        high: Upper end by scatter.
        relative: Relative standard uncertainty that the scatter does not show.
        noise: The same of the readings' own noise, which scatter shows if it is large enough.
    """
    if max(relative, noise) <= 0 or not 0 < low <= high < math.inf:
        return low, high
    middle, half = (math.log(low) + math.log(high)) / 2, (math.log(high) - math.log(low)) / 2
    whole = math.hypot(max(half, Z_95 * noise), Z_95 * relative)
    return math.exp(middle - whole), math.exp(middle + whole)


def widened_difference(low: float, high: float, bias: float) -> tuple[float, float]:
    """Give the 95 % interval of a difference with a bias in it.

    Args:
        low: Lower end by scatter.
        high: Upper end by scatter.
        bias: Standard uncertainty that the scatter does not show, in the unit of the difference.
    """
    if bias <= 0 or not math.isfinite(high - low):
        return low, high
    middle, whole = (low + high) / 2, math.hypot((high - low) / 2, Z_95 * bias)
    return middle - whole, middle + whole


def percent(share: float) -> str:
    """Write twice a relative standard uncertainty, 95 %, as per cent."""
    size = 100 * Z_95 * share
    if size < 0.01:
        return "0.01 %"
    return f"{size:.0f} %" if size >= 10 else f"{size:.2g} %"


def _left(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    meters = {*first, *second}
    return math.sqrt(sum(abs(first.get(m, 0.0) ** 2 - second.get(m, 0.0) ** 2) for m in meters))


def _shares(rows: pd.DataFrame, response: str, bias: str, by: str) -> dict[str, dict[str, float]]:
    """Give the relative bias of each group, by the place that a part of it was measured in."""
    known = rows[rows[bias].notna() & (rows[response] > 0)]
    places = [known[name].astype(str) for name in _METERS if name in known and name != by]
    places += [known[by].astype(str)] if by in _METERS else []
    meter = known[by].astype(str).map(lambda _: "")
    for place in places:
        meter = meter + " " + place
    relative = known[bias] / known[response]
    sums = relative.groupby([known[by].astype(str), meter]).sum()
    counts = known.groupby(known[by].astype(str)).size()
    found: dict[str, dict[str, float]] = {}
    for key, total in zip(sums.index.tolist(), sums.tolist(), strict=True):
        found.setdefault(key[0], {})[key[1]] = total / int(counts[key[0]])
    return found


def _noise(rows: pd.DataFrame, response: str, noise: str, by: str) -> dict[str, float]:
    """Give the relative noise of the mean of each group."""
    known = rows[rows[noise].notna() & (rows[response] > 0)]
    found = {}
    for level, part in known.groupby(by, observed=True):
        of_mean = math.sqrt(float((part[noise] ** 2).sum())) / len(part)
        found[str(level)] = of_mean / float(part[response].mean())
    return found
