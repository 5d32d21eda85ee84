"""Arrangements of values: all of them where they are few, drawn ones where they are many."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

FEW = 100_000
"""No more arrangements than this are gone through one by one."""

_CHUNK = 200_000
"""Numbers held at a time."""


def splits(first: int, second: int, draws: int, rng: object) -> tuple[Iterator[Array], bool]:
    """Give who is in the first of two samples, in chunks of shape (r, first + second) of 0 and 1.

    Args:
        first: Size of the first sample.
        second: Size of the other.
        draws: How many to draw where there are too many to go through.
        rng: Generator of the draws.

    Returns:
        The chunks, and whether they are all arrangements there are, the observed one the first.

    Raises:
        Refused: Draws are needed, and there is no generator.
    """
    if comb(first + second, first) <= FEW:
        return _all_splits(first, first + second), True
    return _drawn_splits(first, first + second, draws, generator(rng)), False


def signs(n: int, draws: int, rng: object) -> tuple[Iterator[Array], bool]:
    """Give signs of n differences, in chunks of shape (r, n) of 1 and -1; as :func:`splits`."""
    if 2**n <= FEW:
        return iter([_all_signs(n)]), True
    return _drawn_signs(n, draws, generator(rng)), False


def shuffles(blocks: Codes, draws: int, rng: np.random.Generator) -> Iterator[Codes]:
    """Give rows shuffled within their blocks, in chunks of shape (r, n).

    Row ``i`` of an arrangement takes the value of the row that stands there.
    """
    order = np.argsort(blocks, kind="stable")
    sorted_blocks = blocks[order].astype(np.float64)
    n = len(blocks)
    step = max(1, _CHUNK // n)
    for start in range(0, draws, step):
        keys = rng.random((min(step, draws - start), n)) + sorted_blocks
        arrangement = np.empty(keys.shape, dtype=np.intp)
        # Keys of one block lie between its number and the next: sorting keeps blocks together.
        arrangement[:, order] = order[np.argsort(keys, axis=1)]
        yield arrangement


def generator(rng: object) -> np.random.Generator:
    """Give the generator that draws need.

    Raises:
        Refused: It is none.
    """
    if not isinstance(rng, np.random.Generator):
        raise Refused(
            f"more than {FEW} arrangements: draws are needed; give rng=numpy.random.default_rng(1)"
        )
    return rng


def _all_splits(first: int, n: int) -> Iterator[Array]:
    chosen = combinations(range(n), first)
    step = max(1, _CHUNK // n)
    while True:
        part = [places for _, places in zip(range(step), chosen, strict=False)]
        if not part:
            return
        member = np.zeros((len(part), n))
        np.put_along_axis(member, np.array(part, dtype=np.intp).reshape(len(part), first), 1.0, 1)
        yield member


def _drawn_splits(first: int, n: int, draws: int, rng: np.random.Generator) -> Iterator[Array]:
    step = max(1, _CHUNK // n)
    for start in range(0, draws, step):
        keys = rng.random((min(step, draws - start), n))
        places = np.argpartition(keys, first - 1, axis=1)[:, :first]
        member = np.zeros(keys.shape)
        np.put_along_axis(member, places, 1.0, 1)
        yield member


def _all_signs(n: int) -> Array:
    bits = (np.arange(2**n)[:, None] >> np.arange(n)[None, :]) & 1
    return np.asarray(1.0 - 2.0 * bits, dtype=np.float64)


def _drawn_signs(n: int, draws: int, rng: np.random.Generator) -> Iterator[Array]:
    step = max(1, _CHUNK // n)
    for start in range(0, draws, step):
        bits = rng.integers(0, 2, (min(step, draws - start), n))
        yield np.asarray(1.0 - 2.0 * bits, dtype=np.float64)
