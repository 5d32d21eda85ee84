"""The repetitions of each run, counted by the table or by us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joulebench.analysis.factor_columns import find_column
from joulebench.audit.table import AuditTable

if TYPE_CHECKING:
    import pandas as pd

Counts = NDArray[np.int64]


def counted_repetitions(
    table: AuditTable, runs: pd.Categorical[str], mask: NDArray[np.bool_], column: str = ""
) -> tuple[Counts, list[str]]:
    """Give the number of the repetition of each kept row, shape (n,), with what to say of it.

    The table's own count, if each run has each number once; else rows are counted in their order.

    Raises:
        UsageError: The user's column is not there.
    """
    chosen = find_column(table, column, "--repetition") if column else table.repetition_column
    in_order = _in_order(runs)
    if chosen is None:
        return in_order, ["rows of one run are counted as its repetitions, in their order"]
    counts = _as_counts(table, chosen, mask)
    repeated = len(counts) - len(set(zip(runs.codes.tolist(), counts.tolist(), strict=True)))
    if repeated:
        return in_order, [
            f"{repeated} rows have a run and a {chosen} that another row has: repetitions are "
            "counted anew, in the order of the rows"
        ]
    return counts, []


def _as_counts(table: AuditTable, column: str, mask: NDArray[np.bool_]) -> Counts:
    numbers = table.numbers(column)[mask]
    if np.all(np.isfinite(numbers) & (numbers == np.round(numbers))):
        return numbers.astype(np.int64)
    place: dict[str, int] = {}
    texts = table.texts(column)[mask].tolist()
    return np.array([place.setdefault(text, len(place) + 1) for text in texts], dtype=np.int64)


def _in_order(runs: pd.Categorical[str]) -> Counts:
    """Count the rows of each run from 1, shape (n,)."""
    seen: dict[int, int] = {}
    counts = np.empty(len(runs), dtype=np.int64)
    for row, run in enumerate(runs.codes.tolist()):
        counts[row] = seen[run] = seen.get(run, 0) + 1
    return counts
