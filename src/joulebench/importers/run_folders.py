"""The run folders of experiment-runner: ``run_R_repetition_P``, one a run."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from joulebench.errors import UsageError

_NAME = re.compile(r"run_([0-9]{1,18})_repetition_([0-9]{1,18})")
_HINT_DEPTH = 3
_HINT_FOLDERS = 2000


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run: its folder, the number of its combination of levels, its repetition from 0."""

    path: Path
    run: int
    repetition: int

    @property
    def run_id(self) -> str:
        """Name of the run: that of its folder."""
        return self.path.name


def parse_run_id(text: str) -> tuple[int, int] | None:
    """Read run and repetition out of ``run_R_repetition_P``; ``None`` if it is not of that form."""
    match = _NAME.fullmatch(text.strip())
    return (int(match[1]), int(match[2])) if match else None


def find_run_folders(source: Path) -> list[RunFolder]:
    """Find the run folders in a folder, by run and repetition.

    Raises:
        UsageError: The folder is absent, holds no run folder, two of one run, or one that is a
            link to a place outside.
    """
    if not source.is_dir():
        raise UsageError(f"{source} is not a folder; name the folder that holds the run folders")
    found = sorted(_matching(source), key=lambda folder: (folder.run, folder.repetition))
    if not found:
        raise UsageError(
            f"{source} holds no folder run_R_repetition_P; {_hint(source) or 'name one that does'}"
        )
    _refuse_twins(found)
    for folder in found:
        refuse_outside(folder.path, source)
    return found


def _matching(source: Path) -> list[RunFolder]:
    try:
        with os.scandir(source) as entries:
            named = [(entry, parse_run_id(entry.name)) for entry in entries]
            found = [(entry.name, key) for entry, key in named if key and entry.is_dir()]
    except OSError as error:
        raise UsageError(f"{error.filename or source} cannot be read: {error.strerror}") from error
    return [RunFolder(source / name, *key) for name, key in found]


def _refuse_twins(folders: Sequence[RunFolder]) -> None:
    for first, second in itertools.pairwise(folders):
        if (first.run, first.repetition) == (second.run, second.repetition):
            raise UsageError(
                f"{first.path.parent}: {first.run_id} and {second.run_id} are one run; remove "
                "or rename one of them"
            )


def _hint(source: Path) -> str:
    """Name the nearest folder below that holds run folders, looking at a bounded number."""
    level, looked = [source], 0
    for _ in range(_HINT_DEPTH):
        below: list[Path] = []
        for folder in level:
            below.extend(_real_folders(folder))
        for folder in below:
            looked += 1
            if looked > _HINT_FOLDERS:
                return ""
            if any(parse_run_id(child.name) for child in _real_folders(folder)):
                return f"did you mean {folder}?"
        level = below
    return ""


def _real_folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            kept = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        # Only a hint is lost where a folder may not be looked into.
        return []
    return [Path(path) for path in sorted(kept)]


def refuse_outside(path: Path, source: Path) -> None:
    """Refuse a file or folder that leads out of the folder that is imported.

    Args:
        path: Something directly in ``source`` or in a folder that has been checked.
        source: The folder that is imported.

    Raises:
        UsageError: It is a link to a place outside, or to nowhere.
    """
    if not path.is_symlink():
        return
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise UsageError(f"{path} cannot be read: {error.__class__.__name__}") from error
    if not real.is_relative_to(source.resolve()):
        raise UsageError(f"{path} is a link that leads out of {source}; put a copy in its place")


def fingerprint(paths: Iterable[Path | str], words: Sequence[str]) -> str:
    """Give a hash of the names, sizes and times of files and of the words they are read under."""
    digest = hashlib.sha256("\0".join(words).encode())
    for path in paths:
        try:
            facts = os.stat(path)
        except OSError:
            digest.update(os.fsencode(f"\0{path}\0absent"))
            continue
        digest.update(os.fsencode(f"\0{path}\0{facts.st_size}\0{facts.st_mtime_ns}"))
    return digest.hexdigest()
