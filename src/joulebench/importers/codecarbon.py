"""Importing what CodeCarbon wrote: ``emissions.csv`` of versions 1 to 3, and files of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from joulebench.channel import Window
from joulebench.emissions import SOURCE, emissions_of
from joulebench.finding import Finding
from joulebench.importers.cell_values import number_in, published, text_of
from joulebench.importers.codecarbon_channels import Part, find_parts
from joulebench.importers.codecarbon_rows import (
    Record,
    Records,
    known_start,
    looks_like,
    machine,
    read_records,
)
from joulebench.importers.contract import Imported, ImportedRun, ImportOptions, Sighting
from joulebench.importers.published import host_id, repetitions, safe_name
from joulebench.importers.run_folders import fingerprint
from joulebench.importers.source_files import names_like
from joulebench.importers.taken_options import option_words, refuse_options
from joulebench.importers.text_rows import Row
from joulebench.record import Run
from joulebench.run_row import MEASURED, headline_energy

_NONE = "none"

_FACTORS = ("project_name", "experiment_id", "task_name")


@dataclass(frozen=True, slots=True)
class _Planned:
    """All runs, with what their place among the others tells."""

    study: str
    source: Path
    records: Records
    factors: Mapping[str, tuple[str, ...]]
    run_ids: Sequence[str]
    repetitions: Sequence[int]


class CodeCarbonImporter:
    """Reads CodeCarbon's ``emissions.csv``, one run a row, and its files of tasks.

    Where the tasks of a tracker are there, they are the runs and its total is left out. Energies
    are as published; the window "measure" is the time that the tracker or the task ran.
    """

    kind = "codecarbon"

    def recognise(self, source: Path) -> Sighting | None:
        """Look for files with CodeCarbon's columns."""
        names = names_like(source, looks_like)
        return Sighting(self.kind, f"{names} with the columns of CodeCarbon") if names else None

    def read(self, source: Path, options: ImportOptions) -> Imported:
        """Look over a file, or the files in a folder and below.

        Raises:
            UsageError: There is none, or a row is damaged; names the line.
        """
        refuse_options(self.kind, options)
        records = read_records(source)
        factors = _factors(records)
        cells = [_levels(record, factors) for record in records.kept]
        counted = repetitions(tuple(cell.values()) for cell in cells)
        plan = _Planned(options.study, source, records, factors, _run_ids(records.kept), counted)
        return Imported(
            study=_study(plan, options),
            hosts=records.hosts,
            fingerprint=_fingerprint(source, options, records),
            count=len(records.kept),
            run=partial(_run, plan),
            findings=tuple(_findings(records)),
        )


def _factors(records: Records) -> dict[str, tuple[str, ...]]:
    """Give what differs between runs: project, experiment, task.

    Files of tasks do not name the experiment, so that its absence is no other experiment.
    """
    seen = {
        name: tuple(dict.fromkeys(_level(record, name) for record in records.kept))
        for name in _FACTORS
    }
    return {
        name: levels
        for name, levels in seen.items()
        if len(levels) - (name != "task_name" and _NONE in levels) > 1
    }


def _level(record: Record, name: str) -> str:
    known = dict(zip(_FACTORS, (*record.levels, record.task), strict=True))
    return known[name] or _NONE


def _levels(record: Record, factors: Mapping[str, Any]) -> dict[str, str]:
    return {name: _level(record, name) for name in factors}


def _run_ids(records: Sequence[Record]) -> list[str]:
    """Keep CodeCarbon's ids; a task adds its name, and what is there again a number."""
    names = [
        safe_name(f"{record.tracker}.{record.task}" if record.task else record.tracker)
        for record in records
    ]
    return [f"{n}.{r + 1}" if r else n for n, r in zip(names, repetitions(names), strict=True)]


def _study(plan: _Planned, options: ImportOptions) -> dict[str, Any]:
    return {
        "study": options.study,
        "origin": "imported",
        "source": options.source(CodeCarbonImporter.kind, plan.source),
        "factors": {name: list(levels) for name, levels in plan.factors.items()},
        "repetitions": max(plan.repetitions, default=0) + 1,
    }


