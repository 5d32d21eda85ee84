"""Two meters over many windows: how far apart they read, and whether what they state explains it.

Formulas and sources stand in ``docs/measurement.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.agreement import Difference, allowed_j, one_sensor_j, without_gain
from joulebench.channel import Window
from joulebench.energy import Energy, Trace, total
from joulebench.errors import UsageError
from joulebench.nesting import comparable
from joulebench.stats import BlandAltman, Estimate, bland_altman, mean_estimate

LEAST = 3
"""Fewer windows than this say nothing of a spread."""


@dataclass(frozen=True)
class MeterComparison:
    """Two meters compared over windows.

    Args:
        names: What each meter read.
        differences: The two energies of each window.
        joules: Their Bland-Altman analysis, J.
        relative: The same of the differences as shares of their means; ``None`` where a mean is
            0 J.
        one_sensor: Whether they are the counter and the power of one sensor, which share its gain.
    """

    names: tuple[str, str]
    differences: tuple[Difference, ...]
    joules: BlandAltman
    relative: BlandAltman | None
    one_sensor: bool = False

    @property
    def n(self) -> int:
        """Windows compared."""
        return len(self.differences)

    @property
    def mean_j(self) -> float:
        """Mean of what both read, J."""
        return math.fsum(each.mean_j for each in self.differences) / self.n

    @property
    def expected_sd_j(self) -> float:
        """Standard deviation of the differences that the stated noises let expect, J."""
        return math.sqrt(math.fsum(d.energy.noise**2 for d in self.differences) / self.n)

    @property
    def _sum(self) -> Energy:
        return total([each.energy for each in self.differences])

    @property
    def expected_bias_j(self) -> float:
        """Standard uncertainty of the mean difference from the stated biases, J."""
        return self._sum.bias / self.n

    @property
    def allowed_j(self) -> float:
        """How far from 0 J the mean difference may be, 95 %, if what both state is true.

        Scatter and stated noise shrink with the windows, the biases do not.
        """
        stated_j = self._half_j(self.expected_bias_j)
        if not self.one_sensor:
            return stated_j
        apart_j = self._half_j(without_gain(self._sum).bias / self.n)
        return one_sensor_j(stated_j, apart_j, self.mean_j)

    def _half_j(self, bias_j: float) -> float:
        joules = [each.energy.joules for each in self.differences]
        return mean_estimate(joules, bias=bias_j, reading_noise=self.expected_sd_j).half_width

    @property
    def agree(self) -> bool:
        """Whether the mean difference is within what both meters state."""
        return abs(self.joules.bias.value) <= self.allowed_j

    @property
    def beyond(self) -> list[bool]:
        """Whether each window's difference is larger than its own 95 % bound."""
        allowed = [allowed_j(each, one_sensor=self.one_sensor) for each in self.differences]
        return [d.over(bound_j) > 1 for d, bound_j in zip(self.differences, allowed, strict=True)]

    @property
    def outside(self) -> int:
        """Number of windows whose difference is larger than its own bound."""
        return sum(self.beyond)

    @property
    def bound(self) -> str:
        """What the mean difference is held against, in words."""
        return "their one sensor explains" if self.one_sensor else "they state"

    def to_dict(self) -> dict[str, Any]:
        """Give the comparison as a JSON-ready dict."""
        return {
            "first": self.names[0],
            "second": self.names[1],
            "windows": self.n,
            "joules": self.joules.to_dict(),
            "relative": None if self.relative is None else self.relative.to_dict(),
            "expected_sd_j": self.expected_sd_j,
            "expected_bias_j": self.expected_bias_j,
            "allowed_j": self.allowed_j,
            "agree": self.agree,
            "outside": self.outside,
        }

    def __str__(self) -> str:
        """Print the comparison in a few lines."""
        half, low, high = self.allowed_j, self.joules.lower, self.joules.upper
        lines = [
            f"{self.names[0]} less {self.names[1]}, {self.n} windows",
            f"mean difference {_with_ends(self.joules.bias, 'J')}{_share(self.relative)}",
            f"95 % of differences: {low.value:.4g} to {high.value:.4g} J",
            f"allowed: 0 J ± {half:.2g} J for the mean; stated noise: a deviation of "
            f"{self.expected_sd_j:.2g} J (seen {self.joules.sd:.2g} J)",
            f"beyond its own bound in {self.outside} of {self.n} windows",
            "they agree" if self.agree else f"they disagree by more than {self.bound}",
        ]
        return "\n".join(lines)


def compare_energies(
    first: Sequence[Energy],
    second: Sequence[Energy],
    names: tuple[str, str] = ("first", "second"),
    windows: Sequence[str] = (),
    *,
    one_sensor: bool = False,
) -> MeterComparison:
    """Compare the energies that two meters gave for the same windows.

    Args:
        first: Energies of one meter, one a window, shape (n,), n at least 3.
        second: Energies of the other, in the same order.
        names: What each meter read.
        windows: Names of the windows; their numbers where there are none.
        one_sensor: Whether they are the counter and the power of one sensor.

    Raises:
        UsageError: Different numbers of energies, or fewer than three.
    """
    if len(first) != len(second) or len(first) < LEAST:
        raise UsageError(
            f"{names[0]} against {names[1]}: {len(first)} and {len(second)} energies; give both "
            f"for the same {LEAST} windows or more"
        )
    labels = windows or [str(place) for place in range(1, len(first) + 1)]
    pairs = zip(labels, first, second, strict=True)
    found = tuple(Difference(label, one, other) for label, one, other in pairs)
    joules = [e.joules for e in first], [e.joules for e in second]
    whole = all(difference.mean_j for difference in found)
    relative = bland_altman(*joules, relative=True) if whole else None
    return MeterComparison(names, found, bland_altman(*joules), relative, one_sensor)


def compare_meters(first: Trace, second: Trace, windows: Sequence[Window]) -> MeterComparison:
    """Compare two meters that read one thing, over the same windows.

    ``print(compare_meters(counter, power, windows))`` says how far apart they read, whether the
    difference grows with the energy, and whether what both state of themselves explains it.

    Args:
        first: Trace of one meter.
        second: Trace of the other, on the same clock.
        windows: Three windows or more that both cover.

    Raises:
        UsageError: Fewer than three windows.
        EnergyError: A trace gives no energy for a window.
    """
    energies = [[trace.energy(window) for window in windows] for trace in (first, second)]
    names = first.channel.name, second.channel.name
    alike = comparable([first.channel, second.channel])
    return compare_energies(
        energies[0],
        energies[1],
        names,
        [window.name for window in windows],
        one_sensor=any(pair.one_sensor for pair in alike),
    )


def _with_ends(estimate: Estimate, unit: str) -> str:
    return f"{estimate.value:.4g} {unit} ({estimate.low:.4g} to {estimate.high:.4g} {unit})"


def _share(relative: BlandAltman | None) -> str:
    if relative is None:
        return ""
    return f", {_with_ends(relative.bias.scaled(100), '%')}"
