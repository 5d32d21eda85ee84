"""A study on disk: one line a run, traces beside it, and the table that is a view of them.

``runs.jsonl`` is the source of truth. A line is appended and synced before anything else is told
of it; a last line cut short by a crash is set aside, never guessed at. What is needed of each
record to go on with a study is in an index beside it, see :mod:`joulebench.record_index`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import yaml

from joulebench.channel import Channel, Window
from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.record_entry import Entry
from joulebench.record_index import RunIndex

if TYPE_CHECKING:
    import pandas as pd


FORMAT = 1
"""Version of a record's form; upgrade steps from older ones live in :data:`_UPGRADES`."""

_ROOMS = ("traces", "responses", "logs")

_BACKWARDS = 1 << 16
"""Bytes read at a time to find where a line begins."""

_UPGRADES: dict[int, Any] = {}
"""Steps from one format to the next: ``{from_format: function(record) -> record}``."""


@dataclass
class Run:
    """What happened when a trial was run (or what another tool says happened).

    Args:
        run_id: Unique in its study.
        study: Name of the study.
        trial: ``{"order", "block", "repetition", "levels"}`` of the planned row.
        status: ``"done"`` or ``"failed"``.
        origin: ``"live"`` or ``"imported"``.
        error: Why it failed, one line; ``None`` if it did not.
        host: Key of the machine in ``hosts.json``.
        testbed: Where it ran: ``"local"``, or the testbed's name.
        started_at: UTC time of its start, ISO 8601; empty if unknown.
        windows: Named stretches, without the windows of single requests.
        channels: What was read.
        energy: Channel name -> window name -> energy dict.
        work: Counts: requests, tokens_in, tokens_out, flops.
        score: ``{"accuracy", "n_graded", "n_correct", "scorer"}``, or ``None``.
        emissions: Carbon dioxide of the measured window, see :mod:`joulebench.emissions`; ``None``
            where it is not known: the fact ``"no_emissions"`` then says why, if it was asked for.
        facts: What a reader must know besides: engine, sampling, recorder, process.
        findings: Checks that did not pass.
    """

    run_id: str
    study: str
    trial: dict[str, Any]
    status: str = "done"
    origin: str = "live"
    error: str | None = None
    host: str = ""
    testbed: str = "local"
    started_at: str = ""
    windows: list[Window] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    energy: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    work: dict[str, Any] = field(default_factory=dict)
    score: dict[str, Any] | None = None
    emissions: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def levels(self) -> dict[str, Any]:
        """Levels of the factors."""
        return dict(self.trial.get("levels", {}))

    @property
    def control(self) -> bool:
        """Whether it was made to see drift and is no run of its cell."""
        return bool(self.trial.get("control"))

    def to_dict(self) -> dict[str, Any]:
        """Give the record: the line of ``runs.jsonl``, the HTTP body and the row in one form."""
        record = {"format": FORMAT} | {part.name: getattr(self, part.name) for part in fields(self)}
        for plural in ("windows", "channels", "findings"):
            record[plural] = [item.to_dict() for item in record[plural]]
        if self.score is None:
            del record["score"]
        if self.emissions is None and "no_emissions" not in self.facts:
            del record["emissions"]
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Run:
        """Build a run from a record, upgrading older formats.

        Raises:
            UsageError: The format is newer than this version knows, or a part is missing.
        """
        parts = dict(_upgraded(record))
        parts.pop("format")
        parts["windows"] = [Window.from_dict(w) for w in parts.get("windows", [])]
        parts["channels"] = [Channel.from_dict(c) for c in parts.get("channels", [])]
        parts["findings"] = [Finding.from_dict(f) for f in parts.get("findings", [])]
        try:
            return cls(**parts)
        except TypeError as error:
            raise UsageError(f"record {record.get('run_id', '?')!r}: {error}") from error


def _upgraded(record: Mapping[str, Any]) -> Mapping[str, Any]:
    version = record.get("format")
    if not isinstance(version, int) or not 1 <= version <= FORMAT:
        raise UsageError(
            f"record {record.get('run_id', '?')!r} has format {version!r}; this version of "
            f"joulebench reads formats 1 to {FORMAT}; upgrade joulebench"
        )
    for step in range(version, FORMAT):
        record = _UPGRADES[step](record)
    return record


