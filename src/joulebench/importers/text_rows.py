"""A table in a file that is read row by row, in any order, without keeping it in memory.

One pass finds where each row begins; eight bytes and a line number are kept of each.
"""

from __future__ import annotations

import csv
import json
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from joulebench.errors import UsageError
from joulebench.importers.delimited import DELIMITERS, shown

LONGEST_LINE = 1 << 20
"""A line longer than this, in bytes, is damage."""

Cell = str | float | int | bool | None

IsHeader = Callable[[Sequence[str]], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Args:
        line: Line of the file that it begins on.
        cells: What is in it by column: text in a table of text, JSON values in lines of JSON.
    """

    line: int
    cells: Mapping[str, Cell]


class TextRows:
    """The rows of a table with a header, or of lines of JSON.

    Args:
        path: The file.
        delimiter: Between cells; empty for lines of JSON.
    """

    def __init__(self, path: Path, delimiter: str) -> None:
        self.path = path
        self.delimiter = delimiter
        # Each header with the number of the first row below it.
        self.headers: list[tuple[int, tuple[str, ...]]] = []
        self.cut_short = False
        self._offsets = array("q")
        self._lines = array("q")

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self._offsets)

    def keep(self, offset: int, line: int) -> None:
        """Keep where a row begins."""
        self._offsets.append(offset)
        self._lines.append(line)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, those of the first header first."""
        return tuple(dict.fromkeys(name for _, names in self.headers for name in names))

    def where(self, place: int) -> str:
        """Name the file and the line of a row."""
        return f"{self.path} line {self._lines[place]}"

    def line(self, place: int) -> int:
        """Give the line that a row begins on."""
        return self._lines[place]

    def row(self, place: int) -> Row:
        """Read one row.

        Raises:
            UsageError: The file has changed since it was looked over.
        """
        return next(self.rows([place]))

    def rows(self, places: Iterable[int] | None = None) -> Iterator[Row]:
        """Read all rows, or those at some places, one after another.

        Raises:
            UsageError: The file has changed since it was looked over.
        """
        with self.path.open("rb") as file:
            before = -2
            following: Iterator[_Found] = iter(())
            for place in range(len(self)) if places is None else places:
                if place != before + 1:
                    file.seek(self._offsets[place])
                    lines = _Lines(self.path, file, self._lines[place] - 1)
                    following = _numbered(lines, self.delimiter)
                yield Row(self._lines[place], self._named(place, self._next(place, following)))
                before = place

    def _next(self, place: int, following: Iterator[_Found]) -> Any:
        """Give the cells of a row; what lies before it (headers, blank lines) is passed over."""
        for found in following:
            if found.line >= self._lines[place]:
                return found.cells
        raise UsageError(f"{self.where(place)}: the file has changed; import it again")

    def _named(self, place: int, cells: Any) -> Mapping[str, Cell]:
        if isinstance(cells, dict):
            return cells
        header = self.headers[bisect_right(self.headers, place, key=lambda h: h[0]) - 1][1]
        if len(cells) != len(header):
            raise UsageError(f"{self.where(place)}: the file has changed; import it again")
        return dict(zip(header, cells, strict=True))


def read_rows(path: Path, is_header: IsHeader | None = None, delimiter: str = "") -> TextRows:
    """Look a table over: any separator, quotes, Windows or Unix line ends, or lines of JSON.

    A header that is there again starts new rows; a last line without its end that has too few
    cells was cut short and is left out.

    Args:
        path: The file.
        is_header: Says whether cells are a header; by default those that repeat the first one.
        delimiter: Between cells; found in the first line if empty.

    Raises:
        UsageError: It cannot be read, is not UTF-8, has a column twice, or a row has another number
            of cells than its header; names the line.
    """
    try:
        with path.open("rb") as file:
            first = _Lines(path, file, 0).first()
            json_lines = not delimiter and first.lstrip().startswith("{")
            found = "" if json_lines else delimiter or max(DELIMITERS, key=first.count)
            file.seek(0)
            table = TextRows(path, found)
            _index(table, _Lines(path, file, 0), is_header)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return table


class _Lines:
    """The lines of a file as text, with the place of the next one."""

    def __init__(self, path: Path, file: BinaryIO, line: int) -> None:
        self.path = path
        self.file = file
        self.line = line
        self.start = self.offset = file.tell()
        self.ended = True

    def __iter__(self) -> Iterator[str]:
        while raw := self.file.readline(LONGEST_LINE + 1):
            self.line += 1
            if len(raw) > LONGEST_LINE:
                raise UsageError(
                    f"{self.path} line {self.line} is longer than {LONGEST_LINE} bytes: damaged"
                )
            self.start, self.offset = self.offset, self.offset + len(raw)
            self.ended = raw.endswith((b"\n", b"\r"))
            yield self._text(raw)

    def more(self) -> bool:
        """Say whether anything follows the line that was read last."""
        return bool(self.file.read(1))

    def first(self) -> str:
        """Give the first line that is not blank.

        Raises:
            UsageError: The file is empty, or not text.
        """
        line = next((line for line in self if line.strip()), None)
        if line is None:
            raise UsageError(f"{self.path} is empty; remove it or export it again")
        return line

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8-sig" if self.line == 1 else "utf-8")
        except UnicodeDecodeError as error:
            two_bytes = self.line == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff"))
            what = "UTF-16, as PowerShell writes it" if two_bytes else "not UTF-8"
            raise UsageError(
                f"{self.path} line {self.line} is {what}: save the file as UTF-8"
            ) from error


class _Found(NamedTuple):
    """Cells of a row, with the line and the byte that it begins on."""

    line: int
    offset: int
    cells: Any


def _numbered(lines: _Lines, delimiter: str) -> Iterator[_Found]:
    """Give all rows that are not blank."""
    if not delimiter:
        for cells in _parsed(lines.path, lines, ""):
            yield _Found(lines.line, lines.start, cells)
        return
    line, offset = lines.line + 1, lines.offset
    for cells in _parsed(lines.path, lines, delimiter):
        if len(cells) > 1 or (cells and cells[0].strip()):
            yield _Found(line, offset, cells)
        line, offset = lines.line + 1, lines.offset


def _parsed(path: Path, lines: _Lines, delimiter: str) -> Iterator[Any]:
    """Give the cells of each row, or the flattened object of each line of JSON."""
    if not delimiter:
        yield from (_object(path, lines.line, line) for line in lines if line.strip())
        return
    reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise UsageError(f"{path} line {lines.line}: {error}; mend the line") from error


def _object(path: Path, number: int, line: str) -> dict[str, Cell]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        what = error if isinstance(error, ValueError) else "nested too deeply"
        raise UsageError(f"{path} line {number} is not JSON ({what}); mend the line") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} line {number} is no JSON object; mend the line")
    return dict(_flat(value))


