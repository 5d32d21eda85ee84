"""Reading a log of nvidia-smi in one pass, block by block: times, boards, powers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from joulebench.errors import UsageError
from joulebench.importers.nvidia_smi_damage import (
    ABSENT,
    LONGEST_LINE,
    UNITS,
    damage,
    is_last,
    line_holding,
)
from joulebench.importers.nvidia_smi_form import (
    IDENTITIES,
    LIMITS,
    NAME,
    POWERS,
    STAMP,
    SUMMARISED,
    TIME,
    Form,
    wrong_stamp,
)

if TYPE_CHECKING:
    import pyarrow as pa

FloatArray = npt.NDArray[np.float64]


@dataclass
class Summary:
    """Smallest, largest and sum of a column of one board."""

    count: int = 0
    sum: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def add(self, values: FloatArray) -> None:
        """Take more values; those that are nan are none."""
        known = values[np.isfinite(values)]
        if known.size:
            self.count += known.size
            self.sum += float(known.sum())
            self.least = min(self.least, float(known.min()))
            self.most = max(self.most, float(known.max()))

    def to_dict(self) -> dict[str, float]:
        """Give smallest, mean and largest value."""
        return {"min": self.least, "mean": self.sum / self.count, "max": self.most}


@dataclass
class Scan:
    """What a log holds, its rows in the order of the file.

    Args:
        t_s: Stamp of each row as if its zone were UTC, s since 1970; shape (n,).
        board: Number of each row's board, from 0 in the order of appearance; shape (n,).
        powers: Readings by column, W, nan where there is none; shape (n,).
        boards: What identifies each board.
        names: Name of each board; empty if the log does not say.
        summaries: By board and column.
        restarts: Rows before which the header was written again.
        messages: Lines that are no rows.
        cut_short: Whether the last line was cut short and left out.
    """

    t_s: FloatArray
    board: npt.NDArray[np.int32]
    powers: dict[str, FloatArray]
    boards: list[str] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    summaries: dict[int, dict[str, Summary]] = field(default_factory=dict)
    restarts: list[int] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    cut_short: bool = False


def scan(form: Form) -> Scan:
    """Read a log.

    Raises:
        UsageError: A line is damaged; names it.
    """
    import pyarrow as pa

    reader = _Reader(form)
    try:
        with _unraisable() as lost:
            for batch in _batches(form, reader):
                reader.take(batch)
    except (pa.ArrowException, OSError) as error:
        raise UsageError(damage(form, str(error))) from error
    if lost:
        raise UsageError(damage(form, lost[0]))
    return reader.done()


@contextmanager
def _unraisable() -> Iterator[list[str]]:
    """Gather what cannot be raised: Arrow fails to hand on an odd line that is not UTF-8."""
    lost: list[str] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda told: lost.append(str(told.exc_value))
    try:
        yield lost
    finally:
        sys.unraisablehook = before


def _batches(form: Form, reader: _Reader) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv as pc

    with pa.OSFile(str(form.path)) as file:
        yield from pc.open_csv(
            file,
            pc.ReadOptions(
                use_threads=False,
                block_size=LONGEST_LINE,
                column_names=list(form.names),
                skip_rows=form.skipped,
            ),
            pc.ParseOptions(delimiter=form.delimiter, invalid_row_handler=reader.odd),
            pc.ConvertOptions(
                include_columns=list(reader.columns),
                column_types=dict.fromkeys(reader.columns, pa.string()),
                strings_can_be_null=False,
            ),
        )


class _Reader:
    """Turns blocks of text into numbers."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._identity = form.first_of(IDENTITIES)
        self._powers = [name for name in form.names if name in POWERS]
        self._summed = [n for n in form.names if SUMMARISED.match(n) or n in LIMITS]
        columns = [TIME, self._identity, NAME, *self._powers, *self._summed]
        self.columns = [n for n in dict.fromkeys(columns) if n is not None and n in form.names]
        self._blocks: list[tuple[FloatArray, npt.NDArray[np.int32], dict[str, FloatArray]]] = []
        self._rows = 0
        self._boards: dict[str, int] = {}
        self._scan = Scan(np.empty(0), np.empty(0, np.int32), {})

    def odd(self, row: Any) -> str:
        """Judge a line with another number of cells than the header: a message, or damage."""
        if not STAMP.search(row.text):
            self._scan.messages.append(row.text.strip()[:200])
            return "skip"
        if row.actual_columns < row.expected_columns and is_last(self._form.path, row.text):
            self._scan.cut_short = True
            return "skip"
        return "error"

    def take(self, batch: pa.RecordBatch) -> None:
        """Take one block."""
        import pyarrow as pa
        import pyarrow.compute as pc

        stamps = pc.utf8_trim_whitespace(batch[TIME])
        rows = pc.match_substring_regex(stamps, "^[0-9]{4}[-/]")
        if not pc.all(rows).as_py():
            self._not_rows(stamps, np.asarray(rows))
            batch, stamps = batch.filter(rows), stamps.filter(rows)
        if not len(batch):
            return
        plain = pc.replace_substring(stamps, "/", "-")
        t_s = pc.cast(pc.cast(plain, pa.timestamp("us")), pa.int64()).to_numpy() / 1e6
        board = self._boards_of(batch)
        powers = {name: self._numbers(batch[name]) for name in self._powers}
        self._summarise(batch, board)
        self._blocks.append((t_s, board, powers))
        self._rows += len(batch)

    def _not_rows(self, stamps: pa.Array, rows: npt.NDArray[np.bool_]) -> None:
        """Part repeated headers from messages; anything that begins like a date is damage."""
        for place in np.flatnonzero(~rows):
            text = stamps[int(place)].as_py()
            if text.strip(' "').casefold() == TIME:
                self._scan.restarts.append(self._rows + int(rows[:place].sum()))
            elif any(letter.isdigit() for letter in text[:4]):
                line = line_holding(self._form.path, text)
                raise UsageError(
                    f"{self._form.path} line {line}: {text[:40]!r} is {wrong_stamp(text)}"
                )
            else:
                self._scan.messages.append(text[:200])

    def _boards_of(self, batch: pa.RecordBatch) -> npt.NDArray[np.int32]:
        import pyarrow.compute as pc

        if self._identity is None:
            self._boards.setdefault("", 0)
            return np.zeros(len(batch), np.int32)
        cells = pc.dictionary_encode(pc.utf8_trim_whitespace(batch[self._identity]))
        words = cells.dictionary.to_pylist()
        codes = [self._boards.setdefault(word, len(self._boards)) for word in words]
        found: npt.NDArray[np.int32] = np.array(codes, np.int32)[cells.indices.to_numpy()]
        if NAME in self.columns:
            first = {code: int(np.argmax(found == code)) for code in codes}
            for code in codes:
                self._scan.names.setdefault(code, batch[NAME][first[code]].as_py().strip(' "'))
        return found

    def _numbers(self, cells: pa.Array) -> FloatArray:
        """Read numbers with or without units; nan for what nvidia-smi puts into brackets."""
        import pyarrow as pa
        import pyarrow.compute as pc

        bare = pc.utf8_trim(cells, characters=UNITS)
        if self._form.delimiter != ",":
            bare = pc.replace_substring(bare, ",", ".")
        absent = pc.or_(pc.starts_with(bare, "["), pc.is_in(bare, value_set=pa.array(ABSENT)))
        known = pc.if_else(absent, pa.scalar(None, pa.string()), bare)
        values: FloatArray = pc.cast(known, pa.float64()).to_numpy(zero_copy_only=False)
        return values

    def _summarise(self, batch: pa.RecordBatch, board: npt.NDArray[np.int32]) -> None:
        for name in self._summed:
            try:
                values = self._numbers(batch[name])
            except ValueError:
                continue  # a column of words; it is nothing that is measured
            for code in np.unique(board):
                columns = self._scan.summaries.setdefault(int(code), {})
                columns.setdefault(name, Summary()).add(values[board == code])

    def done(self) -> Scan:
        """Put the blocks together.

        Raises:
            UsageError: There is no row.
        """
        if not self._blocks:
            said = f": it says {self._scan.messages[0]!r}" if self._scan.messages else ""
            raise UsageError(f"{self._form.path} holds no row{said}; remove it or log again")
        self._scan.t_s = np.concatenate([block[0] for block in self._blocks])
        self._scan.board = np.concatenate([block[1] for block in self._blocks])
        for name in self._powers:
            watts = np.concatenate([block[2][name] for block in self._blocks])
            # No live board draws nothing: some drivers write zero where they mean unknown.
            self._scan.powers[name] = np.where(watts > 0, watts, np.nan)
        self._scan.boards = list(self._boards)
        return self._scan
