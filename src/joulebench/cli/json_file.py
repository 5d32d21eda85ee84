"""What a verb writes for machines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from joulebench.errors import UsageError

JsonFile = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout."),
]


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
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if place == "-":
        sys.stdout.write(text)
        return
    try:
        Path(place).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json {place}: cannot be written: {error.strerror}") from error
