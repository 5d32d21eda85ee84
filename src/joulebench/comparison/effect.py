"""How far two sides lie apart: one number with its interval at any confidence, and its p value."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from joulebench.stats.accuracy import wilson_interval
from joulebench.stats.mean import Noise, expanded_uncertainty

_NOTHING = 1e-12
"""A log ratio or a difference of shares below this is rounding."""

_HALVINGS = 60
_Z_95 = 1.959963984540054


class Effect(Protocol):
    """B against A, as a log ratio or as a difference; 0 where they are equal."""

    @property
    def value(self) -> float:
        """The best estimate."""

    @property
    def n(self) -> int:
        """Observations behind it."""

    @property
    def method(self) -> str:
        """How the interval was made, in a few words."""

    @property
    def told(self) -> bool:
        """Whether anything is known of how it would scatter if it were measured again."""

    @property
    def p(self) -> float:
        """Two-sided p value of no difference; ``nan`` where scatter is unknown."""

    def ends(self, confidence: float = 0.95) -> tuple[float, float]:
        """Give the ends of the interval; ``nan`` where nothing is known of its width."""


@dataclass(frozen=True)
class MeanEffect:
    """A difference of means whose scatter is known, and what repetitions do not shrink beside it.

    Args:
        value: The best estimate.
        n: Observations behind it.
        scatter: Standard uncertainty from the scatter with its degrees of freedom; ``None`` where
            nothing was repeated.
        known: Standard uncertainty from the stated noise of the readings.
        bias: Standard uncertainty that repetitions do not shrink.
        method: How the interval was made, in a few words.
        least: A scatter that counts where it is the larger; ``None`` if there is none.
    """

    value: float
    n: int
    scatter: Noise | None
    known: float
    bias: float
    method: str
    least: Noise | None = None

    @property
    def told(self) -> bool:
        """Whether anything is known of how it would scatter if it were measured again."""
        return self.scatter is not None

    @property
    def noise(self) -> float:
        """Standard uncertainty that repetitions shrink: by scatter or by noise, the larger."""
        return max((noise for noise, _ in self._noises), default=0.0)

    @property
    def _noises(self) -> list[Noise]:
        known = [(self.known, math.inf)] if self.known > 0 else []
        return [*(noise for noise in (self.scatter, self.least) if noise is not None), *known]

    def ends(self, confidence: float = 0.95) -> tuple[float, float]:
        """Give the ends of the interval; ``nan`` where nothing is known of its width.

        The widest of the intervals by scatter and by stated noise, each with the bias, as
        :func:`joulebench.stats.mean.mean_estimate` has it (JCGM 100:2008, G.4.1).

        Args:
            confidence: Coverage.
        """
        noises = self._noises or ([(0.0, math.inf)] if self.bias > 0 else [])
        if not noises:
            return math.nan, math.nan
        half = max(expanded_uncertainty(*noise, self.bias, confidence)[0] for noise in noises)
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """Two-sided p value of no difference: at its confidence the interval would end at 0."""
        if not self.told:
            return math.nan
        if abs(self.value) <= _NOTHING:
            return 1.0
        return max(self._p(*noise) for noise in self._noises)

    def _p(self, noise: float, dof: float) -> float:
        from scipy.special import stdtr

        combined, dof_combined = math.hypot(noise, self.bias), dof
        if combined == 0.0:
            return 0.0
        if noise > 0:
            dof_combined = dof / (noise / combined) ** 4
        whole = 2 * float(stdtr(dof_combined, -abs(self.value) / combined))
        alone = 2 * float(stdtr(dof, -abs(self.value) / noise)) if noise > 0 else 0.0
        return max(whole, alone)


@dataclass(frozen=True)
class Shares:
    """Items that came out right on both sides; not whole where repetitions were averaged.

    Args:
        right_a: Items right in A.
        items_a: Items of A.
        right_b: Items right in B.
        items_b: Items of B.
    """

    right_a: float
    items_a: float
    right_b: float
    items_b: float

    @property
    def difference(self) -> float:
        """Share of B less share of A."""
        return self.right_b / self.items_b - self.right_a / self.items_a


@dataclass(frozen=True)
class ShareEffect:
    """The mean difference of shares over cells, B less A, the items taken as a sample of items.

    The interval of one cell joins the score intervals of Wilson (Newcombe 1998, Stat. Med. 17,
    873, method 10); that of the mean joins those of the cells, each arm by its root sum of squares
    (Zou and Donner 2008, Stat. Med. 27, 1693).

    Args:
        cells: At least one.
        method: How the interval was made, in a few words.
    """

    cells: tuple[Shares, ...]
    method: str = "score intervals joined (Newcombe)"

    @property
    def value(self) -> float:
        """Mean difference of the shares."""
        return math.fsum(each.difference for each in self.cells) / len(self.cells)

    @property
    def n(self) -> int:
        """Items behind it, both sides together."""
        return round(math.fsum(each.items_a + each.items_b for each in self.cells))

    @property
    def told(self) -> bool:
        """Items are a sample, so that their scatter is known."""
        return True

    @property
    def typical(self) -> float:
        """The standard uncertainty that its 95 % interval is as wide as."""
        low, high = self.ends()
        return (high - low) / (2 * _Z_95)

    def ends(self, confidence: float = 0.95) -> tuple[float, float]:
        """Give the ends of the interval.

        Args:
            confidence: Coverage.
        """
        arms = [_newcombe(each, confidence) for each in self.cells]
        low, high = (math.hypot(*side) / len(arms) for side in zip(*arms, strict=True))
        return max(-1.0, self.value - low), min(1.0, self.value + high)

    @property
    def p(self) -> float:
        """Two-sided p value of no difference: at its confidence the interval ends at 0."""
        if abs(self.value) <= _NOTHING:
            return 1.0
        return 1 - _solved(self._leaves_out_zero)

    def _leaves_out_zero(self, confidence: float) -> bool:
        low, high = self.ends(confidence)
        return not low <= 0.0 <= high


def _newcombe(cell: Shares, confidence: float) -> tuple[float, float]:
    """Give the lower and the upper arm of the interval of one difference."""
    a = wilson_interval(cell.right_a, cell.items_a, level=confidence)
    b = wilson_interval(cell.right_b, cell.items_b, level=confidence)
    return (
        math.hypot(b.value - b.low, a.high - a.value),
        math.hypot(b.high - b.value, a.value - a.low),
    )


def _solved(leaves_out: Callable[[float], bool]) -> float:
    """Give the highest confidence at which an interval still leaves something out."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if leaves_out(middle) else (low, middle)
    return low
