"""What a planned design can show: the smallest ratio of two levels, and the chance to find one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from joulebench.stats.power_ratio import RatioDesign
from joulebench.stats.refused import Refused

if TYPE_CHECKING:
    from joulebench.analysis.analysis_frame import AnalysisFrame
    from joulebench.design import Design

POWER = 0.8
"""Chance of finding the smallest difference that a design is said to show."""

ERROR_RATE = 0.05
"""Of all pairs of one factor together."""

SCATTERS = (0.01, 0.02, 0.05, 0.1)
"""Run-to-run coefficients of variation that are tried where no pilot tells one."""


@dataclass(frozen=True)
class _Blocked(RatioDesign):
    """A ratio with the degrees of freedom of the whole design."""

    df: int = 1

    def noise(self, repetitions: int) -> tuple[float, int]:
        """Give the standard error of the log ratio and its degrees of freedom."""
        return super().noise(repetitions)[0], self.df


@dataclass(frozen=True)
class Comparison:
    """The planned comparison of the levels of one thing that was varied.

    Args:
        name: A factor, or the unit that several make up: ``model``.
        levels: How many.
        pairs: Pairs of levels that share a condition.
        alone: Pairs that share none, so that nothing compares them within a block.
        conditions: Fewest conditions that a pair shares.
        repetitions: Of each cell.
        df: Degrees of freedom of the scatter.
        confidence: Of each pair, so that all together err in :data:`ERROR_RATE` of cases.
    """

    name: str
    levels: int
    pairs: int
    alone: int
    conditions: int
    repetitions: int
    df: int
    confidence: float

    def smallest(self, cv: float, gain: float = 0.0) -> float | None:
        """Give the smallest ratio, above 1, that is found with a chance of :data:`POWER`.

        Args:
            cv: Run-to-run coefficient of variation.
            gain: Relative standard uncertainty of each of two meters that read the sides; 0 where
                one reads both.

        Returns:
            ``None`` where the design shows none.
        """
        design = self._design(cv, gain)
        if design is None:
            return None
        try:
            return math.exp(design.detectable(self.conditions, POWER))
        except (Refused, OverflowError):
            return None

    def power(self, ratio: float, cv: float) -> float | None:
        """Give the chance to find a ratio, on one meter; ``None`` without degrees of freedom."""
        design = self._design(cv, 0.0)
        return None if design is None else design.power(math.log(ratio), self.conditions)

    def _design(self, cv: float, gain: float) -> _Blocked | None:
        if self.df < 1 or self.conditions < 1:
            return None
        log_sd, bias = math.sqrt(math.log1p(cv**2)), math.sqrt(2) * gain
        return _Blocked(log_sd, self.repetitions, bias, self.confidence, df=self.df)

    def to_dict(self) -> dict[str, Any]:
        """Give the comparison as a JSON-ready dict, with what it shows at each scatter."""
        shown = {f"{cv:g}": self.smallest(cv) for cv in SCATTERS}
        return asdict(self) | {"power": POWER, "smallest_ratio": shown}


def comparisons(frame: AnalysisFrame, design: Design) -> Iterator[Comparison]:
    """Give the comparisons of a design: of each unit that factors make up, and each other factor.

    Two levels are compared within blocks and conditions, by the ratio of their geometric means.
    The scatter is that of ``log(y) ~ cell + block``; where levels stay together within a block,
    stretches are the units.

    Args:
        frame: The planned rows.
        design: Of the study.
    """
    names = things(frame)
    cells = frame.frame[names].astype(str).drop_duplicates()
    for name in names:
        others = [other for other in names if other != name]
        places = {
            str(level): set(map(tuple, part[others].to_numpy().tolist()))
            for level, part in cells.groupby(name, observed=True, sort=False)
        }
        shared = [len(places[a] & places[b]) for a, b in combinations(places, 2)]
        pairs = sum(count > 0 for count in shared)
        yield Comparison(
            name,
            len(places),
            pairs,
            len(shared) - pairs,
            min((count for count in shared if count), default=0),
            design.repetitions,
            _df(design, frame.units.get(name, (name,)), len(places)),
            1 - ERROR_RATE / max(pairs, 1),
        )


def things(frame: AnalysisFrame) -> list[str]:
    """Name what was varied: units that several factors make up, and the other factors."""
    tied = {part for parts in frame.units.values() for part in parts}
    return [*frame.units, *(name for name in frame.factors if name not in tied)]


def _df(design: Design, parts: Sequence[str], levels: int) -> int:
    cells, repetitions = len(design.cells), design.repetitions
    if set(parts) & set(design.group_by):
        return (levels - 1) * ((1 if design.order == "shuffle" else repetitions) - 1)
    if design.order in ("blocks", "latin"):
        # A block, or each group in it, has a mean of its own that is taken out.
        groups = len({design.group_of(cell) for cell in design.cells})
        return (cells - groups) * (repetitions - 1)
    return cells * (repetitions - 1)


def floor(gain: float) -> float:
    """Give the ratio that two meters of this gain hide, however often one repeats."""
    return math.exp(RatioDesign(0.0, 1, math.sqrt(2) * gain, 1 - ERROR_RATE).floor(POWER))
