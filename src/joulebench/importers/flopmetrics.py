"""Importing FLOP metrics studies: Llama profiles with their energy, and kernel counter files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import joulebench
from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.flops.devices import find_device
from joulebench.importers.contract import Imported, ImportedRun, ImportOptions, Sighting
from joulebench.importers.delimited import read_delimited
from joulebench.importers.flopmetrics_counts import Configuration, configurations, counted_run
from joulebench.importers.flopmetrics_files import (
    Found,
    counted,
    find_files,
    header_of,
    recognised,
)
from joulebench.importers.flopmetrics_profile import (
    FACTORS,
    host_of,
    levels_of,
    profile_run,
    table_name,
)
from joulebench.importers.flopmetrics_record import Place, places, read_record
from joulebench.importers.published import repetitions, safe_name
from joulebench.importers.run_folders import fingerprint
from joulebench.record import Run

_NAMED = 4


@dataclass(frozen=True, slots=True)
class _Planned:
    """One run before it is read: what it is called, its levels, and where it stands."""

    run_id: str
    levels: dict[str, Any]
    repetition: int
    at: Place | Configuration


class FlopMetricsImporter:
    """Reads JSONL profiles (windows "forward" and "backward" of one batch) and counter CSVs.

    A record that stands in several files is imported once. Counter files are kept raw: a run for
    each configuration names them. Tables beside them are handed on for an audit.
    """

    kind = "flopmetrics"

    def recognise(self, source: Path) -> Sighting | None:
        """Look for profiles and counter files by their first line."""
        found = recognised(source)
        parts = [
            f"{len(paths)} {what}"
            for paths, what in (
                (found.profiles, "JSONL profiles of forward and backward passes"),
                (found.counters, "CSV files of kernel counters"),
            )
            if paths
        ]
        return Sighting(self.kind, " and ".join(parts)) if parts else None

    def read(self, source: Path, options: ImportOptions) -> Imported:
        """Look over a folder or one file of a FLOP metrics study.

        Raises:
            UsageError: There is neither a profile nor a counter file, or one is damaged; names the
                file and the line.
        """
        found = find_files(source)
        if not found:
            raise UsageError(
                f"{source} holds no JSONL profile of forward and backward passes and no CSV of "
                "kernel counters; name the folder that does"
            )
        kept, twice = _without_copies([at for path in found.profiles for at in places(path)])
        counts = configurations(counted(found.counters), found.tables, source)
        planned = _planned(kept, list(counts))
        return Imported(
            study=_study(source, options, planned),
            hosts=_hosts(planned),
            fingerprint=_fingerprint(source, options, found),
            count=len(planned),
            run=partial(_run, planned, options.study, source),
            findings=(*twice, *_label_findings(planned, found.tables, source)),
            tables=tuple(found.tables),
        )


def _without_copies(found: Sequence[Place]) -> tuple[list[Place], list[Finding]]:
    """Keep each record once: where it stands in a file of its own rather than among others."""
    many = Counter(at.path for at in found)
    first: dict[bytes, Place] = {}
    for at in sorted(found, key=lambda at: many[at.path] > 1):
        first.setdefault(at.digest, at)
    chosen = set(map(id, first.values()))
    kept = [at for at in found if id(at) in chosen]
    copies = [at for at in found if id(at) not in chosen]
    return kept, [_copied(copies)] if copies else []


def _copied(copies: Sequence[Place]) -> Finding:
    files = sorted({at.path.name for at in copies})
    more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    return Finding(
        "record-copied",
        "note",
        ", ".join(files[:_NAMED]) + more,
        f"{len(copies)} records stand in another file as well, equal in every figure; each was "
        "imported once",
        "count them once in any other analysis too",
        f"{len(copies)} copies",
        "each record once",
    )


def _planned(kept: Sequence[Place], counts: Sequence[Configuration]) -> list[_Planned]:
    """Name the runs, in the order of their files, and number those of equal levels."""
    sources: list[Place | Configuration] = [*kept, *counts]
    names = _names([_Named(at.path.stem, at.path.parent.name, at.line) for at in kept])
    names += _names([_Named(item.run_id, item.folder.name) for item in counts])
    levels = [levels_of(read_record(at), at.path) for at in kept]
    levels += [dict(item.shape) for item in counts]
    repeated = repetitions(repr(sorted(each.items())) for each in levels)
    parts = zip(names, levels, repeated, sources, strict=True)
    return [_Planned(*each) for each in parts]


class _Named(NamedTuple):
    """What a run may be called after."""

    name: str
    folder: str
    line: int = 0


def _names(parts: Sequence[_Named]) -> list[str]:
    """Name runs by file, with folder and line where only these tell some of them apart."""
    in_folders = {(part.name, part.folder) for part in parts}
    several = len(in_folders) > len({name for name, _ in in_folders})
    lines = Counter((part.name, part.folder) for part in parts)
    names = []
    for part in parts:
        whole = f"{part.folder}.{part.name}" if several else part.name
        if part.line and lines[part.name, part.folder] > 1:
            whole += f".line{part.line}"
        names.append(safe_name(whole))
    return [
        f"{name}.{number + 1}" if number else name
        for name, number in zip(names, repetitions(names), strict=True)
    ]


def _study(source: Path, options: ImportOptions, planned: Sequence[_Planned]) -> dict[str, Any]:
    factors: dict[str, list[Any]] = {}
    for name in (*FACTORS, "n", "d", "m"):
        levels = list(dict.fromkeys(run.levels[name] for run in planned if name in run.levels))
        if levels:
            factors[name] = levels
    return {
        "study": options.study,
        "origin": "imported",
        "source": options.source(FlopMetricsImporter.kind, source),
        "factors": factors,
        "repetitions": 1 + max(run.repetition for run in planned),
    }


def _hosts(planned: Sequence[_Planned]) -> dict[str, Any]:
    return dict(host_of(run.levels) for run in planned if isinstance(run.at, Place))


def _fingerprint(source: Path, options: ImportOptions, found: Found) -> str:
    same = repr(replace(options, out=None))
    words = [FlopMetricsImporter.kind, joulebench.__version__, str(source.resolve()), same]
    return fingerprint([path.absolute() for path in found.paths], words)


def _run(planned: Sequence[_Planned], study: str, source: Path, place: int) -> ImportedRun:
    plan = planned[place]
    trial = {
        "order": place + 1,
        "block": plan.repetition,
        "repetition": plan.repetition,
        "levels": plan.levels,
    }
    run = Run(plan.run_id, study, trial, origin="imported", testbed="imported")
    if isinstance(plan.at, Configuration):
        return counted_run(run, plan.at, source)
    run.host = host_of(plan.levels)[0]
    return profile_run(run, read_record(plan.at), plan.at, source)


def _label_findings(
    planned: Sequence[_Planned], tables: Sequence[Path], source: Path
) -> list[Finding]:
    """Hold the GPUs that tables name against those of the profiles in the same folder."""
    known: dict[Path, dict[str, None]] = defaultdict(dict)
    for run in planned:
        if isinstance(run.at, Place) and "gpu" in run.levels:
            known[run.at.path.parent][str(run.levels["gpu"])] = None
    found = []
    for path in tables:
        if path.parent in known:
            strange = [gpu for gpu in _gpus(path) if not _meant(gpu, known[path.parent])]
            if strange:
                found.append(_strange_gpu(table_name(path, source), strange, known[path.parent]))
    return found


def _gpus(path: Path) -> list[str]:
    column = next((name for name in header_of(path) if name.casefold() == "gpu"), None)
    return [] if column is None else list(dict.fromkeys(read_delimited(path).column(column)))


def _meant(gpu: str, known: Mapping[str, None]) -> bool:
    """Say whether a table's name for a GPU may be that of one of the profiles."""
    models = {device.model for device in find_device(gpu)}
    return any(
        gpu.casefold() == label.casefold() or models & {d.model for d in find_device(label)}
        for label in known
    )


def _strange_gpu(table: str, strange: Sequence[str], known: Mapping[str, None]) -> Finding:
    return Finding(
        "label-inconsistent",
        "warning",
        f"{table}: GPU",
        f"the table names {', '.join(strange)}, which no profile beside it was measured on",
        "find out which device it was: their limits and peaks differ",
        ", ".join(strange),
        ", ".join(known),
    )
