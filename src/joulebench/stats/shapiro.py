"""Whether values look normal: Shapiro and Wilk's test, skewness and kurtosis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.model_frame import Missing
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import sample
from joulebench.stats.two_samples import Array, mean_of

FEWEST, MOST = 3, 5000
"""How many values Royston's approximation was made for."""

# Royston 1995: weights of the two outermost values, in powers of 1 / sqrt(n) ...
_OUTERMOST = (0.0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056)
_NEXT = (0.0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633)
# ... and mean and log standard deviation of the transformed W, in powers of n (to 11 values) or
# of log n.
_SHIFT = (-2.273, 0.459)
_MEAN_FEW = (0.544, -0.39978, 0.025054, -6.714e-4)
_SPREAD_FEW = (1.3822, -0.77857, 0.062767, -0.0020322)
_MEAN_MANY = (-1.5861, -0.31082, -0.083751, 0.0038915)
_SPREAD_MANY = (-0.4803, -0.082676, 0.0030302)


@dataclass(frozen=True, slots=True)
class Normality:
    """How normal values look.

    Args:
        name: The test in words.
        statistic: Its symbol.
        value: Its value.
        p: Probability of values that look less normal if they are.
        skewness: Third moment in standard deviations.
        kurtosis: Fourth moment in standard deviations, less the 3 of a normal.
        n: Values.
    """

    name: str
    statistic: str
    value: float
    p: float
    skewness: float
    kurtosis: float
    n: int


def shapiro(values: npt.ArrayLike, missing: Missing = "refuse") -> pd.DataFrame:
    """Test whether values come from a normal distribution, as R's ``shapiro.test``.

    W of Shapiro and Wilk (1965, Biometrika 52, 591) with the weights and the p of Royston (1995,
    Appl. Stat. 44, 547, algorithm AS R94).

    Args:
        values: Shape (n,), 3 to 5,000 of them.
        missing: What to do about values that are missing.

    Returns:
        One row: ``test, statistic, value, p, n, skewness, kurtosis`` (moments over standard
        deviations of n, kurtosis less 3).

    Raises:
        Refused: Too few or too many values, all of one value, missing, or no numbers.
    """
    return tidy([normality_row(_shapiro_of(sample(values, "the sample", missing)))])


def normality_of(values: Array) -> Normality:
    """Test values by Shapiro and Wilk, or beyond 5,000 of them by their moments.

    The latter is the test of Jarque and Bera (1987, Int. Stat. Rev. 55, 163), ``n (S^2 / 6 +
    K^2 / 24)``, which is chi-square in samples as large.

    Args:
        values: Finite, shape (n,).

    Raises:
        Refused: Fewer than 3 values, or all of one value.
    """
    if len(values) <= MOST:
        return _shapiro_of(values)
    skewness, kurtosis = moments(values)
    size = len(values) * (skewness**2 / 6 + kurtosis**2 / 24)
    p = math.exp(-size / 2)
    return Normality("Jarque-Bera", "chi2", size, p, skewness, kurtosis, len(values))


def normality_row(found: Normality) -> dict[str, object]:
    """Give the columns of one test of normality."""
    df = {"df1": 2} if found.statistic == "chi2" else {}
    return {
        "test": found.name, "statistic": found.statistic, "value": found.value, **df,
        "p": found.p, "n": found.n, "skewness": found.skewness, "kurtosis": found.kurtosis,
    }  # fmt: skip


def moments(values: Array) -> tuple[float, float]:
    """Give skewness and excess kurtosis, moments over powers of the standard deviation of n."""
    # About a value first, so that a large level costs no digits.
    apart = values - values[0]
    apart -= mean_of(apart)
    apart /= np.abs(apart).max()
    variance = float(np.mean(apart**2))
    skewness = float(np.mean(apart**3)) / variance**1.5
    return skewness, float(np.mean(apart**4)) / variance**2 - 3


def _shapiro_of(values: Array) -> Normality:
    n = len(values)
    if not FEWEST <= n <= MOST:
        what = "measure more" if n < FEWEST else "judge by skewness and kurtosis, or a Q-Q plot"
        raise Refused(f"Shapiro-Wilk takes {FEWEST} to {MOST:,} values, got {n:,}: {what}")
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise Refused(f"all {n} values are {low:g}: Shapiro-Wilk needs values that vary")
    ordered = np.sort((values - low) / (high - low))
    short = _short_of_one(ordered, _weights(n))
    p = _p_of_three(float(ordered[1])) if n == 3 else _p(short, n)
    return Normality("Shapiro-Wilk", "W", 1 - short, p, *moments(values), n)


def _weights(n: int) -> Array:
    """Give Royston's weights of ordered values, shape (n,)."""
    from scipy.special import ndtri

    if n == 3:
        return np.array([-math.sqrt(0.5), 0.0, math.sqrt(0.5)])
    # Blom's approximation to the expected values of ordered normal ones, upper half.
    expected = -ndtri((np.arange(1, n // 2 + 1) - 0.375) / (n + 0.25))
    squares = 2 * float(expected @ expected)
    root = 1 / math.sqrt(n)
    made = [_polynomial(_OUTERMOST, root) + expected[0] / math.sqrt(squares)]
    if n > 5:
        made.append(_polynomial(_NEXT, root) + expected[1] / math.sqrt(squares))
    own = np.array(made)
    rest = expected[len(own) :]
    left = squares - 2 * float(np.sum(expected[: len(own)] ** 2))
    scale = math.sqrt(left / (1 - 2 * float(own @ own)))
    half = np.concatenate([own, rest / scale])
    middle = np.zeros(n % 2)
    return np.concatenate([-half, middle, half[::-1]])


def _short_of_one(ordered: Array, weights: Array) -> float:
    """Give ``1 - W`` without the digits that a W close to 1 would cost."""
    apart = ordered - ordered.mean()
    weights = weights - weights.mean()
    a, x = float(weights @ weights), float(apart @ apart)
    both, product = math.sqrt(a * x), float(weights @ apart)
    return (both - product) * (both + product) / (a * x)


def _p_of_three(middle: float) -> float:
    """Give the exact p of three values, the outer ones at 0 and 1.

    ``6 / pi (asin sqrt(W) - asin sqrt(3/4))`` (Shapiro and Wilk 1965) as one arctangent of the
    distance of the middle one from its neighbour, which loses nothing where that is small.
    """
    near = min(middle, 1 - middle)
    return 6 / math.pi * math.atan(2 * math.sqrt(3) * near / (4 - 2 * near))


def _p(short: float, n: int) -> float:
    from scipy.special import ndtr

    if short <= 0:
        return 1.0
    y, size = math.log(short), math.log(n)
    if n > 11:
        mean, spread = _polynomial(_MEAN_MANY, size), _polynomial(_SPREAD_MANY, size)
        return float(ndtr((mean - y) / math.exp(spread)))
    bound = _polynomial(_SHIFT, n)
    if y >= bound:
        return 0.0
    mean, spread = _polynomial(_MEAN_FEW, n), _polynomial(_SPREAD_FEW, n)
    return float(ndtr((mean + math.log(bound - y)) / math.exp(spread)))


def _polynomial(coefficients: tuple[float, ...], x: float) -> float:
    return sum(c * x**k for k, c in enumerate(coefficients))
