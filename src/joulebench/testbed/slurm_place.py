"""The files through which a study and its Slurm jobs speak, on the file system that they share.

One folder a submission, ``STUDY/slurm/RUN_ID~ATTEMPT.SUBMISSION/``: ``order.json`` is there before
Slurm knows of it, ``job.json`` holds the id that Slurm gave, ``claim.json`` the job that took it
(one alone can), ``node.json`` where it runs, ``progress.json`` how far it is, ``record.json`` how
it ended. The trial's own files lie in rooms below it until they are collected.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulebench.record import write_whole

ROOM = "slurm"
"""Folder of the submissions, in the study's."""

ROOMS = ("traces", "responses", "logs")

_WITHDRAWN, _RECORDED = "withdrawn", "recorded"


@dataclass(frozen=True)
class Place:
    """The folder of one submission.

    Args:
        folder: Its path.
    """

    folder: Path

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a file whole and synced.

        Args:
            name: Without ``.json``.
            content: JSON-ready.
        """
        write_whole(self.folder / f"{name}.json", json.dumps(content, allow_nan=False))

    def read(self, name: str) -> dict[str, Any] | None:
        """Give a file's content; ``None`` if it is not there.

        Args:
            name: Without ``.json``.
        """
        try:
            content = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def tell(self, progress: Mapping[str, Any]) -> None:
        """Write how far the job is, where a reader never sees a part; not synced."""
        draft = self.folder / ".progress.json"
        draft.write_text(json.dumps(progress, allow_nan=False), encoding="utf-8")
        draft.replace(self.folder / "progress.json")

    def claim(self, content: Mapping[str, Any]) -> bool:
        """Take the order for one job; ``False`` where one has taken it already.

        Args:
            content: Of ``claim.json``.
        """
        try:
            file = os.open(self.folder / "claim.json", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(file, "w", encoding="utf-8") as claim:
            claim.write(json.dumps(content))
            claim.flush()
            os.fsync(claim.fileno())
        return True

    def look(self) -> None:
        """Have a network file system show what other machines have written."""
        with os.scandir(self.folder):
            pass

    def withdraw(self) -> None:
        """Let go of a submission that was cancelled, so that its attempt can be submitted anew."""
        (self.folder / _WITHDRAWN).touch()

    @property
    def withdrawn(self) -> bool:
        """Whether it was let go of."""
        return (self.folder / _WITHDRAWN).exists()

    def close(self) -> None:
        """Note that the study has recorded its run."""
        (self.folder / _RECORDED).touch()

    @property
    def open(self) -> bool:
        """Whether its run may still have to be recorded."""
        return not (self.withdrawn or (self.folder / _RECORDED).exists())

    def collect(self, study: Path, run_id: str) -> None:
        """Move the trial's files to the study's; what has been moved stays so.

        Args:
            study: The study's folder.
            run_id: Of the trial.
        """
        for room in ("traces", "responses"):
            for path in self._files(room, run_id):
                path.replace(study / room / path.name)
        for path in self._files("logs", run_id):  # an earlier attempt's lines stay before it
            with (study / "logs" / path.name).open("ab") as log:
                log.write(path.read_bytes())
            path.unlink()

    def _files(self, room: str, run_id: str) -> Iterator[Path]:
        folder = self.folder / room
        if not folder.is_dir():
            return
        names = [name for name in os.listdir(folder) if Path(name).stem == run_id]
        yield from (folder / name for name in sorted(names))


def place_of(study: Path, run_id: str, attempt: int) -> Place:
    """Give the place of an attempt: of the last submission that was not withdrawn, or a new one.

    Args:
        study: The study's folder.
        run_id: Of the trial.
        attempt: From 1.
    """
    number = 1
    while True:
        place = Place(study / ROOM / f"{run_id}~{attempt}.{number}")
        if not place.withdrawn:
            return place
        number += 1


def job_of(environment: Mapping[str, str]) -> str:
    """Give a job's own id, with its number in its array: ``17``, ``17_3``; empty outside of a job.

    Args:
        environment: Variables that Slurm sets.
    """
    if "SLURM_ARRAY_JOB_ID" in environment:
        return f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    return environment.get("SLURM_JOB_ID", "")
