"""An index of ``runs.jsonl``: what is needed of each record to go on with a study, in a moment.

A record has several kilobytes; its line in ``runs.index.jsonl`` has some hundred bytes. The index
is a view and never the truth: it is written after the record and not synced, what it does not cover
is read from the records, and where it does not fit them it is made anew.

It is lines of JSON because records come one at a time (a Parquet file cannot be appended to), and a
study's folder is copied about (a database would bring locks and files of its own). A line ends with
the checksum of the index up to there, so that one sum finds any damage, and it says how long the
records were, when they were last changed, and their checksum. A study whose records still have that
length and time is believed; otherwise all that the index covers is summed again.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from joulebench.collector import collector_paused
from joulebench.record_entry import COLUMNS, PART, Entry, columns_of, energy_columns

if TYPE_CHECKING:
    from joulebench.record import Run

NAME = "runs.index.jsonl"
"""Of the index, beside the records."""

_HEADER = (json.dumps({"format": 1, "columns": COLUMNS}) + "\n").encode()

_WORTH_KEEPING = 4_000_000
"""Bytes of records: who had to read so many writes the index for the next one."""

_CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class Stand:
    """How far an index covers the records, and how they were then.

    Args:
        end: Bytes from their start.
        crc: Checksum of these.
        changed_ns: Time of their last change.
        last: Where the last record begins.
        crc_before: Checksum of the bytes before that one.
    """

    end: int = 0
    crc: int = 0
    changed_ns: int = 0
    last: int = 0
    crc_before: int = 0

    def is_of(self, stat: os.stat_result) -> bool:
        """Say whether the file is as it was, by its length and time."""
        return (stat.st_size, stat.st_mtime_ns) == (self.end, self.changed_ns)

    def grew_into(self, file: BinaryIO, stat: os.stat_result) -> bool:
        """Say whether a file seems only to have been appended to, by the last record known."""
        last_crc = _crc(file, self.last, self.end, self.crc_before)
        return stat.st_size > self.end and last_crc == self.crc

    def begins(self, file: BinaryIO, stat: os.stat_result) -> bool:
        """Say whether a file begins with what is covered, by the sum of it all."""
        return stat.st_size >= self.end and _crc(file, 0, self.end, 0) == self.crc


class RunIndex:
    """The index of a study's records, in memory and on disk; for one thread.

    Args:
        records: ``runs.jsonl``; need not be there.
        parse: Makes a run of a line and its number from 1; raises what is to be said of a bad one.
    """

    def __init__(self, records: Path, parse: Callable[[int, bytes], Run]) -> None:
        self._records = records
        self._path = records.with_name(NAME)
        self._parse = parse
        self._forget()

    def _forget(self) -> None:
        self.entries: dict[str, Entry] = {}
        """Each run by its id, in the order in which they first came."""
        self.done: set[str] = set()
        """Ids of the runs that are done."""
        self.failures: dict[str, int] = {}
        """How many records of a run say that it failed."""
        self._lines: list[bytes] = []
        self._stand = Stand()
        self._inode: int | None = None
        self._sure = True
        """Whether all that is covered is known to be as it was."""
        self._crc = zlib.crc32(_HEADER)
        self._length: int | None = None
        """Of the file, where it holds these lines and nothing else."""

    @classmethod
    def open(cls, records: Path, parse: Callable[[int, bytes], Run]) -> RunIndex:
        """Read the index, and of the records what it lacks.

        Args:
            records: ``runs.jsonl``; need not be there.
            parse: Makes a run of a line and its number from 1.
        """
        index = cls(records, parse)
        with collector_paused():
            index._read()
            index.catch_up()
        return index

    @property
    def end(self) -> int:
        """Bytes of the records that are covered."""
        return self._stand.end

    def is_current(self, stat: os.stat_result) -> bool:
        """Say whether the records are as they were when they were last read or written."""
        return self._sure and self._stand.is_of(stat)

    def catch_up(self, *, watching: bool = False) -> None:
        """Read what was appended to the records; all of them if something else was changed.

        Args:
            watching: Whether a look at the last record known is enough to see that: one who only
                looks, time and again, need not sum all of them.
        """
        try:
            with self._records.open("rb") as file:
                read = self._go_on(file, os.fstat(file.fileno()), watching)
        except FileNotFoundError:
            self._forget()
            return
        if read:
            self._length = None  # the file lacks what was read
        if read > _WORTH_KEEPING and self._sure:
            self._write_whole()

    def add(self, runs: Sequence[tuple[Run, bytes]], stat: os.stat_result) -> None:
        """Note records that have been appended and synced.

        Args:
            runs: Each with its line.
            stat: The state of the records thereafter.
        """
        known = len(self._lines)
        for run, line in runs:
            self._note(run, line, stat.st_mtime_ns)
        self._inode = stat.st_ino
        self._append(self._lines[known:])

    def _read(self) -> None:
        """Take over the lines of the file, if none is damaged; one cut short is left out."""
        try:
            with self._path.open("rb") as file:
                whole = file.readline() == _HEADER
                lines = file.readlines() if whole else []
        except OSError:
            return
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        crc = before = self._crc
        for line in lines:
            before, crc = crc, zlib.crc32(line, crc)
        stand = _stand_of(lines, before)
        if stand is None:
            return
        self._keep(lines)
        self._stand, self._crc = stand, crc
        self._length = len(_HEADER) + sum(map(len, lines))

    def _go_on(self, file: BinaryIO, stat: os.stat_result, watching: bool) -> int:
        """Read what is not covered; gives how many bytes that were."""
        stand, same = self._stand, self._inode == stat.st_ino
        if stand.is_of(stat) and (watching or self._sure):
            self._inode = stat.st_ino
            return 0
        if watching and same and stand.grew_into(file, stat):
            self._sure = False
        elif stand.begins(file, stat):
            self._sure = True
        else:
            self._forget()
        self._inode = stat.st_ino
        begun = self._stand.end
        self._read_rest(file, stat)
        return self._stand.end - begun

    def _read_rest(self, file: BinaryIO, stat: os.stat_result) -> None:
        """Read the records after those covered; one that is cut short is no record yet."""
        file.seek(self._stand.end)
        while self._stand.end < stat.st_size:
            line = file.readline()
            if not line.endswith(b"\n"):
                break
            self._note(self._parse(len(self._lines) + 1, line), line, stat.st_mtime_ns)
        self._stand = replace(self._stand, changed_ns=stat.st_mtime_ns)

    def _note(self, run: Run, line: bytes, changed_ns: int) -> None:
        """Make the line of a record that lies where the covered ones end."""
        start, before = self._stand.end, self._stand.crc
        crc = zlib.crc32(line, before)
        place = [start, len(line), crc, changed_ns]
        columns = [*columns_of(run), *place, *energy_columns(run)]
        begun = b"[" + PART.join(_dumps(column) for column in columns) + PART
        noted = begun + b"%d]\n" % zlib.crc32(begun, self._crc)
        self._crc = zlib.crc32(noted, self._crc)
        self._stand = Stand(start + len(line), crc, changed_ns, start, before)
        self._keep([noted])

    def _keep(self, lines: Sequence[bytes]) -> None:
        entries, done, failures = self.entries, self.done, self.failures
        for line in lines:
            entry = Entry(line)
            run_id = entry.run_id
            entries[run_id] = entry
            if entry.status == "done":
                done.add(run_id)
            else:
                done.discard(run_id)
                failures[run_id] = failures.get(run_id, 0) + 1
        self._lines += lines

    def _append(self, lines: Sequence[bytes]) -> None:
        """Write lines, or all where the file holds others; it is a view, and may fail to be."""
        if self._length is None:
            self._write_whole()
            return
        text = b"".join(lines)
        try:
            with self._path.open("ab") as file:
                fits = file.tell() == self._length
                if fits:
                    file.write(text)
        except OSError:
            self._length = None
            return
        self._length += len(text)
        if not fits:
            self._write_whole()

    def _write_whole(self) -> None:
        text = b"".join([_HEADER, *self._lines])
        draft = self._path.with_name(f".{NAME}.{os.getpid()}.part")
        try:
            draft.write_bytes(text)
            draft.replace(self._path)
            self._length = len(text)
        except OSError:
            self._length = None
            with suppress(OSError):
                draft.unlink(missing_ok=True)


def _stand_of(lines: Sequence[bytes], before: int) -> Stand | None:
    """Give what the last line of an index says of the records; ``None`` if the index is damaged.

    Args:
        lines: Whole ones.
        before: Checksum of the index up to the last one.
    """
    try:
        told = dict(zip(COLUMNS, json.loads(lines[-1]), strict=True))
        begun = lines[-1][: lines[-1].rindex(PART) + len(PART)]
        if zlib.crc32(begun, before) != told["crc"]:
            return None
        start, end = told["offset"], told["offset"] + told["length"]
        crc_before = json.loads(lines[-2])[COLUMNS.index("records_crc")] if lines[1:] else 0
    except (IndexError, TypeError, ValueError):
        return None
    return Stand(end, told["records_crc"], told["changed_ns"], start, crc_before)


def _crc(file: BinaryIO, start: int, end: int, crc: int) -> int:
    """Go on with a checksum over a stretch of a file."""
    file.seek(start)
    while start < end:
        part = file.read(min(_CHUNK, end - start))
        if not part:
            break
        crc = zlib.crc32(part, crc)
        start += len(part)
    return crc


def _dumps(column: object) -> bytes:
    return json.dumps(column, separators=(",", ":")).encode()
