"""Writing imported runs to disk: the study is there whole, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from joulebench.errors import EnergyError, UsageError
from joulebench.importers.contract import Imported
from joulebench.importers.json_lines import json_lines
from joulebench.importers.table_writer import TableWriter
from joulebench.importers.two_processes import in_two
from joulebench.record import Run, RunTable
from joulebench.record_traces import save_traces
from joulebench.run_row import row

Progress = Callable[[int, int, str], None]
"""Told the number of runs written, the number of all runs and the run written last."""

_LONGEST_NAME = 200
"""Bytes of a run's name: with what is put before and behind it, a file's name has at most 255."""


@dataclass(frozen=True)
class Written:
    """What an import wrote.

    Args:
        folder: The study.
        runs: Number of runs in it.
        failed: Runs without an energy, with the reason.
        findings: How often each rule fired, over the study and its runs.
        unchanged: Whether the same files had been imported before, so that nothing was to do.
    """

    folder: Path
    runs: int
    failed: dict[str, str] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    unchanged: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Give what was written as a JSON-ready dict."""
        return {
            "out": str(self.folder),
            "runs": self.runs,
            "failed": self.failed,
            "findings": self.findings,
            "unchanged": self.unchanged,
        }


def write_study(imported: Imported, out: Path, progress: Progress | None = None) -> Written:
    """Write a study folder; a second import of the same files does nothing.

    Raises:
        UsageError: The folder holds something else, cannot be made, or a file that is read is
            damaged; nothing is left behind then.
    """
    if _is_same(imported, out):
        return Written(out, imported.count, unchanged=True)
    _refuse_occupied(out)
    with _draft_beside(out) as draft:
        table = RunTable.create(draft, _study(imported), imported.hosts)
        failed, findings = _write_runs(imported, table, progress)
        _move(draft, out)
    return Written(out, imported.count, failed, dict(findings))


def _study(imported: Imported) -> dict[str, object]:
    study = dict(imported.study)
    study["source"] = {**study.get("source", {}), "fingerprint": imported.fingerprint}
    study["findings"] = [finding.to_dict() for finding in imported.findings]
    return study


def _is_same(imported: Imported, out: Path) -> bool:
    try:
        study = yaml.safe_load((out / "study.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    source = study.get("source") if isinstance(study, dict) else None
    return isinstance(source, dict) and source.get("fingerprint") == imported.fingerprint


def _refuse_occupied(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UsageError(f"{out} is not a folder; choose another place with --out")
    if out.is_dir() and any(out.iterdir()):
        held = "another study" if (out / "study.yaml").exists() else "other files"
        raise UsageError(f"{out} holds {held}; choose another place with --out, or remove it first")


@contextmanager
def _draft_beside(out: Path) -> Iterator[Path]:
    """Give a folder on the same file system as ``out``, gone at the end whatever happens."""
    try:
        parent = out.absolute().parent
        parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.importing-", dir=parent))
    except OSError as error:
        raise UsageError(f"cannot make {out}: {error.strerror}; choose --out") from error
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _move(draft: Path, out: Path) -> None:
    # mkdtemp keeps others out; a study is as readable as any folder that the user makes.
    mask = os.umask(0)
    os.umask(mask)
    draft.chmod(0o777 & ~mask)
    try:
        draft.rename(out)
    except OSError as error:
        raise UsageError(
            f"{out} was made by something else while the import ran ({error.strerror}); "
            "choose another place with --out"
        ) from error


@dataclass(frozen=True, slots=True)
class _Filed:
    """What is kept of a run until it is in the tables: its line and row, and what went wrong."""

    run_id: str
    line: bytes
    cells: Mapping[str, Any]
    error: str | None
    rules: tuple[str, ...]


def _write_runs(
    imported: Imported, table: RunTable, progress: Progress | None
) -> tuple[dict[str, str], Counter[str]]:
    # Loaded once here, before the work is shared with a second process.
    import joulebench.energy  # noqa: F401

    failed: dict[str, str] = {}
    known: set[str] = set()
    findings = Counter(finding.rule for finding in imported.findings)
    # Closed at once on any error: a second process must not write into a draft that is removed.
    with (
        closing(in_two(partial(_write_files, imported, table), imported.count)) as written,
        closing(TableWriter()) as rows,
        (table.folder / "runs.jsonl").open("wb") as lines,
    ):
        for number, filed in enumerate(written, start=1):
            _refuse_known(filed.run_id, known)
            lines.write(filed.line)
            rows.add(filed.cells)
            findings.update(filed.rules)
            if filed.error is not None:
                failed[filed.run_id] = filed.error
            if progress is not None:
                progress(number, imported.count, filed.run_id)
        lines.flush()
        os.fsync(lines.fileno())
        rows.write(table.folder / "run_table.csv")
    return failed, findings


def _write_files(imported: Imported, table: RunTable, place: int) -> _Filed:
    """Read one run and write what it has beside its record."""
    item = imported.run(place)
    run_id = item.run.run_id
    _refuse_name(run_id)
    if item.traces:
        save_traces(table.trace_path(run_id), item.traces)
    if item.responses:
        table.responses_path(run_id).write_bytes(_finite(imported, run_id, item.responses))
    rules = tuple(finding.rule for finding in item.run.findings)
    line = _finite(imported, run_id, [item.run.to_dict()])
    return _Filed(run_id, line, _cells(item.run), item.run.error, rules)


def _refuse_name(run_id: str) -> None:
    """Refuse a name that no file of a run can have: it would be written to another place."""
    if not 0 < len(run_id.encode()) <= _LONGEST_NAME or set(run_id) & {"/", "\\", "\0"}:
        raise UsageError(f"run {run_id[:80]!r} has a name that no file can have; rename it")


def _refuse_known(run_id: str, known: set[str]) -> None:
    if run_id in known:
        raise UsageError(f"two runs are called {run_id!r}; rename or remove one of them")
    known.add(run_id)


def _finite(imported: Imported, run_id: str, records: Sequence[Mapping[str, Any]]) -> bytes:
    """Give records as lines of JSON, which has no word for what is not finite."""
    try:
        return json_lines(records)
    except ValueError as error:
        place = imported.study.get("source", {}).get("path", "")
        raise UsageError(f"{place}: run {run_id!r} has a figure that is not finite") from error


def _cells(run: Run) -> Mapping[str, Any]:
    try:
        return row(run)
    except (EnergyError, KeyError, TypeError) as error:
        raise EnergyError(f"run {run.run_id!r}: {error}") from error
