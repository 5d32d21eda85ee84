"""A table of figures as an audit sees it: cells as written, with what each column means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.columns import (
    BOOKKEEPING,
    REPETITIONS,
    RUN_IDS,
    Meaning,
    meaning_of,
    plain_name,
)

Floats = NDArray[np.float64]
Texts = NDArray[np.object_]

ABSENT_TEXTS = frozenset({"", "nan", "na", "n/a", "none", "null", "-", "--", "[n/a]"})
"""What stands in a cell that holds no value; without regard to case."""

_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
_NUMERIC_SHARE = 0.9
_MOST_LEVELS = 64
_NAMED_PLACES = 5
_SET_DIGITS = 4
"""Nobody sets a number to more digits, where each row has its own."""

_HOTTEST = 2.5
"""Sampling temperatures are lower, those of machines higher, in degrees of any scale."""


@dataclass(eq=False)
class AuditTable:
    """Figures, one row a run, a configuration or a summary.

    Args:
        name: What findings call it: the name of its file, or of its study.
        cells: Text of each cell without the blanks around it, by column; empty where there is
            nothing.
        lines: Line of the file that each row stands on; empty where there is no file.
        path: Its file; ``None`` where it was made of records.
        recomputed: Whether the figures are ours, integrated from traces, not the author's.
        meanings: What columns measure, where that is known better than their names tell.
        factors: Columns that are settings, where that is known; found by their pattern otherwise.
        devices: Names of accelerators that the figures were measured on, where the table itself
            does not say.
    """

    name: str
    cells: Mapping[str, Texts]
    lines: Sequence[int] = ()
    path: Path | None = None
    recomputed: bool = False
    meanings: Mapping[str, Meaning | None] = field(default_factory=dict)
    factors: tuple[str, ...] | None = None
    devices: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(next(iter(self.cells.values()), ()))

    def __contains__(self, column: str) -> bool:
        """Say whether there is a column of that name."""
        return column in self.cells

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns in their order."""
        return tuple(self.cells)

    def texts(self, column: str) -> Texts:
        """Give the cells of a column as they are written; empty text where nothing stands."""
        return self.cells[column]

    def numbers(self, column: str) -> Floats:
        """Give a column as numbers: NaN where a cell is absent or no number.

        A comma between digits is taken as the decimal sign, as the locale that wrote it does.
        """
        return self._read(column)[0]

    def is_number(self, column: str) -> bool:
        """Say whether a column holds numbers, nearly all of its cells that hold anything."""
        return self._read(column)[1] >= _NUMERIC_SHARE

    def si(self, column: str) -> Floats:
        """Give a measured column in SI units: J, W, s, byte, FLOP, FLOP/s, FLOP/J, kg."""
        meaning = self.meaning(column)
        return self.numbers(column) * (meaning.to_si if meaning else 1.0)

    def meaning(self, column: str) -> Meaning | None:
        """Give what a column measures; ``None`` where it is no measurement."""
        return self._meanings[column]

    def measures(
        self,
        kind: str,
        *,
        part: str | Iterable[str] | None = None,
        per: str | None = None,
        phase: str | None = None,
        statistic: str | None = None,
    ) -> list[str]:
        """Give the columns that hold amounts of a quantity.

        Args:
            kind: Quantity, see :class:`~joulebench.audit.columns.Meaning`.
            part: Part of the machine, or several; any if ``None``, unnamed if empty.
            per: What it is counted by; any if ``None``, the whole if empty.
            phase: Phase of the work; any if ``None``, unnamed if empty.
            statistic: A certain statistic; if ``None`` any that is an amount: not its spread, not
                a share of it.
        """
        parts = None if part is None else {part} if isinstance(part, str) else set(part)
        return [
            column
            for column, meaning in self._meanings.items()
            if meaning is not None
            and meaning.kind == kind
            and (parts is None or meaning.part in parts)
            and (per is None or meaning.per == per)
            and (phase is None or meaning.phase == phase)
            and (meaning.is_value if statistic is None else meaning.statistic == statistic)
            and self.is_number(column)
        ]

    @cached_property
    def run_column(self) -> str | None:
        """The column that names the run of a row; ``None`` if there is none."""
        known = {plain_name(column): column for column in reversed(self.columns)}
        return next((known[name] for name in RUN_IDS if name in known), None)

    @cached_property
    def repetition_column(self) -> str | None:
        """The column that counts repeats of one setting; ``None`` if there is none."""
        known = {plain_name(column): column for column in reversed(self.columns)}
        return next((known[name] for name in REPETITIONS if name in known), None)

    @cached_property
    def run_ids(self) -> list[str]:
        """The run of each row, as ``run_R_repetition_P`` where it is told by two numbers.

        Empty texts where the table does not say.
        """
        if self.run_column is None:
            return [""] * len(self)
        texts = [str(text) for text in self.texts(self.run_column)]
        repetition = self.repetition_column
        if repetition is None or not all(text.isdigit() for text in texts):
            return texts
        counts = self.texts(repetition)
        return [f"run_{run}_repetition_{rep}" for run, rep in zip(texts, counts, strict=True)]

    @cached_property
    def settings(self) -> tuple[str, ...]:
        """The columns that were set, not measured: factors, and settings that never change.

        A column that is no measurement and no bookkeeping and has few levels beside the number of
        rows, or that the table's maker named.
        """
        if self.factors is not None:
            return tuple(column for column in self.factors if column in self.cells)
        return tuple(column for column in self.cells if self._is_setting(column))

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """The settings that have at least two levels."""
        return tuple(column for column in self.settings if len(self.levels(column)) > 1)

    def levels(self, column: str) -> list[str]:
        """Give the different texts of a column in the order in which they first come."""
        return [text for text in dict.fromkeys(self.cells[column].tolist()) if text]

    @cached_property
    def cell_of_row(self) -> NDArray[np.intp]:
        """Number of the combination of varied settings that each row has, from 0."""
        keys = zip(*(self.cells[column].tolist() for column in self.varied), strict=True)
        numbers: dict[tuple[Any, ...], int] = {}
        rows = [numbers.setdefault(key, len(numbers)) for key in keys] if self.varied else []
        return np.array(rows or [0] * len(self), dtype=np.intp)

    def where(self, column: str = "") -> str:
        """Give what a finding says of its place: table, and column if it is about one."""
        return f"{self.name}: {column}" if column else self.name

    def places(self, rows: Iterable[int]) -> str:
        """Name rows for a person: by run where the table says it, else by line."""
        listed = list(rows)
        named = ", ".join(self._place(row) for row in listed[:_NAMED_PLACES])
        more = len(listed) - _NAMED_PLACES
        return f"{named} and {more} more" if more > 0 else named

    def _place(self, row: int) -> str:
        run = self.run_ids[row]
        line = f"line {self.lines[row]}" if len(self.lines) else f"row {row + 1}"
        return f"{line} ({run})" if run and not run.isdigit() else line

    @cached_property
    def _meanings(self) -> dict[str, Meaning | None]:
        named = {*(self.factors or ()), *self._crossed}
        return {
            column: self.meanings[column]
            if column in self.meanings
            else None
            if column in named
            else self._measured(column)
            for column in self.cells
        }

    def _measured(self, column: str) -> Meaning | None:
        """Read a name; a temperature of 0.7 is that of sampling, and was set."""
        meaning = meaning_of(column)
        if meaning is None or meaning.kind != "temperature" or meaning.unit or meaning.part:
            return meaning
        return meaning if np.nanmax(self.numbers(column), initial=0.0) > _HOTTEST else None

    @cached_property
    def _crossed(self) -> frozenset[str]:
        """The columns that are named like rows, as in a matrix of correlations."""
        for cells in self.cells.values():
            first = cells[: len(self.cells)].tolist()
            named = set(first) & self.cells.keys()
            if len(named) > 1 and len(named) >= len(set(cells.tolist())) - 1:
                return frozenset(named)
        return frozenset()

    @cached_property
    def _numbers(self) -> dict[str, tuple[Floats, float]]:
        return {}

    def _read(self, column: str) -> tuple[Floats, float]:
        if column not in self._numbers:
            self._numbers[column] = read_numbers(self.cells[column])
        return self._numbers[column]

    def _is_setting(self, column: str) -> bool:
        low = plain_name(column)
        if low in BOOKKEEPING or low.startswith(("unnamed:", "__")) or self.meaning(column):
            return False
        if column in (self.run_column, self.repetition_column) and low != "seed":
            return False
        if column in self._crossed:
            return False
        levels = self.levels(column)
        if self.is_number(column) and _is_measured(self.numbers(column), len(levels), len(self)):
            return False
        return bool(levels) and max(map(len, levels)) <= 120 and len(levels) <= _MOST_LEVELS


