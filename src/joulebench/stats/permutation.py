"""Permutation tests of two samples and of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.confidence_sequence import finite_values
from joulebench.stats.number_check import shown, whole
from joulebench.stats.permutation_arrangements import signs, splits
from joulebench.stats.power_solve import check_share
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import paired_samples

Array = npt.NDArray[np.float64]
Alternative = Literal["two-sided", "less", "greater"]
Statistic = Literal["mean", "median"] | Callable[..., Any]

TIE = 1e-11
"""Statistics nearer to the observed one than this share of their spread are equal to it."""


def permutation_test(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    statistic: Statistic = "mean",
    paired: bool = False,
    alternative: Alternative = "two-sided",
    confidence: float = 0.95,
    resamples: int = 10_000,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Test whether two samples, or the members of pairs, could be exchanged.

    Up to 100,000 arrangements are gone through one by one, and p is the share of them whose
    statistic is at least as extreme as the observed one (Fisher 1935; Pitman 1937, Suppl. J. R.
    Stat. Soc. 4, 119). Of more, ``resamples`` are drawn and p is ``(b + 1) / (m + 1)``, which is
    valid as it stands (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, 39). Pairs are
    exchanged within: differences change sign.

    For the mean, the interval holds the shifts that the same arrangements do not reject (Tritchler
    1984, J. Am. Stat. Assoc. 79, 200): exact where all are gone through.

    Args:
        x: First sample, shape (n,).
        y: Second sample, or the other members of the pairs.
        statistic: "mean" (difference of means), "median" (of medians; of the differences in pairs),
            or a function: of two samples, or of the differences of pairs. Two-sided, mean and
            median take the absolute value, a function twice the smaller tail.
        paired: Whether x and y are pairs.
        alternative: "greater" when the statistic (x less y) is expected above 0.
        confidence: Coverage of the interval.
        resamples: Arrangements drawn where there are too many.
        rng: Generator, needed then.

    Returns:
        One row: ``test``, ``estimate`` (the statistic), ``p``, ``ci_low`` and ``ci_high`` (mean
        alone), ``confidence``, ``n``, ``arrangements``, ``exact``, ``note``.

    Raises:
        Refused: Too few values, values that are not finite or do not vary, pairs of different
            numbers, or no generator where draws are needed.
    """
    if alternative not in ("two-sided", "less", "greater"):
        raise Refused(f"alternative must be two-sided, less or greater, not {shown(alternative)}")
    check_share("confidence", confidence)
    check_draws(resamples)
    said = _said(statistic)
    exchange = _Pairs(x, y, statistic) if paired else _Samples(x, y, statistic)
    chunks, exact = exchange.arrangements(resamples, rng)
    found, shift = (np.concatenate(part) for part in zip(*map(exchange.of, chunks), strict=True))
    if not np.isfinite(found).all():
        raise Refused("the statistic is not finite in some arrangement: use one that bears all")
    observed, count = exchange.observed, len(found) + (not exact)
    row: dict[str, Any] = {
        "test": f"permutation test of {exchange.what}, {said}",
        "estimate": observed,
        "p": tail_share(found, observed, alternative, exact, doubled=callable(statistic)),
        "confidence": confidence,
        "n": exchange.n,
        "arrangements": len(found),
        "exact": exact,
        "note": _coarse(count, confidence, alternative),
    }
    if statistic == "mean":
        ends = _shifts(found, shift, observed, exact, confidence, alternative)
        row["ci_low"], row["ci_high"] = ends
    return tidy([row])


def tail_share(
    found: Array, observed: float, alternative: Alternative, exact: bool, doubled: bool = False
) -> float:
    """Give the share of arrangements at least as extreme as the observed one.

    Args:
        found: Statistic of each arrangement, shape (m,); the observed one among them if exact.
        observed: Statistic of the data.
        alternative: Which side is extreme.
        exact: Whether these are all arrangements; if not, the observed one is added.
        doubled: Whether the two-sided p is twice the smaller tail, not that of absolute values.
    """
    slack = TIE * max(float(np.abs(found).max()), abs(observed))
    added = 0 if exact else 1

    def share(count: Any) -> float:
        return float((int(count) + added) / (len(found) + added))

    above = share(np.sum(found >= observed - slack))
    below = share(np.sum(found <= observed + slack))
    if alternative != "two-sided":
        return above if alternative == "greater" else below
    if doubled:
        return min(1.0, 2 * min(above, below))
    return share(np.sum(np.abs(found) >= abs(observed) - slack))


def check_draws(resamples: int) -> None:
    """Refuse a number of draws that is no whole number of 99 or more.

    Raises:
        Refused: It is not.
    """
    whole(resamples, "resamples", 99)


