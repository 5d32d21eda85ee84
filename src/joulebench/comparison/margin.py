"""Whether two sides are the same within a margin, and what it would take to decide."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from joulebench.comparison.effect import Effect, MeanEffect
from joulebench.errors import UsageError
from joulebench.stats.least_whole import least_whole

Outcome = Literal["same", "within", "beyond", "different", "undecided", "cannot be told"]

ALPHA = 0.05
_POWER_QUANTILE = 0.8416212335729143
"""80 % point of the standard normal distribution."""

_MOST = 10**6
"""More repetitions than this are not tried."""


@dataclass(frozen=True)
class Equivalence:
    """What two one-sided tests say of a margin.

    Args:
        margin: As given: 0.05 for 5 %.
        low: Lower end of the margin, on the scale of the comparison.
        high: Upper end.
        ci_low: Lower end of the two-sided 90 % interval, which the tests hold against the margin.
        ci_high: Upper end.
        outcome: What was found.
        repetitions: Repetitions of a cell on each side that would decide with a chance of 80 %;
            ``None`` where it is decided, ``inf`` where no number would.
    """

    margin: float
    low: float
    high: float
    ci_low: float
    ci_high: float
    outcome: Outcome
    repetitions: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the result as a JSON-ready dict; ``None`` for what no number would decide."""
        found = {name: getattr(self, name) for name in ("margin", "outcome")}
        endless = self.repetitions is not None and math.isinf(self.repetitions)
        return found | {
            "ci90_low": _finite(self.ci_low),
            "ci90_high": _finite(self.ci_high),
            "repetitions_to_decide": None if endless else self.repetitions,
            "no_number_of_repetitions_decides": endless,
        }


def margin_of(text: str | float | None) -> float | None:
    """Read a margin: ``5%``, ``5 %`` or ``0.05``.

    Raises:
        UsageError: It is no share between 0 and 1.
    """
    if text is None or text == "":
        return None
    word = str(text).strip()
    try:
        share = float(word.removesuffix("%")) / (100 if word.endswith("%") else 1)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        hint = f"{word}%" if 1 <= share < 100 else "5%"
        raise UsageError(f"--margin {word}: write a share such as {hint}, above 0 and below 100 %")
    return share


def judged(effect: Effect, margin: float, *, ratio: bool, repetitions: float = 0.0) -> Equivalence:
    """Hold the interval of an effect against a margin by two one-sided tests at 5 %.

    Both tests pass if and only if the 90 % interval lies within the margin (Schuirmann 1987, J.
    Pharmacokinet. Biopharm. 15, 657). The margin of a ratio is ``1 / (1 + m)`` to ``1 + m``.

    Args:
        effect: B against A.
        margin: 0.05 for 5 %; of shares 0.05 for 5 points.
        ratio: Whether the effect is a log ratio.
        repetitions: Values of a cell on each side now, to say how many would decide; 0 to leave
            that out.
    """
    edge = math.log1p(margin) if ratio else margin
    low, high = effect.ends(1 - 2 * ALPHA)
    found = Equivalence(margin, -edge, edge, low, high, _outcome(effect, edge, (low, high)))
    if (
        found.outcome in ("undecided", "different")
        and repetitions
        and isinstance(effect, MeanEffect)
    ):
        return replace(found, repetitions=_needed(effect, edge, repetitions, found.outcome))
    return found


def _outcome(effect: Effect, edge: float, ends: tuple[float, float]) -> Outcome:
    low, high = ends
    if not effect.told or math.isnan(low):
        return "cannot be told"
    differs = effect.p < ALPHA
    if -edge < low and high < edge:
        return "within" if differs else "same"
    if low > edge or high < -edge:
        return "beyond"
    return "different" if differs else "undecided"


def _needed(effect: MeanEffect, edge: float, now: float, outcome: Outcome) -> float:
    """Give the repetitions that decide with a chance of 80 % if the estimate stays what it is."""
    size = abs(effect.value)

    def decides(repetitions: int) -> bool:
        scale = math.sqrt(now / repetitions)
        dof = (effect.scatter[1] if effect.scatter else math.inf) * repetitions / now
        noise = effect.noise * scale
        planned = replace(effect, value=0.0, scatter=(noise, dof), known=effect.known * scale)
        reserve = _POWER_QUANTILE * noise
        tested = planned.ends(1 - 2 * ALPHA)[1] + reserve
        if outcome == "different":
            return tested <= abs(size - edge)
        return tested <= edge - size or planned.ends(1 - ALPHA)[1] + reserve <= size

    return least_whole(decides, math.ceil(now) + 1, _MOST)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
