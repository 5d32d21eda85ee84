"""The run table of an experiment-runner study, read row by row: any length takes little memory."""

from __future__ import annotations

import io
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from joulebench.errors import UsageError
from joulebench.importers.delimited import (
    LONGEST_LINE,
    checked,
    delimiter_of,
    header_of,
    not_utf_8,
    number,
    parsed,
    shown,
)
from joulebench.importers.plain_file import open_plain
from joulebench.importers.run_folders import parse_run_id

RUN_ID = "__run_id"
DONE = "__done"
RUN = "run"
REPETITIONS = ("repetition", "rep")

_EARLY_ID = re.compile(r"run_([0-9]{1,18})")
_PLAIN_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_WIDEST_WHOLE = 1 << 63


@dataclass(frozen=True)
class ExperimentTable:
    """A run table: its columns and where each row stands in the file.

    Args:
        path: The file.
        columns: Names of the columns.
        delimiter: Character between cells.
        runs: Number of the combination of levels of each row.
        repetitions: Repetition of each row, from 0.
        lines: The line of the file that each row ends on.
        offsets: The byte that each row begins at.
    """

    path: Path
    columns: tuple[str, ...]
    delimiter: str
    runs: array[int] = field(default_factory=lambda: array("q"))
    repetitions: array[int] = field(default_factory=lambda: array("q"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    offsets: array[int] = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.runs)

    def __iter__(self) -> Iterator[list[str]]:
        """Give the cells of each row without the blanks around them, read anew."""
        for _, _, cells in _rows(self):
            yield [cell.strip() for cell in cells]

    def row(self, place: int) -> list[str]:
        """Give the cells of one row, read from its place in the file."""
        with open_plain(self.path) as file:
            file.seek(self.offsets[place])
            before = self.lines[place] - 1
            rows = parsed(self.path, _Lines(self.path, file, before), self.delimiter, before)
            found = next(checked(self.path, self.columns, rows), None)
        if found is None:
            raise UsageError(f"{self.path} was changed while it was read; import it again")
        return [cell.strip() for cell in found[1]]

    def where(self, place: int) -> str:
        """Name the line of a row."""
        return f"{self.path} line {self.lines[place]}"

    def place_of(self, run: int, repetition: int) -> int | None:
        """Give the place of the row of a run; ``None`` if there is none."""
        return self._places.get((run, repetition))

    @cached_property
    def _places(self) -> dict[tuple[int, int], int]:
        keys = zip(self.runs, self.repetitions, strict=True)
        return {key: place for place, key in enumerate(keys)}

    def published(self, place: int, cells: Sequence[str]) -> dict[str, Any]:
        """Give a row as it stands: plain numbers as numbers, everything else as its text.

        Args:
            place: Of the row.
            cells: What :meth:`row` gave for it.
        """
        values = map(_value, cells)
        return {
            "table": self.path.name,
            "line": self.lines[place],
            "values": dict(zip(self.columns, values, strict=True)),
        }


def is_run_table(path: Path) -> bool:
    """Say whether the first line of a file is the header of a run table."""
    try:
        with open_plain(path) as file:
            header = next(_Lines(path, file), "")
        _, cells = next(parsed(path, [header], delimiter_of(header)), (1, []))
    except UsageError:
        return False
    names = {cell.strip() for cell in cells}
    return RUN_ID in names or (RUN in names and not names.isdisjoint(REPETITIONS))


def open_run_table(path: Path) -> ExperimentTable:
    """Look over a run table: which run each row is, and where it stands.

    Raises:
        UsageError: It cannot be read, does not say which run a row is, or has a run twice; names
            the line.
    """
    with open_plain(path) as file:
        lines = _Lines(path, file)
        header = next(lines, "")
    delimiter = delimiter_of(header)
    _, cells = next(parsed(path, [header], delimiter), (1, []))
    table = ExperimentTable(path, header_of(path, cells), delimiter)
    _index(table)
    _refuse_twins(table)
    return table


def _index(table: ExperimentTable) -> None:
    """Fill in the runs, lines and offsets of a table."""
    column = _id_column(table)
    place = table.columns.index(column)
    repetition = next((name for name in REPETITIONS if name in table.columns), None)
    rep_place = None if repetition is None else table.columns.index(repetition)
    seen: Counter[int] = Counter()
    for line, offset, cells in _rows(table):
        where = f"{table.path} line {line}"
        run, said = _key(where, column, cells[place].strip())
        if said is None and rep_place is not None:
            said = _repetition(where, cells[rep_place].strip())
        if said is None:
            said = seen[run]
            seen[run] += 1
        table.runs.append(run)
        table.repetitions.append(said)
        table.lines.append(line)
        table.offsets.append(offset)


def _id_column(table: ExperimentTable) -> str:
    column = next((name for name in (RUN_ID, RUN) if name in table.columns), None)
    if column is None:
        raise UsageError(
            f"{table.path} line 1: neither a column {RUN_ID!r} nor {RUN!r} says which run a row "
            f"is; it has {shown(table.columns)}"
        )
    return column


def _key(where: str, column: str, text: str) -> tuple[int, int | None]:
    """Read the number of a run and, where the text tells it, its repetition."""
    known = parse_run_id(text)
    if known is not None:
        return known
    early = _EARLY_ID.fullmatch(text)
    if early is not None:
        return int(early[1]), None
    run = _whole(text) if column == RUN else None
    if run is None:
        raise UsageError(f"{where}: {column!r} names no run: {text[:40]!r}; mend it")
    return run, None


def _repetition(where: str, text: str) -> int:
    repetition = _whole(text)
    if repetition is None:
        raise UsageError(f"{where}: the repetition is no whole number: {text[:40]!r}; mend it")
    return repetition


def _whole(text: str) -> int | None:
    value = number(text)
    return int(value) if value is not None and value == int(value) and abs(value) < 2e18 else None


def _refuse_twins(table: ExperimentTable) -> None:
    first: dict[tuple[int, int], int] = {}
    for place, key in enumerate(zip(table.runs, table.repetitions, strict=True)):
        before = first.setdefault(key, place)
        if before != place:
            raise UsageError(
                f"{table.where(place)}: run {key[0]} repetition {key[1]} stands on line "
                f"{table.lines[before]} too; remove one of them"
            )


def _rows(table: ExperimentTable) -> Iterator[tuple[int, int, list[str]]]:
    """Give the line that each row ends on, the byte that it begins at, and its cells."""
    with open_plain(table.path) as file:
        lines = _Lines(table.path, file)
        next(lines, "")
        begin = lines.offset
        rows = parsed(table.path, lines, table.delimiter, before=1)
        for line, cells in checked(table.path, table.columns, rows):
            yield line, begin, cells
            begin = lines.offset


class _Lines:
    """The lines of a file as text, and the byte up to which they have been given.

    Args:
        path: For messages.
        file: Opened at the start of a line.
        before: Number of lines before that one.
    """

    def __init__(self, path: Path, file: BinaryIO, before: int = 0) -> None:
        self.offset = file.tell()
        self._path = path
        self._file = file
        self._number = before
        self._pieces: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._pieces:
            self._pieces = self._next_line()
        piece = self._pieces.pop()
        self.offset += len(piece) if piece.isascii() else len(piece.encode())
        return piece

    def _next_line(self) -> list[str]:
        """Read up to the next line feed: one line, or those that end in carriage returns alone."""
        self._number += 1
        raw = self._file.readline(LONGEST_LINE + 1)
        if not raw:
            raise StopIteration
        if len(raw) > LONGEST_LINE:
            raise UsageError(
                f"{self._path} line {self._number} is longer than {LONGEST_LINE} bytes: damaged"
            )
        if b"\0" in raw:
            raise not_utf_8(self._path, self._number)
        if raw.startswith(b"\xef\xbb\xbf") and self.offset == 0:
            self.offset, raw = 3, raw[3:]
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise not_utf_8(self._path, self._number) from error
        if "\r" in text[:-2] or text.endswith("\r"):
            return list(io.StringIO(text, newline=""))[::-1]
        return [text]


def _value(text: str) -> float | int | str:
    """Give a plain number as one, anything else as it is written.

    What stands after a leading zero is a name and not a number, and a number that is not finite
    has no place in a record.
    """
    if not text[-1:].isdigit() and not text.endswith("."):
        return text
    match = _PLAIN_NUMBER.fullmatch(text)
    if match is None or len(text) > 40:
        return text
    if match[2] is None and match[3] is None:
        whole = int(text)
        return whole if abs(whole) < _WIDEST_WHOLE else text
    value = number(text)
    return text if value is None else value
