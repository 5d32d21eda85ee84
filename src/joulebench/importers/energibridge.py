"""Importing experiment-runner folders that were measured with EnergiBridge."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joulebench
from joulebench.channel import Window
from joulebench.energibridge_columns import find_sensors
from joulebench.errors import EnergyError, UsageError
from joulebench.finding import Finding
from joulebench.importers.contract import Imported, ImportedRun, ImportOptions, Sighting
from joulebench.importers.energibridge_head import LogHead, read_head
from joulebench.importers.energibridge_summary import NAME as SUMMARY
from joulebench.importers.energibridge_summary import contradiction, summary_joules
from joulebench.importers.energibridge_table import read_run_table
from joulebench.importers.experiment_table import ExperimentTable, is_run_table, open_run_table
from joulebench.importers.factor_levels import Factors, find_factors
from joulebench.importers.prompts_file import MEASURED, Prompts, read_prompts
from joulebench.importers.prompts_file import NAME as PROMPTS
from joulebench.importers.run_folders import (
    RunFolder,
    find_run_folders,
    fingerprint,
    refuse_outside,
)
from joulebench.record import Run

if TYPE_CHECKING:
    from joulebench.energy import Trace
    from joulebench.importers.energibridge_log import Log

LOG = "energibridge.csv"

_FILES = (LOG, PROMPTS, SUMMARY)
_GPU_MEMORY = re.compile(r"GPU[0-9]{1,4}_MEMORY_TOTAL")


@dataclass(frozen=True, slots=True)
class _Planned:
    """A run folder with what its log's header and first row say; nothing where it has no log."""

    folder: RunFolder
    head: LogHead | None
    host: str

    @property
    def start_ms(self) -> float:
        return self.head.start_ms if self.head else float("inf")


class EnergiBridgeImporter:
    """Reads folders ``run_R_repetition_P`` with an EnergiBridge log each.

    The log's counters and powers become channels, ``prompts_out.tsv`` the window "measure" with
    its responses, tokens and grades. Block and repetition are the folder's ``P``, from 0; the order
    is that of the logs' first stamps, from 1. A run table alone gives runs with the energies that
    were published.
    """

    kind = "energibridge"

    def recognise(self, source: Path) -> Sighting | None:
        """Look for run folders that hold a log each, or the header of a run table."""
        logs = sum(1 for _ in source.glob(f"run_*_repetition_*/{LOG}")) if source.is_dir() else 0
        if logs:
            return Sighting(self.kind, f"{logs} folders run_R_repetition_P with {LOG}")
        table = _sole_table(source)
        return None if table is None else Sighting(self.kind, f"run table {table.name}")

    def read(self, source: Path, options: ImportOptions) -> Imported:
        """Look over a folder of run folders, or a run table without any.

        Raises:
            UsageError: There is none, the factors do not fit them, or a file is damaged.
        """
        table = source if source.is_file() else _sole_table(source)
        if table is not None:
            return read_run_table(source, table, options)
        folders = find_run_folders(source)
        options, factors = _factors(source, options, folders)
        hosts: dict[str, dict[str, Any]] = {}
        planned = sorted(
            (_planned(folder, source, hosts) for folder in folders), key=lambda plan: plan.start_ms
        )
        return Imported(
            study=_study(source, options, factors, folders),
            hosts=hosts,
            fingerprint=_fingerprint(source, options, folders),
            count=len(planned),
            run=partial(_run, planned, options.study, factors),
            findings=factors.findings,
            tables=tuple(_tables(source, options)),
        )


def _factors(
    source: Path, options: ImportOptions, folders: Sequence[RunFolder]
) -> tuple[ImportOptions, Factors]:
    """Give the factors of runs, and the options with the folder's own run table.

    The only run table that stands in the folder is taken where the user names none: for what was
    published of each run, and for the levels if it tells them and the user does not.
    """
    own = _tables_in(source) if options.table is None else []
    if len(own) != 1:
        return options, find_factors(options, folders)
    found = replace(options, table=own[0])
    if options.levels or options.columns or options.exclude:
        return found, replace(find_factors(options, folders), table=_read(own[0]))
    try:
        return found, find_factors(found, folders)
    except UsageError as error:
        plain = find_factors(options, folders)
        return found, replace(plain, table=_read(own[0]), findings=(_no_levels(own[0], error),))


