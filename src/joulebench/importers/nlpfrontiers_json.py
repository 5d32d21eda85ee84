"""Reading the small JSON and YAML files beside traces, so that damage is named by its line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.importers.plain_file import open_plain

LARGEST_FILE = 1 << 26
"""A file of results larger than this, in bytes, is something else: a day of samples is 40 MB."""

_SHOWN = 120
_LARGEST_COUNT = 1e15


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object as it was read, with its text to find lines in."""

    path: Path
    values: Mapping[str, Any]
    text: str

    def line_of(self, key: str) -> int:
        """Give the line on which a key stands first; 1 where it does not."""
        return line_at(self.text, max(self.text.find(f'"{key}"'), 0))


def line_at(text: str, place: int) -> int:
    """Give the line that a character is on, counted from 1."""
    return text.count("\n", 0, place) + 1


def read_text(path: Path, largest: int = LARGEST_FILE) -> str:
    """Read a file of text whole.

    Args:
        path: The file.
        largest: Its largest size, bytes.

    Raises:
        UsageError: It cannot be read, is too large, or is not UTF-8; names the line.
    """
    with open_plain(path) as file:
        raw = file.read(largest + 1)
    if len(raw) > largest:
        raise UsageError(f"{path} is larger than {largest >> 20} MiB; is it this file?")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path} line {line} is not UTF-8: save the file as UTF-8") from error


def read_object(path: Path) -> Document:
    """Read a file that holds one JSON object.

    Raises:
        UsageError: It cannot be read or holds something else; names the line.
    """
    text = read_text(path)
    values = parsed(text, path)
    if not isinstance(values, dict):
        raise UsageError(f"{path} line 1: {{...}} is expected, not {_kind(values)}; is it damaged?")
    return Document(path, values, text)


def parsed(text: str, path: Path, first_line: int = 1) -> Any:
    """Parse JSON; NaN and infinities, which JSON has not, come out as text.

    Args:
        text: What to parse.
        path: The file it is from.
        first_line: Line of the file that the text begins on.

    Raises:
        UsageError: It is no JSON; names the line.
    """
    try:
        return json.loads(text, parse_constant=str)
    except json.JSONDecodeError as error:
        line, what = first_line + error.lineno - 1, f"{error.msg}, column {error.colno}"
    except (ValueError, RecursionError) as error:
        line, what = first_line, " ".join(str(error).split())[:_SHOWN]
    raise UsageError(f"{path} line {line} is not JSON: {what}; mend the file or remove it")


def _kind(value: object) -> str:
    return {list: "a list", str: "text", type(None): "null"}.get(type(value), "a number")


def number_of(values: Mapping[str, Any], *keys: str) -> float | None:
    """Give the first of several keys that is a finite number; ``None`` if none is."""
    for key in keys:
        value = finite(values.get(key))
        if value is not None:
            return value
    return None


def finite(value: object) -> float | None:
    """Give a value as a float; ``None`` if it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def count_of(values: Mapping[str, Any], *keys: str) -> int | None:
    """Give the first of several keys that is a count: a whole number above zero."""
    for key in keys:
        value = finite(values.get(key))
        if value is not None and 0 < value < _LARGEST_COUNT and value == int(value):
            return int(value)
    return None


def scalars(values: Mapping[str, Any]) -> dict[str, float | int | str]:
    """Give what is a number or text, as it stands; lists, objects and nothing are left out."""
    kept: dict[str, float | int | str] = {}
    for key, value in values.items():
        if isinstance(value, bool | str):
            kept[writable(key)] = writable(str(value))
        elif isinstance(value, int | float):
            # A number too large for a float is no measurement; as text it can be shown.
            kept[writable(key)] = value if finite(value) is not None else str(value)[:_SHOWN]
    return kept


def writable(text: str) -> str:
    """Give text that can be written as UTF-8: half a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")
