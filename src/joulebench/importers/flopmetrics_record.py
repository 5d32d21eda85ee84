"""Reading the records of Llama profiles: one JSON object a line."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.importers.plain_file import open_plain

_LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands.

    Args:
        path: Its file.
        line: Number of its line.
        offset: Bytes before its line.
        digest: Hash of its content, whatever the order of its keys.
    """

    path: Path
    line: int
    offset: int
    digest: bytes


def places(path: Path) -> Iterator[Place]:
    """Go over the records of a file, keeping none.

    Raises:
        UsageError: The file cannot be read, or a line is no record; names the line.
    """
    with open_plain(path) as file:
        line, offset = 0, 0
        while text := file.readline(_LONGEST_LINE + 1):
            line += 1
            if text.strip():
                yield Place(path, line, offset, _digest(_parsed(path, line, text)))
            offset += len(text)


def read_record(place: Place) -> dict[str, Any]:
    """Read one record again.

    Raises:
        UsageError: The file has changed or gone since it was looked over.
    """
    with open_plain(place.path) as file:
        file.seek(place.offset)
        record = _parsed(place.path, place.line, file.readline(_LONGEST_LINE + 1))
    if _digest(record) != place.digest:
        raise UsageError(f"{place.path} line {place.line} has changed; import again")
    return record


def _parsed(path: Path, line: int, text: bytes) -> dict[str, Any]:
    if len(text) > _LONGEST_LINE:
        raise UsageError(f"{path} line {line} is longer than {_LONGEST_LINE >> 20} MiB: no record")
    try:
        record = json.loads(text.decode("utf-8-sig"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} line {line} is not UTF-8: save the file as UTF-8") from error
    except (ValueError, RecursionError) as error:
        what = str(error) or type(error).__name__
        raise UsageError(f"{path} line {line} is not JSON ({what}); mend or delete it") from error
    if not isinstance(record, dict):
        raise UsageError(f"{path} line {line} holds no record; mend or delete it")
    return record


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} is there twice")
    return record


def _digest(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(record, sort_keys=True)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def as_published(record: Mapping[str, Any]) -> dict[str, float | str]:
    """Give a record's values as they stand: numbers, or text where one is none or not finite."""
    return {name: _kept(value) for name, value in record.items() if value is not None}


def _kept(value: Any) -> float | str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return json.dumps(value)
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    return value if finite(value) is not None else str(value)


def finite(value: Any) -> float | None:
    """Give a value as a number; ``None`` if it is none, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
