"""Opens the folder of a study: new, or to go on with, and never another study's."""

from __future__ import annotations

import fcntl
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.record import RunTable
from joulebench.study_read import differences

_SHOWN = 3
LOCK = ".lock"


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
        return RunTable.create(folder, study, hosts)
    table = RunTable.load(folder)
    if table.study != study and not _has_records(folder):
        # Nothing is lost, and a slip in the study file can be mended without a new folder.
        (folder / "study.yaml").unlink()
        return RunTable.create(folder, study, hosts)
    _refuse_another(table, study)
    _ask_anew(table, study)
    clear_leftovers(folder)
    known = dict(table.hosts)
    table.hosts.update(hosts)
    if table.hosts != known:
        table.write_hosts()
    return table


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
    """Give what the runs depend on: all but what is asked of their results."""
    return {key: value for key, value in study.items() if key != "analysis"}


def _ask_anew(table: RunTable, study: Mapping[str, Any]) -> None:
    """Write down what is now asked of the results, if that was changed or was not there."""
    if table.study.get("analysis") != study.get("analysis"):
        table.study = dict(study)
        table.write_study()


def clear_leftovers(folder: Path) -> None:
    """Remove what a stopped or killed trial left half-written."""
    for path in [*folder.glob("traces/.*"), *folder.glob("*/.*.part")]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
