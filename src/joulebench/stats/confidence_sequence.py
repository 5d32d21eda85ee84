"""Intervals for a mean that hold at all times together, however often one looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.number_check import finite, fraction, whole
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import sample

Array = npt.NDArray[np.float64]

_NO_SPREAD = 1e-13
"""Deviations of less than this share of the values are rounding."""


@dataclass(frozen=True)
class ConfidenceSequence:
    """The anytime-valid t interval for the mean of independent normal values of unknown variance.

    Under a mean ``m`` the values about it, but for their scale, have no unknown left, and the
    likelihood ratio of their scale-free part with the effect ``(mean - m) / sigma`` drawn from
    ``N(0, g)`` against none is a martingale::

        M_n(m) = (1 + n g)^(-1/2) [(S + n d^2) / (S + n d^2 / (1 + n g))]^(n/2)

    with ``S`` the sum of squares about the mean and ``d`` the mean less ``m`` (the sequential t
    test with the right Haar prior on the scale: Lai 1976, Ann. Stat. 4, 265; Perez-Ortiz, Lardy,
    de Heide and Gruenwald 2024, Ann. Stat. 52, 1410; with a normal mixture Wang and Ramdas 2025,
    Sequential Analysis 44, 56; each M_n is the Bayes factor of Goenen et al. 2005, Am. Stat. 59,
    252). By Ville's inequality the chance that it ever reaches ``1 / alpha`` is at most ``alpha``,
    so that all ``m`` where it has not make an interval that holds at every n together, from the
    first value on.

    What it assumes: values that are independent, of one distribution, and normal (log ratios of
    blocks nearly are; heavy tails and drift are not covered). What it costs: at its tightest it is
    1.6 (from 20 values on) to 2 times (at 4 values) as wide as a t interval looked at once.

    Args:
        confidence: Chance that the interval holds at all times.
        tightest_at: Number of values at which the interval shall be tightest; ``g`` follows from
            it. Choose it beforehand, near the number of blocks that is expected.

    Raises:
        Refused: A level outside 0 to 1, or a number below 2.
    """

    confidence: float = 0.95
    tightest_at: int = 12

    name = "anytime-valid t"

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        fraction(self.confidence, "confidence", 0.95)
        whole(self.tightest_at, "tightest_at", 2)

    @property
    def at_most(self) -> None:
        """There is no end: values may come as long as one likes."""

    def doubt(self, looks: Sequence[int]) -> str:
        """Say what is doubtful about the stated confidence: nothing is."""
        del looks
        return ""

    @cached_property
    def prior_variance(self) -> float:
        """The variance ``g`` of the effect that makes the interval tightest where asked."""
        from scipy.optimize import minimize_scalar

        n, alpha = self.tightest_at, 1 - self.confidence

        def width(log_g: float) -> float:
            return _squared_radius(n, math.exp(log_g), alpha)

        # The interval is bounded only from (1 + n g)^(n - 1) = alpha^-2 on.
        least = math.log(math.expm1(-2 * math.log(alpha) / (n - 1)) / n) + 1e-9
        found = minimize_scalar(width, bounds=(least, least + 25), method="bounded")
        return math.exp(float(found.x))

    def radius(self, values: Array, looks: Sequence[int] = ()) -> float:
        """Give half the width of the interval about the mean; infinite where there is none yet.

        Args:
            values: All values so far, shape (n,).
            looks: Not needed: how often one has looked does not matter.
        """
        del looks
        n, squares = len(values), _squares(values)
        if squares == 0.0:
            return math.inf
        share = _squared_radius(n, self.prior_variance, 1 - self.confidence)
        return math.sqrt(share * squares)

    def log_evidence(self, values: Array, null: float) -> float:
        """Give the logarithm of ``M_n(null)``; 0 where the values do not vary.

        Args:
            values: All values so far, shape (n,).
            null: The mean that is doubted.
        """
        n, squares = len(values), _squares(values)
        if squares == 0.0:
            return 0.0
        growth = 1 + n * self.prior_variance
        off = n * float(values.mean() - null) ** 2
        return 0.5 * (n * math.log((squares + off) / (squares + off / growth)) - math.log(growth))


def confidence_sequence(
    values: npt.ArrayLike, *, null: float = 0.0, confidence: float = 0.95, tightest_at: int = 12
) -> pd.DataFrame:
    """Give the anytime-valid interval of the mean after each value.

    See :class:`ConfidenceSequence` for the formula, its sources and what it assumes.

    Args:
        values: Values in the order in which they came, shape (n,).
        null: The mean that ``p`` doubts.
        confidence: Chance that all the intervals hold together.
        tightest_at: Number of values at which the interval shall be tightest.

    Returns:
        One row a value: ``test``, ``estimate``, ``p`` (valid whenever one stops: the least of
        ``1 / M`` so far), ``ci_low``, ``ci_high`` (infinite until there are enough values),
        ``confidence``, ``n``.

    Raises:
        Refused: No values, or values that are not finite numbers.
    """
    null = finite(null, "null")
    numbers, sequence = finite_values(values), ConfidenceSequence(confidence, tightest_at)
    rows, p = [], 1.0
    for n in range(1, len(numbers) + 1):
        seen = numbers[:n]
        mean, radius = float(seen.mean()), sequence.radius(seen)
        p = min(p, math.exp(-max(0.0, sequence.log_evidence(seen, null))))
        rows.append(
            {
                "test": sequence.name,
                "estimate": mean,
                "p": p,
                "ci_low": mean - radius,
                "ci_high": mean + radius,
                "confidence": confidence,
                "n": n,
            }
        )
    return tidy(rows)


def finite_values(values: npt.ArrayLike, name: str = "the sequence", least: int = 1) -> Array:
    """Give values as a float array of shape (n,), one number alone as one of them.

    Args:
        values: Numbers.
        name: What the caller calls them.
        least: How many there must be.

    Raises:
        Refused: They are not numbers in one dimension, one is missing or infinite, or too few.
    """
    alone = isinstance(values, Real) or getattr(values, "ndim", 1) == 0
    given = [values] if alone else values
    found = sample(given, name, "drop", 0)
    lacking = len(given) - len(found)  # type: ignore[arg-type]
    if lacking:
        raise Refused(f"{lacking} values of {name} are missing: drop what was not measured first")
    return sample(found, name, least=least)


def _squares(values: Array) -> float:
    """Give the sum of squares about the mean; 0 where it is rounding alone."""
    away = values - values.mean()
    if len(values) < 2 or np.ptp(values) <= _NO_SPREAD * float(np.abs(values).max()):
        return 0.0
    return float(away @ away)


def _squared_radius(n: int, g: float, alpha: float) -> float:
    """Give the squared radius for a sum of squares of 1: where ``M_n = 1 / alpha``."""
    growth = 1 + n * g
    needed = math.exp((math.log(growth) - 2 * math.log(alpha)) / n)
    if needed >= growth:
        return math.inf
    return (needed - 1) / (n * (1 - needed / growth))
