"""Tables of which each row is a run: what the rows are called, and what is in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.channel import Channel, Window
from joulebench.energy import Energy
from joulebench.errors import UsageError
from joulebench.importers.cell_values import (
    is_absent,
    moment,
    number_in,
    published,
    text_of,
    utc_text,
)
from joulebench.importers.csv_table_map import (
    ENERGY_UNITS,
    POWER_UNITS,
    TIME_UNITS,
    EnergyColumn,
    TableMap,
)
from joulebench.importers.published import (
    host_id,
    no_trace,
    published_energy,
    repetitions,
    safe_name,
)
from joulebench.importers.text_rows import Row, TextRows
from joulebench.record import Run
from joulebench.run_row import MEASURED

NONE = "none"
"""Level of a factor whose cell is empty."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs of a table, in the order in which they started.

    Args:
        places: Row of each run.
        run_ids: Its name.
        repetitions: Which repetition of its cell it is, from 0.
        levels: Levels of each factor, in the order in which they appear.
        hosts: Facts of each machine by id.
    """

    places: Sequence[int]
    run_ids: Sequence[str]
    repetitions: Sequence[int]
    levels: Mapping[str, Sequence[str]]
    hosts: Mapping[str, Any]


def plan_runs(table: TextRows, told: TableMap) -> Plan:
    """Look over all rows once.

    Raises:
        UsageError: Two runs have one name, or a cell cannot be read; names the line.
    """
    places: list[int] = []
    names: list[str] = []
    cells: list[tuple[str, ...]] = []
    counted: list[int] = []
    started: list[str] = []
    hosts: dict[str, Any] = {}
    for place, row in enumerate(table.rows()):
        if not kept(row, told):
            continue
        levels = levels_of(row, told)
        places.append(place)
        cells.append(tuple(levels.values()))
        names.append(_name(row, told, levels))
        counted.append(_repetition(row, told, table.where(place)))
        started.append(_started(row, told))
        if told.host or not hosts:
            host = host_of(row, told)
            hosts[host_id(host)] = host
    if not places:
        raise UsageError(f"{table.path}: no row is left; look at 'only' in the map")
    numbers = counted if told.repetition else repetitions(cells)
    ids = _unique(table, told, places, names, numbers)
    order = sorted(range(len(places)), key=lambda n: started[n])
    seen = {name: dict.fromkeys(cell[n] for cell in cells) for n, name in enumerate(told.factors)}
    return Plan(
        [places[n] for n in order],
        [ids[n] for n in order],
        [numbers[n] for n in order],
        {name: list(levels) for name, levels in seen.items()},
        hosts,
    )


def kept(row: Row, told: TableMap) -> bool:
    """Say whether a row is one of those that the map wants."""
    return all(text_of(row.cells.get(name)) in words for name, words in told.only.items())


def levels_of(row: Row, told: TableMap) -> dict[str, str]:
    """Give a row's level of each factor."""
    found = {name: text_of(row.cells.get(column)) for name, column in told.factors.items()}
    return {name: level or NONE for name, level in found.items()}


def host_of(row: Row, told: TableMap) -> dict[str, Any]:
    """Give what a row tells of its machine."""
    known = {name: text_of(row.cells.get(name)) for name in told.host}
    return {"tool": "table", **{name: text for name, text in known.items() if text}}


def _name(row: Row, told: TableMap, levels: Mapping[str, str]) -> str:
    """Name a run as the table does, or after its levels, or after its line."""
    if told.run_id:
        return safe_name(".".join(text_of(row.cells.get(name)) for name in told.run_id))
    if levels:
        return safe_name(".".join(f"{name}-{level}" for name, level in levels.items()))
    return f"line-{row.line}"


def _repetition(row: Row, told: TableMap, where: str) -> int:
    if not told.repetition:
        return 0
    value = number_in(row, told.repetition, where)
    if value is None or value != int(value) or value < 0:
        shown = text_of(row.cells.get(told.repetition))[:40]
        raise UsageError(f"{where}: {told.repetition!r} is no whole number: {shown!r}; mend it")
    return int(value)


def _started(row: Row, told: TableMap) -> str:
    """Give the start for sorting; runs without one stay where they are, before all others."""
    when = moment(text_of(row.cells.get(told.started_at))) if told.started_at else None
    return "" if when is None else utc_text(when) or when.isoformat(timespec="microseconds")


def _unique(
    table: TextRows,
    told: TableMap,
    places: Sequence[int],
    names: Sequence[str],
    numbers: Sequence[int],
) -> list[str]:
    """Give each run a name of its own, with its repetition where that is needed."""
    ids = list(names)
    if len(set(ids)) < len(ids) and (told.repetition or not told.run_id):
        ids = [f"{name}.r{number:02d}" for name, number in zip(names, numbers, strict=True)]
    first: dict[str, int] = {}
    for place, run_id in zip(places, ids, strict=True):
        if run_id in first:
            raise UsageError(
                f"{table.where(place)} and line {table.line(first[run_id])} are both run "
                f"{run_id!r}; add columns to run_id, or name the one of the repetitions"
            )
        first[run_id] = place
    return ids