def _fingerprint(source: Path, options: ImportOptions, records: Records) -> str:
    words = option_words(CodeCarbonImporter.kind, source, options)
    return fingerprint([table.path.absolute() for table in records.tables], words)


def _findings(records: Records) -> list[Finding]:
    found = []
    if records.divided:
        found.append(_divided(records.divided))
    if records.repeated:
        found.append(_repeated(records.repeated))
    short = [table.path.name for table in records.tables if table.cut_short]
    return [*found, *(_cut_short(name) for name in short)]


def _divided(trackers: Sequence[str]) -> Finding:
    return Finding(
        "nested-runs",
        "note",
        f"{len(trackers)} run(s)",
        "their tasks were imported in their place, since the total holds the tasks again",
        "import the file of the totals alone to have those",
        seen=trackers[0],
    )


def _repeated(trackers: Sequence[str]) -> Finding:
    return Finding(
        "repeated-run-id",
        "warning",
        f"{len(trackers)} run id(s)",
        "rows of one run id are not totals that grow: they were taken as runs of their own",
        "find out whether a row was copied",
        seen=trackers[0],
    )


def _cut_short(name: str) -> Finding:
    return Finding(
        "truncated-file",
        "warning",
        name,
        "the last line is cut short and was left out",
        "check that the last run came to its end",
    )


def _run(plan: _Planned, place: int) -> ImportedRun:
    record = plan.records.kept[place]
    table = plan.records.tables[record.file]
    row, where = table.row(record.place), table.where(record.place)
    trial = {
        "order": place + 1,
        "block": plan.repetitions[place],
        "repetition": plan.repetitions[place],
        "levels": _levels(record, plan.factors),
    }
    run = Run(plan.run_ids[place], plan.study, trial, origin="imported", testbed="imported")
    run.host = host_id(machine(row))
    run.facts = _facts(record, row, table.path)
    if record.duration_s > 0:
        run.windows = [Window(MEASURED, 0.0, record.duration_s)]
    parts, run.findings = find_parts(row, where, record.pue or 1.0)
    _fill(run, parts)
    _emit(run, row, where, parts)
    return ImportedRun(run)


def _facts(record: Record, row: Row, path: Path) -> dict[str, Any]:
    recorder: dict[str, Any] = {
        "tool": "CodeCarbon",
        "version": text_of(row.cells.get("codecarbon_version")) or None,
        "tracking_mode": text_of(row.cells.get("tracking_mode")) or None,
        "rows_with_totals_so_far": record.flushed,
    }
    started = known_start(record)
    if started is not None:
        # CodeCarbon stamps in local time and does not say of which zone.
        recorder["started_at_local"] = started.isoformat(timespec="milliseconds")
    told = {name: fact for name, fact in recorder.items() if fact is not None}
    return {"recorder": told, "published": published(path.name, row)}


def _fill(run: Run, parts: Sequence[Part]) -> None:
    run.channels = [part.channel for part in parts]
    run.energy = {part.channel.name: {MEASURED: part.energy.to_dict()} for part in parts}
    if not parts:
        run.status, run.error = "failed", "CodeCarbon gives no energy of it"
    elif not run.windows:
        run.status, run.error, run.energy = "failed", "CodeCarbon gives no duration of it", {}


def _emit(run: Run, row: Row, where: str, parts: Sequence[Part]) -> None:
    """Put in the emissions: those of our sum, and CodeCarbon's own total beside them."""
    kg, kwh = (number_in(row, column, where) for column in ("emissions", "energy_consumed"))
    energy = headline_energy(run)
    if energy is None or kg is None or not kwh:
        return
    place = {
        name: text for name, column in _PLACES.items() if (text := text_of(row.cells.get(column)))
    }
    told = {
        "intensity": {"kg_per_kwh": kg / kwh, "source": "emissions over energy_consumed", **place},
        "final_emissions_data": {
            name: number_in(row, name, where)
            for name in ("emissions", "energy_consumed", "duration")
        },
        "methods": {part.channel.name: part.channel.method for part in parts},
    }
    run.emissions = emissions_of(energy, {"meters": {SOURCE: told}})


_PLACES = {"country": "country_name", "country_iso_code": "country_iso_code", "region": "region"}