def _is_measured(numbers: Floats, levels: int, rows: int) -> bool:
    """Say whether numbers look measured: fractions that nearly never come again."""
    present = numbers[np.isfinite(numbers)]
    whole = bool(np.all(present == np.round(present, 3)))
    telling = levels == rows and all(x != float(f"{x:.{_SET_DIGITS}g}") for x in present[:50])
    return not whole and (levels > max(3, rows // 2) or telling)


def read_numbers(cells: Texts) -> tuple[Floats, float]:
    """Read cells as numbers.

    Returns:
        The numbers, NaN where there is none, and the share of the cells that hold anything which
        are numbers.
    """
    try:
        plain = np.where(cells == "", "nan", cells).astype(np.float64)
    except ValueError:
        return _read_slowly(cells)
    present = int(np.count_nonzero(cells != ""))
    held = int(np.count_nonzero(~np.isnan(plain)))
    return plain, 1.0 if held and present else 0.0


def _read_slowly(cells: Texts) -> tuple[Floats, float]:
    read = {text: as_number(text) for text in set(cells.tolist())}
    numbers = np.array([read[text] for text in cells.tolist()], dtype=np.float64)
    present = sum(text.lower() not in ABSENT_TEXTS for text in cells.tolist())
    held = int(np.count_nonzero(~np.isnan(numbers)))
    return numbers, held / present if present else 0.0


def as_number(text: str) -> float:
    """Read one cell: decimal point or comma, thousands separated by commas; NaN if no number."""
    if text.lower() in ABSENT_TEXTS:
        return np.nan
    try:
        return float(text)
    except ValueError:
        pass
    if _DECIMAL_COMMA.fullmatch(text):
        return float(text.replace(",", "."))
    if _THOUSANDS.fullmatch(text):
        return float(text.replace(",", ""))
    return np.nan
