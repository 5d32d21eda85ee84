"""Intervals for a mean at the looks of a group-sequential plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtrit

from joulebench.stats.alpha_spending import SPENDINGS, Spending, check_distance, spent
from joulebench.stats.crossing_probability import Walk
from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]

ENOUGH = 5
"""Values a look from which boundaries of a known variance serve t statistics well."""


@dataclass(frozen=True)
class SpendingPlan:
    """Repeated confidence intervals for a mean, at looks that need not be planned.

    At the k-th look, with ``n_k`` of ``at_most`` values seen, the spending function gives the
    nominal p of that look (Lan and DeMets 1983) and the interval is
    ``mean +- t(n_k - 1, 1 - p/2) s / sqrt(n_k)``: all hold together with the stated chance
    (Jennison and Turnbull 1989, J. R. Stat. Soc. B 51, 305). The boundaries are those of a known
    variance, turned into t quantiles at the same nominal p; with an unknown one this is an
    approximation (Jennison and Turnbull 2000, section 3.8): from five values a look on, simulated
    error rates of a stated 5 % were 5.0 to 5.5 %, with two values a look up to 6.1 %.

    Narrower than a :class:`~joulebench.stats.confidence_sequence.ConfidenceSequence` where the end
    is known beforehand, and of no use beyond it.

    Args:
        at_most: Values after which all error rate is spent.
        confidence: Chance that the intervals at all looks hold.
        spending: "obrien-fleming" (hardly stops early, nearly the fixed interval at the end) or
            "pocock" (even).

    Raises:
        Refused: Fewer than two values, a level outside 0 to 1, or another spending.
    """

    at_most: int
    confidence: float = 0.95
    spending: Spending = "obrien-fleming"

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.at_most < 2:
            raise Refused("a plan needs two values or more: raise at_most")
        if not 0 < self.confidence < 1:
            raise Refused(f"confidence lies between 0 and 1, and {self.confidence!r} does not")
        if self.spending not in SPENDINGS:
            raise Refused(
                f"no spending is called {self.spending!r}: choose {' or '.join(SPENDINGS)}"
            )

    @property
    def name(self) -> str:
        """The method in words."""
        return f"group-sequential t, {self.spending} spending"

    def radius(self, values: Array, looks: Sequence[int] = ()) -> float:
        """Give half the width of the interval about the mean at the last look.

        Args:
            values: All values so far, shape (n,).
            looks: How many values there were at each look, the last one ``n``.

        Raises:
            Refused: The plan was over before this look.
        """
        counts = list(looks) or [len(values)]
        if len(counts) > 1 and counts[-2] >= self.at_most:
            raise Refused(
                f"the plan of {self.at_most} values is over: all of its error rate is spent, and "
                "later looks have none; plan more values, or use a ConfidenceSequence"
            )
        n, spread = len(values), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        nominal = self.nominal_p(counts)
        if spread == 0.0 or nominal == 0.0:
            return math.inf
        return float(-stdtrit(n - 1, nominal / 2)) * spread / math.sqrt(n)

    def doubt(self, looks: Sequence[int]) -> str:
        """Say what is doubtful about the stated confidence, empty if nothing is."""
        if int(np.diff(looks, prepend=0).min()) >= ENOUGH:
            return ""
        return f"a look of fewer than {ENOUGH} values: the stated confidence is approximate"

    def nominal_p(self, counts: Sequence[int]) -> float:
        """Give the two-sided p below which the last look stops.

        Args:
            counts: How many values there were at each look, rising.
        """
        check_distance(np.array(counts) / self.at_most)
        for k in range(1, len(counts) + 1):
            # From the first look on, so that each finds the one before it done.
            bound = _at_look(self, tuple(counts[:k])).bound
        return 2 * float(ndtr(-bound))


@dataclass(frozen=True)
class _Look:
    walk: Walk
    spent: float
    bound: float


@lru_cache(maxsize=64)
def _at_look(plan: SpendingPlan, counts: tuple[int, ...]) -> _Look:
    """Give the walk up to a look, what may be spent by then, and its boundary."""
    walk, before = Walk.start(), 0.0
    if len(counts) > 1:
        last = _at_look(plan, counts[:-1])
        walk, before = last.walk.go_on(counts[-2] / plan.at_most, last.bound), last.spent
    share = counts[-1] / plan.at_most
    side = (1 - plan.confidence) / 2
    so_far = 2 * float(spent(share, side, plan.spending))
    return _Look(walk, so_far, walk.boundary(share, so_far - before))
