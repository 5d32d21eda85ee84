"""The files of a trial: their fixed names, their hashes, and parts of them."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from joulebench.testbed.service_secrets import Secrets
from joulebench.testbed.service_settings import MOST_LOG

_PIECE = 1 << 18

FILES = {
    "traces.parquet": ("traces", "parquet"),
    "responses.jsonl": ("responses", "jsonl"),
    "log.txt": ("logs", "txt"),
}
"""Names under which files are asked for, with the folder and ending that they have on disk."""

MEDIA = {
    "traces.parquet": "application/vnd.apache.parquet",
    "responses.jsonl": "application/x-ndjson",
    "log.txt": "text/plain; charset=utf-8",
}


def place(folder: Path, run_id: str, name: str) -> Path:
    """Give the path of a file by its name out of :data:`FILES`."""
    room, ending = FILES[name]
    return folder / room / f"{run_id}.{ending}"


def listed(folder: Path, run_id: str) -> list[dict[str, Any]]:
    """Give name, size and SHA-256 of the files that are there, each synced to disk first."""
    found = []
    for name in FILES:
        path = place(folder, run_id, name)
        if path.is_file() and not path.is_symlink():
            size, digest = _hashed(path)
            found.append({"name": name, "bytes": size, "sha256": digest})
    for room in {room for room, _ in FILES.values()}:
        sync_folder(folder / room)
    return found


def _hashed(path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        os.fsync(file.fileno())
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def clean_log(path: Path, secrets: Secrets, most: int = MOST_LOG) -> None:
    """Hide secrets in a log, and leave out the middle of one that is too long.

    Args:
        path: Of the log; nothing is done if it is not there.
        secrets: What must not stand in it.
        most: Bytes that are kept.
    """
    if not path.is_file():
        return
    size = path.stat().st_size
    if size <= most and not secrets.values:
        return
    draft = path.with_name(f".{path.name}.part")
    with path.open("rb") as log, draft.open("wb") as out:
        for line in _without_middle(log, size, most):
            text = line.decode("utf-8", "surrogateescape")
            out.write(secrets.hide(text).encode("utf-8", "surrogateescape"))
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)


def _without_middle(log: Any, size: int, most: int) -> Iterator[bytes]:
    """Give the lines of a log, less those in its middle where it is too long."""
    part = most // 2
    cut = size > most
    while (line := log.readline(_PIECE)) and not (cut and log.tell() > part):
        yield line
    if cut:
        yield b"\n[... %d bytes left out ...]\n" % (size - most)
        log.seek(size - part)
        log.readline(_PIECE)
        yield from iter(lambda: log.readline(_PIECE), b"")


def opened(path: Path, size: int) -> int | None:
    """Open a file that is as it was when it was hashed; ``None`` if it is not.

    Args:
        path: No link is followed.
        size: Then, bytes.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    if os.fstat(fd).st_size != size:
        os.close(fd)
        return None
    return fd


def pieces(fd: int, start: int, stop: int) -> Iterator[bytes]:
    """Give the bytes of an open file from one place up to another, and close it."""
    with os.fdopen(fd, "rb") as file:
        file.seek(start)
        while start < stop and (piece := file.read(min(_PIECE, stop - start))):
            start += len(piece)
            yield piece


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Read a header ``Range``: first byte and the one past the last; ``None`` for the whole.

    What is no single range of bytes is left aside, as the protocol has it.

    Raises:
        ValueError: No byte of the file lies in it.
    """
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", header.strip(), re.IGNORECASE)
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, stop = max(0, size - int(match[2])), size
    else:
        start = int(match[1])
        stop = min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= stop:
        raise ValueError(header)
    return start, stop


def digest_header(sha256: str) -> str:
    """Give the value of the header ``Repr-Digest``."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
