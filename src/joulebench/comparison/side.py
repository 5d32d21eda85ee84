"""One side of a comparison: its rows, factors and responses, and how it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulebench.analysis.derived_responses import quotient, with_derived
from joulebench.analysis.factor_columns import FactorColumn, find_factors, ordered, written
from joulebench.analysis.kept_rows import kept_rows
from joulebench.analysis.model_size import model_sizes
from joulebench.analysis.response_columns import (
    WORDS,
    Read,
    Response,
    plain_identifier,
    read_columns,
)
from joulebench.analysis.source import Source, open_source
from joulebench.audit.columns import plain_name
from joulebench.audit.design_factors import design_of, level_key
from joulebench.audit.table import AuditTable
from joulebench.errors import UsageError
from joulebench.record import Run, RunTable

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_RIGHT, _GRADED = ("n_correct", "correct"), ("n_graded", "graded")


@dataclass(frozen=True, eq=False)
class Side:
    """One side.

    Args:
        letter: ``"A"`` or ``"B"``.
        source: What was read.
        factors: What was varied in it, by tidy name.
        read: Its responses by tidy name, each with the values of all rows of the table.
        rows: Rows of the table that are used, shape (n,).
        records: The record of each row that is used, where it is a study; empty for a table.
        hosts: Facts of machines by id, where it is a study.
        study: What the study file asked; empty for a table.
        dropped: What was left out, in words.
    """

    letter: str
    source: Source
    factors: Mapping[str, FactorColumn]
    read: Mapping[str, Read]
    rows: Rows
    records: tuple[Run, ...] = ()
    hosts: Mapping[str, Any] | None = None
    study: Mapping[str, Any] | None = None
    dropped: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.rows)

    @property
    def table(self) -> AuditTable:
        """Its cells as written."""
        return self.source.table

    @property
    def named(self) -> str:
        """How a message calls it."""
        return f"{self.letter} ({self.source.path})"

    @cached_property
    def _columns(self) -> dict[str, str]:
        return {plain_identifier(column): column for column in reversed(self.table.columns)}

    def factor(self, name: str) -> FactorColumn | None:
        """Give a column as a factor, by its tidy name, also one that was not varied here."""
        if name in self.factors:
            return self.factors[name]
        column = self._columns.get(name)
        if column is None:
            return None
        texts = self.table.levels(column)
        first: dict[str, str] = {}
        for text in texts:
            first.setdefault(level_key(text), written(text))
        level_of = {text: first[level_key(text)] for text in texts}
        levels = ordered(list(dict.fromkeys(level_of.values())), self.source.order.get(column, ()))
        return FactorColumn(name, column, level_of, tuple(levels))

    def settings(self) -> dict[str, str]:
        """Give the settings that are the same in all rows, by tidy name."""
        levels = {column: self.table.levels(column) for column in self.table.settings}
        return {plain_identifier(c): written(texts[0]) for c, texts in levels.items()
                if len(texts) == 1}  # fmt: skip

    def texts(self, column: str) -> list[str]:
        """Give the cells of a column in the rows that are used; empty texts if there is none."""
        if column not in self.table:
            return [""] * len(self)
        return [str(text) for text in self.table.texts(column)[self.rows]]

    def values(self, response: str) -> Floats:
        """Give a response in the rows that are used, NaN where it has no value."""
        return self.read[response].si[self.rows]

    def known(self, response: str, what: str) -> Floats | None:
        """Give the stated ``noise`` or ``bias`` of a response; ``None`` where none is stated."""
        part = self.read[response].noise if what == "noise" else self.read[response].bias
        return None if part is None else part[self.rows]

    @cached_property
    def answers(self) -> tuple[Floats, Floats] | None:
        """Items right and items graded of each row; ``None`` where they were not counted."""
        right, graded = _counts(self.table, _RIGHT), _counts(self.table, _GRADED)
        if graded is None:
            return None
        if "accuracy" in self.read:  # grades need not be whole
            right = self.read["accuracy"].si * graded
        return None if right is None else (right[self.rows], graded[self.rows])

    @property
    def random_weights(self) -> bool:
        """Whether any engine ran weights that were never trained."""
        return any((r.facts.get("engine") or {}).get("random_weights") for r in self.records)


def read_side(letter: str, path: Path, asked: Sequence[str]) -> Side:
    """Read a study's folder or a table as one side of a comparison.

    Args:
        letter: ``"A"`` or ``"B"``.
        path: A study's folder, or a table: CSV, TSV, JSON, JSON lines.
        asked: Columns or tidy names of the responses that the user wants.

    Raises:
        UsageError: It cannot be read, or holds no row that can be used.
    """
    source = open_source(path)
    table = source.table
    found = find_factors(table, (), source.order) if design_of(table).factors else []
    columns = [name for name in asked if name in table]
    read = _with_per_correct(table, with_derived(read_columns(table, columns), model_sizes(table)))
    if not read:
        raise UsageError(
            f"{letter} ({path}): no column is an energy, a power, a duration or an accuracy; name "
            "the response with --response"
        )
    mask, dropped = kept_rows(source, found, read)
    rows = np.flatnonzero(mask)
    study = RunTable.load(source.path) if source.path.is_dir() else None
    return Side(
        letter,
        source,
        {factor.name: factor for factor in found},
        read,
        rows,
        tuple(study.cell_runs[row] for row in rows.tolist()) if study else (),
        study.hosts if study else None,
        study.study if study else None,
        tuple(each.sentence for each in dropped),
    )


def _with_per_correct(table: AuditTable, read: dict[str, Read]) -> dict[str, Read]:
    """Add the energy per correct answer where answers were counted; a run without one has none."""
    right = _counts(table, _RIGHT)
    if right is None or "energy_j" not in read or "energy_per_correct_j" in read:
        return read
    correct = Read(Response("n_correct", "", WORDS["accuracy"], "n_correct"), right)
    return read | {
        "energy_per_correct_j": quotient("energy_per_correct_j", read["energy_j"], correct)
    }


def _counts(table: AuditTable, names: Sequence[str]) -> Floats | None:
    column = next((c for c in table.columns if plain_name(c) in names and table.is_number(c)), None)
    return None if column is None else table.numbers(column)
