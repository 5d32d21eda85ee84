"""Writing imported runs to disk: the study is there whole, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from joulebench.errors import UsageError
from joulebench.importers.contract import Imported
from joulebench.importers.two_processes import in_two
from joulebench.record import Run, RunTable, save_traces

Progress = Callable[[int, int, str], None]
"""Told the number of runs written, the number of all runs and the run written last."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


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
        table.write_csv()
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


def _write_runs(
    imported: Imported, table: RunTable, progress: Progress | None
) -> tuple[dict[str, str], Counter[str]]:
    failed: dict[str, str] = {}
    findings = Counter(finding.rule for finding in imported.findings)
    # Closed at once on any error: a second process must not write into a draft that is removed.
    with closing(in_two(partial(_write_files, imported, table), imported.count)) as written:
        table.extend(_told(written, progress, imported.count))
    for run in table.runs:
        findings.update(finding.rule for finding in run.findings)
        if run.error is not None:
            failed[run.run_id] = run.error
    return failed, findings


def _told(written: Iterable[Run], progress: Progress | None, count: int) -> Iterator[Run]:
    """Pass runs on and tell of each once it is written."""
    for number, run in enumerate(written, start=1):
        yield run
        if progress is not None:
            progress(number, count, run.run_id)


def _write_files(imported: Imported, table: RunTable, place: int) -> Run:
    """Read one run and write what it has beside its record."""
    item = imported.run(place)
    run_id = item.run.run_id
    if item.traces:
        save_traces(table.trace_path(run_id), item.traces)
    if item.responses:
        lines = "".join(f"{_ENCODER.encode(response)}\n" for response in item.responses)
        table.responses_path(run_id).write_bytes(lines.encode())
    return item.run
