"""Reading the header of an EnergiBridge log and its first row."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from joulebench.energibridge_columns import TIME, Sensor, find_sensors
from joulebench.errors import UsageError
from joulebench.importers.plain_file import open_plain

LONGEST_LINE = 1 << 20
"""A line longer than this, in bytes, is damage."""

LATEST_MS = 1e14
"""A later stamp, ms since 1970, is damage: the year 5138."""


@dataclass(frozen=True, slots=True)
class LogForm:
    """What the header of a log says.

    Args:
        delimiter: Character between cells.
        columns: Names of the columns.
        sensors: Those that are sensors.
        facts: Those that tell of the machine.
    """

    delimiter: str
    columns: tuple[str, ...]
    sensors: tuple[Sensor, ...]
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogHead:
    """The header of a log and its first row.

    Args:
        path: The file.
        form: What the header says.
        facts: Cells of the first row that tell of the machine, by column, as written.
        start_ms: Stamp of the first row, milliseconds since 1970.
    """

    path: Path
    form: LogForm
    facts: dict[str, str]
    start_ms: float


def read_head(path: Path) -> LogHead:
    """Read the header and the first row of a log.

    Raises:
        UsageError: The file cannot be read, is not UTF-8, has a column twice, lacks its stamps or
            any sensor, or has no row.
    """
    lines = _first_lines(path)
    try:
        form = _form(lines[0])
        cells = _cells(lines[1], form.delimiter)
    except csv.Error as error:
        raise UsageError(f"{path} line 1 or 2: {error}; is it an EnergiBridge log?") from error
    _refuse_columns(path, form)
    first = dict(zip(form.columns, cells, strict=False))
    facts = {name: first[name] for name in form.facts if name in first}
    return LogHead(path, form, facts, _stamp(path, first))


def _first_lines(path: Path) -> list[str]:
    with open_plain(path) as file:
        raw = [file.readline(LONGEST_LINE + 1) for _ in range(2)]
    for number, line in enumerate(raw, start=1):
        if len(line) > LONGEST_LINE:
            raise UsageError(f"{path} line {number} is longer than {LONGEST_LINE} bytes: damaged")
        if not line.strip():
            what = "the file is empty" if number == 1 else "no row follows the header"
            raise UsageError(f"{path} line {number}: {what}; remove this run or measure it again")
    try:
        return [raw[0].decode("utf-8-sig"), raw[1].decode("utf-8")]
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} line 1 is not UTF-8: save the file as UTF-8") from error


@lru_cache(maxsize=8)
def _form(header: str) -> LogForm:
    """Read a header; all runs of a study share one, so it is read once."""
    match = re.match(r'"?Delta"?([,;\t| ])', header)
    delimiter = match[1] if match else max(",;\t", key=header.count)
    columns = tuple(_cells(header, delimiter))
    facts = tuple(name for name in columns if name.endswith(("_MEMORY_TOTAL", "TOTAL_MEMORY")))
    return LogForm(delimiter, columns, tuple(find_sensors(columns)), facts)


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])


def _refuse_columns(path: Path, form: LogForm) -> None:
    columns, sensors = form.columns, form.sensors
    twice = sorted(column for column, count in Counter(columns).items() if count > 1)
    if twice:
        raise UsageError(f"{path} line 1: column {twice[0]!r} is there twice; remove one")
    if TIME not in columns:
        raise UsageError(f"{path} line 1: column {TIME!r} is missing; is it an EnergiBridge log?")
    if not sensors:
        raise UsageError(
            f"{path} line 1: no column of energy or power, such as 'PACKAGE_ENERGY (J)' or "
            "'GPU0_POWER (mWatts)'; EnergiBridge found no sensor"
        )
    names = [sensor.channel.name for sensor in sensors]
    same = [s.column for s in sensors if names.count(s.channel.name) > 1]
    if same:
        raise UsageError(f"{path} line 1: columns {', '.join(same)} are one sensor; remove one")


def _stamp(path: Path, first: dict[str, str]) -> float:
    try:
        stamp = float(first.get(TIME, ""))
    except ValueError:
        stamp = math.nan
    if not 0 <= stamp < LATEST_MS:
        shown = first.get(TIME, "")[:40]
        raise UsageError(f"{path} line 2: {TIME!r} is no time in ms since 1970: {shown!r}")
    return stamp