def _flat(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Cell]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{before}{name}.")
        elif not isinstance(inner, list):
            yield f"{before}{name}", inner


def _index(table: TextRows, lines: _Lines, is_header: IsHeader | None) -> None:
    """Find where the rows begin; a last line that breaks off is left out."""
    find = _find_text(table, lines, is_header) if table.delimiter else _find_json(table, lines)
    try:
        for offset, line in find:
            table.keep(offset, line)
    except UsageError:
        # Damage at the very end of a file without a line end: its writer was stopped.
        if lines.ended or lines.more() or not len(table):
            raise
        table.cut_short = True


def _find_json(table: TextRows, lines: _Lines) -> Iterator[tuple[int, int]]:
    """Give where each object begins; they need not have the same keys."""
    names: dict[str, None] = {}
    for found in _numbered(lines, ""):
        names.update(dict.fromkeys(found.cells))
        if len(names) > len(table.columns):
            table.headers = [(0, tuple(names))]
        yield found.offset, found.line


def _find_text(
    table: TextRows, lines: _Lines, is_header: IsHeader | None
) -> Iterator[tuple[int, int]]:
    # The csv module's limit holds for the whole process; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
    header: tuple[str, ...] = ()
    for found in _numbered(lines, table.delimiter):
        names = found.cells
        if not header or (names[0].strip() in header and _again(names, header, is_header)):
            header = _checked_header(table.path, found.line, names)
            table.headers.append((len(table), header))
        elif len(names) != len(header):
            raise UsageError(
                f"{table.path} line {found.line} has {len(names)} cells where the header has "
                f"{len(header)}; mend the line"
            )
        else:
            yield found.offset, found.line


def _again(cells: Sequence[str], header: Sequence[str], is_header: IsHeader | None) -> bool:
    names = tuple(cell.strip() for cell in cells)
    return names == header if is_header is None else is_header(names)


def _checked_header(path: Path, line: int, cells: Sequence[str]) -> tuple[str, ...]:
    names = tuple(cell.strip() for cell in cells)
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        raise UsageError(
            f"{path} line {line}: column {shown(twice[:1])} is there twice; remove one"
        )
    return names