def dumps(record: Mapping[str, Any]) -> str:
    """Give a record as one line of JSON; a NaN or infinity is refused, absent is not a number."""
    line = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        line.encode()
    except UnicodeEncodeError:  # half a surrogate pair is no text in UTF-8: it stays escaped
        return json.dumps(record, allow_nan=False, separators=(",", ":"))
    return line


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    with draft_of(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """Give a place to write to, which takes the name of a file once all is written."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)  # half a file only takes room
        raise


class RunTable:
    """The folder of a study; for one thread at a time.

    Args:
        folder: Of the study.
        study: What was asked, resolved.
        hosts: Facts of each machine by id.
        runs: All of them, for a table that keeps them; else they are read when they are asked for.
    """

    def __init__(
        self,
        folder: Path,
        study: dict[str, Any],
        hosts: dict[str, Any],
        runs: dict[str, Run] | None = None,
    ) -> None:
        self.folder = folder
        self.study = study
        self.hosts = hosts
        self._kept = runs
        self._known: RunIndex | None = None

    @classmethod
    def create(
        cls, folder: Path, study: Mapping[str, Any], hosts: Mapping[str, Any] | None = None
    ) -> RunTable:
        """Make the folder of a new study; its table keeps the runs that it is given.

        Args:
            folder: Where; made if absent.
            study: What was asked, resolved; written to ``study.yaml``.
            hosts: Facts of each machine by id; written to ``hosts.json``.

        Raises:
            UsageError: The folder holds a study already, or cannot be written.
        """
        if (folder / "study.yaml").exists():
            raise UsageError(
                f"{folder} holds a study already; choose another folder with --out, or run that "
                "study again to resume it"
            )
        try:
            for room in _ROOMS:
                (folder / room).mkdir(parents=True, exist_ok=True)
            table = cls(folder, dict(study), dict(hosts or {}), {})
            table.write_hosts()
            table.write_study()
        except OSError as error:
            _unmake(folder)
            raise UsageError(f"cannot make {folder}: {error.strerror}; choose --out") from error
        return table

    @classmethod
    def load(cls, folder: Path) -> RunTable:
        """Read a study's folder with all its runs, for those who ask them all.

        Raises:
            UsageError: It is not a study, or a file in it cannot be read; says which and where.
        """
        study = _read_study(folder)
        hosts = _read_json(folder / "hosts.json")
        return cls(folder, study, hosts, {run.run_id: run for run in _read_runs(folder)})

    @classmethod
    def open(cls, folder: Path) -> RunTable:
        """Open a study's folder without keeping its runs: an index tells which there are.

        Args:
            folder: Of the study.

        Raises:
            UsageError: It is not a study, or a file in it cannot be read; says which and where.
        """
        study = _read_study(folder)
        table = cls(folder, study, _read_json(folder / "hosts.json"))
        table.refresh()
        return table

    @property
    def name(self) -> str:
        """Name of the study."""
        return str(self.study.get("study", self.folder.name))

    @property
    def runs(self) -> list[Run]:
        """The runs in the order in which they first came; the last record of each counts."""
        return list(self.each_run())

    @property
    def cell_runs(self) -> list[Run]:
        """The runs without the controls: those that means and comparisons are made of."""
        return [run for run in self.each_run() if not run.control]

    def each_run(self) -> Iterator[Run]:
        """Give :attr:`runs` one after another, so that not all need to be in memory."""
        if self._kept is not None:
            yield from self._kept.values()
            return
        entries = self.entries
        if not entries:
            return
        with self._records.open("rb") as file:
            for entry in entries:
                yield self._read(file, entry)

    def run(self, run_id: str) -> Run:
        """Give one run.

        Raises:
            KeyError: There is no record of it.
        """
        if self._kept is not None:
            return self._kept[run_id]
        entry = self._index.entries[run_id]
        with self._records.open("rb") as file:
            return self._read(file, entry)

    @property
    def entries(self) -> list[Entry]:
        """What the index knows of each run, in the order of :attr:`runs`."""
        return list(self._index.entries.values())

    def entry(self, run_id: str) -> Entry | None:
        """Give what the index knows of a run; ``None`` where there is no record of it."""
        return self._index.entries.get(run_id)

    @property
    def done_ids(self) -> set[str]:
        """Ids of the runs that are done."""
        if self._kept is not None:
            return {run.run_id for run in self._kept.values() if run.status == "done"}
        return set(self._index.done)

    def is_done(self, run_id: str) -> bool:
        """Say whether a run is done."""
        return run_id in self._index.done

    def failures(self, run_id: str) -> int:
        """Count the records that say that a run failed."""
        return self._index.failures.get(run_id, 0)

    def refresh(self) -> None:
        """Take notice of what others appended since; not in the runs that :meth:`load` has kept.

        Raises:
            UsageError: A line that is no record.
        """
        self._index.catch_up(watching=True)

    @property
    def _records(self) -> Path:
        return self.folder / "runs.jsonl"

    @property
    def _index(self) -> RunIndex:
        if self._known is None:
            self._known = RunIndex.open(self._records, partial(_parsed, self._records))
        return self._known

    def _read(self, file: BinaryIO, entry: Entry) -> Run:
        """Read one record from where the index says that it is."""
        file.seek(entry.offset)
        line = file.read(entry.length)
        try:
            run = Run.from_dict(json.loads(line))
        except ValueError:
            run = None
        if run is None or run.run_id != entry.run_id:
            raise UsageError(
                f"{self._records} was changed by something else while it was read; try again"
            )
        return run

    def trace_path(self, run_id: str) -> Path:
        """Place of a run's traces."""
        return self.folder / "traces" / f"{run_id}.parquet"

    def responses_path(self, run_id: str) -> Path:
        """Place of a run's responses."""
        return self.folder / "responses" / f"{run_id}.jsonl"

    def log_path(self, run_id: str) -> Path:
        """Place of a run's log."""
        return self.folder / "logs" / f"{run_id}.txt"

    def append(self, run: Run) -> None:
        """Append a run and sync it to disk; a later record of one id replaces the earlier."""
        self.extend([run])

    def extend(self, runs: Iterable[Run]) -> None:
        """Append several runs and sync them to disk once, after the last."""
        index = self._index
        _mend_last_line(self._records)
        with self._records.open("ab") as file:
            if not index.is_current(os.fstat(file.fileno())):
                index.catch_up()
            written = []
            for run in runs:
                written.append((run, dumps(run.to_dict()).encode() + b"\n"))
                file.write(written[-1][1])
            file.flush()
            os.fsync(file.fileno())
            index.add(written, os.fstat(file.fileno()))
        if self._kept is not None:
            self._kept.update((run.run_id, run) for run, _ in written)

    def write_study(self) -> None:
        """Write ``study.yaml`` from :attr:`study`."""
        text = yaml.safe_dump(self.study, sort_keys=False, allow_unicode=True)
        write_whole(self.folder / "study.yaml", text)

    def write_hosts(self) -> None:
        """Write ``hosts.json``."""
        text = json.dumps(self.hosts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_whole(self.folder / "hosts.json", text)

    def frame(self) -> pd.DataFrame:
        """Give one row a run, with the columns that were measured."""
        from joulebench.run_row import frame

        return frame(self.each_run())

    def write_csv(self) -> Path:
        """Write ``run_table.csv`` anew from the records."""
        path = self.folder / "run_table.csv"
        write_whole(path, self.frame().to_csv(index=False, lineterminator="\n"))
        return path


def _unmake(folder: Path) -> None:
    """Remove what was made of a study whose folder could not be finished."""
    with suppress(OSError):
        (folder / "hosts.json").unlink(missing_ok=True)
    for room in _ROOMS:
        with suppress(OSError):
            (folder / room).rmdir()


def _read_study(folder: Path) -> dict[str, Any]:
    path = folder / "study.yaml"
    if not path.is_file():
        raise UsageError(
            f"{folder} is not a study: it has no study.yaml; name a folder that joulebench run or "
            "joulebench import wrote"
        )
    try:
        study = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(study, dict):
        raise UsageError(f"{path} holds no mapping; it was not written by joulebench")
    return study


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is not JSON ({error}); mend or delete it") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no facts of hosts; mend or delete it")
    return content


def _read_runs(folder: Path) -> Iterator[Run]:
    """Read records; a last line without its newline was cut short by a crash and is left out."""
    path = folder / "runs.jsonl"
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            yield _parsed(path, number, line)


def _parsed(path: Path, number: int, line: bytes) -> Run:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise UsageError(
            f"{path} line {number} is not JSON ({error}); mend or delete the line, its trial will "
            "be run again"
        ) from error
    if not isinstance(record, dict):
        raise UsageError(f"{path} line {number} is not a record; delete the line")
    try:
        return Run.from_dict(record)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path} line {number}: {error}") from error


def _mend_last_line(path: Path) -> None:
    """Move a last line that a crash cut short out of the way, into a file of its own."""
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        keep = _after_last_newline(file, end)
        if keep == end:
            return
        file.seek(keep)
        with path.with_name("runs.cut-short.txt").open("ab") as aside:
            aside.write(file.read() + b"\n")
        file.truncate(keep)


def _after_last_newline(file: BinaryIO, end: int) -> int:
    """Find the end of the last whole line, from behind: the file may be large."""
    size = 1
    while end:
        start = max(0, end - size)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end, size = start, _BACKWARDS
    return 0