def _read(table: Path) -> ExperimentTable | None:
    try:
        return open_run_table(table)
    except UsageError:
        return None


def _no_levels(table: Path, error: UsageError) -> Finding:
    return Finding(
        "no-levels",
        "note",
        table.name,
        f"the run table beside the runs does not tell their levels: {error}",
        "say them: --factors NAME=LEVEL,..., or the columns with --table and --factors",
    )


def _tables(source: Path, options: ImportOptions) -> list[Path]:
    """Give the run tables that stand beside the runs: the one that was named, those in the folder.

    One that leads out of the folder is passed over, for nothing of it is read here.
    """
    named = [] if options.table is None else [options.table]
    known = {path.resolve() for path in named}
    return named + [path for path in _tables_in(source) if path.resolve() not in known]


def _tables_in(source: Path) -> list[Path]:
    found = sorted(path for path in source.glob("*.csv") if not path.is_symlink())
    return [path for path in found if is_run_table(path)]


def _sole_table(source: Path) -> Path | None:
    """Give the run table that a path is, or the only one in a folder without run folders."""
    if source.is_file():
        return source if is_run_table(source) else None
    if not source.is_dir() or any(source.glob("run_*_repetition_*")):
        return None
    tables = _tables_in(source)
    return tables[0] if len(tables) == 1 else None


def _planned(folder: RunFolder, source: Path, hosts: dict[str, dict[str, Any]]) -> _Planned:
    """Read the head of a run's log; the facts of its machine go to those of the others."""
    for name in _FILES:
        refuse_outside(folder.path / name, source)
    log = folder.path / LOG
    if not os.path.lexists(log):
        return _Planned(folder, None, "")
    head = read_head(log)
    host_id, host = _host(head.form.columns, tuple(head.facts.items()))
    hosts.setdefault(host_id, host)
    return _Planned(folder, head, host_id)


def _study(
    source: Path, options: ImportOptions, factors: Factors, folders: Sequence[RunFolder]
) -> dict[str, Any]:
    study: dict[str, Any] = {
        "study": options.study,
        "origin": "imported",
        "source": options.source(EnergiBridgeImporter.kind, source),
        "factors": {name: list(levels) for name, levels in factors.levels.items()},
    }
    if factors.exclude:
        study["exclude"] = list(factors.exclude)
    study["repetitions"] = max(Counter(folder.run for folder in folders).values())
    return study


def _fingerprint(source: Path, options: ImportOptions, folders: Sequence[RunFolder]) -> str:
    place = source.absolute()
    paths = [f"{place}/{folder.run_id}/{name}" for folder in folders for name in _FILES]
    if options.table is not None:
        paths.append(str(options.table.absolute()))
    # The same files named in another way, or written to another place, are the same import.
    table = None if options.table is None else options.table.resolve()
    same = replace(options, table=table, out=None)
    words = [joulebench.__version__, str(source.resolve()), repr(same)]
    return fingerprint(paths, [EnergiBridgeImporter.kind, *words])


@lru_cache(maxsize=16)
def _host(
    columns: tuple[str, ...], facts: tuple[tuple[str, str], ...]
) -> tuple[str, dict[str, Any]]:
    """Give the key and the facts of the machine of a log; all runs on one machine share them."""
    told = dict(facts)
    cpus = sum(column.startswith("CPU_USAGE_") for column in columns)
    host: dict[str, Any] = {"tool": "EnergiBridge", "logical_cpus": cpus or None}
    host["memory_bytes"] = _whole(told.get("TOTAL_MEMORY"))
    host["gpus"] = [
        {"index": int(column[3:-13]), "memory_mib": _whole(told.get(column))}
        for column in columns
        if _GPU_MEMORY.fullmatch(column)
    ] or None
    host["sensors"] = [sensor.column for sensor in find_sensors(columns)]
    known = {name: fact for name, fact in host.items() if fact is not None}
    return _host_id(known), known


