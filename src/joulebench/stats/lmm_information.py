"""How the precision of a mixed model's fixed effects moves with its variance components."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.lmm_blocks import RandomBlock
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

_LARGEST = 5000
"""Random effects that hang together: more of them would take gigabytes."""


@dataclass(frozen=True, eq=False)
class Information:
    """Derivatives in the variance components, in units in which the residual variance is 1.

    ``V = sum_r gamma_r G_r``, where each ``gamma_r`` is a variance or covariance of a random term
    and the last is the residual variance with ``G = I``; ``S`` is the inverse of ``V``. Everything
    is said of fixed effects in an orthonormal basis ``Q`` of their columns.

    Args:
        fixed: ``Q' S Q``, shape (p, p).
        first: ``Q' S G_r S Q``, shape (r, p, p).
        second: ``Q' S G_r S G_s S Q``, shape (r, r, p, p).
        traces: ``tr(S G_r S G_s)``, shape (r, r).
    """

    fixed: Floats
    first: Floats
    second: Floats
    traces: Floats


def information(
    basis: Floats, blocks: Sequence[RandomBlock], factors: Sequence[Floats]
) -> Information:
    """Find the derivatives without a matrix of rows by rows.

    With ``K = Z'Z`` and the relative covariance ``G`` of the random effects, ``S = I - Z T G Z'``
    where ``T = (I + G K)^-1`` (Henderson & Searle 1981, SIAM Rev. 23, 53), so that ``S Z = Z T``
    and ``Z' S Z = K T``. Random effects that share no row, however indirectly, are treated apart.

    Args:
        basis: Orthonormal basis of the fixed effects, shape (n, p).
        blocks: Random terms.
        factors: Lower triangle ``T_b`` of each block, shape (k, k): the covariance of one group is
            ``T_b T_b'`` times the residual variance.

    Raises:
        Refused: Too many random effects hang together.
    """
    layout = _Layout.of(blocks, factors)
    z = layout.z
    inner, cross = (z.T @ z).tocoo(), np.asarray(z.T @ basis)
    sums = _Sums.empty(layout.components, basis.shape[1])
    shrunk = np.empty_like(cross)
    for part in layout.parts(inner):
        shrunk[part.columns] = sums.add(part, cross[part.columns])
    sums.add_residual(basis - z @ shrunk, len(basis) - layout.q)
    return Information(sums.fixed, sums.first, sums.second, sums.traces)


@dataclass(frozen=True, eq=False)
class _Part:
    """Groups of random effects of one size that share rows within a group alone.

    ``columns`` of the random part, shape (m, b); ``inner`` is ``Z'Z`` and ``relative`` the relative
    covariance, shape (m, b, b); ``pairs`` says for each variance component where it stands: group,
    and the places of the two effects whose covariance it is.
    """

    columns: Codes
    inner: Floats
    relative: Floats
    pairs: list[tuple[Codes, Codes, Codes]]

    def mixed(self, component: int, values: Floats) -> Floats:
        """Multiply from the left by the matrix of 0 and 1 of a variance component."""
        group, one, other = self.pairs[component]
        made = np.zeros_like(values)
        made[group, one] = values[group, other]
        made[group, other] = values[group, one]
        return made


@dataclass(frozen=True, eq=False)
class _Layout:
    """The random terms side by side: ``component[j]`` names where column ``j`` belongs."""

    z: Any
    relative: tuple[Floats, ...]
    blocks: tuple[RandomBlock, ...]
    component: Codes

    @classmethod
    def of(cls, blocks: Sequence[RandomBlock], factors: Sequence[Floats]) -> _Layout:
        from scipy.sparse import hstack

        relative = tuple(factor @ factor.T for factor in factors)
        z = hstack([block.z for block in blocks], format="csr")
        return cls(z, relative, tuple(blocks), _components(blocks))

    @property
    def q(self) -> int:
        return len(self.component)

    @property
    def components(self) -> int:
        return sum(block.parameters for block in self.blocks)

    @property
    def starts(self) -> list[int]:
        return [0, *np.cumsum([block.q for block in self.blocks]).tolist()]

    def parts(self, inner: Any) -> Iterator[_Part]:
        """Give the groups of columns that share rows, those of one size together."""
        order = np.argsort(self.component, kind="stable")
        sizes = np.bincount(self.component)
        first = np.concatenate([[0], np.cumsum(sizes)])
        place = np.empty(self.q, dtype=np.intp)
        place[order] = np.arange(self.q) - np.repeat(first[:-1], sizes)
        if sizes.max() > _LARGEST:
            raise Refused(
                f"Kenward-Roger would need a dense matrix of {sizes.max()} random effects that "
                'hang together: ask for ddf="satterthwaite"'
            )
        for size in np.unique(sizes):
            groups = np.flatnonzero(sizes == size)
            number = np.full(len(sizes), -1, dtype=np.intp)
            number[groups] = np.arange(len(groups))
            columns = order[first[groups][:, None] + np.arange(size)]
            yield self._part(columns, inner, number[self.component], place)

    def _part(self, columns: Codes, inner: Any, group: Codes, place: Codes) -> _Part:
        """Lay out the groups in ``columns``; ``group`` is -1 for columns of other parts."""
        shape = (len(columns), columns.shape[1], columns.shape[1])
        own = group[inner.row] >= 0
        row, column = inner.row[own], inner.col[own]
        k, g = np.zeros(shape), np.zeros(shape)
        k[group[row], place[row], place[column]] = inner.data[own]
        pairs = []
        for block, start, relative in zip(self.blocks, self.starts, self.relative, strict=False):
            levels = start + block.k * np.arange(len(block.levels))
            levels = levels[group[levels] >= 0]
            for i, j in zip(*np.triu_indices(block.k), strict=True):
                at = group[levels], place[levels + i], place[levels + j]
                g[at] = relative[i, j]
                g[at[0], at[2], at[1]] = relative[i, j]
                pairs.append(at)
        return _Part(columns, k, g, pairs)


@dataclass(frozen=True, eq=False)
class _Sums:
    """What the parts add up to; the last component is the residual."""

    fixed: Floats
    first: Floats
    second: Floats
    traces: Floats

    @classmethod
    def empty(cls, components: int, p: int) -> _Sums:
        r = components + 1
        return cls(np.zeros((p, p)), np.zeros((r, p, p)), np.zeros((r, r, p, p)), np.zeros((r, r)))

    def add(self, part: _Part, cross: Floats) -> Floats:
        """Add a part's share, ``cross`` its ``Z'Q``; give its ``T G Z'Q``, shape (m, b, p)."""
        t = _inverse(np.eye(part.columns.shape[1]) + part.relative @ part.inner)
        middle = part.inner @ t
        reach = t.swapaxes(1, 2) @ cross  # Z' S Q
        twice: Floats = t.swapaxes(1, 2) @ middle  # Z' S S Z
        mixed = [part.mixed(r, reach) for r in range(len(part.pairs))]
        seen = [part.mixed(r, middle) for r in range(len(part.pairs))]
        far = t.swapaxes(1, 2) @ reach  # Z' S S Q
        for r, one in enumerate(mixed):
            self.first[r] += _inner(reach, one)
            self.second[r, -1] += _inner(one, far)
            self.traces[r, -1] += np.trace(part.mixed(r, twice), axis1=1, axis2=2).sum()
            for s in range(r, len(mixed)):
                self.second[r, s] += _inner(one, middle @ mixed[s])
                self.traces[r, s] += np.einsum("mbc,mcb->", seen[r], seen[s])
        self.traces[-1, -1] += np.einsum("mbc,mcb->", t, t)
        # Q' S Q = (S Q)' (I + Z G Z') (S Q): a sum of positive parts, in which nothing cancels
        # however large the variance between groups is.
        self.fixed[:] += _inner(reach, part.relative @ reach)
        self.second[-1, -1] -= _inner(reach, t @ (part.relative @ reach))
        return np.asarray(t @ (part.relative @ cross))

    def add_residual(self, rows: Floats, spare: int) -> None:
        """Add what is of the residual alone: ``rows`` is ``S Q``; mirror what is symmetric."""
        squares = rows.T @ rows
        self.fixed[:] += squares
        self.first[-1] = squares
        self.second[-1, -1] += squares
        self.traces[-1, -1] += spare
        for r, s in zip(*np.triu_indices(len(self.traces), 1), strict=True):
            self.second[s, r] = self.second[r, s].T
            self.traces[s, r] = self.traces[r, s]


def _inverse(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _inner(one: Floats, other: Floats) -> Floats:
    p = one.shape[-1]
    return one.reshape(-1, p).T @ other.reshape(-1, p)


def _components(blocks: Sequence[RandomBlock]) -> Codes:
    """Say for each column of the random part which columns share rows with it."""
    sizes = [len(block.levels) for block in blocks]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    nodes = [block.codes + start for block, start in zip(blocks, starts, strict=False)]
    total = int(starts[-1])
    labels = _joined(nodes, total) if len(nodes) > 1 else np.arange(total, dtype=np.intp)
    return np.repeat(labels, np.repeat([block.k for block in blocks], sizes))


def _joined(nodes: Sequence[Codes], total: int) -> Codes:
    """Number the parts that hang together: the least node of each spreads over it."""
    least = np.arange(total, dtype=np.intp)
    while True:
        before = least
        least = least.copy()
        for a, b in pairwise(nodes):
            lower = np.minimum(least[a], least[b])
            np.minimum.at(least, a, lower)
            np.minimum.at(least, b, lower)
        least = least[least]  # what a node points to may point on
        if np.array_equal(least, before):
            found: Codes = np.unique(least, return_inverse=True)[1]
            return found
