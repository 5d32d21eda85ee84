"""A response laid out by treatments within blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.formula import parse
from joulebench.stats.groups import cell_codes
from joulebench.stats.midranks import midranks
from joulebench.stats.model_frame import Missing, complete
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """One value a treatment in every block.

    Args:
        treatment: Column whose levels are compared.
        levels: Names of the treatments, in order.
        values: Shape (b, k): a row a block, a column a treatment.
    """

    treatment: str
    levels: list[str]
    values: Floats

    def ranks(self) -> Floats:
        """Give the ranks within each block, shape (b, k)."""
        return np.array([midranks(row).ranks for row in self.values])


def blocks_of(formula: str, frame: pd.DataFrame, missing: Missing = "refuse") -> Blocks:
    """Lay out ``y ~ treatment | block``, the treatment ``a:b`` for the cells of two factors.

    Args:
        formula: ``log(energy_j) ~ model | task``.
        frame: One row a treatment in a block.
        missing: What to do about rows that lack a value.

    Raises:
        Refused: Another formula, a name that is not there, fewer than two treatments or blocks, or
            a block that lacks a treatment or has one more than once.
    """
    text, bar, block = formula.partition("|") if isinstance(formula, str) else ("", "", "")
    read = parse(text) if bar else None
    if read is None or read.random or not block.strip() or "|" in block:
        raise Refused(f"{formula!r} must name treatments and blocks: response ~ treatment | block")
    names = [name.strip() for name in read.fixed.split(":")]
    by = [name.strip() for name in block.split(":")]
    rows = complete(frame, [read.response.column, *names, *by], missing)
    codes, levels = cell_codes(rows, names)
    places, blocks = cell_codes(rows, by)
    _check_layout(codes, levels, places, blocks, read.fixed)
    values = np.empty((len(blocks), len(levels)))
    values[places, codes] = read.response.values(rows)
    return Blocks(":".join(names), levels, values)


def _check_layout(
    codes: NDArray[np.intp],
    levels: list[str],
    places: NDArray[np.intp],
    blocks: list[str],
    treatment: str,
) -> None:
    if min(len(levels), len(blocks)) < 2:
        raise Refused(
            f"{len(levels)} treatments of {treatment!r} in {len(blocks)} blocks: two of each are "
            "needed before anything can be compared"
        )
    counts = np.zeros((len(blocks), len(levels)), dtype=np.intp)
    np.add.at(counts, (places, codes), 1)
    wrong = np.argwhere(counts != 1)
    if len(wrong):
        i, j = wrong[0]
        advice = "drop that block" if counts[i, j] == 0 else "average over repetitions first"
        raise Refused(
            f"block {blocks[i]!r} has {counts[i, j]} rows of {levels[j]!r} and needs one: {advice}"
        )
