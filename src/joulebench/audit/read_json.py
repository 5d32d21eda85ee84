"""Reading records out of JSON: one object a line, a list of objects, or one object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.importers.plain_file import open_plain, size_of

LINES = (".jsonl", ".ndjson")
"""Endings of files that hold one object a line."""

_LARGEST = 1 << 28

Record = Mapping[str, Any]


def read_json(path: Path) -> tuple[list[int], list[Record]]:
    """Read the records of a file and the line that each stands on; no lines in a document.

    A document is a list of objects, an object that holds one such list, or an object: one record.

    Raises:
        UsageError: It cannot be read, is larger than 256 MiB, is not JSON, or holds no objects;
            names the line.
    """
    if path.suffix.lower() in LINES:
        found = list(_of_lines(path, _text(path)))
        return [line for line, _ in found], [record for _, record in found]
    return [], _of_document(path, _loaded(path, _text(path), 1))


def flat(record: Record, prefix: str = "") -> dict[str, Any]:
    """Give nested objects as columns with dots in their names; lists as their JSON."""
    cells: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            cells |= flat(value, f"{prefix}{key}.")
        else:
            cells[prefix + key] = json.dumps(value) if isinstance(value, list) else value
    return cells


def _text(path: Path) -> str:
    if size_of(path) > _LARGEST:
        raise UsageError(f"{path} is larger than {_LARGEST >> 20} MiB; is it this file?")
    with open_plain(path) as file:
        raw = file.read(_LARGEST)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path} line {line} is not UTF-8: save the file as UTF-8") from error


def _of_lines(path: Path, text: str) -> Iterator[tuple[int, Record]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            record = _loaded(path, line, number)
            if not isinstance(record, Mapping):
                raise UsageError(f"{path} line {number} is no JSON object; mend the line")
            yield number, record


def _loaded(path: Path, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = line + error.lineno - 1
        raise UsageError(f"{path} line {at} is not JSON ({error.msg}); mend the line") from error
    except (ValueError, RecursionError) as error:
        what = " ".join(str(error).split())[:80]
        raise UsageError(f"{path} line {line} cannot be read as JSON ({what})") from error


def _of_document(path: Path, content: Any) -> list[Record]:
    if _is_list(content):
        return list(content)
    if isinstance(content, Mapping):
        lists = [value for value in content.values() if _is_list(value)]
        return list(lists[0]) if len(lists) == 1 else [content]
    raise UsageError(f"{path} holds no JSON objects; name a table, or a list of records")


def _is_list(content: Any) -> bool:
    """Say whether something is a list of objects."""
    return (
        isinstance(content, Sequence)
        and not isinstance(content, str)
        and bool(content)
        and all(isinstance(record, Mapping) for record in content)
    )
