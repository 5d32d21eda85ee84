"""Opening a file that somebody left: a file and nothing else."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import BinaryIO

from joulebench.errors import UsageError

_OTHERS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading.

    A pipe would be waited for until somebody writes to it, so what is no file is refused.

    Raises:
        UsageError: It is no file, is absent or may not be read.
    """
    size_of(path)
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def size_of(path: Path) -> int:
    """Give the size of a file, bytes.

    Raises:
        UsageError: It is no file, is absent or may not be looked at.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    kind = stat.S_IFMT(facts.st_mode)
    if kind != stat.S_IFREG:
        raise UsageError(f"{path} is {_OTHERS.get(kind, 'no file')}, not a file; remove it")
    return facts.st_size
