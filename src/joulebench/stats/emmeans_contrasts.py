"""Weights of contrasts between the levels of a factor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]
Weights = Mapping[str, Sequence[float] | Array]

_DEGREES = ("linear", "quadratic", "cubic", "quartic")
_DEGREES_UNASKED = 6
_SIGNS = "-+/*"


@dataclass(frozen=True, slots=True)
class ContrastSet:
    """Contrasts between levels.

    Args:
        names: Of the contrasts, shape (c,).
        weights: Of the levels, shape (c, k).
        pairwise: Whether they are all the pairs of the levels.
    """

    names: tuple[str, ...]
    weights: Array
    pairwise: bool = False

    @property
    def compares(self) -> bool:
        """Whether the weights of every contrast sum to 0."""
        size = np.abs(self.weights).max(axis=1)
        return bool((np.abs(self.weights.sum(axis=1)) <= 1e-6 * (size + 1e-6)).all())


def contrast_set(
    kind: str | Weights, labels: Sequence[str], *, reverse: bool = False, max_degree: int | None
) -> ContrastSet:
    """Give contrasts between levels in order.

    Args:
        kind: "pairwise" (first minus second), "consecutive" (later minus earlier), "polynomial"
            (of levels at even steps, whole numbers as in Fisher & Yates 1963, Statistical Tables,
            table XXIII), "trt.vs.ctrl" (each minus the first), "eff" (each minus the mean of all),
            "del.eff" (each minus the mean of the others); or the weights of contrasts by name.
        labels: Of the levels, shape (k,).
        reverse: Turn the signs of pairs, steps and comparisons with the first level.
        max_degree: Highest degree of polynomials; 6 or ``k - 1`` if not given.

    Raises:
        Refused: An unknown kind, fewer than two levels, weights that are not one a level, a degree
            that the levels cannot carry, or a reversal that means nothing.
    """
    if not isinstance(kind, str):
        return _custom(kind, labels)
    if kind not in _KINDS:
        known = ", ".join(_KINDS)
        raise Refused(f"no contrasts are called {kind!r}: choose {known}, or give weights by name")
    if len(labels) < 2:
        raise Refused(f"contrasts need two levels or more, got {', '.join(labels) or 'none'}")
    if kind == "polynomial":
        if reverse:
            raise Refused("polynomial contrasts have no reverse: leave reverse out")
        return _polynomial(len(labels), max_degree)
    if max_degree is not None:
        raise Refused(f"max_degree is of polynomial contrasts, not of {kind!r}: leave it out")
    shown = [_bracketed(label) for label in labels]
    if kind in ("eff", "del.eff"):
        return _effects(shown, kind, reverse)
    return _differences(shown, _pairs(kind, len(shown), reverse), kind == "pairwise")


def polynomial_weights(scores: Sequence[float], max_degree: int | None = None) -> dict[str, Array]:
    """Give orthonormal polynomial contrasts of levels at any distance, to be given as weights.

    The columns of R's ``contr.poly(scores=)``: the powers of the centred scores made orthonormal
    (Kennedy & Gentle 1980, Statistical Computing, 8.2).

    Args:
        scores: Where each level stands, shape (k,), no two alike.
        max_degree: Highest degree; ``k - 1`` if not given.

    Raises:
        Refused: Fewer than two scores, two alike, one that is no finite number, or a degree that
            the levels cannot carry.
    """
    try:
        raw = np.asarray(scores)
        x = np.asarray(raw if raw.dtype.kind in "biufO" else np.nan, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        x = np.array(np.nan)
    if x.ndim != 1 or len(x) < 2 or not np.isfinite(x).all() or len(np.unique(x)) < len(x):
        raise Refused("polynomial contrasts need two finite scores or more, no two alike")
    degree = _checked_degree(max_degree, len(x), len(x) - 1)
    centred = (x - x.mean()) / np.abs(x - x.mean()).max()
    q, r = np.linalg.qr(np.vander(centred, degree + 1, increasing=True))
    upright = q * np.sign(np.diag(r))
    return {_degree_name(d): upright[:, d] for d in range(1, degree + 1)}


def _custom(kind: Weights, labels: Sequence[str]) -> ContrastSet:
    if not kind:
        raise Refused("no contrasts are given: give at least one, as {name: weights}")
    rows = []
    for name, given in kind.items():
        row = np.asarray(given, dtype=np.float64)
        if row.shape != (len(labels),):
            raise Refused(
                f"contrast {name!r} has {row.size} weights for {len(labels)} levels "
                f"({', '.join(labels)}): give one a level"
            )
        if not np.isfinite(row).all() or not row.any():
            raise Refused(f"the weights of contrast {name!r} must be finite and not all 0")
        rows.append(row)
    return ContrastSet(tuple(map(str, kind)), np.array(rows))


def _pairs(kind: str, k: int, reverse: bool) -> list[tuple[int, int]]:
    """Give which level is less which."""
    if kind == "pairwise" and reverse:
        return [(later, first) for later in range(1, k) for first in range(later)]
    if kind == "pairwise":
        return list(combinations(range(k), 2))
    pairs = [(level, level - 1 if kind == "consecutive" else 0) for level in range(1, k)]
    return [(b, a) for a, b in pairs] if reverse else pairs


def _differences(
    labels: Sequence[str], pairs: Sequence[tuple[int, int]], pairwise: bool
) -> ContrastSet:
    weights = np.zeros((len(pairs), len(labels)))
    for row, (plus, minus) in enumerate(pairs):
        weights[row, plus], weights[row, minus] = 1.0, -1.0
    names = tuple(f"{labels[plus]} - {labels[minus]}" for plus, minus in pairs)
    return ContrastSet(names, weights, pairwise)


def _effects(labels: Sequence[str], kind: str, reverse: bool) -> ContrastSet:
    if reverse:
        raise Refused(f"{kind!r} contrasts have no reverse: leave reverse out")
    k = len(labels)
    weights = np.eye(k) - 1.0 / k
    if kind == "del.eff":
        weights *= k / (k - 1.0)
    return ContrastSet(tuple(f"{label} effect" for label in labels), weights)


def _polynomial(k: int, max_degree: int | None) -> ContrastSet:
    degree = _checked_degree(max_degree, k, min(_DEGREES_UNASKED, k - 1))
    weights = np.array([_whole_polynomial(k, d) for d in range(1, degree + 1)])
    return ContrastSet(tuple(_degree_name(d) for d in range(1, degree + 1)), weights)


def _whole_polynomial(k: int, degree: int) -> list[float]:
    """Give the polynomial orthogonal to lower ones over 0..k-1, in least whole numbers.

    Chebyshev's discrete polynomials (Szego 1939, Orthogonal Polynomials, 2.8), divided by what
    their values share.
    """
    values = [
        sum(
            (-1) ** (degree - j) * comb(k - 1 - j, degree - j) * comb(degree + j, degree)
            * comb(x, j)
            for j in range(degree + 1)
        )
        for x in range(k)
    ]  # fmt: skip
    shared = math.gcd(*values)
    return [value / shared for value in values]


def _checked_degree(asked: int | None, k: int, unasked: int) -> int:
    if asked is None:
        return unasked
    if not isinstance(asked, int | np.integer) or asked not in range(1, k):
        raise Refused(f"{k} levels carry polynomials of degree 1 to {k - 1}, got {asked}")
    return int(asked)


def _degree_name(degree: int) -> str:
    return _DEGREES[degree - 1] if degree <= len(_DEGREES) else f"degree {degree}"


def _bracketed(label: str) -> str:
    """Put brackets around a label that holds a sign of arithmetic: "(3-8B)"."""
    return f"({label})" if any(mark in label for mark in _SIGNS) else label


_KINDS = ("pairwise", "consecutive", "polynomial", "trt.vs.ctrl", "eff", "del.eff")
