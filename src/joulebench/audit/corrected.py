"""Writing published tables anew, with the figures whose correction is determined."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joulebench.audit.corrected_column import Correction, corrections, mended
from joulebench.audit.corrected_figures import Mended
from joulebench.audit.corrected_text import with_one_spelling, without_decimal_commas
from joulebench.audit.evidence import Evidence
from joulebench.audit.joint_rows import last_place
from joulebench.audit.table import AuditTable, as_number
from joulebench.audit.table_energy_wrap import without_range, wrapped
from joulebench.errors import UsageError
from joulebench.record import write_whole

BY = "corrected_by"
"""Column that names the rules by which a row was corrected; empty where it was not."""

_PUBLISHED = "_published"
_DIGITS = 10


@dataclass(frozen=True)
class Corrected:
    """A published table that was written anew.

    Args:
        table: Its name.
        path: What was written.
        rows: Number of rows.
        cells: Number of corrected cells, by column.
        rules: How many cells each rule corrected.
        undetermined: Rows that keep a figure of a column that is wrong elsewhere, because nothing
            determines what it should be.
    """

    table: str
    path: Path
    rows: int
    cells: dict[str, int]
    rules: dict[str, int]
    undetermined: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """What was written, in one line for a person."""
        cells = sum(self.cells.values())
        left = len(self.undetermined)
        stays = f"; in {left} rows a figure stays as published: nothing determines it"
        columns = ", ".join(self.cells)
        return f"{self.path}: {cells} cells corrected ({columns}){stays if left else ''}"

    def to_dict(self) -> dict[str, Any]:
        """Give what was written as a JSON-ready dict."""
        return {
            "table": self.table,
            "path": str(self.path),
            "rows": self.rows,
            "cells": self.cells,
            "rules": self.rules,
            "undetermined": list(self.undetermined),
        }


@dataclass
class _Draft:
    """A table with what is changed in it: text and rules by column and row."""

    table: AuditTable
    cells: dict[str, dict[int, str]] = field(default_factory=dict)
    rules: dict[str, dict[int, str]] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)

    def put(self, column: str, row: int, text: str, rule: str) -> None:
        """Change one cell, unless it says the same number already."""
        said = str(self.table.texts(column)[row])
        if text == said:
            return
        self.cells.setdefault(column, {})[row] = text
        self.rules.setdefault(column, {})[row] = rule


def write_corrected(evidence: Evidence, out: Path) -> list[Corrected]:
    """Write each published table in which a correction is determined anew, as CSV.

    Columns and rows keep their order. Beside each column that was corrected stands what was
    published, under its name with ``_published``; the last column names the rules by which a row
    was corrected. The originals are not touched.

    Args:
        evidence: What was audited.
        out: Folder to write into; made if absent.

    Returns:
        What was written; nothing where no correction is determined.

    Raises:
        UsageError: The folder is, or lies in, one that was audited, holds a file of such a name
            already, or cannot be written.
    """
    drafts = [draft for draft in _drafts(evidence) if draft.cells]
    paths = _paths([draft.table for draft in drafts], out)
    _refuse(evidence, out, paths)
    try:
        if drafts:
            out.mkdir(parents=True, exist_ok=True)
        for draft, path in zip(drafts, paths, strict=True):
            write_whole(path, _text(draft))
    except OSError as error:
        raise UsageError(
            f"cannot write to {out}: {error.strerror}; choose another --fix"
        ) from error
    return [_told(draft, path) for draft, path in zip(drafts, paths, strict=True)]


def _drafts(evidence: Evidence) -> Iterator[_Draft]:
    found = mended(evidence)
    for table in evidence.tables:
        if table.recomputed:
            continue
        draft = _Draft(table)
        for column in table.columns:
            _tidy(draft, column)
        for each in found:
            if each.table is table:
                _correct(draft, each)
        _unwrap(draft)
        yield draft


def _unwrap(draft: _Draft) -> None:
    """Put the range of a counter back where the other rows of a setting show that it is missing."""
    table = draft.table
    for column in table.measures("energy", per=""):
        found = None if column in draft.wrong else wrapped(table, column)
        meaning = table.meaning(column)
        if found is None or meaning is None:
            continue
        rows, range_j, told = found
        for row in rows.tolist():
            joules = without_range(float(table.si(column)[row]), range_j, told)
            draft.put(column, row, f"{joules / meaning.to_si:.{_DIGITS}g}", "counter-wrap")


def _tidy(draft: _Draft, column: str) -> None:
    """Mend what is written in another way than it should be."""
    table = draft.table
    if table.is_number(column):
        for row, text in without_decimal_commas(table, column).items():
            draft.put(column, row, text, "decimal-comma")
    if column in table.settings:
        for row, text in with_one_spelling(table, column).items():
            draft.put(column, row, text, "label-inconsistent")


def _correct(draft: _Draft, each: Mended) -> None:
    draft.wrong.add(each.column)
    texts = draft.table.texts(each.column)
    for row, value in zip(each.places, each.corrected.tolist(), strict=True):
        said = str(texts[row])
        if math.isfinite(value) and abs(as_number(said) - value) > 0.5 * last_place(said):
            draft.put(each.column, row, f"{value:.{_DIGITS}g}", each.rule)


def _paths(tables: Sequence[AuditTable], out: Path) -> list[Path]:
    """Give where each table is written: under its name, or its path where names are alike."""
    names = [_file_name(table) for table in tables]
    return [
        out / (_path_name(table) if names.count(name) > 1 else name)
        for table, name in zip(tables, names, strict=True)
    ]


def _file_name(table: AuditTable) -> str:
    return f"{table.path.stem if table.path else _plain(table.name.removesuffix('.csv'))}.csv"


def _path_name(table: AuditTable) -> str:
    return f"{_plain(table.name.removesuffix(table.path.suffix if table.path else '.csv'))}.csv"


def _plain(name: str) -> str:
    return re.sub(r"[^\w.+]+", "-", name).strip("-.") or "table"


def _refuse(evidence: Evidence, out: Path, paths: Sequence[Path]) -> None:
    real = out.resolve()
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is not a folder; choose another --fix")
    for unit in evidence.units:
        if unit.path.is_dir() and real.is_relative_to(unit.path.resolve()):
            raise UsageError(f"{out} lies in {unit.path}, which was audited; choose another --fix")
    for table in evidence.tables:
        if table.path is not None and real == table.path.resolve().parent:
            raise UsageError(f"{out} holds {table.path.name} itself; choose another --fix")
    for path in paths:
        if path.exists():
            raise UsageError(f"{path} exists already; choose another --fix, or remove it first")


def _text(draft: _Draft) -> str:
    table = draft.table
    header: list[str] = []
    columns: list[list[str]] = []
    for column in table.columns:
        said = [str(text) for text in table.texts(column)]
        changed = draft.cells.get(column, {})
        header.append(column)
        columns.append([changed.get(row, text) for row, text in enumerate(said)])
        if changed:
            header.append(_free(f"{column}{_PUBLISHED}", table.columns))
            columns.append(said)
    header.append(_free(BY, table.columns))
    columns.append([_rules_of(draft, row) for row in range(len(table))])
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(zip(*columns, strict=True))
    return file.getvalue()


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _rules_of(draft: _Draft, row: int) -> str:
    each = [rules[row] for rules in draft.rules.values() if row in rules]
    return ";".join(dict.fromkeys(rule for rules in each for rule in rules.split(";")))


def _told(draft: _Draft, path: Path) -> Corrected:
    rules: dict[str, int] = {}
    for by_row in draft.rules.values():
        for joined in by_row.values():
            for rule in joined.split(";"):
                rules[rule] = rules.get(rule, 0) + 1
    cells = {column: len(changed) for column, changed in draft.cells.items()}
    left = tuple(_left(draft))
    return Corrected(draft.table.name, path, len(draft.table), cells, rules, left)


def _left(draft: _Draft) -> Iterator[str]:
    """Name the rows that keep a figure of a column of which nearly all were wrong."""
    table = draft.table
    most = [
        column
        for column in draft.wrong
        if len(draft.cells.get(column, {})) and _mostly_wrong(draft, column)
    ]
    for row in range(len(table)):
        if any(row not in draft.cells[column] and str(table.texts(column)[row]) for column in most):
            yield table.run_ids[row] or table.places([row])


def _mostly_wrong(draft: _Draft, column: str) -> bool:
    """Say whether a column was wrong as a whole, not in the rows alone that were corrected."""
    rules = set(";".join(draft.rules[column].values()).split(";"))
    return bool(rules - {"counter-wrap", "mislabelled-row", "tail-not-integrated"})


__all__ = ["BY", "Corrected", "Correction", "corrections", "write_corrected"]
