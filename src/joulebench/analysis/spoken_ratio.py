"""Ratios and differences of units, in words, with their intervals."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from joulebench.analysis.own_uncertainty import (
    Z_95,
    OwnUncertainty,
    widened,
    widened_difference,
)
from joulebench.analysis.result import Result
from joulebench.analysis.statistics_table import records

Named = Callable[[str], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two units, the one above first.

    Args:
        above: The unit that has more.
        below: The other.
        value: Their ratio, at least 1; or their difference, at least 0.
        low: Lower end of its interval, with what the energies' own uncertainty adds.
        high: Upper end.
        ratio: Whether it is a ratio.
        p: Probability of one as far from 1 or 0 if there is none, adjusted, by scatter.
        hidden: Whether scatter alone would show it, and the energies' own uncertainty covers it.
    """

    above: str
    below: str
    value: float
    low: float
    high: float
    ratio: bool
    p: float
    hidden: bool = False

    @property
    def shown(self) -> bool:
        """Whether the interval leaves out that there is none."""
        return self.low > (1.0 if self.ratio else 0.0)

    @property
    def distance(self) -> float:
        """How far apart, for sorting."""
        return abs(math.log(self.value)) if self.ratio and self.value > 0 else abs(self.value)

    @property
    def p_with_bias(self) -> float:
        """Probability of the pair if there is none, as wide as its interval says."""
        reach = (math.log(self.high / self.low) if self.ratio else self.high - self.low) / 2
        return math.erfc(Z_95 * self.distance / reach / math.sqrt(2.0)) if reach > 0 else 0.0

    def figures(self, unit: str = "") -> str:
        """Write the figure with its interval: ``5.3 times (4.0 to 7.0)``."""
        ends_of = ratio_ends if self.ratio else with_ends
        shown, ends = ends_of(self.value, self.low, self.high)
        mark = "times" if self.ratio else unit
        return f"{shown} {mark} ({ends})" if mark else f"{shown} ({ends})"

    def sentence(self, words: str, unit: str = "", factor: str = "") -> str:
        """Say how far the two lie apart.

        Args:
            words: What the response is.
            unit: Its unit.
            factor: What the two are levels of, for levels that are bare numbers.
        """
        above, below = spoken(self.above, factor), spoken(self.below, factor)
        if self.ratio:
            return f"{above} has {self.figures()} the {words} of {below}"
        return f"{above} lies {self.figures(unit)} above {below} in {words}"


def spoken(level: str, factor: str) -> str:
    """Write a level; one that is a bare number with what it is a number of."""
    return f"{factor} {level}" if factor and _NUMBER.fullmatch(level) else level


def pairs_of(found: Result | None, levels: Sequence[str], own: OwnUncertainty) -> list[Pair]:
    """Read the pairs of a result, each the way up that is above 1 or 0.

    Args:
        found: Contrasts of pairs of units; ``None`` for none.
        levels: Names of the units.
        own: The uncertainty of the energies themselves.
    """
    rows = [] if found is None else records(found.found)
    named = names_of(levels) if len(levels) <= _MOST_NAMED else _parted
    return [pair for row in rows if (pair := _pair(row, named, own)) is not None]


def named_pairs(
    found: Result | None, weights: Mapping[str, Mapping[str, float]], own: OwnUncertainty
) -> list[Pair]:
    """Read contrasts whose names stand for two units each.

    Args:
        found: Contrasts by name; ``None`` for none.
        weights: Of the units, by name of the contrast: 1 and -1.
        own: The uncertainty of the energies themselves.
    """
    rows = [] if found is None else records(found.found)
    sides = {name: _sides_of(by) for name, by in weights.items()}
    known = sides | {name.replace(" - ", " / "): pair for name, pair in sides.items()}
    return [pair for row in rows
            if (pair := _pair(row, lambda name: known[name], own)) is not None]  # fmt: skip


