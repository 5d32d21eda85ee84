"""What an analysis reads: a study of our form, or anybody's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from joulebench.audit.read_table import SUFFIXES, read_table
from joulebench.audit.table import AuditTable
from joulebench.errors import EnergyError, UsageError
from joulebench.exclusion import level_text
from joulebench.record import Run, RunTable
from joulebench.run_row import row


@dataclass(frozen=True, eq=False)
class Source:
    """A table with what else is known of it.

    Args:
        name: Of the study, or of the file.
        path: Folder or file.
        table: Its cells as written.
        order: Levels in the order in which a study file lists them, by factor.
        wrong_runs: Runs whose records hold a finding that their energy is wrong.
        imported: Whether another tool made the runs, so that their order may be that of its files.
    """

    name: str
    path: Path
    table: AuditTable
    order: Mapping[str, Sequence[str]] = field(default_factory=dict)
    wrong_runs: tuple[str, ...] = ()
    imported: bool = False


def open_source(path: Path) -> Source:
    """Read a study's folder, or a file that holds a table.

    Raises:
        UsageError: It does not exist, cannot be read, is neither, or holds no row.
    """
    if path.name == "runs.jsonl" and (path.parent / "study.yaml").is_file():
        path = path.parent
    if not path.exists():
        raise UsageError(f"{path} does not exist; name a table of results or a study's folder")
    source = _of_study(path) if path.is_dir() else _of_file(path)
    if not len(source.table):
        raise UsageError(f"{path} holds no row of results; there is nothing to analyse")
    return source


def _of_file(path: Path) -> Source:
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"{path}: a table ends with one of {', '.join(SUFFIXES)}; name such a file, or a "
            "study's folder"
        )
    return Source(path.name, path, read_table(path))


def _of_study(folder: Path) -> Source:
    if not (folder / "study.yaml").is_file():
        tables = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in (".csv", ".tsv"))
        named = f" ({', '.join(tables[:3])})" if tables else ""
        raise UsageError(
            f"{folder} is not a study's folder; name a table in it{named}, or make a study of it "
            f"first: joulebench import auto {folder}"
        )
    study = RunTable.load(folder)
    factors = study.study.get("factors")
    order = {
        name: [level_text(level) for level in levels]
        for name, levels in (factors if isinstance(factors, dict) else {}).items()
        if isinstance(levels, list)
    }
    imported = study.study.get("origin") == "imported"
    wrong = tuple(_wrong(study.cell_runs))
    return Source(study.name, folder, _table(study, order), order, wrong, imported)


def _wrong(runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        if any(finding.severity == "error" for finding in run.findings):
            yield run.run_id


def _table(study: RunTable, order: Mapping[str, Sequence[str]]) -> AuditTable:
    """Make a table of a study's runs; what is constant in all of them is no factor."""
    rows = [_row(run) for run in study.cell_runs]
    names = dict.fromkeys(name for cells in rows for name in cells)
    cells = {name: _column([_text(each.get(name)) for each in rows]) for name in names}
    levels = dict.fromkeys(name for run in study.cell_runs for name in run.levels)
    factors = tuple(name for name in (*order, *levels) if name in names)
    return AuditTable(study.name, cells, recomputed=True, factors=tuple(dict.fromkeys(factors)))


def _row(run: Run) -> dict[str, Any]:
    try:
        return row(run)
    except (EnergyError, KeyError, TypeError) as error:
        raise UsageError(
            f"run {run.run_id!r} of study {run.study!r} has a damaged record ({error}); mend or "
            "delete its line in runs.jsonl"
        ) from error


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return level_text(value)
    return repr(value) if isinstance(value, float) else str(value).strip()


def _column(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.object_]]:
    cells = np.empty(len(texts), dtype=object)
    cells[:] = texts
    return cells
