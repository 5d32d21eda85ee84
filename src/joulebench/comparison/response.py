"""One response of two sides compared: by cell, over all cells, and how it varies between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import harmonic_mean

import numpy as np
from numpy.typing import NDArray

from joulebench.analysis.response_columns import Response
from joulebench.comparison.cell_values import CellValues, Spreads, cell_effect, cell_values
from joulebench.comparison.effect import Effect, MeanEffect, ShareEffect
from joulebench.comparison.heterogeneity import Heterogeneity, cell_noises, heterogeneity
from joulebench.comparison.margin import Equivalence, judged
from joulebench.comparison.matching import Matching
from joulebench.comparison.overall import of_others, of_these
from joulebench.comparison.sensors import SidesBias
from joulebench.comparison.shares import graded_cells
from joulebench.comparison.side import Side
from joulebench.errors import UsageError
from joulebench.finding import Finding

DIFFERENCES = frozenset({"accuracy"})
"""Responses compared by difference; all others by ratio."""

_LARGEST_LOG = 700.0


@dataclass(frozen=True, eq=False)
class CellComparison:
    """One cell.

    Args:
        levels: Levels as A writes them.
        n_a: Values of A.
        n_b: Values of B.
        a: Geometric mean of A, SI; the plain mean of what is compared by difference.
        b: The same of B.
        effect: B against A, on the scale of the comparison.
    """

    levels: tuple[str, ...]
    n_a: int
    n_b: int
    a: float
    b: float
    effect: Effect


@dataclass(frozen=True, eq=False)
class ResponseComparison:
    """One response of B against A.

    Args:
        response: What was compared.
        ratio: Whether effects are log ratios; differences otherwise.
        cells: Each cell that both sides have.
        these: Of these very cells, each counting the same.
        others: Of other cells like these; ``None`` with one cell.
        variation: How the effect varies over cells; ``None`` with one cell.
        paired: Blocks that runs were paired over; 0 where they are no pairs.
        bias: What the sensors add to the log ratio, one standard uncertainty.
        sensors: What the interval holds of the sensors, in words; empty where they do not matter.
        equivalence: What was found of the margin; ``None`` where none was asked for.
        others_equivalence: The same for other cells like these.
        findings: What is wrong with this comparison.
    """

    response: Response
    ratio: bool
    cells: tuple[CellComparison, ...]
    these: Effect
    others: MeanEffect | None
    variation: Heterogeneity | None
    paired: int = 0
    bias: float = 0.0
    sensors: str = ""
    equivalence: Equivalence | None = None
    others_equivalence: Equivalence | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """Tidy name of the response."""
        return self.response.name

    @property
    def main(self) -> Effect:
        """What the verdict is of: these very cells, or cells like them where nothing repeats."""
        return self.these if self.these.told or self.others is None else self.others

    @property
    def runs(self) -> tuple[int, int]:
        """Values of A and of B behind it."""
        return sum(c.n_a for c in self.cells), sum(c.n_b for c in self.cells)

    def shown(self, value: float) -> float:
        """Give a value of the scale as people read it: a ratio, or a difference."""
        if not self.ratio or math.isnan(value):
            return value
        return math.exp(value) if value < _LARGEST_LOG else math.inf


def compare_response(
    sides: tuple[Side, Side],
    matching: Matching,
    name: str,
    blocks: Sequence[str],
    bias: SidesBias,
) -> ResponseComparison:
    """Compare one response.

    Args:
        sides: A and B.
        matching: Their cells.
        name: Tidy name of the response.
        blocks: Blocks in which both were measured together; none where runs are no pairs.
        bias: What the sensors of both sides add.

    Raises:
        UsageError: No cell has a value on both sides.
    """
    ratio = name not in DIFFERENCES
    values = cell_values(sides, matching.cells, name, blocks, logs=ratio)
    if not values:
        above = " above 0" if ratio else ""
        raise UsageError(
            f"{name}: no cell has a value{above} on both sides; leave it out of --response"
        )
    if name == "accuracy" and (found := _by_items(sides, matching, values)) is not None:
        return found
    spreads = Spreads.of(values)
    left = bias.left([v.cell for v in values]) if ratio else 0.0
    paired = len(values[0].pairs or {})
    these = of_these(values, spreads, left)
    return ResponseComparison(
        sides[0].read[name].response,
        ratio,
        tuple(
            _cell(v, cell_effect(v, spreads, bias.left([v.cell]) if ratio else 0.0), ratio=ratio)
            for v in values
        ),
        these,
        of_others(values, left, these.scatter),
        heterogeneity(
            values,
            matching.factors,
            *cell_noises(values, spreads),
            lambda some: _over([values[place] for place in some], spreads, left),
        ),
        paired,
        left,
        bias.sentence(left) if ratio else "",
    )


def with_margin(found: ResponseComparison, margin: float | None) -> ResponseComparison:
    """Hold a comparison against a margin, if one was asked for."""
    if margin is None:
        return found
    now = harmonic_mean([n for cell in found.cells for n in (cell.n_a, cell.n_b)])
    others = found.others
    return replace(
        found,
        equivalence=judged(found.main, margin, ratio=found.ratio,
                           repetitions=now if found.main is found.these else 0.0),
        others_equivalence=None if others is None else judged(others, margin, ratio=found.ratio),
    )  # fmt: skip


def _by_items(
    sides: tuple[Side, Side], matching: Matching, values: list[CellValues]
) -> ResponseComparison | None:
    """Compare accuracies by the items behind them; ``None`` where these were not counted."""
    cells = [v.cell for v in values]
    graded = graded_cells(sides, cells)
    if not graded:
        return None
    kept = [values[place] for place in graded]
    shares = list(graded.values())
    parts = [ShareEffect((each,)) for each in shares]
    return ResponseComparison(
        sides[0].read["accuracy"].response,
        False,
        tuple(_cell(v, part, ratio=False) for v, part in zip(kept, parts, strict=True)),
        ShareEffect(tuple(shares)),
        of_others(kept, 0.0, None),
        heterogeneity(
            kept,
            matching.factors,
            [(part.typical, math.inf) for part in parts],
            False,
            lambda some: ShareEffect(tuple(shares[place] for place in some)),
        ),
    )


def _cell(values: CellValues, effect: Effect, *, ratio: bool) -> CellComparison:
    a, b = (_mean(side, ratio=ratio) for side in (values.a, values.b))
    return CellComparison(values.cell.levels, len(values.a), len(values.b), a, b, effect)


def _over(cells: Sequence[CellValues], spreads: Spreads, bias: float) -> MeanEffect:
    """Give the effect over some cells; of their like where nothing repeats."""
    these = of_these(cells, spreads, bias)
    return these if these.told else of_others(cells, bias, None) or these


def _mean(sample: NDArray[np.float64], *, ratio: bool) -> float:
    mean = float(sample.mean())
    return math.exp(mean) if ratio else mean