def _whole(text: str | None) -> int | None:
    try:
        return int(float(text)) if text else None
    except (ValueError, OverflowError):
        return None


def _host_id(host: Mapping[str, Any]) -> str:
    text = json.dumps(host, sort_keys=True)
    return f"unknown-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _run(planned: Sequence[_Planned], study: str, factors: Factors, place: int) -> ImportedRun:
    plan = planned[place]
    run = _blank(plan, study, place + 1, factors)
    item = ImportedRun(run) if plan.head is None else _measured(run, plan.folder, plan.head)
    published = _published(plan.folder, factors.table)
    if published is not None:
        run.facts["published"] = published
    return item


def _published(folder: RunFolder, table: ExperimentTable | None) -> dict[str, Any] | None:
    """Give the row of a run in the table that was named; ``None`` if it has none."""
    place = None if table is None else table.place_of(folder.run, folder.repetition)
    if table is None or place is None:
        return None
    return table.published(place, table.row(place))


def _blank(plan: _Planned, study: str, order: int, factors: Factors) -> Run:
    """Give the record of a run before its log is read: failed if it has none."""
    folder, head = plan.folder, plan.head
    trial = {
        "order": order,
        "block": folder.repetition,
        "repetition": folder.repetition,
        "levels": dict(factors.by_run[folder.run]),
    }
    run = Run(folder.run_id, study, trial, origin="imported", testbed="imported")
    if head is None:
        run.status, run.error = "failed", f"{folder.run_id} holds no {LOG}"
    else:
        run.host, run.started_at = plan.host, _utc(head.start_ms)
    return run


def _utc(stamp_ms: float) -> str:
    moment = datetime.fromtimestamp(stamp_ms / 1e3, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _measured(run: Run, folder: RunFolder, head: LogHead) -> ImportedRun:
    """Fill in the record of a run from its files."""
    from joulebench.importers.energibridge_log import read_log

    log = read_log(head)
    run.facts = _facts(log)
    run.findings = list(log.findings)
    run.channels = [trace.channel for trace in log.traces]
    window, responses = _window(run, folder, log)
    run.windows = [window]
    _integrate(run, log.traces, window)
    _check_summary(run, folder, log.traces)
    return ImportedRun(run, log.traces, responses)


def _facts(log: Log) -> dict[str, Any]:
    recorder: dict[str, Any] = {"tool": "EnergiBridge", "silent_columns": log.silent}
    return {"recorder": recorder, "origin_epoch_s": log.origin_ms / 1e3}


def _window(run: Run, folder: RunFolder, log: Log) -> tuple[Window, list[dict[str, Any]]]:
    """Give the window of the prompts, or of the whole log where no prompts are stored."""
    path = folder.path / PROMPTS
    if not os.path.lexists(path):
        run.findings.append(_no_prompts())
        return Window(MEASURED, 0.0, log.stop_s), []
    prompts: Prompts = read_prompts(path, log.origin_ms)
    run.work = dict(prompts.work)
    run.score = prompts.score
    run.findings += prompts.findings
    return prompts.window, prompts.responses


def _no_prompts() -> Finding:
    return Finding(
        "window-unknown",
        "warning",
        PROMPTS,
        "no file says when the work began and ended, so the whole log was measured",
        "start-up and model load are in this energy: compare only runs that share them",
    )


def _integrate(run: Run, traces: Sequence[Trace], window: Window) -> None:
    """Give the energy of each channel; one that cannot be given honestly fails the run."""
    try:
        for trace in traces:
            energy = trace.energy(window, gaps="bridge")
            run.energy[trace.channel.name] = {window.name: energy.to_dict()}
            run.findings += energy.findings
    except EnergyError as error:
        run.status, run.error, run.energy = "failed", str(error), {}
    if not traces:
        run.status, run.error = "failed", f"no sensor in {LOG} read anything"


def _check_summary(run: Run, folder: RunFolder, traces: Sequence[Trace]) -> None:
    joules = summary_joules(folder.path / SUMMARY)
    package = next((trace for trace in traces if trace.channel.name == "cpu0:package"), None)
    finding = contradiction(joules, package) if joules is not None and package else None
    if finding is not None:
        run.findings.append(finding)
