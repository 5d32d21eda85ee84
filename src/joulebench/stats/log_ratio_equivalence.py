"""Whether a ratio is shown to be as good as one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Equivalence:
    """A mean of logarithms of ratios, and how far from zero it may lie.

    Args:
        mean: Mean log ratio.
        farthest: The larger end, in size, of its two-sided 90 % interval.
        n: Pairs.
    """

    mean: float
    farthest: float
    n: int

    def within(self, margin: float) -> bool:
        """Say whether the ratio is shown to lie within ``exp(-margin)`` and ``exp(margin)``."""
        return self.farthest < margin


def log_ratio_equivalence(log_ratios: NDArray[np.float64]) -> Equivalence | None:
    """Test a paired effect for equivalence to none by two one-sided t tests.

    Both tests at 5 % pass if and only if the 90 % interval of the mean lies within the margin
    (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15, 657). So an effect as large as the margin is
    called none in at most 5 % of cases.

    Args:
        log_ratios: One a pair, shape (n,).

    Returns:
        ``None`` with fewer than two pairs, whose spread is not known.
    """
    from scipy.special import stdtrit

    n = len(log_ratios)
    if n < 2:
        return None
    mean = float(np.mean(log_ratios))
    half = float(stdtrit(n - 1, 0.95)) * float(np.std(log_ratios, ddof=1)) / math.sqrt(n)
    return Equivalence(mean, abs(mean) + half, n)