class _Samples:
    """Two samples that exchange their values."""

    what = "two samples"

    def __init__(self, x: npt.ArrayLike, y: npt.ArrayLike, statistic: Statistic) -> None:
        first, second = finite_values(x, "x", 2), finite_values(y, "y", 2)
        pooled = np.concatenate([first, second])
        if np.ptp(pooled) == 0:
            raise Refused(f"all values are {pooled[0]:g}: nothing can be told by exchanging them")
        self._sizes, self.n = (len(first), len(second)), len(pooled)
        self._centre = float(pooled.mean())
        self._pooled, self._statistic = pooled, statistic
        self._scale = np.array([1 / len(first), 1 / len(second)])
        start = np.zeros((1, self.n))
        start[0, : len(first)] = 1.0
        self.observed = float(self.of(start)[0][0])

    def arrangements(self, draws: int, rng: object) -> tuple[Iterator[Array], bool]:
        """Give the arrangements, and whether they are all."""
        return splits(*self._sizes, draws, rng)

    def of(self, member: Array) -> tuple[Array, Array]:
        """Give the statistic of arrangements, and its change with a shift of the first sample."""
        if self._statistic == "mean":
            weights = member * self._scale.sum() - self._scale[1]
            return weights @ (self._pooled - self._centre), weights[:, : self._sizes[0]].sum(axis=1)
        order = np.argsort(-member, axis=1, kind="stable")
        values = self._pooled[order]
        first, second = values[:, : self._sizes[0]], values[:, self._sizes[0] :]
        if self._statistic == "median":
            return np.median(first, axis=1) - np.median(second, axis=1), np.empty(0)
        called = [_number(self._statistic(a, b)) for a, b in zip(first, second, strict=True)]
        return np.array(called), np.empty(0)


class _Pairs:
    """Pairs that exchange their members: differences that change sign."""

    what = "pairs"

    def __init__(self, x: npt.ArrayLike, y: npt.ArrayLike, statistic: Statistic) -> None:
        first, second = paired_samples(finite_values(x, "x", 2), finite_values(y, "y", 2))
        self._differences, self._statistic, self.n = first - second, statistic, len(first)
        if not self._differences.any():
            raise Refused("the members of every pair are equal: nothing can be told by exchanging")
        self.observed = float(self.of(np.ones((1, self.n)))[0][0])

    def arrangements(self, draws: int, rng: object) -> tuple[Iterator[Array], bool]:
        """Give the arrangements, and whether they are all."""
        return signs(self.n, draws, rng)

    def of(self, sign: Array) -> tuple[Array, Array]:
        """Give the statistic of arrangements, and its change with a shift of the differences."""
        if self._statistic == "mean":
            return sign @ self._differences / self.n, sign.mean(axis=1)
        values = sign * self._differences
        if self._statistic == "median":
            return np.median(values, axis=1), np.empty(0)
        return np.array([_number(self._statistic(row)) for row in values]), np.empty(0)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise Refused(f"the statistic gave a {kind}: it must give one number") from None


def _said(statistic: Statistic) -> str:
    if callable(statistic):
        return getattr(statistic, "__name__", "function").strip("<>")
    if not isinstance(statistic, str) or statistic not in ("mean", "median"):
        raise Refused(f"no statistic is called {shown(statistic)}: mean, median or a function")
    return statistic


def _coarse(count: int, confidence: float, alternative: Alternative) -> str:
    least = (2 if alternative == "two-sided" else 1) / count
    if least <= 1 - confidence:
        return ""
    return f"with {count} arrangements no p below {least:.3g} can come out: measure more"


def _shifts(
    found: Array,
    shift: Array,
    observed: float,
    exact: bool,
    confidence: float,
    alternative: Alternative,
) -> tuple[float, float]:
    """Give the shifts of the first sample that the arrangements do not reject.

    An arrangement whose statistic is ``a - b delta`` under a shift ``delta`` is at least as large
    as the observed one from ``(observed - a) / (1 - b)`` on.
    """
    moves = shift < 1 - 1e-12
    turns = np.sort((observed - found[moves]) / (1 - shift[moves]))
    always = len(found) - len(turns) + (not exact)
    tail = (1 - confidence) / (2 if alternative == "two-sided" else 1)
    k = int(np.floor(tail * (len(turns) + always) + 1e-9)) + 1 - always
    low = float(turns[k - 1]) if 0 < k <= len(turns) else -np.inf
    high = float(turns[-k]) if 0 < k <= len(turns) else np.inf
    return -np.inf if alternative == "less" else low, np.inf if alternative == "greater" else high
