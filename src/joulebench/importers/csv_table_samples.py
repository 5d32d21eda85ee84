"""Tables of which each row is a moment: times, powers and counters of one run or of several."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.errors import EnergyError, UsageError
from joulebench.finding import Finding
from joulebench.importers.cell_values import moment, number_in, text_of
from joulebench.importers.csv_table_map import (
    ENERGY_UNITS,
    POWER_UNITS,
    TIME_UNITS,
    Edge,
    TableMap,
)
from joulebench.importers.csv_table_runs import host_of, kept, levels_of
from joulebench.importers.published import host_id, repetitions, safe_name
from joulebench.importers.text_rows import Row, TextRows
from joulebench.record import Run
from joulebench.run_row import MEASURED

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Samples:
    """The runs of a table of samples.

    Args:
        run_ids: Name of each run.
        places: Rows of each run.
        cells: Its levels.
        repetitions: Which repetition of its cell it is, from 0.
        hosts: Facts of each machine by id.
    """

    run_ids: Sequence[str]
    places: Sequence[array[int]]
    cells: Sequence[Mapping[str, str]]
    repetitions: Sequence[int]
    hosts: Mapping[str, Any]


def plan_samples(table: TextRows, told: TableMap) -> Samples:
    """Part the rows into runs.

    Raises:
        UsageError: No row is left, or a factor changes within a run; names the line.
    """
    places: dict[str, array[int]] = {}
    cells: dict[str, dict[str, str]] = {}
    hosts: dict[str, Any] = {}
    for place, row in enumerate(table.rows()):
        if not kept(row, told):
            continue
        run = text_of(row.cells.get(told.runs.by)) if told.runs else table.path.stem
        places.setdefault(run, array("q")).append(place)
        levels = levels_of(row, told)
        if cells.setdefault(run, levels) != levels:
            raise UsageError(
                f"{table.where(place)}: run {run!r} has {levels} here and {cells[run]} before; "
                "a factor has one level in a run"
            )
        if told.host or not hosts:
            host = host_of(row, told)
            hosts[host_id(host)] = host
    if not places:
        raise UsageError(f"{table.path}: no row is left; look at 'only' in the map")
    names = [safe_name(run) for run in places]
    counted = repetitions(tuple(cell.values()) for cell in cells.values())
    return Samples(names, list(places.values()), list(cells.values()), counted, hosts)


def fill(run: Run, table: TextRows, places: Sequence[int], told: TableMap) -> list[Trace]:
    """Put what the samples of a run say into its record, and give its traces.

    Raises:
        UsageError: A cell cannot be read or time goes back; names the line.
    """
    stamps, readings = _read(table, places, told)
    keep = _increasing(table, places, stamps, run.findings)
    times = stamps[keep] - (stamps[keep][0] if keep.any() else 0.0)
    traces = []
    for channel, values in zip(told.channels(), readings, strict=True):
        trace = _trace(channel, times, values[keep], run.findings)
        if trace is not None:
            traces.append(trace)
    run.channels = [trace.channel for trace in traces]
    origin_s = float(stamps[keep][0]) if keep.any() else 0.0
    run.facts["recorder"] = {"tool": "table", "file": table.path.name, "origin_s": origin_s}
    if not traces:
        run.status, run.error = "failed", "no channel has two readings"
        return []
    run.windows = _windows(told, origin_s, traces, run.findings)
    _integrate(run, traces)
    return traces


def _read(
    table: TextRows, places: Sequence[int], told: TableMap
) -> tuple[FloatArray, list[FloatArray]]:
    columns = [(one.column, POWER_UNITS[one.unit]) for one in told.power.values()]
    columns += [(one.column, ENERGY_UNITS[one.unit]) for one in told.counter.values()]
    stamps = np.empty(len(places))
    readings = [np.empty(len(places)) for _ in columns]
    for number, row in enumerate(table.rows(places)):
        where = table.where(places[number])
        stamps[number] = _time_s(row, told, where)
        for values, (column, factor) in zip(readings, columns, strict=True):
            value = number_in(row, column, where)
            values[number] = np.nan if value is None else value * factor
    return stamps, readings


def _time_s(row: Row, told: TableMap, where: str) -> float:
    if told.time is None:
        raise ValueError("a table of samples has a column of times")  # the map has seen to it
    if told.time.unit != "iso":
        value = number_in(row, told.time.column, where)
        if value is not None:
            return value * TIME_UNITS[told.time.unit]
    text = text_of(row.cells.get(told.time.column))
    seconds = _epoch_s(text) if told.time.unit == "iso" else None
    if seconds is None:
        raise UsageError(f"{where}: {told.time.column!r} is no time: {text[:40]!r}; mend the line")
    return seconds


def _epoch_s(text: str) -> float | None:
    when = moment(text)
    if when is None:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _increasing(
    table: TextRows, places: Sequence[int], stamps: FloatArray, findings: list[Finding]
) -> npt.NDArray[np.bool_]:
    """Choose the rows whose time is later than the one before; refuse time that goes back."""
    steps = np.diff(stamps)
    back = np.flatnonzero(steps < 0)
    if back.size:
        raise UsageError(
            f"{table.where(places[int(back[0]) + 1])}: time goes back by {-steps[back[0]]:g} s; "
            "sort the table, or name the column of the runs: runs: {by: COLUMN}"
        )
    keep = np.concatenate(([True], steps > 0))
    repeats = int((~keep).sum())
    if repeats:
        findings.append(
            Finding(
                "repeated-timestamp",
                "note",
                table.path.name,
                f"{repeats} row(s) repeat the time before and were left out",
                "export the times with more digits",
                seen=str(repeats),
                possible="0",
            )
        )
    return keep


def _trace(
    channel: Channel, times: FloatArray, values: FloatArray, findings: list[Finding]
) -> Trace | None:
    known = np.isfinite(values)
    if int(known.sum()) < 2:
        return None
    if not known.all():
        absent = int((~known).sum())
        findings.append(
            Finding(
                "non-finite",
                "warning",
                channel.name,
                f"{absent} of {known.size} readings are empty and were left out",
                "find out why the sensor gave none; what lies between was bridged",
                seen=str(absent),
                possible="0",
            )
        )
    return Trace(channel, times[known], values[known])


def _windows(
    told: TableMap, origin_s: float, traces: Sequence[Trace], findings: list[Finding]
) -> list[Window]:
    """Give the windows that the map names, or all that every trace covers."""
    named = []
    for name, edges in told.windows.items():
        start_s, stop_s = (_edge_s(told, name, edge) - origin_s for edge in edges)
        try:
            named.append(Window(name, start_s, stop_s))
        except ValueError as error:
            raise UsageError(f"map: windows.{name}: {error}") from error
    if any(window.name == MEASURED for window in named):
        return named
    findings.append(
        Finding(
            "window-unknown",
            "warning",
            "samples",
            "nothing says when the work began and ended, so all samples were measured",
            "name the stretch in the map: windows: {measure: [START, END]}",
        )
    )
    start_s = max(float(trace.t_s[0]) for trace in traces)
    stop_s = min(float(trace.t_s[-1]) for trace in traces)
    return [*named, Window(MEASURED, start_s, stop_s)] if stop_s > start_s else named


def _edge_s(told: TableMap, name: str, edge: Edge) -> float:
    unit = told.time.unit if told.time else "s"
    if unit != "iso" and not isinstance(edge, str):
        return float(edge) * TIME_UNITS[unit]
    seconds = _epoch_s(str(edge)) if unit == "iso" else None
    if seconds is None:
        raise UsageError(
            f"map: windows.{name}: {edge!r} is no time in the unit of the times, {unit}"
        )
    return seconds


def _integrate(run: Run, traces: Sequence[Trace]) -> None:
    """Give the energy of each channel; one that cannot be given honestly fails the run."""
    try:
        for trace in traces:
            energies = {}
            for window in run.windows:
                energy = trace.energy(window, gaps="bridge")
                energies[window.name] = energy.to_dict()
                run.findings += energy.findings
            run.energy[trace.channel.name] = energies
    except EnergyError as error:
        run.status, run.error, run.energy = "failed", str(error), {}
