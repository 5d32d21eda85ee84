"""A disk that takes no more: how it is told from other errors, and what is said of it.

Standard library alone: the recorder process uses it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from joulebench.errors import UsageError

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file may not grow any further (ulimit -f, or the file system's limit)",
}

DISK_FULL = "disk_full"
"""Among the facts of a run that failed for it: the next one would, too."""

_UNITS = ("B", "kB", "MB", "GB", "TB")


class DiskFull(UsageError):
    """Nothing can be recorded, since the disk takes no more."""


def full_message(error: BaseException, path: Path | str | None = None) -> str:
    """Say in one line what the disk refused, how much of it is free and where; empty if nothing.

    Args:
        error: As the system raised it.
        path: What was being written, where the error does not say.
    """
    if isinstance(error, DiskFull):
        return str(error)
    if not isinstance(error, OSError) or error.errno not in _FULL:
        return ""
    place = error.filename if isinstance(error.filename, str) else path
    return ", ".join((_FULL[error.errno] + _free(place), *([str(place)] if place else [])))


def _free(place: Path | str | None) -> str:
    """Give ``: 12 kB free``; nothing where that cannot be found out."""
    found = next((p for p in _upwards(place) if p.exists()), None)
    if found is None:
        return ""
    try:
        disk = os.statvfs(found)
    except OSError:
        return ""
    if disk.f_files and not disk.f_favail:
        return ": no more files can be made on it"
    return f": {_printed(disk.f_bavail * disk.f_frsize)} free"


def _upwards(place: Path | str | None) -> list[Path]:
    return [] if place is None else [Path(place), *Path(place).parents]


def _printed(size: float) -> str:
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} {_UNITS[-1]}"
