"""When to stop measuring: intervals that stay valid while one looks, and a reason in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.confidence_sequence import ConfidenceSequence, finite_values
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Array = npt.NDArray[np.float64]

_FLOOR = 0.9
"""A bias that makes up this share of the interval's width leaves little for more values to win."""


class Sequential(Protocol):
    """What makes the interval: a confidence sequence, or a group-sequential plan."""

    @property
    def name(self) -> str:
        """The method in words."""

    @property
    def confidence(self) -> float:
        """Chance that all intervals hold together."""

    @property
    def at_most(self) -> int | None:
        """Values after which the method has nothing left to say."""

    def doubt(self, looks: Sequence[int]) -> str:
        """Say what is doubtful about the stated confidence, empty if nothing is."""

    def radius(self, values: Array, looks: Sequence[int] = ()) -> float:
        """Give half the width of the interval about the mean of all values so far."""


@dataclass(frozen=True)
class Goal:
    """What there is to find out; measuring stops as soon as one of these is reached.

    Args:
        null: Stop when the interval leaves out this mean (0 for log ratios: no difference).
        margin: Stop when the interval lies within this distance of ``null`` (of 0 where that is
            not given): equal for all that matters.
        half_width: Stop when the interval reaches no further than this to either side.
        at_most: Stop, undecided, at this number of values.

    Raises:
        Refused: No goal, or one that is not above 0.
    """

    null: float | None = None
    margin: float | None = None
    half_width: float | None = None
    at_most: int | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if (self.null, self.margin, self.half_width, self.at_most) == (None,) * 4:
            raise Refused("a rule needs a goal: give null, margin, half_width or at_most")
        for name in ("margin", "half_width", "at_most"):
            asked = getattr(self, name)
            if asked is not None and not asked > 0:
                raise Refused(f"{name} must be above 0, not {asked:g}")
        if self.null is not None and not math.isfinite(self.null):
            raise Refused(f"null must be a number, not {self.null}")


class StoppingRule:
    """Takes values as they come and says after each look whether to go on.

    The interval comes from the method and holds at all looks together, so that stopping when it
    pleases neither biases the claim nor narrows the interval. A bias that all values share does not
    shrink: where one is given, the error rate is halved between noise and bias and the interval is
    the sum of both (Bonferroni).

    Args:
        goal: When to stop.
        method: A :class:`~joulebench.stats.confidence_sequence.ConfidenceSequence` (any number of
            looks, no end) or a :class:`~joulebench.stats.spending_plan.SpendingPlan`.
        bias: Standard uncertainty that all values share, in their unit.

    Raises:
        Refused: A bias that is negative or not finite.
    """

    def __init__(self, goal: Goal, method: Sequential | None = None, *, bias: float = 0.0) -> None:
        if not (math.isfinite(bias) and bias >= 0):
            raise Refused(f"a bias must be finite and at least 0, not {bias}")
        self.goal = goal
        self.method: Sequential = method or ConfidenceSequence()
        self.confidence = self.method.confidence
        self._noise, self._bias_half = _shared(self.method, bias)
        self._values: list[float] = []
        self._looks: list[int] = []
        self._rows: list[dict[str, Any]] = []

    def feed(self, values: npt.ArrayLike) -> pd.DataFrame:
        """Add the values of one look, one or more, and look.

        Args:
            values: New values (log ratios of blocks, say), shape (k,), or one number.

        Returns:
            One row: ``test``, ``estimate``, ``ci_low``, ``ci_high``, ``confidence``, ``n``,
            ``look``, ``decision`` ("stop" or "go on"), ``reason``, and ``note`` where the
            confidence is approximate.

        Raises:
            Refused: Values that are not finite numbers, or a look after the end of a plan.
        """
        fed = finite_values(values)
        sample = np.array([*self._values, *fed])
        looks = [*self._looks, len(sample)]
        radius = self._noise.radius(sample, looks) + self._bias_half
        mean = float(sample.mean())
        stop, reason = self._verdict(mean, radius, len(sample))
        self._values, self._looks = sample.tolist(), looks
        self._rows.append(
            {
                "test": self.method.name,
                "estimate": mean,
                "ci_low": mean - radius,
                "ci_high": mean + radius,
                "confidence": self.confidence,
                "n": len(sample),
                "look": len(looks),
                "decision": "stop" if stop else "go on",
                "reason": reason,
                "note": self.method.doubt(looks),
            }
        )
        return tidy(self._rows[-1:])

    @property
    def looks(self) -> pd.DataFrame:
        """All looks so far, one row each."""
        return tidy(self._rows)

    @property
    def stopped(self) -> bool:
        """Whether the last look said to stop."""
        return bool(self._rows) and self._rows[-1]["decision"] == "stop"

    def _verdict(self, mean: float, radius: float, n: int) -> tuple[bool, str]:
        goal = self.goal
        span = f"the interval {mean - radius:.4g} to {mean + radius:.4g}"
        reached = [
            f"{span} {said}" for said in (_equal(goal, mean, radius), _differs(goal, mean, radius),
                                          _precise(goal, radius)) if said
        ]  # fmt: skip
        if reached:
            return True, "; ".join(reached)
        ends = [end for end in (goal.at_most, self.method.at_most) if end is not None]
        if ends and n >= min(ends):
            return True, f"undecided after {n} values, the most that were to be taken; {span}"
        if math.isinf(radius):
            said = "1 value does" if n == 1 else f"{n} values do"
            return False, f"{said} not bound the mean yet"
        if self._bias_half >= _FLOOR * radius:
            share = self._bias_half / radius
            return True, f"{span} is {share:.0%} bias, which more values do not shrink"
        return False, f"{span} decides nothing yet"


def _differs(goal: Goal, mean: float, radius: float) -> str:
    if goal.null is None or abs(mean - goal.null) <= radius:
        return ""
    return f"leaves out {goal.null:g}"


def _equal(goal: Goal, mean: float, radius: float) -> str:
    centre = goal.null or 0.0
    if goal.margin is None or abs(mean - centre) + radius > goal.margin:
        return ""
    return f"lies within {goal.margin:g} of {centre:g}"


def _precise(goal: Goal, radius: float) -> str:
    if goal.half_width is None or radius > goal.half_width:
        return ""
    return f"is as narrow as asked, {goal.half_width:g} to either side"


def _shared(method: Sequential, bias: float) -> tuple[Sequential, float]:
    """Share the error rate between noise and bias, where there is a bias."""
    if bias == 0.0:
        return method, 0.0
    from dataclasses import is_dataclass, replace

    from scipy.special import ndtri

    if not is_dataclass(method) or isinstance(method, type):
        raise Refused(f"{method.name} cannot be given another confidence: leave bias at 0")
    half = (1 - method.confidence) / 2
    return replace(method, confidence=1 - half), -float(ndtri(half / 2)) * bias
