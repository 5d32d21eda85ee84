"""From the paths of a command line to one body of evidence."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from joulebench.audit.evidence import Evidence, Unit
from joulebench.audit.read_table import SUFFIXES, holds_figures, read_table
from joulebench.audit.run_view import AuditRun
from joulebench.energy import Trace
from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.importers.contract import Imported, ImportOptions, Sighting
from joulebench.importers.recognise import find_sightings, find_units
from joulebench.importers.registry import find_importer
from joulebench.importers.run_folders import parse_run_id
from joulebench.record import Run, RunTable
from joulebench.record_traces import load_traces

STUDY = "study"
"""Kind of a unit that is a study of our own form."""

_MOST_TABLES = 5000

_TABLES_OF_ONE = ("energibridge", "csv")
"""Kinds whose single files are tables of figures: read as they are, not as runs."""


def gather(paths: Sequence[Path], devices: Sequence[str] = ()) -> Evidence:
    """Read what paths hold: studies, results of other tools, tables.

    Runs are not read yet: each unit gives them when it is asked.

    Args:
        paths: Folders and files, as the user named them.
        devices: Names of the accelerators that everything was measured on, where the user says.

    Raises:
        UsageError: A path does not exist, or holds nothing that can be audited.
    """
    evidence = Evidence(devices=tuple(devices))
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist; name a folder or a table of results")
        before = len(evidence.units) + len(evidence.tables)
        _add(evidence, path)
        if len(evidence.units) + len(evidence.tables) == before:
            raise UsageError(_nothing_in(path, evidence))
    _tell_apart(evidence.units)
    return evidence


def _add(evidence: Evidence, path: Path) -> None:
    if (path / "study.yaml").is_file():
        evidence.units.append(_study_unit(path, evidence.devices))
        return
    if path.is_file() and path.suffix.lower() in SUFFIXES and not _has_runs(path):
        _add_table(evidence, path)
        return
    for source in _studies_below(path):
        evidence.units.append(_study_unit(source, evidence.devices))
    taken = {unit.path for unit in evidence.units if unit.kind == STUDY}
    for source, sighting in _units(path):
        if sighting.weak or any(source.is_relative_to(study) for study in taken):
            continue
        _add_unit(evidence, source, sighting, path)
    if path.is_dir():
        _add_tables_below(evidence, path)


def _has_runs(path: Path) -> bool:
    """Say whether a file is more than a table: a log with a trace in it."""
    found = [sighting for _, sighting in find_units(path) if not sighting.weak]
    return bool(found) and found[0].kind not in _TABLES_OF_ONE


def _studies_below(path: Path) -> Iterator[Path]:
    """Give the folders of studies of our own form in a folder, or one level below."""
    if path.is_dir():
        yield from sorted(file.parent for file in path.glob("*/study.yaml"))


def _units(path: Path) -> Iterator[tuple[Path, Sighting]]:
    """Give the folders and files that importers recognise.

    A folder that is known by a run table alone is looked through further: its runs may lie below.
    """
    for source, sighting in find_units(path):
        if sighting.kind in _TABLES_OF_ONE and source.is_dir() and not _holds_runs(source):
            for below in sorted(source.iterdir()):
                if below.is_dir() and not below.is_symlink():
                    yield from _units(below)
        else:
            yield source, sighting


def _holds_runs(folder: Path) -> bool:
    return any(parse_run_id(child.name) for child in folder.iterdir() if child.is_dir())


def _add_unit(evidence: Evidence, source: Path, sighting: Sighting, root: Path) -> None:
    if source.is_file() and sighting.kind in _TABLES_OF_ONE:
        return  # read among the tables
    try:
        options = ImportOptions(study=source.name or str(source))
        imported = find_importer(sighting.kind).read(source, options)
    except UsageError as error:
        evidence.findings.append(unreadable(str(source), error))
        return
    evidence.units.append(_imported_unit(source, sighting.kind, imported, evidence.devices))
    known = {table.path for table in evidence.tables}
    for path in imported.tables:
        if path not in known:
            _add_table(evidence, path, root)


def _add_tables_below(evidence: Evidence, path: Path) -> None:
    """Add the tables of a folder that no unit has taken for its runs."""
    known = {table.path for table in evidence.tables}
    units = [unit.path for unit in evidence.units]
    for file in _tables_below(path):
        if file not in known and not any(_is_read_by(file, unit) for unit in units):
            _add_table(evidence, file, path)


def _tables_below(path: Path) -> list[Path]:
    """Give the files that may hold a table; hidden folders and links that lead out are left out.

    Raises:
        UsageError: There are more of them than the results of a study can be.
    """
    root, found = path.resolve(), []
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if not name.startswith((".", "__")))
        for name in files:
            file = Path(folder, name)
            if file.suffix.lower() in SUFFIXES and _is_inside(file, root):
                found.append(file)
        if len(found) > _MOST_TABLES:
            raise UsageError(
                f"{path} holds more than {_MOST_TABLES} tables; name the folder of one study"
            )
    return sorted(found)


def _is_inside(file: Path, root: Path) -> bool:
    return file.is_file() and (not file.is_symlink() or file.resolve().is_relative_to(root))


def _is_read_by(file: Path, unit: Path) -> bool:
    """Say whether a file is part of a unit; a table of results may lie beside its logs."""
    if file == unit:
        return True
    if not file.is_relative_to(unit):
        return False
    beside = file.parent == unit and all(sighting.weak for sighting in find_sightings(file))
    return not beside


def _add_table(evidence: Evidence, path: Path, root: Path | None = None) -> None:
    """Add a table that the user named, or one that was found below a folder that was named."""
    name = path.name
    if root is not None and path.is_relative_to(root) and path != root:
        name = path.relative_to(root).as_posix()
    try:
        table = read_table(path, name, evidence.devices)
    except UsageError as error:
        if root is None:
            raise
        if path.suffix.lower() == ".json":
            return  # most JSON beside results is no table, and need not be one
        evidence.findings.append(unreadable(str(path), error))
        return
    if holds_figures(table) or (root is None and len(table)):
        evidence.tables.append(table)


def unreadable(where: str, error: UsageError) -> Finding:
    """Say that something was left out because it cannot be read."""
    return Finding(
        "unreadable",
        "warning",
        f"{where}: {_file_of(error)}" if _file_of(error) else where,
        f"it was left out, because it cannot be read: {error}",
        "mend the file, or name the paths to audit without it",
    )


def _file_of(error: UsageError) -> str:
    """Give the file that a refusal names first, with its folder; empty where it names none."""
    first = str(error).partition(" ")[0].rstrip(":")
    return "/".join(Path(first).parts[-2:]) if "/" in first else ""


def _nothing_in(path: Path, evidence: Evidence) -> str:
    if evidence.findings:
        return evidence.findings[-1].message.partition(": ")[2]
    if path.is_file():
        return f"{path} holds no row of figures; name a table, a log or a folder of results"
    return (
        f"{path} holds nothing to audit: no study, no results of a kind that is known and no table "
        "with an energy or a power; see what joulebench import auto says of it"
    )


def _tell_apart(units: Sequence[Unit]) -> None:
    """Call units of one name by their paths."""
    names = [unit.name for unit in units]
    for unit in units:
        if names.count(unit.name) > 1:
            unit.name = str(unit.path)


def _study_unit(path: Path, devices: tuple[str, ...]) -> Unit:
    table = RunTable.load(path)
    stored = table.study.get("findings") or []
    try:
        findings = tuple(Finding.from_dict(record) for record in stored)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{path / 'study.yaml'}: findings: {error}; mend or remove that entry"
        ) from error
    return Unit(
        table.name,
        path,
        STUDY,
        table.study,
        table.hosts,
        len(table.runs),
        partial(_view_of_study, table, table.runs, devices),
        findings,
    )


def _view_of_study(
    table: RunTable, runs: Sequence[Run], devices: tuple[str, ...], place: int
) -> AuditRun:
    run = runs[place]
    return AuditRun(
        table.name,
        run,
        partial(_stored_traces, table.trace_path(run.run_id)),
        partial(_stored_responses, table.responses_path(run.run_id)),
        table.hosts.get(run.host),
        devices,
    )


def _stored_traces(path: Path) -> Mapping[str, Trace]:
    return load_traces(path) if path.exists() else {}


def _stored_responses(path: Path) -> Sequence[Mapping[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return ()
    except (ValueError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} holds no responses: {error}; mend or delete it") from error


def _imported_unit(source: Path, kind: str, imported: Imported, devices: tuple[str, ...]) -> Unit:
    name = str(imported.study.get("study") or source.name)
    return Unit(
        name,
        source,
        kind,
        imported.study,
        imported.hosts,
        imported.count,
        partial(_view_of_import, name, imported, devices),
        imported.findings,
    )


def _view_of_import(
    name: str, imported: Imported, devices: tuple[str, ...], place: int
) -> AuditRun:
    item = imported.run(place)
    traces = {trace.channel.name: trace for trace in item.traces}
    host = imported.hosts.get(item.run.host)
    return AuditRun(name, item.run, lambda: traces, lambda: item.responses, host, devices)
