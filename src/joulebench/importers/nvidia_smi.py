"""Importing logs of ``nvidia-smi --query-gpu=timestamp,...,power.draw --format=csv``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from joulebench.channel import Window
from joulebench.energy import Trace
from joulebench.errors import EnergyError, UsageError, unknown
from joulebench.finding import Finding
from joulebench.importers.cell_values import moment
from joulebench.importers.contract import Imported, ImportedRun, ImportOptions, Sighting
from joulebench.importers.mapping_file import read_mapping
from joulebench.importers.nvidia_smi_form import (
    NAME,
    Form,
    first_cells,
    first_stamp,
    looks_like,
    read_form,
)
from joulebench.importers.nvidia_smi_log import Log, read_log
from joulebench.importers.nvidia_smi_map import LogNotes, SmiMap
from joulebench.importers.published import host_id, repetitions, safe_name
from joulebench.importers.run_folders import fingerprint
from joulebench.importers.source_files import files_below, names_like
from joulebench.importers.taken_options import option_words, refuse_options
from joulebench.record import Run
from joulebench.run_row import MEASURED

DEPTH = 3
"""Folders below the one that is imported in which logs are looked for."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """One log: its form, its run id, what the mapping says of it."""

    form: Form
    run_id: str
    notes: LogNotes
    repetition: int
    levels: Mapping[str, str]


class NvidiaSmiImporter:
    """Reads logs of nvidia-smi: one run a file, one channel a board and column of power.

    The window "measure" is the whole log, unless a mapping file says when the work ran.
    """

    kind = "nvidia-smi"

    def recognise(self, source: Path) -> Sighting | None:
        """Look for files that begin as such a log does."""
        names = names_like(source, looks_like)
        return Sighting(self.kind, f"{names}, logs of GPU power by nvidia-smi") if names else None

    def read(self, source: Path, options: ImportOptions) -> Imported:
        """Look over a log, or the logs in a folder and below.

        Raises:
            UsageError: There is none, or one is damaged; names the line.
        """
        refuse_options(self.kind, options, ["mapping"])
        notes = SmiMap() if options.mapping is None else read_mapping(options.mapping, SmiMap)
        planned = _planned(source, _logs(source), notes)
        read = [plan.form.path.absolute() for plan in planned]
        mapping = [] if options.mapping is None else [options.mapping.absolute()]
        return Imported(
            study=_study(source, options, planned),
            hosts={host_id(host): host for host in (_host(plan.form) for plan in planned)},
            fingerprint=fingerprint(read + mapping, option_words(self.kind, source, options)),
            count=len(planned),
            run=partial(_run, planned, options.study),
        )


def _logs(source: Path) -> list[Path]:
    found = [path for path in files_below(source, DEPTH) if source.is_file() or looks_like(path)]
    if not found:
        raise UsageError(
            f"{source} holds no log of nvidia-smi with power; make one with nvidia-smi "
            "--query-gpu=timestamp,index,name,power.draw --format=csv -lms 100"
        )
    return found


def _planned(source: Path, paths: Sequence[Path], notes: SmiMap) -> list[_Planned]:
    query = [name.strip() for name in notes.query.split(",")] if notes.query else []
    names = _run_ids(source, paths)
    for name in notes.runs:
        if name not in names:
            raise unknown("--map: runs: run id", name, names)
    told = [notes.runs.get(name, notes) for name in names]
    levels = [{**notes.factors, **each.factors} for each in told]
    counted = repetitions(tuple(sorted(level.items())) for level in levels)
    forms = [read_form(path, query) for path in paths]
    found = zip(forms, names, told, counted, levels, strict=True)
    return sorted(
        (_Planned(form, name, note, count, level) for form, name, note, count, level in found),
        key=lambda plan: first_stamp(plan.form),
    )


def _run_ids(source: Path, paths: Sequence[Path]) -> list[str]:
    """Name runs after their files, with the folders below the one imported before them."""
    below = [path.relative_to(source if source.is_dir() else source.parent) for path in paths]
    stems = [safe_name(".".join(path.with_suffix("").parts)) for path in below]
    if len(set(stems)) == len(stems):
        return stems
    return [safe_name(".".join(path.parts)) for path in below]


def _study(source: Path, options: ImportOptions, planned: Sequence[_Planned]) -> dict[str, Any]:
    factors: dict[str, dict[str, None]] = {}
    for plan in planned:
        for name, level in plan.levels.items():
            factors.setdefault(name, {})[level] = None
    return {
        "study": options.study,
        "origin": "imported",
        "source": options.source(NvidiaSmiImporter.kind, source),
        "factors": {name: list(levels) for name, levels in factors.items()},
        "repetitions": max(plan.repetition for plan in planned) + 1,
    }


def _run(planned: Sequence[_Planned], study: str, place: int) -> ImportedRun:
    plan = planned[place]
    log = read_log(plan.form)
    trial = {
        "order": place + 1,
        "block": plan.repetition,
        "repetition": plan.repetition,
        "levels": dict(plan.levels),
    }
    run = Run(plan.run_id, study, trial, origin="imported", testbed="imported")
    run.host = host_id(_host(plan.form))
    run.facts = _facts(plan.form, log)
    run.findings = list(log.findings)
    run.channels = [trace.channel for trace in log.traces]
    windows = _windows(plan, log, run.findings)
    run.windows = [window for stretches in windows.values() for window in stretches]
    _integrate(run, log.traces, windows)
    return ImportedRun(run, log.traces)


def _host(form: Form) -> dict[str, Any]:
    """Give what the first lines of a log tell of the machine."""
    return {"tool": "nvidia-smi", "gpus": list(first_cells(form, NAME))}


def _facts(form: Form, log: Log) -> dict[str, Any]:
    started = datetime.fromtimestamp(log.origin_s, tz=UTC).replace(tzinfo=None)
    recorder = {
        "tool": "nvidia-smi",
        "file": form.path.name,
        # nvidia-smi stamps in local time and does not say of which zone.
        "started_at_local": started.isoformat(timespec="milliseconds"),
        "silent_channels": log.silent,
        "boards": log.boards,
    }
    return {"recorder": recorder}


def _windows(plan: _Planned, log: Log, findings: list[Finding]) -> dict[str, list[Window]]:
    """Give the windows that the mapping names, or the whole log where it names none."""
    named = {name: [_window(plan, log, name, edges)] for name, edges in plan.notes.windows.items()}
    if MEASURED not in named:
        findings.append(_unknown_window(plan.form.path.name))
        named[MEASURED] = [Window(MEASURED, *edges) for edges in log.stretches]
    return named


def _window(plan: _Planned, log: Log, name: str, edges: Sequence[str]) -> Window:
    stamps = [moment(text) for text in edges]
    if None in stamps:
        raise UsageError(
            f"--map: windows: {name}: {edges[stamps.index(None)]!r} is no time such as "
            "2025/09/22 11:06:57.123"
        )
    start_s, stop_s = (
        stamp.replace(tzinfo=UTC).timestamp() - log.origin_s for stamp in stamps if stamp
    )
    try:
        return Window(name, start_s, stop_s)
    except ValueError as error:
        raise UsageError(f"--map: {plan.run_id}: {error}") from error


def _unknown_window(name: str) -> Finding:
    return Finding(
        "window-unknown",
        "warning",
        name,
        "nothing says when the work began and ended, so the whole log was measured",
        "idle time before and after is in this energy: name the windows in a file given with --map",
    )


def _integrate(run: Run, traces: Sequence[Trace], windows: Mapping[str, Sequence[Window]]) -> None:
    """Give the energy of each channel; one that cannot be given honestly fails the run."""
    try:
        for trace in traces:
            energies = {}
            for name, stretches in windows.items():
                energy = trace.energy(list(stretches), gaps="bridge")
                energies[name] = energy.to_dict()
                run.findings += energy.findings
            run.energy[trace.channel.name] = energies
    except (EnergyError, ValueError) as error:
        run.status, run.error, run.energy = "failed", str(error), {}
    if not traces:
        run.status, run.error = "failed", "no GPU in the log gives its power"
