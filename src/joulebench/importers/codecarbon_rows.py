"""The rows of CodeCarbon's files: which of them are runs, in which order, of which project.

A tracker writes one row into ``emissions.csv`` when it stops, and one more with its totals so far
whenever it is flushed. The tasks of a tracker stand in a file of their own,
``emissions_NAME_RUN.csv``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.importers.cell_values import is_absent, moment, number_in, text_of
from joulebench.importers.published import host_id
from joulebench.importers.source_files import files_below, first_lines
from joulebench.importers.text_rows import Row, TextRows, read_rows

NEEDED = ("timestamp", "duration", "emissions", "energy_consumed")
"""Columns that every version of CodeCarbon writes."""

DEPTH = 3
"""Folders below the one that is imported in which files are looked for."""

_MARKS = ("run_id", "experiment_id", "project_name")
_NO_MOMENT = datetime(1, 1, 1)
"""Sorts before all others: CodeCarbon's stamps are local and have no time zone."""


_HOST = (
    "os", "python_version", "cpu_count", "cpu_model", "gpu_count", "gpu_model", "ram_total_size",
    "cloud_provider", "cloud_region",
)  # fmt: skip
"""Columns that tell of the machine."""


@dataclass(frozen=True, slots=True)
class Record:
    """One run or task as CodeCarbon wrote it.

    Args:
        file: Number of its file.
        place: Number of its row in that file.
        tracker: Id of the tracker.
        task: Name of the task; empty for a whole run.
        levels: Project and experiment.
        ended: Local time of its end, in whole seconds and without a time zone.
        duration_s: How long it took, s.
        kwh: Its total, kWh.
        pue: What every energy was multiplied by; 0 where the row does not say.
        flushed: Rows with totals so far that came before it.
    """

    file: int
    place: int
    tracker: str
    task: str
    levels: tuple[str, str]
    ended: datetime
    duration_s: float
    kwh: float
    pue: float = 0.0
    flushed: int = 0


@dataclass(frozen=True, slots=True)
class Records:
    """The runs of all files.

    Args:
        tables: The files.
        hosts: Facts of each machine by id.
        kept: The runs and tasks, in the order in which they ended.
        divided: Trackers whose tasks stand in their place.
        repeated: Trackers of several runs.
    """

    tables: Sequence[TextRows]
    hosts: Mapping[str, Any]
    kept: Sequence[Record]
    divided: tuple[str, ...]
    repeated: tuple[str, ...]


def is_header(cells: Sequence[str]) -> bool:
    """Say whether cells are a header of CodeCarbon's."""
    return all(name in cells for name in NEEDED) and any(name in cells for name in _MARKS)


def looks_like(path: Path) -> bool:
    """Say whether a file begins as CodeCarbon's do."""
    if path.suffix.casefold() not in (".csv", ".bak"):
        return False
    return any(is_header([c.strip(' "') for c in line.split(",")]) for line in first_lines(path, 1))


def read_records(source: Path) -> Records:
    """Look over the files in a folder, and those below it, or one file.

    Raises:
        UsageError: There is none, or a row is damaged; names the line.
    """
    paths = [path for path in files_below(source, DEPTH) if source.is_file() or looks_like(path)]
    if not paths:
        raise UsageError(
            f"{source} holds no file of CodeCarbon's; its emissions.csv has the columns "
            f"{', '.join(NEEDED)}"
        )
    tables = [_table(path) for path in paths]
    hosts: dict[str, Any] = {}
    found = [
        record for number, table in enumerate(tables) for record in _records(number, table, hosts)
    ]
    runs, repeated = _last_of_each(record for record in found if not record.task)
    tasks = [record for record in found if record.task]
    trackers = {record.tracker for record in tasks}
    pues = {record.tracker: record.pue for record in runs}
    tasks = [replace(task, pue=task.pue or pues.get(task.tracker, 0.0)) for task in tasks]
    kept = [record for record in runs if record.tracker not in trackers] + tasks
    divided = sorted({record.tracker for record in runs} & trackers)
    # Rows are written at the end and stamped in whole seconds: those of one second stay in order.
    kept.sort(key=lambda record: (record.ended, record.file, record.place))
    return Records(tables, hosts, kept, tuple(divided), tuple(repeated))


def _table(path: Path) -> TextRows:
    table = read_rows(path, is_header, delimiter=",")
    if not is_header(table.columns):
        raise UsageError(
            f"{path} line 1: no header of CodeCarbon's; its files have the columns "
            f"{', '.join(NEEDED)}"
        )
    if not len(table):
        raise UsageError(f"{path} has a header and no row; remove it")
    return table


def _records(number: int, table: TextRows, hosts: dict[str, Any]) -> Iterable[Record]:
    seen: set[tuple[str, ...]] = set()
    for place, row in enumerate(table.rows()):
        words = tuple(text_of(row.cells.get(name)) for name in _HOST)
        if words not in seen:
            seen.add(words)
            host = machine(row)
            hosts[host_id(host)] = host
        yield _record(number, place, row, table.where(place))


def machine(row: Row) -> dict[str, Any]:
    """Give what a row tells of its machine."""
    known = {name: text_of(row.cells.get(name)) for name in _HOST}
    return {"tool": "CodeCarbon", **{name: text for name, text in known.items() if text}}


def _record(number: int, place: int, row: Row, where: str) -> Record:
    duration_s, kwh = (_amount(row, column, where) for column in ("duration", "energy_consumed"))
    stamp = moment(text_of(row.cells.get("timestamp")))
    ended = _NO_MOMENT if stamp is None else stamp.replace(tzinfo=None)
    names = (text_of(row.cells.get(name)) for name in ("run_id", "experiment_id"))
    tracker = next((name for name in names if name), f"{number + 1}-{row.line}")
    levels = tuple(text_of(row.cells.get(name)) for name in ("project_name", "experiment_id"))
    task = text_of(row.cells.get("task_name"))
    pue = 0.0 if is_absent(row.cells.get("pue")) else _amount(row, "pue", where)
    return Record(number, place, tracker, task, (levels[0], levels[1]), ended, duration_s, kwh, pue)


def _amount(row: Row, column: str, where: str) -> float:
    value = number_in(row, column, where)
    if value is None or value < 0 or not math.isfinite(value):
        shown = text_of(row.cells.get(column))[:40]
        raise UsageError(f"{where}: {column!r} is no amount: {shown!r}; mend or delete the line")
    return value


def _last_of_each(found: Iterable[Record]) -> tuple[list[Record], list[str]]:
    """Keep a tracker's last row: those before hold its totals so far.

    Rows of one tracker whose totals shrink are not one run; they are kept apart and named.
    """
    kept: dict[str, list[Record]] = {}
    for record in found:
        rows = kept.setdefault(record.tracker, [])
        if rows and rows[-1].duration_s <= record.duration_s and rows[-1].kwh <= record.kwh:
            rows[-1] = replace(record, flushed=rows[-1].flushed + 1)
        else:
            rows.append(record)
    repeated = sorted(tracker for tracker, rows in kept.items() if len(rows) > 1)
    return [record for rows in kept.values() for record in rows], repeated


def known_start(record: Record) -> datetime | None:
    """Give the local time at which a run started; ``None`` where its stamp cannot be read."""
    if record.ended == _NO_MOMENT:
        return None
    try:
        return record.ended - timedelta(seconds=record.duration_s)
    except OverflowError:
        return None