def fill(run: Run, row: Row, told: TableMap, where: str) -> None:
    """Put what a row says into the record of its run.

    Args:
        run: The record; its findings and facts are filled in as well.
        row: The row.
        told: What its columns are.
        where: File and line.

    Raises:
        UsageError: A cell cannot be read; names the line.
    """
    run.findings.append(no_trace(run.run_id))
    duration_s = _duration_s(row, told, where)
    if duration_s:
        run.windows = [Window(MEASURED, 0.0, duration_s)]
    for channel, window, energy in _energies(row, told, where, duration_s):
        if channel.name not in run.energy:
            run.channels.append(channel)
        run.energy.setdefault(channel.name, {})[window] = energy.to_dict()
    if not run.energy:
        run.status, run.error = "failed", f"{where} has no energy"
    run.work, run.score = _work(row, told, where), _score(row, told, where)
    if told.started_at:
        _stamp(run, text_of(row.cells.get(told.started_at)))


def _duration_s(row: Row, told: TableMap, where: str) -> float | None:
    if told.duration is None:
        return None
    value = number_in(row, told.duration.column, where)
    if value is not None and value < 0:
        raise UsageError(f"{where}: {told.duration.column!r} is below zero: {value:g}; mend it")
    return None if value is None else value * TIME_UNITS[told.duration.unit]


def _energies(
    row: Row, told: TableMap, where: str, duration_s: float | None
) -> list[tuple[Channel, str, Energy]]:
    channels = iter(told.channels())
    found = []
    for one in told.energy.values():
        channel = next(channels)
        columns = {MEASURED: one.column, **one.windows}
        for window, column in columns.items():
            energy = _energy(row, one, channel, column, where)
            if energy is not None:
                found.append((channel, window, energy))
    for power in told.power.values():
        channel = next(channels)
        watts = number_in(row, power.column, where)
        if watts is not None and duration_s:
            joules = watts * POWER_UNITS[power.unit] * duration_s
            found.append((channel, MEASURED, published_energy(channel, joules)))
    return found


def _energy(
    row: Row, one: EnergyColumn, channel: Channel, column: str, where: str
) -> Energy | None:
    value = number_in(row, column, where)
    if value is None:
        return None
    factor = ENERGY_UNITS[one.unit]
    spread = number_in(row, one.spread, where) if one.spread and column == one.column else None
    return published_energy(channel, value * factor, abs(spread or 0.0) * factor)


def _work(row: Row, told: TableMap, where: str) -> dict[str, Any]:
    names = ("requests", "tokens_in", "tokens_out", "flops")
    columns = {name: getattr(told, name) for name in names if getattr(told, name)}
    counts = {name: number_in(row, column, where) for name, column in columns.items()}
    return {name: _whole(count) for name, count in counts.items() if count is not None}


def _whole(count: float) -> float | int:
    return int(count) if count == int(count) and abs(count) < 2**53 else count


def _score(row: Row, told: TableMap, where: str) -> dict[str, Any] | None:
    score: dict[str, Any] = {}
    for name in ("n_graded", "n_correct"):
        column = getattr(told, name)
        count = number_in(row, column, where) if column else None
        if count is not None:
            score[name] = _whole(count)
    share = _accuracy(row, told, where)
    if share is None and score.get("n_graded") and "n_correct" in score:
        share = score["n_correct"] / score["n_graded"]
    return None if share is None else {"accuracy": share, **score, "scorer": "published"}


def _accuracy(row: Row, told: TableMap, where: str) -> float | None:
    if told.accuracy is None:
        return None
    value = number_in(row, told.accuracy.column, where)
    if value is None:
        return None
    share = value / 100 if told.accuracy.unit == "%" else value
    if not 0 <= share <= 1:
        other = "1" if told.accuracy.unit == "%" else "%"
        raise UsageError(
            f"{where}: accuracy {value:g} is no share; if all rows are like it, write in the map "
            f"accuracy: {{column: {told.accuracy.column}, unit: '{other}'}}"
        )
    return share


def _stamp(run: Run, text: str) -> None:
    when = moment(text)
    if when is None:
        return
    run.started_at = utc_text(when)
    if not run.started_at:
        run.facts["started_at_local"] = when.isoformat(timespec="milliseconds")


def facts_of(table: TextRows, row: Row, told: TableMap) -> dict[str, Any]:
    """Give what is kept of a row: everything that it holds, as it is published."""
    silent = [c for c in told.columns() if is_absent(row.cells.get(c))]
    return {
        "recorder": {"tool": "table", "empty_columns": silent},
        "published": published(table.path.name, row),
    }
