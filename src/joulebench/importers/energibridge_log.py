"""Reading the sensors of an EnergiBridge log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from joulebench.energibridge_columns import TIME, Sensor, describe_counters
from joulebench.energy import Trace
from joulebench.errors import UsageError, readable
from joulebench.finding import Finding
from joulebench.importers.energibridge_head import LATEST_MS, LONGEST_LINE, LogHead
from joulebench.importers.stamp_findings import repeated_stamps, stepped_back

if TYPE_CHECKING:
    import pyarrow as pa

_TWICE = "nothing to do: EnergiBridge writes its first stamp twice"

FloatArray = npt.NDArray[np.float64]

_COARSEST_STEPS = 2.0**14
"""Steps in a joule of the coarsest counters in use."""

_LARGEST = 1e15
"""A reading beyond it, in J or W, or in the unit of the log, is damage."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log as it was read.

    Args:
        origin_ms: Stamp that the times of the traces are counted from, ms since 1970.
        stop_s: Time of the last row, s.
        traces: One a sensor that moved.
        silent: Columns of sensors that read zero throughout: absent, not zero.
        findings: Checks that did not pass.
    """

    origin_ms: float
    stop_s: float
    traces: list[Trace]
    silent: list[str]
    findings: list[Finding] = field(default_factory=list)


def read_log(head: LogHead) -> Log:
    """Read the sensors of a log.

    Raises:
        UsageError: A line is damaged; names it.
    """
    findings: list[Finding] = []
    table = _read_columns(head, findings)
    stamps = _numbers(table, TIME)
    stamps = np.where(np.abs(stamps) < LATEST_MS, stamps, np.nan)
    keep = _increasing(stamps, findings)
    if int(keep.sum()) < 2:
        raise UsageError(f"{head.path}: fewer than two rows with different stamps; measure again")
    stamps = stamps[keep]
    t_s = (stamps - stamps[0]) / 1e3
    values = {s.column: _numbers(table, s.column)[keep] * s.factor for s in head.form.sensors}
    lively, silent = _lively(head.form.sensors, values, findings)
    sensors = describe_counters(lively, {s.column: _telling(values[s.column]) for s in lively})
    traces = [_trace(sensor, t_s, values[sensor.column]) for sensor in sensors]
    return Log(float(stamps[0]), float(t_s[-1]), traces, silent, findings)


def _telling(values: FloatArray) -> FloatArray:
    """Give those readings that tell a counter's step and wrap: the rest are multiples of both."""
    seen = values[np.isfinite(values)]
    units = seen * _COARSEST_STEPS
    return np.concatenate(([seen.max()], seen[units != np.floor(units)]))


def _trace(sensor: Sensor, t_s: FloatArray, values: FloatArray) -> Trace:
    finite = np.isfinite(values)
    return Trace(sensor.channel, t_s[finite], values[finite])


def _numbers(table: pa.Table, column: str) -> FloatArray:
    """Give a column; what no reading can be is NaN, as what is absent."""
    values: FloatArray = table[column].to_numpy()
    sane = np.abs(values) < _LARGEST
    return values if sane.all() else np.where(sane, values, np.nan)


def _read_columns(head: LogHead, findings: list[Finding]) -> pa.Table:
    """Read the stamps and the sensors; a last line that is cut short is left out."""
    import pyarrow as pa

    end = _start_of_last_line(head) if _last_cell_open(head) else None
    try:
        try:
            table = _parsed(head, end)
        except pa.ArrowException:
            end = _start_of_last_line(head) if _last_line_short(head) else None
            if end is None:
                raise
            table = _parsed(head, end)
    except (pa.ArrowException, OSError) as error:
        raise UsageError(_damage(head.path, str(error))) from error
    if end is not None:
        findings.append(_truncated(head.path))
    return table


def _parsed(head: LogHead, end: int | None) -> pa.Table:
    """Read the columns that are used, up to a byte of the file or all of it."""
    import pyarrow as pa
    import pyarrow.csv as pc

    wanted = [TIME, *(sensor.column for sensor in head.form.sensors)]
    with pa.OSFile(str(head.path)) as file:
        return pc.read_csv(
            file if end is None else file.get_stream(0, end),
            pc.ReadOptions(use_threads=False, block_size=LONGEST_LINE),
            pc.ParseOptions(delimiter=head.form.delimiter),
            pc.ConvertOptions(
                include_columns=wanted, column_types=dict.fromkeys(wanted, pa.float64())
            ),
        )


