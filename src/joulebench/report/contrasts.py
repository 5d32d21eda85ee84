"""Contrasts: how much more one level of a factor uses than another, all else equal."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from joulebench.energy import total
from joulebench.report.evidence import Evidence, Reading
from joulebench.stats import Estimate, log_ratio, paired_ratio

LEAST_BLOCKS = 3
"""Fewer pairs than this leave a paired interval too wide to be of use."""

Stratum = tuple[Any, ...]
Group = dict[Stratum, list[Reading]]


@dataclass(frozen=True)
class Contrast:
    """The ratio of two levels of one factor, over cells that are equal in everything else.

    Args:
        factor: What differs.
        more: Level in the numerator; the one that uses more.
        less: Level in the denominator.
        quantity: ``"energy per output token"`` or ``"energy per run"``.
        ratio: The estimate, 95 %.
        holds: Whether the ratio differs from 1 at a level that allows for all contrasts tried.
        paired: Whether runs of one block were paired.
        strata: Combinations of the other factors' levels that it is averaged over.
        within: Factors that have one level only in all of these strata, with that level.
        over: Factors averaged over.
        method: Method of the energies compared.
        scope: Scope of the energies compared.
    """

    factor: str
    more: str
    less: str
    quantity: str
    ratio: Estimate
    holds: bool
    paired: bool
    strata: int
    within: dict[str, str]
    over: tuple[str, ...]
    method: str
    scope: str

    @property
    def basis(self) -> str:
        """How it was compared, in words."""
        n = self.ratio.n
        pairing = f"paired over {n} blocks" if self.paired else f"unpaired, {n} runs"
        parts = [pairing]
        if self.within:
            parts.append("at " + ", ".join(f"{k} {v}" for k, v in self.within.items()))
        if self.over:
            plural = "s" if self.strata > 1 else ""
            parts.append(f"mean over {self.strata} level{plural} of {' × '.join(self.over)}")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Give the contrast as a JSON-ready dict."""
        names = (
            "factor",
            "more",
            "less",
            "quantity",
            "holds",
            "paired",
            "basis",
            "method",
            "scope",
        )
        return {**{name: getattr(self, name) for name in names}, "ratio": self.ratio.to_dict()}


def contrasts(evidence: Evidence) -> list[Contrast]:
    """Compare every two levels of every factor that share cells; the largest ratio first."""
    per_token = all(each.tokens for each in evidence.readings)
    usable = [
        (name, pair, sides)
        for name, levels in evidence.factors.items()
        for pair, sides in _matched(evidence.readings, name, levels)
    ]
    level = 1 - 0.05 / max(1, len(usable))
    made = [_contrast(name, pair, sides, per_token, level) for name, pair, sides in usable]
    found = [contrast for contrast in made if contrast is not None]
    return sorted(found, key=lambda each: -each.ratio.value)


def _matched(
    readings: Sequence[Reading], factor: str, levels: Sequence[str]
) -> Iterator[tuple[tuple[str, str], tuple[Group, Group]]]:
    """Give every two levels with their runs grouped by all else, keeping what both have."""
    by_level = _by_level(readings, factor)
    for first, second in itertools.combinations(levels, 2):
        one, other = by_level.get(first, {}), by_level.get(second, {})
        shared = [stratum for stratum in one if stratum in other]
        if shared:
            yield (first, second), ({s: one[s] for s in shared}, {s: other[s] for s in shared})


def _by_level(readings: Sequence[Reading], factor: str) -> dict[str, Group]:
    """Group runs by their level of one factor, then by all other levels and how measured."""
    groups: dict[str, Group] = defaultdict(lambda: defaultdict(list))
    for each in readings:
        level = each.levels.get(factor)
        if level is not None:
            others = tuple((k, v) for k, v in each.levels.items() if k != factor)
            groups[level][others, each.origin].append(each)
    return groups


