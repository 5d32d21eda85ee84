"""What a verb writes for machines."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from joulebench.errors import UsageError

JsonFile = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout."),
]


def check_place(place: str | None) -> None:
    """Refuse a file that cannot be written, before work is done whose result it shall hold.

    Raises:
        UsageError: The file cannot be written.
    """
    if place in (None, "-"):
        return
    path = Path(str(place))
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"--json {place}: is a folder; name a file in it")
    if not folder.is_dir():
        raise UsageError(f"--json {place}: there is no folder {folder}; make it first")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(f"--json {place}: may not be written by this user; name another file")


def write_json(place: str | None, content: Any) -> None:
    """Write a result as JSON, if it was asked for.

    Args:
        place: A file, ``-`` for standard output, or ``None``.
        content: JSON-ready.

    Raises:
        UsageError: The file cannot be written.
    """
    if place is None:
        return
    check_place(place)
    if place == "-":
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        sys.stdout.write(_text(content, ensure_ascii=not unicode))
        return
    try:
        Path(place).write_text(_text(content, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json {place}: cannot be written: {error.strerror}") from error


def _text(content: Any, *, ensure_ascii: bool) -> str:
    return json.dumps(content, indent=2, ensure_ascii=ensure_ascii, allow_nan=False) + "\n"
