"""Files of a trial fetched from its testbed, by range, and believed only if their hash is right."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from joulebench.errors import UsageError
from joulebench.testbed.remote_link import LATER, Link, Outage, Refused

PLACES = {
    "traces.parquet": ("traces", ".parquet"),
    "responses.jsonl": ("responses", ".jsonl"),
    "log.txt": ("logs", ".txt"),
}
"""Where the files of a trial go: the room of the study's folder, and what stands after the id."""

_FETCHES = 3
_NO_SUCH_RANGE = 416


def place_of(folder: Path, run_id: str, name: str) -> Path:
    """Give the place of a file in a study's folder.

    Args:
        folder: Of the study.
        run_id: Of the trial.
        name: As the testbed calls it.

    Raises:
        UsageError: A name that no file of a trial has.
    """
    if name not in PLACES:
        raise UsageError(
            f"the testbed has a file {name[:40]!r} of {run_id}; is it of this version?"
        )
    room, suffix = PLACES[name]
    return folder / room / f"{run_id}{suffix}"


def fetch(link: Link, path: str, told: Mapping[str, Any], target: Path, outage: Outage) -> None:
    """Fetch a file; it takes its place only when it is whole and its hash is right.

    Args:
        link: To the testbed.
        path: Of the file there.
        told: ``bytes`` and ``sha256`` of the file.
        target: Its place here.
        outage: Counts how long nobody answers.

    Raises:
        UsageError: It had another hash each time.
        TestbedLost: The testbed was out of reach for too long.
        OSError: It cannot be written here.
    """
    part = target.with_name(f".{target.name}.part")
    for _ in range(_FETCHES):
        _fetch_part(link, path, told, part, outage)
        if _settled(part) == told["sha256"]:
            _keep_earlier(target, str(told["sha256"]))
            part.replace(target)
            return
        part.unlink()
    raise UsageError(
        f"testbed {link.where}: {target.name} had another SHA-256 than the testbed told, "
        f"{_FETCHES} times; check the disk and the memory there and the network between"
    )


def _fetch_part(link: Link, path: str, told: Mapping[str, Any], part: Path, outage: Outage) -> None:
    """Fetch what is missing of a file, going on where a connection was cut."""
    size = int(told["bytes"])
    part.touch()
    while (have := part.stat().st_size) < size:
        headers = {"Range": f"bytes={have}-", "If-Range": f'"{told["sha256"]}"'} if have else {}
        try:
            with link.stream(path, headers) as answer:
                _write(answer, part, size, have)
            why = "the connection ended before the file did"
        except (httpx.TransportError, httpx.DecodingError) as error:
            why = str(error) or type(error).__name__
        except Refused as refused:
            if refused.status not in (*LATER, _NO_SUCH_RANGE):
                raise
            why = str(refused)
            if refused.status == _NO_SUCH_RANGE:
                os.truncate(part, 0)
        came = part.stat().st_size
        if came > have:
            outage.over()
        if came < size:
            outage.wait(why)
    if part.stat().st_size > size:
        os.truncate(part, 0)  # not what was told: its hash will say so


def _write(answer: httpx.Response, part: Path, size: int, have: int) -> None:
    goes_on = answer.status_code == 206 and _first_byte(answer) == have
    with part.open("ab" if goes_on else "wb") as file:
        for chunk in answer.iter_bytes():  # as it comes: what has come before a cut is kept
            file.write(chunk)
            if file.tell() > size:
                return


def _first_byte(answer: httpx.Response) -> int | None:
    unit, _, span = answer.headers.get("Content-Range", "").partition(" ")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdigit() else None


def _settled(part: Path) -> str:
    """Give the SHA-256 of a file, which is on the disk afterwards."""
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return digest


def _keep_earlier(target: Path, digest: str) -> None:
    """Put the log of an earlier attempt aside: it says why that failed."""
    if target.suffix != ".txt" or not target.exists() or _settled(target) == digest:
        return
    number = 1
    while (aside := target.with_suffix(f".before-{number}.txt")).exists():
        number += 1
    target.replace(aside)