def _contrast(
    factor: str, levels: Sequence[str], sides: tuple[Group, Group], per_token: bool, level: float
) -> Contrast | None:
    origins = {origin for _, origin in sides[0]}
    ratios = [_ratio(*sides, per_token, at) for at in (0.95, level)]
    if ratios[0] is None or ratios[1] is None or len(origins) > 1:
        return None
    (ratio, paired), (strict, _) = ratios[0], ratios[1]
    more, less = levels
    if ratio.value < 1:
        ratio, more, less = _turned(ratio), less, more
    within, over = _others(list(sides[0]))
    return Contrast(
        factor=factor,
        more=more,
        less=less,
        quantity="energy per output token" if per_token else "energy per run",
        ratio=ratio,
        holds=strict.excludes(1.0),
        paired=paired,
        strata=len(sides[0]),
        within=within,
        over=over,
        method=next(iter(origins))[0],
        scope=next(iter(origins))[1],
    )


def _ratio(
    above: Group, below: Group, per_token: bool, level: float
) -> tuple[Estimate, bool] | None:
    """Pair within blocks where enough blocks hold both sides whole; else compare unpaired."""
    log_bias = _bias_left(above, below)
    noise = [_relative_noise(side) for side in (above, below)]
    pairs = _block_pairs(above, below, per_token)
    if len(pairs) >= LEAST_BLOCKS:
        first, second = (list(side) for side in zip(*pairs, strict=True))
        log_noise = math.hypot(*noise) / math.sqrt(len(above))
        return (
            paired_ratio(first, second, log_bias=log_bias, log_noise=log_noise, level=level),
            True,
        )
    groups = [[_values(g, per_token) for g in side.values()] for side in (above, below)]
    if any((values <= 0).any() or len(values) < 2 for side in groups for values in side):
        return None
    ratio = log_ratio(groups[0], groups[1], log_bias=log_bias, log_noise=max(noise), level=level)
    return ratio, False


def _block_pairs(above: Group, below: Group, per_token: bool) -> list[tuple[float, float]]:
    """Give, for each block that holds every stratum of both sides, their geometric means."""
    means = [_block_means(side, per_token) for side in (above, below)]
    return [(means[0][b], means[1][b]) for b in means[0] if b in means[1]]


def _block_means(side: Group, per_token: bool) -> dict[Any, float]:
    logs: dict[Any, dict[Stratum, list[float]]] = defaultdict(lambda: defaultdict(list))
    for stratum, group in side.items():
        for each in group:
            value = _value(each, per_token)
            if value > 0:
                logs[each.run.trial.get("block")][stratum].append(math.log(value))
    return {
        block: math.exp(fmean(fmean(values) for values in found.values()))
        for block, found in sorted(logs.items(), key=lambda item: str(item[0]))
        if len(found) == len(side) and block is not None
    }


def _bias_left(above: Group, below: Group) -> float:
    """Give the relative bias that a ratio keeps once what both sides share has cancelled."""
    sums = [total([each.energy for group in side.values() for each in group])
            for side in (above, below)]  # fmt: skip
    if sums[0].joules <= 0 or sums[1].joules <= 0:
        return 0.0
    ratio = sums[0].ratio(sums[1])
    return ratio.bias / ratio.value


def _relative_noise(side: Group) -> float:
    """Give the typical relative noise of the energy of one run."""
    shares = [
        each.energy.noise / each.energy.joules
        for group in side.values()
        for each in group
        if each.energy.joules > 0
    ]
    return math.sqrt(fmean(share**2 for share in shares)) if shares else 0.0


def _value(each: Reading, per_token: bool) -> float:
    return each.energy.joules / (each.tokens or 1) if per_token else each.energy.joules


def _values(group: Sequence[Reading], per_token: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([_value(each, per_token) for each in group])


def _others(strata: Sequence[Stratum]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Tell which other factors are fixed in these strata and which are averaged over."""
    levels: dict[str, set[str]] = defaultdict(set)
    for others, _ in strata:
        for name, level in others:
            levels[name].add(level)
    within = {name: next(iter(found)) for name, found in levels.items() if len(found) == 1}
    return within, tuple(name for name, found in levels.items() if len(found) > 1)


def _turned(ratio: Estimate) -> Estimate:
    """Give the ratio the other way up; its relative uncertainties stay as they are."""
    value, scale = 1 / ratio.value, ratio.value**2
    low = 1 / ratio.high if ratio.high > 0 else 0.0
    high = 1 / ratio.low if ratio.low > 0 else math.inf
    return Estimate(value, low, high, ratio.n, ratio.noise / scale, ratio.bias / scale, ratio.dof,
                    ratio.level, ratio.method)  # fmt: skip
