"""The rows of an analysis out of the cells of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from joulebench.analysis.analysis_frame import BLOCK, REPETITION, RUN, SIZE
from joulebench.analysis.factor_columns import FactorColumn, find_column
from joulebench.analysis.repetitions import counted_repetitions
from joulebench.analysis.response_columns import Read
from joulebench.audit.table import AuditTable
from joulebench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]

_BESIDE = (BLOCK, "testbed", "host", "run_id", "method", "scope")
"""Columns of our own tables that are taken over as they are."""


@dataclass(frozen=True, slots=True)
class UnitColumns:
    """The columns that a user names for what is repeated; empty where the table shall say it.

    Args:
        run: Column of the experimental unit; the cell of all factors if empty.
        repetition: Column that counts the repetitions of a run.
    """

    run: str = ""
    repetition: str = ""


def number_columns(
    shown: Mapping[str, Read], sizes: tuple[str, NDArray[np.float64]] | None
) -> dict[str, NDArray[np.float64]]:
    """Give the columns of numbers: the sizes of the models, responses, then their doubts."""
    columns = {SIZE: sizes[1]} if sizes else {}
    columns |= {name: read.si for name, read in shown.items()}
    for read in shown.values():
        if read.noise is not None:
            columns[read.response.noise] = read.noise
        if read.bias is not None:
            columns[read.response.bias] = read.bias
    return columns


def frame_of(
    table: AuditTable,
    factors: Sequence[FactorColumn],
    numbers: Mapping[str, NDArray[np.float64]],
    mask: Mask,
    units: UnitColumns,
) -> tuple[pd.DataFrame, list[str]]:
    """Make the frame of an analysis, with what to say of its repetitions.

    Args:
        table: The source.
        factors: Its factors.
        numbers: Columns of numbers by tidy name, shape (rows of the table,) each.
        mask: Which rows are kept, shape (rows of the table,).
        units: What the user calls a run and a repetition.

    Raises:
        UsageError: A column that the user names is not there, or a run lies in two cells.
    """
    import pandas as pd

    levels = {factor.name: _levels(table, factor, mask) for factor in factors}
    runs = _runs(table, levels, mask, units.run)
    repetition, notes = counted_repetitions(table, runs, mask, units.repetition)
    cells: dict[str, Any] = {RUN: runs, REPETITION: repetition}
    beside = [name for name in _BESIDE if name in table and name not in levels]
    cells |= {name: table.texts(name)[mask] for name in beside}
    if BLOCK in cells:
        cells[BLOCK] = _whole_numbers(table.numbers(BLOCK)[mask], cells[BLOCK])
    cells |= levels
    cells |= {name: values[mask] for name, values in numbers.items()}
    lines = table.lines or range(1, len(table) + 1)
    cells["line"] = np.asarray(lines)[mask]
    return pd.DataFrame(cells), notes


def _whole_numbers(numbers: NDArray[np.float64], texts: Any) -> Any:
    whole = bool(np.all(np.isfinite(numbers) & (numbers == np.round(numbers))))
    return numbers.astype(np.int64) if whole else texts


def _levels(table: AuditTable, factor: FactorColumn, mask: Mask) -> pd.Categorical[str]:
    import pandas as pd

    names = [factor.level_of[text] for text in table.texts(factor.column)[mask].tolist()]
    used = set(names)
    # Levels whose rows were all left out are none.
    return pd.Categorical(names, [n for n in factor.levels if n in used], ordered=True)


def _runs(
    table: AuditTable, levels: Mapping[str, pd.Categorical[str]], mask: Mask, column: str
) -> pd.Categorical[str]:
    """Give the run of each row, in the order of the factors' levels.

    Raises:
        UsageError: The user's column has a run that lies in two cells.
    """
    import pandas as pd

    keys = list(zip(*(each.codes.tolist() for each in levels.values()), strict=True))
    names = list(zip(*(each.tolist() for each in levels.values()), strict=True))
    label = {key: " · ".join(name) for key, name in zip(keys, names, strict=True)}
    if not column:
        return pd.Categorical(
            [label[key] for key in keys], [label[key] for key in sorted(label)], ordered=True
        )
    named = table.texts(find_column(table, column, "--run"))[mask].tolist()
    cells = dict(zip(named, keys, strict=True))
    for run, key in zip(named, keys, strict=True):
        if cells[run] != key:
            raise UsageError(
                f"--run {column}: run {run!r} has rows of {label[cells[run]]} and of {label[key]}; "
                "a run is one cell of all factors: name another column, or fewer --factors"
            )
    return pd.Categorical(named, sorted(cells, key=lambda run: cells[run]), ordered=True)
