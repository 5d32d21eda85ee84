"""A response sorted by the levels of one factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.formula import Response, parse
from joulebench.stats.model_frame import Missing, coded, complete
from joulebench.stats.model_terms import variables_of
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Groups:
    """Values by group.

    Args:
        response: What the values are.
        factor: Name of the grouping: ``generation``, or ``generation:task`` for cells.
        levels: Names of the groups that hold values, in order.
        codes: Group of each row, shape (n,).
        values: Value of each row, shape (n,).
        frame: The rows.
    """

    response: Response
    factor: str
    levels: list[str]
    codes: NDArray[np.intp]
    values: Floats
    frame: pd.DataFrame

    @property
    def samples(self) -> list[Floats]:
        """The values of each group, in the order of the levels."""
        order = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(self.counts)[:-1]
        return np.split(self.values[order], ends)

    @property
    def counts(self) -> NDArray[np.intp]:
        """Number of values in each group."""
        return np.bincount(self.codes, minlength=len(self.levels))

    @property
    def n(self) -> int:
        """Number of values."""
        return len(self.values)


def groups_of(formula: str, frame: pd.DataFrame, missing: Missing = "refuse") -> Groups:
    """Sort a response by one factor, or by the filled cells of several (``y ~ a:b``).

    Args:
        formula: ``log(energy_j) ~ generation``; a numeric column on the right is a factor here.
        frame: One row an observation.
        missing: What to do about rows that lack a value.

    Raises:
        Refused: The right side is not one grouping, a name is not there, a value is missing, or
            there are fewer than two groups.
    """
    read = parse(formula)
    names = [name.strip() for name in read.fixed.split(":")]
    if read.random or any(not name.replace(".", "_").isidentifier() for name in names):
        raise Refused(
            f"{formula!r} must name one grouping: response ~ factor, or response ~ a:b for cells"
        )
    variables_of(read.fixed, frame)
    rows = complete(frame, [read.response.column, *names], missing)
    codes, levels = cell_codes(rows, names)
    if len(levels) < 2:
        raise Refused(
            f"{read.fixed} has one level, {levels[0]!r}, in {len(rows)} rows: nothing can be "
            "compared; name a column that varies"
        )
    return Groups(read.response, ":".join(names), levels, codes, read.response.values(rows), rows)


def cell_codes(frame: pd.DataFrame, names: list[str]) -> tuple[NDArray[np.intp], list[str]]:
    """Number the filled cells of one or more factors, the first factor slowest.

    Returns:
        Cell of each row, shape (n,), and the names of the cells, levels joined by ``:``.
    """
    codes = np.zeros(len(frame), dtype=np.intp)
    texts = [""]
    for name in names:
        place, levels = coded(frame[name])
        codes = codes * len(levels) + place
        texts = [f"{text}:{level}" if text else level for text in texts for level in levels]
    filled, dense = np.unique(codes, return_inverse=True)
    return dense.astype(np.intp), [texts[k] for k in filled]
