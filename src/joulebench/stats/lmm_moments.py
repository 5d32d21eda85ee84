"""The cross-products of a mixed model: all that its likelihood needs of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.lmm_groups import Grouped
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]

_RANK = 1e-12
_MOST_CROSSED = 8000
_FEW = 20_000


@dataclass(frozen=True, eq=False)
class Crossed:
    """What groupings beyond the first share with it and with the columns, first projected out.

    Args:
        rotated: Their columns in the space of the first grouping, shape (L k, q), sparse
            but where it is small.
        gram: Their cross-products outside that space, shape (q, q).
        cross: Their cross-products with the columns outside that space, shape (q, c).
        shapes: Groups and effects of each grouping.
    """

    rotated: Any
    gram: Floats
    cross: Floats
    shapes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Moments:
    """Cross-products, parted into what lies in the space of the first grouping and what does not.

    With ``Z_i = Q_i B_i`` in each group, ``Q_i`` orthonormal, the inverse of ``I + Z_i S Z_i'`` is
    ``I - Q_i Q_i' + Q_i (I + B_i S B_i')^-1 Q_i'``: a sum of positive parts, so that nothing
    cancels however large the variance between groups is.

    Args:
        whiten: What takes ``Z_i'`` to ``Q_i'``, shape (L, k, k).
        root: ``B_i``, shape (L, k, k).
        rotated: ``Q_i'`` times the columns, shape (L, k, c).
        within: Cross-products of the columns outside all ``Q_i``, shape (c, c).
        crossed: The same of further groupings; ``None`` without any.
    """

    whiten: Floats
    root: Floats
    rotated: Floats
    within: Floats
    crossed: Crossed | None


def moments(groupings: Sequence[Grouped], columns: Floats) -> Moments:
    """Take the cross-products of the random columns and of others.

    Args:
        groupings: Largest first.
        columns: Fixed effects and the response, shape (n, c).

    Raises:
        Refused: More groups are crossed than memory would hold.
    """
    first, rest = groupings[0], groupings[1:]
    _check_size(rest)
    whiten, root = _bases(first)
    rotated = _rotated(first, whiten, columns)
    outside = _outside(first, whiten, rotated, columns)
    crossed = _crossed(first, rest, whiten, outside) if rest else None
    return Moments(whiten, root, rotated, outside.T @ outside, crossed)


def with_last_column(
    made: Moments, groupings: Sequence[Grouped], others: Floats, column: Floats
) -> Moments:
    """Give the cross-products with another last column.

    Args:
        made: Cross-products of ``others`` and some last column.
        groupings: As they were made of.
        others: All columns but the last, shape (n, c - 1).
        column: The new last one, shape (n,).
    """
    first, rest = groupings[0], groupings[1:]
    single = column[:, None]
    rotated = made.rotated.copy()
    rotated[:, :, -1:] = _rotated(first, made.whiten, single)
    outside = _outside(first, made.whiten, rotated[:, :, -1:], single)[:, 0]
    within = made.within.copy()
    within[:-1, -1] = within[-1, :-1] = outside @ others
    within[-1, -1] = outside @ outside
    crossed = made.crossed
    if crossed is not None:
        cross = crossed.cross.copy()
        cross[:, -1] = np.concatenate([one.z.T @ outside for one in rest])
        crossed = replace(crossed, cross=cross)
    return replace(made, rotated=rotated, within=within, crossed=crossed)


def _bases(one: Grouped) -> tuple[Floats, Floats]:
    """Give what makes the columns of each group orthonormal, and what takes that back."""
    size, basis = np.linalg.eigh(_grams(one))
    kept = size > _RANK * np.maximum(size[:, -1:], np.finfo(float).tiny)
    length = np.sqrt(np.where(kept, size, 0.0))[:, :, None]
    turned = np.swapaxes(basis, 1, 2)
    whiten = np.divide(turned, length, out=np.zeros_like(turned), where=length > 0)
    return whiten, length * turned


def _grams(one: Grouped) -> Floats:
    codes, values, levels = one.joined.codes, one.joined.values, one.levels
    made = np.empty((levels, one.k, one.k))
    for a in range(one.k):
        for b in range(a + 1):
            weight = values[:, a] * values[:, b]
            made[:, a, b] = made[:, b, a] = np.bincount(codes, weight, levels)
    return made


def _rotated(one: Grouped, whiten: Floats, columns: Floats) -> Floats:
    sums = (one.z.T @ columns).reshape(one.levels, one.k, columns.shape[1])
    found: Floats = whiten @ sums
    return found


def _outside(one: Grouped, whiten: Floats, rotated: Floats, columns: Floats) -> Floats:
    inside = np.swapaxes(whiten, 1, 2) @ rotated
    found: Floats = columns - one.z @ inside.reshape(one.q, columns.shape[1])
    return found


def _crossed(first: Grouped, rest: Sequence[Grouped], whiten: Floats, outside: Floats) -> Crossed:
    from scipy.sparse import hstack

    z = hstack([one.z for one in rest], format="csr")
    rotated = blockwise(whiten, first.z.T @ z)
    inner = gram(z) - gram(rotated)
    # Of few cells the bookkeeping of sparse ones costs more than the zeros.
    held = rotated.toarray() if np.prod(rotated.shape) <= _FEW else rotated.tocsr()
    return Crossed(held, inner, z.T @ outside, tuple((o.levels, o.k) for o in rest))


def blockwise(blocks: Floats, matrix: Any) -> Any:
    """Multiply the rows of each group with its own block.

    Args:
        blocks: Shape (L, k, k).
        matrix: Sparse or dense, shape (L k, q).
    """
    count, k, _ = blocks.shape
    if isinstance(matrix, np.ndarray):
        return (blocks @ matrix.reshape(count, k, -1)).reshape(count * k, -1)
    from scipy.sparse import bsr_matrix

    places = (blocks, np.arange(count), np.arange(count + 1))
    return bsr_matrix(places, shape=(count * k, count * k)).tocsr() @ matrix


def gram(matrix: Any) -> Floats:
    """Give the cross-products of the columns of a sparse or dense matrix, dense."""
    found = matrix.T @ matrix
    return np.asarray(found if isinstance(found, np.ndarray) else found.toarray())


def _check_size(rest: Sequence[Grouped]) -> None:
    total = sum(one.q for one in rest)
    if total > _MOST_CROSSED:
        names = ", ".join(one.joined.group for one in rest)
        raise Refused(
            f"the random effects of {names} are {total} beside those of the largest grouping, and "
            f"more than {_MOST_CROSSED} crossed ones do not fit: take one of them as a fixed "
            "effect, or average over it first"
        )
