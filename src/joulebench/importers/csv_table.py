"""Importing any table, CSV or lines of JSON, with a file that says what is in which column."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError, unknown
from joulebench.finding import Finding
from joulebench.importers.contract import Imported, ImportedRun, ImportOptions, Sighting
from joulebench.importers.csv_table_map import TableMap
from joulebench.importers.csv_table_runs import Plan, facts_of, host_of, levels_of, plan_runs
from joulebench.importers.csv_table_runs import fill as fill_run
from joulebench.importers.csv_table_samples import Samples, plan_samples
from joulebench.importers.csv_table_samples import fill as fill_samples
from joulebench.importers.delimited import DELIMITERS
from joulebench.importers.mapping_file import read_mapping
from joulebench.importers.published import host_id
from joulebench.importers.run_folders import fingerprint
from joulebench.importers.source_files import first_lines, list_folder
from joulebench.importers.taken_options import option_words, refuse_options
from joulebench.importers.text_rows import TextRows, read_rows
from joulebench.record import Run

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")


class CsvImporter:
    """Reads any table with a mapping file: a row is a run, or a sample of a trace."""

    kind = "csv"

    def recognise(self, source: Path) -> Sighting | None:
        """Look for tables: anything may be one, so that any other kind goes first."""
        names = [path.name for path in _tables(source)]
        if not names:
            return None
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return Sighting(self.kind, f"{names[0]}{more}, a table", weak=True)

    def read(self, source: Path, options: ImportOptions) -> Imported:
        """Look over a table.

        Raises:
            UsageError: There is none or several, no map is given, or it does not fit; names the
                column or the line.
        """
        refuse_options(self.kind, options, ["mapping"])
        path = _only_table(source)
        told = _told(path, options.mapping)
        table = read_rows(path, delimiter=told.delimiter)
        _refuse_columns(table, told)
        plan: Plan | Samples
        if told.rows == "runs":
            plan = plan_runs(table, told)
            run = partial(_run, table, told, plan, options.study)
            levels = {name: list(known) for name, known in plan.levels.items()}
        else:
            plan = plan_samples(table, told)
            run = partial(_sampled, table, told, plan, options.study)
            levels = _seen(plan)
        read = [path.absolute(), *([options.mapping.absolute()] if options.mapping else [])]
        return Imported(
            study={
                "study": options.study,
                "origin": "imported",
                "source": options.source(self.kind, source),
                "factors": levels,
                "repetitions": max(plan.repetitions) + 1,
            },
            hosts=plan.hosts,
            fingerprint=fingerprint(read, option_words(self.kind, source, options)),
            count=len(plan.run_ids),
            run=run,
            findings=_findings(table),
            tables=(path,) if told.rows == "runs" else (),
        )


def _tables(source: Path) -> list[Path]:
    files = [source] if source.is_file() else list_folder(source)[0]
    return [path for path in files if path.suffix.casefold() in SUFFIXES and _is_table(path)]


def _is_table(path: Path) -> bool:
    line = next((line for line in first_lines(path, 3) if line.strip()), "")
    if line.lstrip().startswith("{"):
        return True
    return max((line.count(delimiter) for delimiter in DELIMITERS), default=0) > 0


def _only_table(source: Path) -> Path:
    if source.is_file():
        return source
    if not source.is_dir():
        raise UsageError(f"{source} does not exist; check the path")
    found = _tables(source)
    if len(found) != 1:
        shown = ", ".join(path.name for path in found[:5])
        raise UsageError(
            f"{source} holds {len(found)} tables{f' ({shown})' if found else ''}; name the file"
        )
    return found[0]


def _told(path: Path, mapping: Path | None) -> TableMap:
    """Read the map, or say what the table has where there is none."""
    if mapping is not None:
        return read_mapping(mapping, TableMap)
    columns = ", ".join(read_rows(path).columns)
    raise UsageError(
        f"{path} has the columns {columns}; say what they are in a file and give it with --map: "
        "energy: {gpu0: {column: NAME, unit: J}} and what else is known (see docs/importing.md)"
    )


def _refuse_columns(table: TextRows, told: TableMap) -> None:
    for name in told.columns():
        if name not in table.columns:
            raise unknown(f"--map: column of {table.path.name}", name, table.columns)
    if not len(table):
        raise UsageError(f"{table.path} has a header and no row")


def _findings(table: TextRows) -> tuple[Finding, ...]:
    if not table.cut_short:
        return ()
    return (
        Finding(
            "truncated-file",
            "warning",
            table.path.name,
            "the last line is cut short and was left out",
            "export the table again",
        ),
    )


def _seen(plan: Samples) -> dict[str, list[str]]:
    names = plan.cells[0]
    return {name: list(dict.fromkeys(cell[name] for cell in plan.cells)) for name in names}


def _blank(run_id: str, study: str, order: int, repetition: int, levels: Mapping[str, str]) -> Run:
    trial: dict[str, Any] = {
        "order": order,
        "block": repetition,
        "repetition": repetition,
        "levels": dict(levels),
    }
    return Run(run_id, study, trial, origin="imported", testbed="imported")


def _run(table: TextRows, told: TableMap, plan: Plan, study: str, place: int) -> ImportedRun:
    row = table.row(plan.places[place])
    repetition = plan.repetitions[place]
    run = _blank(plan.run_ids[place], study, place + 1, repetition, levels_of(row, told))
    run.host = host_id(host_of(row, told))
    run.facts = facts_of(table, row, told)
    fill_run(run, row, told, table.where(plan.places[place]))
    return ImportedRun(run)


def _sampled(table: TextRows, told: TableMap, plan: Samples, study: str, place: int) -> ImportedRun:
    repetition = plan.repetitions[place]
    run = _blank(plan.run_ids[place], study, place + 1, repetition, plan.cells[place])
    run.host = host_id(host_of(table.row(plan.places[place][0]), told))
    return ImportedRun(run, fill_samples(run, table, plan.places[place], told))
