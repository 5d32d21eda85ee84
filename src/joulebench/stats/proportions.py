"""Shares of items that came out right, compared: apart, and item by item."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.accuracy import wilson_interval
from joulebench.stats.noncentral import tail_of
from joulebench.stats.number_check import finite
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import sample
from joulebench.stats.two_samples import Array


def two_proportions(
    correct_x: int, n_x: int, correct_y: int, n_y: int, confidence: float = 0.95
) -> pd.DataFrame:
    """Compare two proportions of different items.

    The interval of the difference joins the two score intervals of Wilson (Newcombe 1998, Stat.
    Med. 17, 873, method 10); the test is Pearson's chi-square without correction, R's
    ``prop.test(correct = FALSE)``.

    Args:
        correct_x: Items of the first that came out right.
        n_x: Items of the first, at least 1.
        correct_y: Items of the second that came out right.
        n_y: Items of the second, at least 1.
        confidence: Coverage of the interval.

    Returns:
        One row: ``test, estimate`` (first less second)``, se`` (pooled, of the test)``, statistic,
        value, df1, p, ci_low, ci_high, confidence, n, proportion_x, proportion_y``. Where all
        items or none came out right on both sides, the statistic is 0 and p is 1.

    Raises:
        Refused: Counts that cannot be.
    """
    for correct, n in ((correct_x, n_x), (correct_y, n_y)):
        if not (finite(n, "n") >= 1 and 0 <= finite(correct, "correct") <= n):
            raise Refused(f"need 0 <= correct <= n and n at least 1, got {correct} of {n}")
    p_x, p_y = correct_x / n_x, correct_y / n_y
    whole = (correct_x + correct_y) / (n_x + n_y)
    se = math.sqrt(whole * (1 - whole) * (1 / n_x + 1 / n_y))
    z = (p_x - p_y) / se if se > 0 else 0.0
    low, high = _newcombe((correct_x, n_x), (correct_y, n_y), 0.0, confidence)
    figures = {
        "test": "chi-square of two proportions", "estimate": p_x - p_y, "se": se,
        "statistic": "chi2", "value": z * z, "df1": 1, "p": math.erfc(abs(z) / math.sqrt(2)),
        "ci_low": low, "ci_high": high, "confidence": confidence, "n": n_x + n_y,
        "proportion_x": p_x, "proportion_y": p_y,
    }  # fmt: skip
    return tidy([figures])


def mcnemar(x: npt.ArrayLike, y: npt.ArrayLike, confidence: float = 0.95) -> pd.DataFrame:
    """Compare two proportions over the same items, by McNemar's exact test.

    Only items on which the two disagree count: of them the first is right in as many cases as a
    fair coin would give (McNemar 1947, Psychometrika 12, 153), R's ``binom.test(b, b + c)``. The
    interval of the difference joins the score intervals with the correlation of the pairs
    (Newcombe 1998, Stat. Med. 17, 2635, method 10).

    Args:
        x: Whether each item came out right for the first, 0 or 1, shape (n,).
        y: The same items for the second.
        confidence: Coverage of the interval.

    Returns:
        One row: ``test, estimate`` (first less second)``, statistic`` ("b"), ``value`` (items that
        the first alone got right)``, p, ci_low, ci_high, confidence, n, only_x, only_y,
        proportion_x, proportion_y``. Without a disagreement p is 1.

    Raises:
        Refused: Unequal lengths, or values other than 0 and 1.
    """
    right_x, right_y = _zeros_and_ones(x, "x"), _zeros_and_ones(y, "y")
    n = len(right_x)
    if len(right_y) != n:
        raise Refused(f"pairs need equal lengths, got {n} and {len(right_y)}: one value an item")
    only_x = int(np.sum(right_x > right_y))
    only_y = int(np.sum(right_y > right_x))
    k_x, k_y = int(right_x.sum()), int(right_y.sum())
    low, high = _newcombe((k_x, n), (k_y, n), _phi(right_x, right_y), confidence)
    figures = {
        "test": "McNemar's exact test", "estimate": (only_x - only_y) / n, "statistic": "b",
        "value": only_x, "p": _coin(only_x, only_x + only_y), "ci_low": low, "ci_high": high,
        "confidence": confidence, "n": n, "only_x": only_x, "only_y": only_y,
        "proportion_x": k_x / n, "proportion_y": k_y / n,
    }  # fmt: skip
    return tidy([figures])


def _newcombe(
    first: tuple[int, int], second: tuple[int, int], phi: float, confidence: float
) -> tuple[float, float]:
    """Join the score intervals of two proportions whose items correlate by ``phi``."""
    tail_of(confidence, "two-sided")
    a, b = wilson_interval(*first, level=confidence), wilson_interval(*second, level=confidence)
    difference = a.value - b.value
    below, above = (a.value - a.low, b.high - b.value), (a.high - a.value, b.value - b.low)
    low, high = (math.sqrt(u * u - 2 * phi * u * v + v * v) for u, v in (below, above))
    return max(-1.0, difference - low), min(1.0, difference + high)


def _phi(x: Array, y: Array) -> float:
    """Give Newcombe's correlation of pairs, a positive one corrected for continuity."""
    n = len(x)
    both, neither = float(np.sum(x * y)), float(np.sum((1 - x) * (1 - y)))
    only_x, only_y = float(np.sum(x * (1 - y))), float(np.sum(y * (1 - x)))
    margins = (both + only_x) * (only_y + neither) * (both + only_y) * (only_x + neither)
    if margins == 0:
        return 0.0
    above = both * neither - only_x * only_y
    if above > 0:
        above = max(above - n / 2, 0.0)
    return above / math.sqrt(margins)


def _coin(heads: int, tosses: int) -> float:
    """Give the two-sided probability of so uneven a result of a fair coin."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(heads, tosses - heads), tosses, 0.5))) if tosses else 1.0


def _zeros_and_ones(values: npt.ArrayLike, name: str) -> Array:
    answers = sample(values, name)
    if not np.isin(answers, (0.0, 1.0)).all():
        raise Refused(f"{name} must say 0 (wrong) or 1 (right) of each item, and holds more")
    return answers
