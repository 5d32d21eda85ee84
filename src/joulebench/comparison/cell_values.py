"""The values of one response in a cell on both sides, and how they scatter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.comparison.effect import MeanEffect
from joulebench.comparison.interleaved import block_of
from joulebench.comparison.matching import SharedCell
from joulebench.comparison.side import Rows, Side
from joulebench.stats.mean import Noise

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellValues:
    """One cell with its values on the scale of the comparison: logarithms, or as they are.

    Args:
        cell: The cell, its rows those that have a value.
        a: Values of A, shape (n,).
        b: Values of B, shape (m,).
        noise_a: Stated noise of one value of A, root mean square; 0 where none is stated.
        noise_b: The same of B.
        pairs: B less A in each block where both were measured together, by block; ``None`` where
            the runs are no pairs.
    """

    cell: SharedCell
    a: Floats
    b: Floats
    noise_a: float
    noise_b: float
    pairs: dict[str, float] | None = None

    @property
    def difference(self) -> float:
        """Mean of B less mean of A; over blocks where the runs are pairs."""
        if self.pairs is not None:
            return math.fsum(self.pairs.values()) / len(self.pairs)
        return float(self.b.mean() - self.a.mean())

    @property
    def known(self) -> float:
        """Standard uncertainty of the difference from the stated noise."""
        n, m = (len(self.pairs),) * 2 if self.pairs is not None else (len(self.a), len(self.b))
        return math.hypot(self.noise_a / math.sqrt(n), self.noise_b / math.sqrt(m))

    @property
    def n(self) -> int:
        """Values behind it, both sides together; pairs count once."""
        return len(self.pairs) if self.pairs is not None else len(self.a) + len(self.b)


@dataclass(frozen=True)
class Spread:
    """The variance of one value within a cell, pooled over cells.

    Args:
        variance: On the scale of the comparison.
        dof: Degrees of freedom; 0 where no cell has two values.
    """

    variance: float
    dof: int

    @classmethod
    def of(cls, samples: Sequence[Floats]) -> Spread:
        """Pool the variances within samples."""
        dof = sum(len(sample) - 1 for sample in samples)
        squares = math.fsum(float(np.sum((s - s.mean()) ** 2)) for s in samples)
        return cls(squares / dof if dof else math.nan, dof)


@dataclass(frozen=True)
class Spreads:
    """The pooled spread of each side, or of pairs.

    Args:
        a: Of single values of A.
        b: Of single values of B.
        pairs: Of differences within blocks; ``None`` where the runs are no pairs.
    """

    a: Spread
    b: Spread
    pairs: Spread | None = None

    @classmethod
    def of(cls, cells: Sequence[CellValues]) -> Spreads:
        """Pool the spreads over cells."""
        paired = [np.array(list(c.pairs.values())) for c in cells if c.pairs is not None]
        return cls(
            Spread.of([c.a for c in cells]),
            Spread.of([c.b for c in cells]),
            Spread.of(paired) if paired else None,
        )


def cell_values(
    sides: tuple[Side, Side],
    cells: Sequence[SharedCell],
    response: str,
    blocks: Sequence[str] = (),
    *,
    logs: bool = True,
) -> list[CellValues]:
    """Take the values of a response in each cell that has one on both sides.

    Args:
        sides: A and B.
        cells: Cells of both.
        response: Tidy name.
        blocks: Blocks in which both sides were measured together; none where runs are no pairs.
        logs: Whether to take logarithms, of values above 0 alone.
    """
    scaled = [_scaled(side, response, logs=logs) for side in sides]
    found = []
    for cell in cells:
        a, b = (
            _present(rows, scale[0]) for rows, scale in zip((cell.a, cell.b), scaled, strict=True)
        )
        if not (len(a) and len(b)):
            continue
        values = scaled[0][0][a], scaled[1][0][b]
        noises = _typical(scaled[0][1][a]), _typical(scaled[1][1][b])
        pairs = _pairs(sides, (a, b), values, blocks) if blocks else None
        found.append(CellValues(SharedCell(cell.levels, a, b), *values, *noises, pairs))
    # Half of the cells paired and half not would be two comparisons in one.
    if any(each.pairs is None for each in found):
        found = [CellValues(c.cell, c.a, c.b, c.noise_a, c.noise_b) for c in found]
    return found


def cell_effect(values: CellValues, spreads: Spreads, bias: float) -> MeanEffect:
    """Compare one cell: Welch's interval, or that of pairs.

    A side with a single value takes the spread that the other cells of that side have, if any has
    one.
    """
    scatter, method = _cell_scatter(values, spreads)
    return MeanEffect(values.difference, values.n, scatter, values.known, bias, method)


def added(parts: Sequence[Noise]) -> Noise:
    """Add independent standard uncertainties, with Welch and Satterthwaite's degrees of freedom."""
    whole = math.hypot(*(noise for noise, _ in parts))
    if whole == 0.0:
        return 0.0, math.fsum(dof for _, dof in parts)
    share = math.fsum((noise / whole) ** 4 / dof for noise, dof in parts)
    return whole, 1 / share if share else math.inf


def _cell_scatter(values: CellValues, spreads: Spreads) -> tuple[Noise | None, str]:
    if values.pairs is not None:
        found = _of_mean(np.array(list(values.pairs.values())), spreads.pairs)
        return found, "t interval over blocks"
    parts = [_of_mean(values.a, spreads.a), _of_mean(values.b, spreads.b)]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None, "readings alone, nothing repeated"
    lent = min(len(values.a), len(values.b)) < 2
    return added(known), "spread of the other cells" if lent else "Welch interval"


def _of_mean(sample: Floats, spread: Spread | None) -> Noise | None:
    n = len(sample)
    if n > 1:
        return float(sample.std(ddof=1)) / math.sqrt(n), n - 1.0
    if spread is None or not spread.dof:
        return None
    return math.sqrt(spread.variance / n), float(spread.dof)


def _scaled(side: Side, response: str, *, logs: bool) -> tuple[Floats, Floats]:
    """Give values and noises of all rows on the scale of the comparison; NaN where none is."""
    values, noise = side.values(response), side.known(response, "noise")
    stated = np.zeros(len(values)) if noise is None else np.nan_to_num(noise)
    if not logs:
        return values, stated
    positive = np.where(values > 0, values, np.nan)
    return np.log(positive), stated / positive


def _present(rows: Rows, values: Floats) -> Rows:
    return rows[np.isfinite(values[rows])]


def _typical(noises: Floats) -> float:
    return math.sqrt(float(np.mean(noises**2)))


def _pairs(
    sides: tuple[Side, Side],
    rows: tuple[Rows, Rows],
    values: Sequence[Floats],
    blocks: Sequence[str],
) -> dict[str, float] | None:
    """Give B less A by block; ``None`` where fewer than two blocks hold both."""
    by_block: list[dict[str, list[float]]] = []
    for side, group, numbers in zip(sides, rows, values, strict=True):
        found: dict[str, list[float]] = {}
        for row, number in zip(group.tolist(), numbers.tolist(), strict=True):
            found.setdefault(block_of(side.records[row]), []).append(number)
        by_block.append(found)
    a, b = by_block
    both = [block for block in blocks if block in a and block in b]
    if len(both) < 2:
        return None
    return {k: math.fsum(b[k]) / len(b[k]) - math.fsum(a[k]) / len(a[k]) for k in both}