def _damage(path: Path, message: str) -> str:
    """Turn a message of the CSV reader into one that names the line."""
    cell = re.search(r"CSV column #(\d+): Row #(\d+): .*?(invalid value .*)", message)
    if cell:
        where = f"{path} line {cell[2]}, column {int(cell[1]) + 1}"
        return f"{where}: {readable(cell[3])}; mend the cell"
    length = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", message)
    if length:
        return (
            f"{path} line {length[1]} has {length[3]} cells where the header has {length[2]}; "
            "mend or delete the line"
        )
    if "straddling" in message:
        number = _long_line(path)
        return f"{path} line {number} is longer than {LONGEST_LINE} bytes: damaged"
    return f"{path} cannot be read: {readable(' '.join(message.split()))}"


def _long_line(path: Path) -> int:
    with path.open("rb") as file:
        number = 1
        while len(file.readline(LONGEST_LINE)) not in (0, LONGEST_LINE):
            number += 1
    return number


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LONGEST_LINE))
        return file.read()


def _last_line(path: Path) -> bytes:
    return _tail(path).rstrip(b"\r\n").rpartition(b"\n")[2]


def _start_of_last_line(head: LogHead) -> int:
    tail = _tail(head.path)
    return head.path.stat().st_size - len(tail) + tail.rstrip(b"\r\n").rfind(b"\n") + 1


def _last_line_short(head: LogHead) -> bool:
    return _last_cells(head) < len(head.form.columns)


def _last_cells(head: LogHead) -> int:
    return _last_line(head.path).count(head.form.delimiter.encode()) + 1


def _last_cell_open(head: LogHead) -> bool:
    """Say whether the file stops within a reading that is used: its digits may be cut off."""
    if head.form.columns[-1] not in {sensor.column for sensor in head.form.sensors}:
        return False
    ended = _tail(head.path).endswith((b"\n", b"\r"))
    return not ended and _last_cells(head) == len(head.form.columns)


def _truncated(path: Path) -> Finding:
    return Finding(
        "truncated-file",
        "warning",
        path.name,
        "the last line is cut short and was left out",
        "check that the run came to its end: the logger was stopped while it wrote",
    )


def _increasing(stamps: FloatArray, findings: list[Finding]) -> npt.NDArray[np.bool_]:
    """Choose the rows whose stamp is later than all before it, and say what was left out."""
    finite = np.isfinite(stamps)
    filled = np.where(finite, stamps, -np.inf)
    latest = np.maximum.accumulate(filled)
    before = np.concatenate(([-np.inf], latest[:-1]))
    keep: npt.NDArray[np.bool_] = filled > before
    repeats = int((finite & (stamps == before)).sum())
    back = int((finite & (stamps < before)).sum())
    if repeats:
        findings.append(repeated_stamps(TIME, repeats, _TWICE))
    if back:
        findings.append(stepped_back(TIME, back))
    if not finite.all():
        findings.append(_non_finite(TIME, int((~finite).sum()), stamps.size))
    return keep


def _non_finite(column: str, count: int, rows: int) -> Finding:
    return Finding(
        "non-finite",
        "warning",
        column,
        f"{count} of {rows} readings are empty, not finite or beyond all sense and were left out",
        "find out why the sensor gave none; what lies between was bridged",
        seen=str(count),
        possible="0",
    )


def _lively(
    sensors: Sequence[Sensor], values: dict[str, FloatArray], findings: list[Finding]
) -> tuple[list[Sensor], list[str]]:
    """Part the sensors that read something from those that did not: absent is not zero."""
    lively: list[Sensor] = []
    silent: list[str] = []
    for sensor in sensors:
        column = sensor.column
        finite = np.isfinite(values[column])
        seen = values[column][finite]
        if seen.size < 2 or not seen.any():
            silent.append(column)
            continue
        if sensor.channel.unit == "J" and bool((seen == seen[0]).all()):
            findings.append(_stuck(column, float(seen[0])))
            continue
        if seen.size < finite.size:
            findings.append(_non_finite(column, finite.size - seen.size, finite.size))
        lively.append(sensor)
    return lively, silent


def _stuck(column: str, value: float) -> Finding:
    return Finding(
        "stuck-counter",
        "warning",
        column,
        "the counter never moved and was left out",
        "check the sensor: a counter of energy that stands still measures nothing",
        seen=f"{value:g} J",
    )
