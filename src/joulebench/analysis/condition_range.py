"""How far two units lie apart in each condition that both were run in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulebench.analysis.answer import Answer
from joulebench.analysis.spoken_ratio import Pair, spoken


@dataclass(frozen=True, slots=True)
class ConditionRange:
    """The ratio or difference of two units, from one condition to the next.

    Args:
        pair: The two.
        by_condition: Their ratio or difference in each condition, from the least to the most.
        word: What a condition is.
    """

    pair: Pair
    by_condition: dict[str, float]
    word: str

    def _at(self, condition: str) -> str:
        shown = spoken(condition, self.word)
        return f"in {shown}" if shown == condition else f"at {shown}"

    @property
    def count(self) -> int:
        """Conditions that both were run in."""
        return len(self.by_condition)

    @property
    def turned(self) -> dict[str, float]:
        """The conditions in which the one below has more."""
        still = 1.0 if self.pair.ratio else 0.0
        return {name: value for name, value in self.by_condition.items() if value < still}

    def sentence(self, unit: str, *, certain: bool) -> str:
        """Say how it changes between conditions, as the end of a sentence.

        Args:
            unit: Of the response.
            certain: Whether repetitions show that it depends on the condition.
        """
        (least, low), *_, (most, high) = self.by_condition.items()
        if not self.turned:
            ends = f"{_figure(low)} {self._at(least)} to {self._with_mark(high, unit)}"
            return f", from {ends} {self._at(most)}"
        turned, there = len(self.turned), self._at(least)
        where = there if turned == 1 else f"in {turned} of the {self.count}, the most {there}"
        told = f"the other way round {where} ({self._with_mark(low, unit)})"
        return f"; {'but ' if certain else ''}{told}"

    def widest(self, words: str) -> str:
        """Say the two ends, for units that differ in single conditions alone."""
        (least, low), *_, (most, high) = self.by_condition.items()
        if self.pair.ratio:
            return (
                f"{self.pair.above} has {_figure(high)} times the {words} of {self.pair.below} "
                f"{self._at(most)}, and {_figure(low)} times {self._at(least)}"
            )
        return (
            f"{self.pair.above} lies {_figure(high)} above {self.pair.below} {self._at(most)}, and "
            f"{_figure(low)} {self._at(least)}"
        )

    def _with_mark(self, value: float, unit: str) -> str:
        mark = "times" if self.pair.ratio else unit
        return f"{_figure(value)} {mark}".rstrip()


def condition_range(made: Answer, scale: str, pair: Pair | None) -> ConditionRange | None:
    """Compare two units in each condition; ``None`` where they share fewer than two.

    Args:
        made: The question with its tests.
        scale: ``log`` for ratios, ``raw`` for differences.
        pair: The two units.
    """
    layout = made.layout
    if pair is None or not layout.others:
        return None
    sample = made.cells("raw")
    rows = sample.frame
    values = rows[sample.response].to_numpy(dtype=np.float64)
    names = rows[layout.conditions].astype(str).to_numpy()
    units = rows[layout.unit].astype(str).to_numpy()
    above, below = (dict(zip(names[units == name], values[units == name], strict=True))
                    for name in (pair.above, pair.below))  # fmt: skip
    apart = {
        name: above[name] / below[name] if scale == "log" else above[name] - below[name]
        for name in above
        if name in below
    }
    if len(apart) < 2:
        return None
    ordered = dict(sorted(apart.items(), key=lambda item: item[1]))
    return ConditionRange(pair, ordered, layout.conditions)


def _figure(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
