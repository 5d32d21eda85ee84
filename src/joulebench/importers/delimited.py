"""Reading tables that people have saved from all sorts of programs."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import BinaryIO

from joulebench.errors import UsageError
from joulebench.importers.plain_file import open_plain, size_of

DELIMITERS = ",;\t|"

LONGEST_LINE = 1 << 24
"""A line longer than this, in bytes, is damage."""

_LARGEST_FILE = 1 << 28
_SHOWN_NAMES = 12
_SHOWN_LETTERS = 40


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
    """Read a table with a header whole: any separator, quotes, line ends of any system.

    Args:
        path: The file.
        needed: Columns that must be there.

    Raises:
        UsageError: It cannot be read, is not UTF-8, lacks a column or has one twice, or a row has
            another number of cells than the header; names the line.
    """
    text = _text(path)
    delimiter = delimiter_of(text.partition("\n")[0])
    if '"' not in text and "\r" not in text.replace("\r\n", ""):
        return _unquoted(path, text.replace("\r\n", "\n"), delimiter, needed)
    rows = parsed(path, _lines(text), delimiter)
    columns = header_of(path, next(rows, (1, []))[1])
    refuse_lacking(path, columns, needed)
    lines: list[int] = []
    cells: list[list[str]] = []
    for line, row in checked(path, columns, rows):
        lines.append(line)
        cells.append(row)
    return Delimited(path, columns, lines, cells)


def _unquoted(path: Path, text: str, delimiter: str, needed: Sequence[str]) -> Delimited:
    """Read a table in which no cell is quoted: cutting it up takes a third of the time."""
    numbered = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line]
    rows = [line.split(delimiter) for _, line in numbered]
    columns = header_of(path, rows[0] if rows else [])
    refuse_lacking(path, columns, needed)
    lines = [number for number, _ in numbered[1:]]
    del rows[:1]
    if set(map(len, rows)) - {len(columns)}:
        list(checked(path, columns, zip(lines, rows, strict=True)))  # names the line
    return Delimited(path, columns, lines, rows)


def _text(path: Path) -> str:
    if size_of(path) > _LARGEST_FILE:
        raise UsageError(f"{path} is larger than {_LARGEST_FILE >> 20} MiB; is it this file?")
    with open_plain(path) as file:
        _refuse_long_lines(path, file)
        raw = file.read(_LARGEST_FILE)
    if b"\0" in raw:
        raise not_utf_8(path, raw.count(b"\n", 0, raw.index(b"\0")) + 1)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf_8(path, raw.count(b"\n", 0, error.start) + 1) from error


def _refuse_long_lines(path: Path, file: BinaryIO) -> None:
    """Refuse a line that is longer than any can be before it is in memory."""
    if size_of(path) <= LONGEST_LINE:
        return
    line = 1
    while raw := file.readline(LONGEST_LINE + 1):
        if len(raw) > LONGEST_LINE:
            raise UsageError(f"{path} line {line} is longer than {LONGEST_LINE} bytes: damaged")
        line += 1
    file.seek(0)


def _lines(text: str) -> Iterable[str]:
    """Cut a text into lines; where a carriage return stands in it, that may end one too."""
    if "\r" in text:
        return io.StringIO(text, newline="")
    return [f"{line}\n" for line in text.split("\n")]


def not_utf_8(path: Path, line: int) -> UsageError:
    """Build the refusal of bytes that are no text, or the text of another encoding."""
    return UsageError(f"{path} line {line} is not UTF-8: save the file as UTF-8")


def delimiter_of(header: str) -> str:
    """Give the character between the cells of a header: the commonest of those in use."""
    return max(DELIMITERS, key=header.count)


def parsed(
    path: Path, lines: Iterable[str], delimiter: str, before: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """Give the cells of each row and the line that it ends on; empty lines are passed over.

    Args:
        path: The file, for messages.
        lines: Its text.
        delimiter: Character between cells.
        before: Number of lines of the file before these.

    Raises:
        UsageError: A quote is not closed or a cell is too long; names the line.
    """
    # The csv module's limit holds for the whole process; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if cells:
                yield before + reader.line_num, cells
    except csv.Error as error:
        line = before + reader.line_num
        what = str(error).replace("\t", "\\t")
        raise UsageError(f"{path} line {line}: {what}; mend the line") from error


def header_of(path: Path, cells: Sequence[str]) -> tuple[str, ...]:
    """Give the names of the columns.

    Raises:
        UsageError: One is there twice.
    """
    names = tuple(cell.strip() for cell in cells)
    if len(set(names)) < len(names):
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        raise UsageError(f"{path} line 1: column {shown(twice[:1])} is there twice; remove one")
    return names


def refuse_lacking(path: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    """Refuse a table without some columns."""
    missing = [name for name in needed if name not in columns]
    if missing:
        raise UsageError(
            f"{path} line 1: missing column(s) {', '.join(missing)}; it has {shown(columns)}"
        )


def shown(names: Sequence[str]) -> str:
    """Write names of columns on one line, the first of many, each as far as one can read."""
    words = [repr(name[:_SHOWN_LETTERS]) for name in names[:_SHOWN_NAMES]]
    more = len(names) - len(words)
    return ", ".join(words) + (f" and {more} more" if more else "")


def checked(
    path: Path, columns: Sequence[str], rows: Iterable[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    """Pass on rows that have as many cells as the header.

    Raises:
        UsageError: A row has not; names its line.
    """
    width = len(columns)
    for line, cells in rows:
        if len(cells) != width:
            raise UsageError(
                f"{path} line {line} has {len(cells)} cells where the header has {width}; "
                "mend the line"
            )
        yield line, cells


def number(text: str) -> float | None:
    """Read a number with a decimal point or comma; ``None`` if it is none or not finite."""
    try:
        value = float(text)
    except ValueError:
        return number(text.replace(",", ".")) if text.count(",") == 1 else None
    return value if isfinite(value) else None
