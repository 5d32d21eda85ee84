"""Importing the run table of an experiment-runner study that has no run folders beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import joulebench
from joulebench.channel import Channel, Window
from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.importers.contract import Imported, ImportedRun, ImportOptions
from joulebench.importers.delimited import number, shown
from joulebench.importers.experiment_table import DONE, ExperimentTable, open_run_table
from joulebench.importers.factor_levels import Factors, find_sole_factors
from joulebench.importers.published_columns import EnergyColumn, PublishedColumns, find_published
from joulebench.importers.run_folders import fingerprint
from joulebench.joules import Energy
from joulebench.record import Run
from joulebench.run_row import MEASURED

KIND = "energibridge"
HOST = "unknown"

_LARGEST_J = 1e15
_LONGEST_S = 1e9
_ABSENT = ("", "nan", "na", "n/a", "none", "null")


def read_run_table(source: Path, path: Path, options: ImportOptions) -> Imported:
    """Look over a run table whose rows are the runs.

    Energies are as published: there is no trace to compute them from. Block and repetition are the
    row's repetition, the order is that of the rows, from 1.

    Args:
        source: What the user named: the table, or the folder that it is in.
        path: The table.
        options: What the user says about it.

    Raises:
        UsageError: It is no run table, is damaged, or has no column of energies.
    """
    table = open_run_table(path)
    columns = find_published(table.columns)
    if not columns.energies:
        raise UsageError(
            f"{path} line 1: no column of energies, such as 'energy' or 'gpu_joules'; it has "
            f"{shown(table.columns)}"
        )
    if not len(table):
        raise UsageError(f"{path} line 1: no run follows the header")
    factors = find_sole_factors(options, table, columns.names)
    silent = _silent(table, columns)
    columns = replace(
        columns, energies=tuple(one for one in columns.energies if one.name not in silent)
    )
    words = [joulebench.__version__, repr(replace(options, out=None)), "run table"]
    return Imported(
        study=_study(source, options, factors),
        hosts={HOST: {"tool": "experiment-runner"}},
        fingerprint=fingerprint([path.resolve()], [KIND, *words]),
        count=len(table),
        run=partial(_run, table, columns, factors, options.study),
        findings=(*factors.findings, *_remarks(table, columns, silent)),
        tables=(path,),
    )


def _study(source: Path, options: ImportOptions, factors: Factors) -> dict[str, Any]:
    assert factors.table is not None
    return {
        "study": options.study,
        "origin": "imported",
        "source": options.source(KIND, source),
        "factors": {name: list(levels) for name, levels in factors.levels.items()},
        "repetitions": max(factors.table.repetitions) + 1,
    }


def _silent(table: ExperimentTable, columns: PublishedColumns) -> list[str]:
    """Give the columns of energies that read zero or nothing in every row: absent, not zero."""
    left = {one.name: table.columns.index(one.name) for one in columns.energies}
    for cells in table:
        for name, place in list(left.items()):
            if number(cells[place]):
                del left[name]
        if not left:
            break
    return list(left)


def _remarks(
    table: ExperimentTable, columns: PublishedColumns, silent: list[str]
) -> Iterator[Finding]:
    name = table.path.name
    if silent:
        yield Finding(
            "absent-as-zero",
            "warning",
            f"{name}: {', '.join(silent)}",
            "no row has an energy above zero here, so that the column was left out",
            "leave out what was not measured instead of writing zero",
            seen="0 J",
            possible="above 0 J",
        )
    if columns.totals:
        yield Finding(
            "published-total",
            "note",
            f"{name}: {', '.join(columns.totals)}",
            "totals and repeats of what stands in other columns are kept as published, not added",
            "hold them against the sum of their parts",
        )
    if columns.unit_assumed:
        yield Finding(
            "unit-assumed",
            "note",
            f"{name}: {', '.join(columns.unit_assumed)}",
            "the column names no unit: energies were taken as joules, times as seconds",
            "write the unit into the name of the column",
        )


def _run(
    table: ExperimentTable, columns: PublishedColumns, factors: Factors, study: str, place: int
) -> ImportedRun:
    row = table.row(place)
    cells = dict(zip(table.columns, row, strict=True))
    repetition = table.repetitions[place]
    trial = {
        "order": place + 1,
        "block": repetition,
        "repetition": repetition,
        "levels": dict(factors.by_run[table.runs[place]]),
    }
    run_id = f"run_{table.runs[place]}_repetition_{repetition}"
    run = Run(run_id, study, trial, origin="imported", host=HOST, testbed="imported")
    run.facts["published"] = table.published(place, row)
    run.channels = [one.channel for one in columns.energies]
    reason = _not_done(cells) or _fill(run, columns, cells)
    if reason:
        run.status, run.error = "failed", f"{table.where(place)}: {reason}"
        run.energy = {}
    return ImportedRun(run)


def _not_done(cells: Mapping[str, str]) -> str:
    """Say why a row stands for no finished run; empty if it does."""
    said = cells.get(DONE)
    return "" if said is None or said.upper() == "DONE" else f"{DONE} is {said[:40]!r}"


def _fill(run: Run, columns: PublishedColumns, cells: Mapping[str, str]) -> str:
    """Fill in what a row says; gives why it says no energy, empty if it does."""
    if columns.duration is not None:
        duration_s = _amount(cells[columns.duration[0]], columns.duration[1])
        if duration_s is not None and 0 < duration_s < _LONGEST_S:
            run.windows = [Window(MEASURED, 0.0, duration_s)]
    counts = {name: _count(cells[column]) for name, column in columns.counts.items()}
    run.work = {name: count for name, count in counts.items() if count is not None}
    _grade(run, columns, cells)
    for one in columns.energies:
        joules = _amount(cells[one.name], one.unit_j)
        reason = _impossible(one, cells[one.name], joules)
        if reason:
            return reason
        assert joules is not None
        run.energy[one.channel.name] = {MEASURED: _energy(one.channel, joules).to_dict()}
    run.findings.append(_no_trace())
    return ""


def _amount(text: str, unit: float) -> float | None:
    value = number(text)
    return None if value is None else value * unit


def _impossible(column: EnergyColumn, text: str, joules: float | None) -> str:
    """Say why a cell is no energy of a run; empty if it may be."""
    if text.lower() in _ABSENT:
        return f"{column.name!r} is empty"
    if joules is None:
        return f"{column.name!r} is not a number: {text[:40]!r}"
    if not 0 < joules < _LARGEST_J:
        why = "absent is not zero" if joules == 0 else "no run takes that"
        return f"{column.name!r} is {text[:40]}: {why}"
    return ""


def _energy(channel: Channel, joules: float) -> Energy:
    biases = {f"gain {channel.name}": channel.gain * joules}
    return Energy(joules, 0.0, biases, channel.method, channel.scope)


def _count(text: str) -> int | None:
    value = number(text)
    return int(value) if value is not None and 0 <= value == int(value) else None


def _grade(run: Run, columns: PublishedColumns, cells: Mapping[str, str]) -> None:
    """Take a share of correct answers; one that is none is left out, with a finding."""
    accuracy = None if columns.accuracy is None else number(cells[columns.accuracy])
    if accuracy is None:
        return
    if 0 <= accuracy <= 1:
        run.score = {"accuracy": accuracy, "scorer": "imported"}
        return
    run.findings.append(
        Finding(
            "accuracy-scale",
            "warning",
            str(columns.accuracy),
            "the accuracy lies outside 0 to 1 and was left out",
            "divide it by its full mark",
            seen=f"{accuracy:g}",
            possible="0 to 1",
        )
    )


def _no_trace() -> Finding:
    return Finding(
        "no-trace",
        "note",
        "published energies",
        "the joules are as published: no trace to recompute them from",
        "give the folder of the raw runs, if there is one, and this table with --table",
    )
