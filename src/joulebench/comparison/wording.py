"""Ratios and differences as people say them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from joulebench.comparison.effect import Effect
from joulebench.report.numbers import fixed, places

_TIMES = math.log(1.5)
"""Log ratios from here on are said as times, smaller ones as per cent."""

_MOST_DECIMALS = 2
_LARGEST_LOG = 700.0


@dataclass(frozen=True)
class Words:
    """How an effect is said.

    Args:
        ratio: Whether it is a log ratio, said in per cent; else a difference of shares, in points.
        up: Word for above A: "more", "higher".
        down: Word for below A: "less", "lower".
    """

    ratio: bool
    up: str = "more"
    down: str = "less"

    def is_times(self, effect: Effect) -> bool:
        """Say whether a ratio is so large that it is said as times."""
        return self.ratio and effect.value >= _TIMES

    def amount(self, effect: Effect) -> str:
        """Say the estimate: ``12 % less``, ``2.30 times``."""
        decimals = self._decimals(*effect.ends())
        if self.is_times(effect):
            return f"{fixed(math.exp(effect.value), max(1, self._times_decimals(effect)))} times"
        return self._signed(self._change(effect.value), decimals)

    def interval(self, effect: Effect, confidence: float = 0.95) -> str:
        """Say the interval: ``8 to 16 % less``, ``3 % less to 1 % more``; empty if there is none.

        Args:
            effect: B against A.
            confidence: Coverage.
        """
        low, high = effect.ends(confidence)
        if math.isnan(low):
            return ""
        if self.is_times(effect):
            decimals = self._times_decimals(effect)
            ends = (math.exp(min(end, _LARGEST_LOG)) for end in (low, high))
            return " to ".join(fixed(end, decimals) for end in ends)
        decimals = self._decimals(*effect.ends())
        first, last = self._change(low), self._change(high)
        if first < 0 < last:
            return f"{self._signed(first, decimals)} to {self._signed(last, decimals)}"
        near, far = sorted((abs(first), abs(last)))
        word = self.down if last <= 0 else self.up
        return f"{fixed(near, decimals)} to {fixed(far, decimals)} {self._unit(far)} {word}"

    def _change(self, value: float) -> float:
        """Give an effect in per cent, or in points."""
        return 100 * (math.expm1(min(value, _LARGEST_LOG)) if self.ratio else value)

    def _unit(self, shown: float) -> str:
        if self.ratio:
            return "%"
        return "point" if abs(shown) == 1.0 else "points"

    def _decimals(self, low: float, high: float) -> int:
        if math.isnan(low):
            return 1
        half = (self._change(high) - self._change(low)) / 2
        return max(0, min(places(half, 1), _MOST_DECIMALS)) if half > 0 else 1

    @staticmethod
    def _times_decimals(effect: Effect) -> int:
        low, high = (math.exp(min(end, _LARGEST_LOG)) for end in effect.ends())
        if math.isnan(low) or low == high:
            return 2
        return max(1, min(places((high - low) / 2, 1), 3))

    def _signed(self, value: float, decimals: int) -> str:
        shown = round(value, decimals)
        if shown == 0.0:
            return f"{fixed(0.0, decimals)} {self._unit(0.0)} {self.up}"
        word = self.up if shown > 0 else self.down
        return f"{fixed(abs(shown), decimals)} {self._unit(shown)} {word}"