def farthest(pairs: Iterable[Pair]) -> Pair | None:
    """Give the pair that lies farthest apart, of those that are shown if any is."""
    found = list(pairs)
    shown = [pair for pair in found if pair.shown]
    return max(shown or found, key=lambda pair: pair.distance, default=None)


def ratio_ends(value: float, low: float, high: float) -> tuple[str, str]:
    """Write a ratio and the ends of its interval; ends that are no bounds at all in words."""
    if low > 0 and high <= _WIDE * low:
        return with_ends(value, low, high)
    shown = "over 1,000" if value > _FAR else f"{value:.2g}"
    least = f"{low:.2g}" if low >= 1 / _FAR else "under 0.001"
    most = f"{high:.2g}" if high < 100 else f"{high:,.0f}" if high <= _FAR else "over 1,000"
    return shown, f"{least} to {most}"


def with_ends(value: float, low: float, high: float) -> tuple[str, str]:
    """Write a figure and the ends of its interval with as many places as the interval is worth."""
    width = high - low
    if not math.isfinite(width) or width <= 0:
        return f"{value:.3g}", f"{low:.3g} to {high:.3g}"
    places = max(0, min(9, 1 - math.floor(math.log10(width))))
    if max(abs(value), abs(high)) >= _LARGE:
        return f"{value:.3g}", f"{low:.3g} to {high:.3g}"
    return f"{value:,.{places}f}", f"{low:,.{places}f} to {high:,.{places}f}"


_NUMBER = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?", re.IGNORECASE)
_WIDE, _FAR = 8.0, 1000.0
"""Ends further apart than this have digits of their own; beyond 1,000 nobody asks how far."""

_MOST_NAMED = 60
_LARGE = 1e7
_MARKS = (" / ", " - ")


def names_of(levels: Sequence[str]) -> Named:
    """Give what tells the two levels of a contrast's name, whatever signs the levels hold."""
    from joulebench.stats.emmeans_contrasts import contrast_set

    known: dict[str, tuple[str, str]] = {}
    for first, second in permutations(levels, 2):
        (name,) = contrast_set("pairwise", [first, second], reverse=False, max_degree=None).names
        known[name] = known[name.replace(" - ", " / ")] = (first, second)
    return lambda name: known.get(name) or _parted(name)


def _parted(contrast: str) -> tuple[str, str]:
    for mark in _MARKS:
        first, found, second = contrast.partition(mark)
        if found:
            return first.strip("()"), second.strip("()")
    return contrast, ""


def _sides_of(weights: Mapping[str, float]) -> tuple[str, str]:
    later, earlier = sorted(weights, key=lambda name: -weights[name])
    return later, earlier


def _pair(row: Mapping[str, Any], named: Named, own: OwnUncertainty) -> Pair | None:
    value, low, high = (float(row[name]) for name in ("estimate", "ci_low", "ci_high"))
    ratio = row.get("effect_size") == "ratio"
    if not math.isfinite(value) or (ratio and value <= 0):
        return None
    above, below = named(str(row["contrast"]))
    if value < (1.0 if ratio else 0.0):
        above, below = below, above
        if ratio:
            value, low, high = 1 / value, _inverse(high), _inverse(low)
        else:
            value, low, high = -value, -high, -low
    still = 1.0 if ratio else 0.0
    wide = _wide(own, above, below, (low, high), ratio=ratio)
    adjusted = row.get("p_adjusted")
    p = float(row["p"] if adjusted is None or math.isnan(adjusted) else adjusted)
    return Pair(above, below, value, *wide, ratio, p, hidden=wide[0] <= still < low)


def _wide(
    own: OwnUncertainty, above: str, below: str, ends: tuple[float, float], *, ratio: bool
) -> tuple[float, float]:
    if not ratio:
        return widened_difference(*ends, own.of_difference(above, below))
    return widened(*ends, own.of_ratio(above, below), own.noise_of_ratio(above, below))


def _inverse(value: float) -> float:
    return 1.0 / value if value > 0 else math.inf
