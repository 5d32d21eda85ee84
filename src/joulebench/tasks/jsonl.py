"""Reads JSON Lines with the file and line named in every complaint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError


def read_objects(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each line's object together with its place, ``FILE:LINE``; blank lines are skipped.

    Raises:
        UsageError: The file cannot be read, is not UTF-8, or a line is not a JSON object.
    """
    for number, line in enumerate(_lines(file), start=1):
        if line.strip():
            where = f"{file}:{number}"
            yield where, _object(where, line)


def _lines(file: Path) -> list[str]:
    try:
        # Split at line feeds alone: JSON strings may hold other separators, such as U+2028.
        return file.read_text("utf-8-sig").split("\n")
    except UnicodeDecodeError as cause:
        raise UsageError(
            f"{file}: not UTF-8 text (byte {cause.start}); save it as UTF-8"
        ) from cause
    except OSError as cause:
        raise UsageError(f"{file}: cannot be read ({cause.strerror}); check the path") from cause


def _object(where: str, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as cause:
        raise UsageError(
            f"{where}: not JSON ({cause.msg} at column {cause.colno}); mend or remove the line"
        ) from cause
    if not isinstance(value, dict):
        raise UsageError(f"{where}: not a JSON object; each line must be {{...}}")
    if "\\u" in line:
        _refuse_half_pairs(where, value)
    return value


def _refuse_half_pairs(where: str, value: dict[str, Any]) -> None:
    """Refuse what JSON can write and no text can hold: no model could be asked it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as cause:
        raise UsageError(
            f"{where}: holds half a surrogate pair ({cause.object[cause.start]!a}), which is no "
            "character; mend or remove the line"
        ) from cause
