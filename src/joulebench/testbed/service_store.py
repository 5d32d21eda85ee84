"""Trials on disk: a folder for each attempt, which appears whole and whose state is written whole.

``runs/STUDY_ID~RUN_ID~ATTEMPT/`` holds ``request.json`` (its secrets hidden once it has ended),
``state.json``, ``record.json`` and the trial's ``traces``, ``responses`` and ``logs``. A state says
``done`` only when the files and the record that it speaks of are synced to disk.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from joulebench.errors import UsageError
from joulebench.record import dumps, write_whole
from joulebench.testbed.service_files import FILES, sync_folder
from joulebench.testbed.service_secrets import redacted
from joulebench.testbed.service_trial import ServedTrial

_LOG = logging.getLogger("joulebench.testbed.service")

REQUEST, STATE, RECORD = "request.json", "state.json", "record.json"


class Store:
    """The folder of a testbed's state; one service at a time has it.

    Args:
        folder: Made if absent, for its owner alone.

    Raises:
        UsageError: It cannot be written, or another service has it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        try:
            for each in (folder, self.runs, self.work):
                each.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.runs.chmod(0o700)  # also where it was made by other means
            self._lock: IO[str] = (folder / ".lock").open("a")
        except OSError as error:
            raise UsageError(
                f"cannot write {error.filename or folder}: {error.strerror}; choose --state"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise UsageError(
                f"{folder}: another joulebench testbed serve is at work in it; stop that one, or "
                "choose another folder with --state"
            ) from error

    @property
    def work(self) -> Path:
        """An empty folder, in which trials begin: no relative path of a plan leads anywhere."""
        return self.folder / "work"

    def close(self) -> None:
        """Let another service have the folder."""
        self._lock.close()

    def place(self, study_id: str, run_id: str, attempt: int) -> Path:
        """Give the folder of an attempt."""
        return self.runs / f"{study_id}~{run_id}~{attempt}"

    def add(self, trial: ServedTrial) -> None:
        """Write a new trial down; its folder appears whole or not at all.

        Raises:
            OSError: The disk takes it not.
        """
        draft = trial.folder.with_name(f".{trial.folder.name}.part")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            for room in sorted({room for room, _ in FILES.values()}):
                (draft / room).mkdir(parents=True, mode=0o700)
            _write_private(draft / REQUEST, dumps({"plan": trial.plan}))
            write_whole(draft / STATE, dumps(trial.kept()))
            sync_folder(draft)
            draft.replace(trial.folder)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_folder(self.runs)

    def save(self, trial: ServedTrial, **changes: Any) -> None:
        """Write down how a trial stands.

        Args:
            trial: As it is known.
            **changes: What is about to change, which nobody is told before it is on disk.

        Raises:
            OSError: The disk takes it not.
        """
        write_whole(trial.folder / STATE, dumps(trial.kept() | changes))
        sync_folder(trial.folder)

    def keep_record(self, trial: ServedTrial, record: dict[str, Any]) -> None:
        """Write down what a trial gave, before its state says that it has ended.

        Raises:
            OSError: The disk takes it not.
        """
        write_whole(trial.folder / RECORD, dumps(record))
        sync_folder(trial.folder)

    def record(self, trial: ServedTrial) -> dict[str, Any] | None:
        """Read what a trial gave; ``None`` if there is nothing."""
        return _read(trial.folder / RECORD)

    def plan(self, trial: ServedTrial) -> dict[str, Any] | None:
        """Read a trial's plan, its secrets hidden once it has ended; ``None`` if it is gone."""
        plan = (_read(trial.folder / REQUEST) or {}).get("plan")
        return plan if isinstance(plan, dict) else None

    def hide_plan(self, trial: ServedTrial) -> None:
        """Leave no secret of an ended trial's plan on disk."""
        request = _read(trial.folder / REQUEST) or {}
        hidden = redacted(request)
        if hidden != request:
            write_whole(trial.folder / REQUEST, dumps(hidden))

    def load(self) -> list[ServedTrial]:
        """Read all trials, the last attempt of each, in the order in which they came."""
        found: dict[str, ServedTrial] = {}
        for trial in self._all():
            known = found.get(trial.id)
            if known is None or known.attempt < trial.attempt:
                found[trial.id] = trial
        return sorted(found.values(), key=lambda trial: (trial.queued_at, trial.id))

    def _all(self) -> Iterator[ServedTrial]:
        for folder in self.runs.iterdir():
            if folder.name.startswith("."):  # was cut short before anybody was told of it
                shutil.rmtree(folder, ignore_errors=True)
                continue
            try:
                trial = ServedTrial.of_kept(_read(folder / STATE) or {}, folder)
            except (KeyError, TypeError):
                _LOG.warning("%s holds no trial and is left aside", folder)
                continue
            if not trial.ended:
                trial.plan = self.plan(trial)
            yield trial

    def forget_older(self, days: float) -> list[str]:
        """Remove trials that ended longer ago; gives the ids of those that are gone.

        Args:
            days: How old; nothing is removed if 0.
        """
        if days <= 0:
            return []
        gone = []
        for trial in self._all():
            if trial.ended and _age_days(trial.ended_at) > days:
                doomed = trial.folder.with_name(f".{trial.folder.name}.old")
                with suppress(OSError):
                    trial.folder.replace(doomed)
                    shutil.rmtree(doomed, ignore_errors=True)
                    gone.append(trial.id)
        return gone

    def free_bytes(self) -> int:
        """Give the room on the disk of the state, bytes."""
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize


def _age_days(ended_at: str) -> float:
    try:
        ended = datetime.fromisoformat(ended_at)
    except ValueError:
        return 0.0
    return (datetime.now(UTC) - ended).total_seconds() / 86_400


def _write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone may read, and sync it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
