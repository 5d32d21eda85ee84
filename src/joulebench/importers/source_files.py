"""Finding files in the folder that is imported, and reading their first lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from joulebench.errors import UsageError

MOST_FOLDERS = 20_000
"""Folders that are looked into at most: more is not the folder of a study."""

_HEAD_BYTES = 1 << 14


def names_like(source: Path, looks_like: Callable[[Path], bool]) -> str:
    """Name the files that look like those of a kind: the first, and how many more; empty if none.

    Args:
        source: A file, or a folder whose own files are looked at.
        looks_like: Says of a file whether it does.
    """
    files = [source] if source.is_file() else list_folder(source)[0]
    names = [path.name for path in files if looks_like(path)]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}" if names else ""


def list_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """Give the files and the folders in a folder, by name; links and hidden ones are left out.

    A folder that may not be read counts as empty.
    """
    try:
        with os.scandir(folder) as entries:
            known = [entry for entry in entries if not entry.name.startswith(".")]
            files = [Path(e.path) for e in known if e.is_file(follow_symlinks=False)]
            folders = [Path(e.path) for e in known if e.is_dir(follow_symlinks=False)]
    except OSError:
        return [], []
    return sorted(files), sorted(folders)


def files_below(source: Path, depth: int) -> Iterator[Path]:
    """Give a file itself, or all files in a folder and those below it, to some depth, by name.

    Raises:
        UsageError: There is no such file or folder.
    """
    if source.is_file():
        yield source
        return
    if not source.is_dir():
        raise UsageError(f"{source} does not exist; check the path")
    level, looked = [source], 0
    for _ in range(depth + 1):
        below: list[Path] = []
        for folder in level:
            looked += 1
            if looked > MOST_FOLDERS:
                raise UsageError(
                    f"{source} holds more than {MOST_FOLDERS} folders; name the folder of one study"
                )
            files, folders = list_folder(folder)
            yield from files
            below.extend(folders)
        level = below


def first_lines(path: Path, count: int) -> list[str]:
    """Give the first lines of a file of text, without their ends; none of anything else.

    A last line that is not whole within the first 16 KiB is left out, unless it is the only one.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_HEAD_BYTES)
    except OSError:
        return []
    if b"\0" in raw:
        return []
    lines = raw.decode("utf-8-sig", errors="replace").splitlines()
    whole = lines if len(raw) < _HEAD_BYTES or len(lines) < 2 else lines[:-1]
    return whole[:count]
