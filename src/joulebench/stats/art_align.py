"""Responses aligned for one term of a factorial design, and ranked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.midranks import midranks
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]

_DECIMALS = 8
"""Decimals to which ARTool rounds before it ranks."""

_FINEST, _COARSEST = 13, 5
"""Digits of the largest value beyond which, or short of which, those decimals do not do."""


@dataclass(frozen=True, eq=False)
class Aligned:
    """A response in which the effect of one term is left, and what the model leaves over.

    Args:
        term: Factors of the term.
        values: Aligned response, in the unit of the response, shape (n,).
        ranks: Ranks of the aligned response, equal values sharing theirs, shape (n,).
    """

    term: tuple[str, ...]
    values: Floats
    ranks: Floats

    @property
    def name(self) -> str:
        """The term as people write it: ``a:b``."""
        return ":".join(self.term)


def align(response: Floats, frame: pd.DataFrame, factors: tuple[str, ...]) -> list[Aligned]:
    """Align a response for every main effect and interaction of its factors.

    The residual from the mean of the cell, plus the estimated effect of the term: of the means of
    the rows that share the levels of a subset of its factors, those of an even number of factors
    fewer added and those of an odd number taken away (Wobbrock, Findlater, Gergle and Higgins 2011,
    CHI '11, 143). Rounding joins what differs by the noise of the means alone: to 8 decimals as the
    R package ARTool does, for values too large or small for that to 12 digits of the largest.

    Args:
        response: Shape (n,).
        frame: The factors, as categorical columns.
        factors: Their names.
    """
    # Of deviations, so that a large level does not cost the effects their digits.
    centred = response - response.mean()
    means = {u: _means(centred, frame, u) for u in subsets(factors)}
    residual = centred - means[factors]
    decimals = _decimals(float(np.abs(response).max()))
    found = []
    for term in subsets(factors)[1:]:
        effect = sum((-1) ** (len(term) - len(u)) * means[u] for u in subsets(term))
        values = residual + effect
        found.append(Aligned(term, values, ranked(values, decimals)))
    return found


def align_cells(
    response: Floats, frame: pd.DataFrame, cell: str, others: tuple[str, ...]
) -> Floats:
    """Give the ranks of a response aligned for the cells of several factors taken as one factor.

    The residual from the mean over all factors, plus the mean of the cell less the mean of all: the
    alignment of contrasts, ART-C (Elkin, Kay, Higgins and Wobbrock 2021, UIST '21, 754).

    Args:
        response: Shape (n,).
        frame: The factors and the column of cells, categorical.
        cell: Name of the column of cells.
        others: Factors that the cells leave out.
    """
    centred = response - response.mean()
    values = centred - _means(centred, frame, (cell, *others)) + _means(centred, frame, (cell,))
    return ranked(values, _decimals(float(np.abs(response).max())))


def ranked(values: Floats, decimals: int) -> Floats:
    """Give the ranks of values rounded to decimals (below 0: to tens and hundreds)."""
    # In units of the last decimal: numpy.round itself fails beyond 1e-308 and gains nothing here.
    scaled = values * 10.0**decimals if decimals < 300 else values
    return midranks(np.rint(scaled) + 0.0).ranks


def subsets(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Give all subsets of names, smaller ones first, the empty one among them."""
    sizes = range(len(names) + 1)
    return list(chain.from_iterable(combinations(names, size) for size in sizes))


def check_cells(frame: pd.DataFrame, factors: tuple[str, ...]) -> None:
    """Refuse a design that alignment cannot serve.

    Raises:
        Refused: A factor of one level, cells that hold no row, or no cell that holds two.
    """
    for name in factors:
        levels = list(frame[name].cat.categories)
        if len(levels) < 2:
            raise Refused(
                f"factor {name!r} has one level, {levels[0]!r}: nothing can be compared; leave it "
                "out of the formula"
            )
    counts = frame.groupby(list(factors), observed=False).size()
    empty = [cell for cell, count in counts.items() if count == 0]
    crossed = " x ".join(factors)
    if empty:
        first = ":".join(empty[0]) if isinstance(empty[0], tuple) else str(empty[0])
        raise Refused(
            f"{len(empty)} of {len(counts)} cells of {crossed} hold no row (the first: {first}), "
            "and effects cannot be aligned without them: make the filled cells one factor, or "
            "leave out a factor or the levels that lack cells"
        )
    if counts.max() < 2:
        raise Refused(
            f"each cell of {crossed} holds one row: aligned for the largest interaction nothing "
            "else is left; leave a factor out or give the repetitions, not their means"
        )


def proportional(frame: pd.DataFrame, factors: tuple[str, ...]) -> bool:
    """Say whether the rows of the cells are in proportion to those of the levels.

    Then the means of the rows separate the effects, as in a balanced design.
    """
    n = len(frame)
    counts = frame.groupby(list(factors), observed=False).size()
    shares = counts.to_numpy() / n
    wanted: Floats = np.ones(1)
    for name in factors:
        codes = frame[name].cat.codes.to_numpy(dtype=np.intp)
        wanted = np.asarray(np.kron(wanted, np.bincount(codes) / n))
    return bool(np.allclose(shares, wanted, rtol=1e-9, atol=0))


def _means(values: Floats, frame: pd.DataFrame, names: tuple[str, ...]) -> Floats:
    """Give for each row the mean of the rows with its levels, shape (n,)."""
    codes = np.zeros(len(values), dtype=np.intp)
    for name in names:
        column = frame[name].cat
        codes = codes * len(column.categories) + column.codes.to_numpy(dtype=np.intp)
    counts = np.bincount(codes)
    means: Floats = (np.bincount(codes, values) / np.maximum(counts, 1))[codes]
    return means


def _decimals(largest: float) -> int:
    """Give the decimals to round to: 8, where they leave the largest value 5 to 13 digits."""
    if largest == 0:
        return _DECIMALS
    before_point = math.ceil(math.log10(largest))
    digits = before_point + _DECIMALS
    return _DECIMALS if _COARSEST <= digits <= _FINEST else 12 - before_point
