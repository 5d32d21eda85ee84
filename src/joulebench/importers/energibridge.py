"""Importing experiment-runner folders that were measured with EnergiBridge."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import joulebench
from joulebench.channel import Window
from joulebench.energy import Trace
from joulebench.errors import EnergyError
from joulebench.finding import Finding
from joulebench.importers.contract import Imported, ImportedRun, ImportOptions
from joulebench.importers.energibridge_head import LogHead, read_head
from joulebench.importers.energibridge_log import Log, read_log
from joulebench.importers.energibridge_summary import NAME as SUMMARY
from joulebench.importers.energibridge_summary import contradiction, summary_joules
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

LOG = "energibridge.csv"


@dataclass(frozen=True, slots=True)
class _Planned:
    """A run folder with what its log's header and first row say; nothing where it has no log."""

    folder: RunFolder
    head: LogHead | None
    host: dict[str, Any]

    @property
    def start_ms(self) -> float:
        return self.head.start_ms if self.head else float("inf")


class EnergiBridgeImporter:
    """Reads folders ``run_R_repetition_P`` with an EnergiBridge log each.

    The log's counters and powers become channels, ``prompts_out.tsv`` the window "measure" with
    its responses, tokens and grades. Block and repetition are the folder's ``P``, from 0; the order
    is that of the logs' first stamps, from 1.
    """

    kind = "energibridge"

    def read(self, source: Path, options: ImportOptions) -> Imported:
        """Look over a folder of run folders.

        Raises:
            UsageError: There is none, the factors do not fit them, or a file is damaged.
        """
        folders = find_run_folders(source)
        factors = find_factors(options, folders)
        planned = sorted(
            (_planned(folder, source) for folder in folders), key=lambda plan: plan.start_ms
        )
        hosts = [plan.host for plan in planned if plan.host]
        return Imported(
            study=_study(source, options, factors, folders),
            hosts={_host_id(host): host for host in hosts},
            fingerprint=_fingerprint(source, options, folders),
            count=len(planned),
            run=partial(_run, planned, options.study, factors),
            findings=factors.findings,
        )


def _planned(folder: RunFolder, source: Path) -> _Planned:
    paths = [folder.path / name for name in (LOG, PROMPTS, SUMMARY)]
    for path in paths:
        refuse_outside(path, source)
    head = read_head(paths[0]) if paths[0].exists() else None
    return _Planned(folder, head, {} if head is None else _host(head))


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
    paths = [folder.path / name for folder in folders for name in (LOG, PROMPTS, SUMMARY)]
    if options.table is not None:
        paths.append(options.table)
    # The same files named in another way, or written to another place, are the same import.
    table = None if options.table is None else options.table.resolve()
    same = replace(options, table=table, out=None)
    words = [joulebench.__version__, str(source.resolve()), repr(same)]
    return fingerprint([path.absolute() for path in paths], [EnergiBridgeImporter.kind, *words])


def _host(head: LogHead) -> dict[str, Any]:
    """Give what a log tells of the machine it was measured on."""
    cpus = sum(column.startswith("CPU_USAGE_") for column in head.form.columns)
    host: dict[str, Any] = {"tool": "EnergiBridge", "logical_cpus": cpus or None}
    host["memory_bytes"] = _whole(head.first.get("TOTAL_MEMORY"))
    host["gpus"] = [
        {"index": int(column[3:-13]), "memory_mib": _whole(head.first.get(column))}
        for column in head.form.columns
        if column.startswith("GPU") and column.endswith("_MEMORY_TOTAL") and column[3:-13].isdigit()
    ] or None
    host["sensors"] = [sensor.column for sensor in head.form.sensors]
    return {name: fact for name, fact in host.items() if fact is not None}


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
    return ImportedRun(run) if plan.head is None else _measured(run, plan.folder, plan.head)


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
        run.host, run.started_at = _host_id(plan.host), _utc(head.start_ms)
    return run


def _utc(stamp_ms: float) -> str:
    moment = datetime.fromtimestamp(stamp_ms / 1e3, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _measured(run: Run, folder: RunFolder, head: LogHead) -> ImportedRun:
    """Fill in the record of a run from its files."""
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
    if not path.exists():
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
