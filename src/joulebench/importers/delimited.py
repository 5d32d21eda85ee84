"""Reading tables that people have saved from all sorts of programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from joulebench.errors import UsageError

DELIMITERS = ",;\t|"

_LONGEST_CELL = 1 << 24
_LARGEST_FILE = 1 << 30


@dataclass(frozen=True, slots=True)
class Delimited:
    """A table of text.

    Args:
        path: The file.
        columns: Names of the columns.
        lines: The line of the file that each row ends on.
        rows: Cells of each row, in the order of the columns.
    """

    path: Path
    columns: tuple[str, ...]
    lines: list[int]
    rows: list[list[str]]

    def __contains__(self, column: str) -> bool:
        """Say whether there is a column of that name."""
        return column in self.columns

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.rows)

    def column(self, name: str) -> list[str]:
        """Give the cells of a column without the blanks around them."""
        place = self.columns.index(name)
        return [row[place].strip() for row in self.rows]


def read_delimited(path: Path, needed: Sequence[str] = ()) -> Delimited:
    """Read a table with a header: any separator, quotes, line ends of any system.

    Args:
        path: The file.
        needed: Columns that must be there.

    Raises:
        UsageError: It cannot be read, is not UTF-8, lacks a column or has one twice, or a row has
            another number of cells than the header; names the line.
    """
    text = _text(path)
    header = text.partition("\n")[0]
    rows = _rows(path, text, max(DELIMITERS, key=header.count))
    columns = _header(path, next(rows, (1, []))[1], needed)
    lines, cells = _checked(path, columns, rows)
    return Delimited(path, columns, lines, cells)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise UsageError(f"{path} is larger than {_LARGEST_FILE >> 30} GiB; is it this file?")
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path} line {line} is not UTF-8: save the file as UTF-8") from error


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    # The csv module's limit holds for the whole process; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise UsageError(f"{path} line {reader.line_num}: {error}; mend the line") from error


def _header(path: Path, columns: Sequence[str], needed: Sequence[str]) -> tuple[str, ...]:
    names = tuple(column.strip() for column in columns)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{path} line 1: column {twice[0]!r} is there twice; remove one")
    missing = [name for name in needed if name not in names]
    if missing:
        raise UsageError(
            f"{path} line 1: missing column(s) {', '.join(missing)}; it has {', '.join(names)}"
        )
    return names


def _checked(
    path: Path, columns: tuple[str, ...], rows: Iterator[tuple[int, list[str]]]
) -> tuple[list[int], list[list[str]]]:
    lines: list[int] = []
    kept: list[list[str]] = []
    for line, cells in rows:
        if len(cells) != len(columns):
            raise UsageError(
                f"{path} line {line} has {len(cells)} cells where the header has {len(columns)}; "
                "mend the line"
            )
        lines.append(line)
        kept.append(cells)
    return lines, kept


def number(text: str) -> float | None:
    """Read a number with a decimal point or comma; ``None`` if it is none or not finite."""
    try:
        value = float(text)
    except ValueError:
        return number(text.replace(",", ".")) if text.count(",") == 1 else None
    return value if isfinite(value) else None
