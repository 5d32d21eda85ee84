"""Reading tables of figures: from files as people save them, and from the records of runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from joulebench.audit.columns import Meaning, meaning_of, words_of
from joulebench.audit.devices import device_column
from joulebench.audit.digest import RunDigest
from joulebench.audit.read_json import LINES, flat, read_json
from joulebench.audit.table import AuditTable, Texts
from joulebench.clock import VIRTUAL
from joulebench.importers.delimited import read_delimited
from joulebench.record import Run
from joulebench.run_row import row

SUFFIXES = (".csv", ".tsv", ".tab", *LINES, ".json")
"""Endings of files that may hold a table."""

_FIGURES = ("energy", "power", "efficiency", "emissions")
_KWH, _MICROSECONDS, _W = 3.6e6, 1e-6, 1.0
_CODECARBON = ("energy_consumed", "cpu_energy", "gpu_energy", "ram_energy")
_TRACE_ROWS = 20
_BLANK = re.compile(r"\s")


def read_table(path: Path, name: str = "", devices: tuple[str, ...] = ()) -> AuditTable:
    """Read a table from a file: delimited text, or JSON.

    Args:
        path: The file.
        name: What findings call it; the name of the file if empty.
        devices: Names of accelerators that the user says its figures were measured on.

    Raises:
        UsageError: It cannot be read or is damaged; names the line.
    """
    lines: Sequence[int]
    if path.suffix.lower() in (*LINES, ".json"):
        lines, records = read_json(path)
        cells = _columns([flat(record) for record in records])
    else:
        text = read_delimited(path)
        lines = text.lines
        # One pass turns rows into columns; the blanks around cells are no part of them.
        turned = zip(*text.rows, strict=True) if text.rows else ((),) * len(text.columns)
        cells = {name: _stripped(column) for name, column in zip(text.columns, turned, strict=True)}
    cells, lines = _without_controls(cells, lines)
    return AuditTable(
        name or path.name, cells, lines, path, meanings=known_meanings(cells), devices=devices
    )


def _without_controls(
    cells: dict[str, Texts], lines: Sequence[int]
) -> tuple[dict[str, Texts], Sequence[int]]:
    """Leave out the control trials of a run table of ours: they are no runs of their cell."""
    if not {"control", "run_id"} <= cells.keys():
        return cells, lines
    marked = np.char.lower(cells["control"].astype(str)) == "true"
    keep = ~(marked & np.char.startswith(cells["run_id"].astype(str), "control."))
    kept = {name: column[keep] for name, column in cells.items()}
    return kept, [line for line, here in zip(lines, keep.tolist(), strict=True) if here]


def holds_figures(table: AuditTable) -> bool:
    """Say whether a table holds anything to judge.

    Energies, powers, efficiencies or emissions, figures by device, or tests.
    """
    if not len(table) or is_trace(table):
        return False
    told = meaning_of(table.path.stem) if table.path else None
    if (told is not None and told.kind in _FIGURES) or any(map(table.measures, _FIGURES)):
        return True
    return device_column(table) is not None or any(map(_is_of_a_test, table.columns))


def _is_of_a_test(column: str) -> bool:
    """Say whether a column holds the residual degrees of freedom of a test."""
    words = set(words_of(column))
    return bool(words & {"df", "dof"} and words & {"res", "resid", "residual", "residuals", "den"})


def is_trace(table: AuditTable) -> bool:
    """Say whether a table holds the samples of a sensor: times that only grow, beside a power."""
    if len(table) < _TRACE_ROWS or table.run_column or table.settings:
        return False
    stamps = table.measures("timestamp", statistic="") or table.measures("timestamp")
    if not stamps or not (table.measures("power") or table.measures("energy")):
        return False
    times = table.numbers(stamps[0])
    return bool(np.all(np.diff(times[np.isfinite(times)]) >= 0))


def known_meanings(columns: Iterable[str]) -> dict[str, Meaning | None]:
    """Give what columns measure in forms that are known by their columns, not their names alone.

    CodeCarbon writes kWh and W without saying so; the profiles of the FLOP metrics study write
    microseconds.
    """
    names = set(columns)
    if "energy_consumed" in names and names & {"cpu_energy", "country_iso_code"}:
        parts = ("total", "cpu", "gpu", "dram")
        found: dict[str, Meaning | None] = {
            name: Meaning("energy", "kWh", _KWH, part)
            for name, part in zip(_CODECARBON, parts, strict=True)
        }
        found["emissions_rate"] = None
        # Its powers are those of the last moment.
        shown = zip(("cpu_power", "gpu_power", "ram_power"), parts[1:], strict=True)
        found |= {name: Meaning("power", "W", _W, part) for name, part in shown}
        found["duration"] = Meaning("duration", "s")
        return {name: meaning for name, meaning in found.items() if name in names}
    if {"forward_energy_mean", "forward_gpu_time_mean"} <= names:
        # Its FLOPs are summed over the kernels of one batch, not over batches.
        counts: dict[str, Meaning | None] = {
            f"{phase}_flops_sum": Meaning("flops", "FLOP", 1.0, "", "batch", "sum", phase)
            for phase in ("forward", "backward")
            if f"{phase}_flops_sum" in names
        }
        return counts | {
            f"{phase}_{part}_time_{statistic}": Meaning(
                "duration", "us", _MICROSECONDS, part, "", statistic, phase
            )
            for phase in ("forward", "backward")
            for part in ("cpu", "gpu")
            for statistic in ("mean", "sem")
            if f"{phase}_{part}_time_{statistic}" in names
        }
    return {}


def recomputed_table(
    name: str, digests: Sequence[RunDigest], devices: tuple[str, ...]
) -> AuditTable | None:
    """Give the rows of the runs whose joules were integrated from traces; ``None`` if none was."""
    kept = [each.run for each in digests if each.run.energy and not _as_published(each)]
    if not kept:
        return None
    factors = tuple(dict.fromkeys(factor for run in kept for factor in run.levels))
    cells = _columns([_measured_cells(run) for run in kept])
    return AuditTable(name, cells, recomputed=True, factors=factors, devices=devices)


def _measured_cells(run: Run) -> dict[str, Any]:
    """Give the row of a run without the times that were computed instead of measured.

    On computed time equal work takes equal times, which of measured ones would be a copy.
    """
    computed = run.facts.get("clock") == VIRTUAL
    return {name: v for name, v in row(run).items() if not (computed and name.endswith("_s"))}


def _as_published(each: RunDigest) -> bool:
    """Say whether a run's joules are its source's: an importer found no trace to integrate."""
    return any(finding.rule == "no-trace" for finding in each.run.findings)


def published_tables(
    name: str, digests: Sequence[RunDigest], devices: tuple[str, ...]
) -> Iterator[AuditTable]:
    """Give what a source published for its runs, rows of equal columns together."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for each in digests:
        if not each.published:
            continue
        levels = {key: level for key, level in each.run.levels.items() if key not in each.published}
        record = {"run_id": each.run.run_id, **levels, **each.published}
        groups.setdefault(tuple(each.published), []).append(record)
    for number, records in enumerate(groups.values(), 1):
        cells = _columns(records)
        which = f" {number}" if len(groups) > 1 else ""
        title = f"{name}: published{which}"
        yield AuditTable(title, cells, meanings=known_meanings(cells), devices=devices)


def _columns(records: Sequence[Mapping[str, Any]]) -> dict[str, Texts]:
    names = dict.fromkeys(name for record in records for name in record)
    return {name: _stripped([_text(record.get(name)) for record in records]) for name in names}


def _text(value: object) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _stripped(column: Sequence[str]) -> Texts:
    cells = np.empty(len(column), dtype=object)
    blank = _BLANK.search("".join(column)) is not None
    cells[:] = [text.strip() for text in column] if blank else column
    return cells
