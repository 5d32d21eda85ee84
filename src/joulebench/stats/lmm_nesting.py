"""Whether one mixed model is a special case of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.lmm_blocks import RandomBlock

Floats = NDArray[np.float64]

_INSIDE = 1e-8


def spans(larger: Floats, smaller: Floats) -> bool:
    """Say whether the columns of one matrix say all that those of another do.

    Args:
        larger: Shape (n, p).
        smaller: Shape (n, q).
    """
    if not smaller.shape[1]:
        return True
    if not larger.shape[1]:
        return not smaller.any()
    size = np.linalg.norm(smaller, axis=0)
    unit = smaller / np.where(size > 0, size, 1.0)
    length = np.linalg.norm(larger, axis=0)
    basis, _ = np.linalg.qr(larger / np.where(length > 0, length, 1.0))
    left = unit - basis @ (basis.T @ unit)
    return bool(np.linalg.norm(left, axis=0).max() < _INSIDE)


def random_nested(smaller: Sequence[RandomBlock], larger: Sequence[RandomBlock]) -> bool:
    """Say whether each random term of one model lies within one of another.

    A term does if the groups are the same rows and its effects are combinations of the other's.
    """
    return all(any(_within(one, other) for other in larger) for one in smaller)


def removed(smaller: Sequence[RandomBlock], larger: Sequence[RandomBlock]) -> list[int]:
    """Give how many effects each term of the larger model has that the smaller one lacks.

    Terms that lack none are left out. A correlation alone is not counted: it is no boundary.
    """
    counts = []
    for other in larger:
        own = [one.k for one in smaller if _within(one, other)]
        counts.append(other.k - min(sum(own), other.k))
    return [count for count in counts if count]


def _within(one: RandomBlock, other: RandomBlock) -> bool:
    return same_groups(one, other) and spans(other.values, one.values)


def same_groups(one: RandomBlock, other: RandomBlock) -> bool:
    """Say whether two random terms part the rows in the same way."""
    if len(one.codes) != len(other.codes) or len(one.levels) != len(other.levels):
        return False
    pairs = one.codes * len(other.levels) + other.codes
    return len(np.unique(pairs)) == len(one.levels)
