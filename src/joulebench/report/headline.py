"""What the study found, in one sentence that its intervals support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joulebench.report.contrasts import Contrast
from joulebench.report.numbers import between, fixed, interval, places
from joulebench.stats import Estimate

_TIMES = 1.5
"""Ratios from here on are said as times, smaller ones as per cent."""


@dataclass(frozen=True)
class Headline:
    """The claim, and what it rests on.

    Args:
        claim: One sentence without its full stop.
        basis: How it was compared and what its joules are; empty where nothing is claimed.
    """

    claim: str
    basis: str = ""

    def __str__(self) -> str:
        return f"{self.claim} ({self.basis})." if self.basis else f"{self.claim}."


def headline(
    contrasts: Sequence[Contrast], cells: int, runs: int, apart: Sequence[str] = ()
) -> Headline:
    """Say the largest contrast that holds, or why there is none.

    Args:
        contrasts: The largest first.
        cells: Combinations of levels with an energy.
        runs: Runs with an energy.
        apart: Windows that have an energy although they are no measured ones.
    """
    if runs == 0 and apart:
        names = ", ".join(apart)
        return Headline(f"No run has a measured window; the energies of {names} are under phases")
    if runs == 0:
        return Headline("No run of this study has an energy")
    largest = next((contrast for contrast in contrasts if contrast.holds), None)
    if largest is not None:
        return Headline(_claim(largest), _basis(largest))
    if contrasts:
        return _no_difference(contrasts[0])
    if cells > 1:
        return Headline(
            "No two levels can be compared: there are too few repetitions, or no cells that are "
            "equal in everything else"
        )
    return Headline("One condition was measured; there is nothing to compare it with")


def _claim(contrast: Contrast) -> str:
    more, less = _named(contrast.factor, contrast.more), contrast.less
    if contrast.ratio.value >= _TIMES:
        times = _times(contrast.ratio)
        return f"{more} uses {times} times the {contrast.quantity} of {less}"
    return f"{more} uses {_percent(contrast.ratio)} more {contrast.quantity} than {less}"


def _basis(contrast: Contrast) -> str:
    origin = ", ".join(part for part in (contrast.method, contrast.scope) if part)
    return f"95 % interval, {contrast.basis}; {origin}"


def _no_difference(largest: Contrast) -> Headline:
    more = _named(largest.factor, largest.more)
    return Headline(
        f"No difference in {largest.quantity} between levels is larger than its uncertainty; the "
        f"largest, {more} over {largest.less}, is a factor of {between(largest.ratio)}",
        _basis(largest),
    )


def _named(factor: str, level: str) -> str:
    """Name a level; that of a factor called model is a name already."""
    return level if factor == "model" else f"{factor} {level}"


def _times(ratio: Estimate) -> str:
    decimals = places(ratio.half_width, 1) if ratio.half_width > 0 else 2
    decimals = max(1, min(decimals, 3))
    return f"{fixed(ratio.value, decimals)} ({interval(ratio, decimals)})"


def _percent(ratio: Estimate) -> str:
    more = Estimate(100 * (ratio.value - 1), 100 * (ratio.low - 1), 100 * (ratio.high - 1), ratio.n)
    decimals = max(0, min(places(more.half_width, 1) if more.half_width > 0 else 1, 2))
    return f"{fixed(more.value, decimals)} % ({interval(more, decimals)} %)"
