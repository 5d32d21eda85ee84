"""When residuals count as normal and variances as equal: by p, and by size where n is large."""

from __future__ import annotations

from dataclasses import dataclass

from joulebench.stats.shapiro import Normality
from joulebench.stats.variances import LeveneTest

MANY = 100
"""Values from which a test rejects departures too small to matter."""
LITTLE_SKEWNESS, LITTLE_KURTOSIS, HIGH_W = 0.5, 1.0, 0.98
"""Departures from normal that do not matter (skewness: Bulmer 1979, Principles of Statistics)."""
LITTLE_SD_RATIO = 1.5
"""Largest over smallest standard deviation that does not matter."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether an assumption holds well enough, and why.

    Args:
        holds: Whether it does; ``None`` where it cannot be tested.
        words: What was seen.
    """

    holds: bool | None
    words: str


def normal_enough(found: Normality, alpha: float) -> Judgement:
    """Judge residuals: by p, and with 100 or more by W, skewness and kurtosis as well.

    A test of so many values rejects what would not move the p of a t or F test: they count as
    nearly normal if W is 0.98 or more (where it is defined), skewness within 0.5 of 0 and excess
    kurtosis within 1 of it.

    Args:
        found: The test of the residuals.
        alpha: p from which no departure is claimed.
    """
    seen = f"{found.statistic} = {found.value:.3g}, p = {found.p:.2g}"
    if found.p >= alpha:
        return Judgement(True, f"residuals look normal ({seen})")
    shape = f"skewness {found.skewness:.2f}, excess kurtosis {found.kurtosis:.2f}"
    straight = found.statistic != "W" or found.value >= HIGH_W
    little = abs(found.skewness) <= LITTLE_SKEWNESS and abs(found.kurtosis) <= LITTLE_KURTOSIS
    if found.n >= MANY and straight and little:
        return Judgement(
            True,
            f"residuals are nearly normal ({seen}, but {shape}: among {found.n} values a test "
            "rejects what is too little to matter)",
        )
    return Judgement(False, f"residuals are not normal ({seen}; {shape})")


def equal_enough(found: LeveneTest | None, alpha: float) -> Judgement:
    """Judge variances: by p of Levene's test, and with 100 values or more by their size as well.

    Args:
        found: The test about medians; ``None`` where there are no groups with enough values.
        alpha: p from which no difference is claimed.
    """
    if found is None:
        return Judgement(None, "variances cannot be compared (too few values in each group)")
    seen = f"Levene F = {found.value:.3g}, p = {found.p:.2g}"
    if found.p >= alpha:
        return Judgement(True, f"variances look equal ({seen})")
    apart = f"standard deviations up to {found.sd_ratio:.2g}-fold apart"
    if found.df1 + found.df2 + 1 >= MANY and found.sd_ratio <= LITTLE_SD_RATIO:
        return Judgement(True, f"variances are nearly equal ({seen}, but {apart})")
    return Judgement(False, f"variances are unequal ({seen}; {apart})")
