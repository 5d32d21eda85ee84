"""Opens the folder of a study: new, or to go on with, and never another study's."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.record import RunTable, write_whole
from joulebench.study_read import differences, dump, parse

_SHOWN = 3
LOCK = ".lock"

_MAY_CHANGE = ("analysis", "testbeds")

STUDY_ID = "study_id"
"""File that tells this study from others with equal run ids, on testbeds that serve several."""


def open_study(folder: Path, study: Mapping[str, Any], hosts: Mapping[str, Any]) -> RunTable:
    """Make a study's folder, or open it to go on.

    Args:
        folder: Of the study.
        study: What is asked, resolved.
        hosts: Facts of this machine by its id; added to those of the folder.

    Raises:
        UsageError: The folder holds another study, or the same one asked differently.
    """
    if not (folder / "study.yaml").exists():
        return _made(folder, study, hosts)
    table = RunTable.open(folder)
    if table.study != study and not _has_records(folder):
        # Nothing is lost, and a slip in the study file can be mended without a new folder.
        (folder / STUDY_ID).unlink(missing_ok=True)  # testbeds may know trials of what it was
        (folder / "study.yaml").unlink()
        return _made(folder, study, hosts)
    _refuse_another(table, study)
    _ask_anew(table, study)
    clear_leftovers(folder)
    known = dict(table.hosts)
    table.hosts.update(hosts)
    if table.hosts != known:
        table.write_hosts()
    return table


def _made(folder: Path, study: Mapping[str, Any], hosts: Mapping[str, Any]) -> RunTable:
    """Make a study's folder; its table does not keep the runs."""
    RunTable.create(folder, study, hosts)
    return RunTable.open(folder)


def study_id_of(folder: Path) -> str:
    """Give the id of the study in a folder: 32 hex digits, drawn once.

    Args:
        folder: Of a study, locked.
    """
    path = folder / STUDY_ID
    known = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    if not known:
        known = uuid.uuid4().hex
        write_whole(path, known + "\n")
    return known


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second run of a study out of its folder.

    Raises:
        UsageError: Another run is at work in it, it holds files of others, or cannot be written.
    """
    if not (folder / "study.yaml").exists():
        _refuse_other_files(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a")
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}; choose --out") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"{folder}: another joulebench run is at work in it; wait for its end, or choose "
                "another folder with --out"
            ) from error
        yield


def _refuse_other_files(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, not a folder; choose another one with --out")
    found = [path.name for path in folder.iterdir() if path.name != LOCK] if folder.exists() else []
    if found:
        raise UsageError(
            f"{folder} holds other files ({found[0]}, ...) and no study; choose another folder "
            "with --out"
        )


def _has_records(folder: Path) -> bool:
    records = folder / "runs.jsonl"
    return records.exists() and records.stat().st_size > 0


def _refuse_another(table: RunTable, study: Mapping[str, Any]) -> None:
    if table.name != study["study"]:
        raise UsageError(
            f"{table.folder} holds the study {table.name!r}, not {study['study']!r}; choose "
            "another folder with --out"
        )
    differing = differences(_as_run(table.study), _as_run(study))
    if differing:
        more = f" (and {len(differing) - _SHOWN} more)" if len(differing) > _SHOWN else ""
        place = shlex.quote(str(table.folder))
        raise UsageError(
            f"{table.folder} was run with other settings: {'; '.join(differing[:_SHOWN])}{more}; "
            f"go on as before with 'joulebench run {place}', or run the changed study with --out "
            "in another folder"
        )


def _as_run(study: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the runs depend on, as this version resolves it.

    Not what is asked of their results, nor where and how often a trial is tried.
    """
    try:
        resolved = dump(parse(study, "study.yaml"))
    except UsageError:  # of a version whose files this one no longer reads
        resolved = dict(study)
    kept = {key: value for key, value in resolved.items() if key not in _MAY_CHANGE}
    if isinstance(kept.get("protocol"), Mapping):
        kept["protocol"] = {k: v for k, v in kept["protocol"].items() if k != "attempts"}
    return kept


def _ask_anew(table: RunTable, study: Mapping[str, Any]) -> None:
    """Write down what of the study has changed and may, or was not there."""
    if table.study != study:
        table.study = dict(study)
        table.write_study()


def clear_leftovers(folder: Path) -> None:
    """Remove what a stopped or killed trial left half-written."""
    for path in [*_hidden(folder / "traces"), *_drafts(folder)]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _drafts(folder: Path) -> Iterator[Path]:
    """Give the files of a study that were not finished, those of its views included."""
    rooms = [folder, *(path for path in folder.iterdir() if path.is_dir())]
    return (path for room in rooms for path in _hidden(room) if path.name.endswith(".part"))


def _hidden(folder: Path) -> list[Path]:
    """Give what in a folder has a name that begins with a dot; a study may have 100,000 others."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as found:
        return [folder / entry.name for entry in found if entry.name.startswith(".")]
