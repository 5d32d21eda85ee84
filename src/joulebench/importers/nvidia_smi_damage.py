"""Naming the line of a log of nvidia-smi in which something is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from joulebench.importers.delimited import number
from joulebench.importers.nvidia_smi_form import POWERS, STAMP, TIME, Form, wrong_stamp

LONGEST_LINE = 1 << 20
"""A line longer than this, in bytes, is damage."""

UNITS = " WMHziBC%"
"""Letters of the units that may stand behind a number."""

ABSENT = ("", "N/A", "n/a", "nan")
"""What stands where there is no reading, beside anything in brackets: ``[Unknown Error]``."""


def is_last(path: Path, text: str) -> bool:
    """Say whether a line is the last of a file, without its end."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LONGEST_LINE))
        tail = file.read()
    return not tail.endswith((b"\n", b"\r")) and tail.endswith(text.encode())


def line_holding(path: Path, text: str) -> int:
    """Give the first line that holds some text; 1 if none does."""
    sought = text.encode()
    with path.open("rb") as file:
        for number, line in enumerate(_bounded(file), start=1):
            if sought in line:
                return number
    return 1


def line_of_row(form: Form, row: int) -> int:
    """Give the line of a row, counted from 0."""
    seen = -1
    with form.path.open("rb") as file:
        for number, line in enumerate(_bounded(file), start=1):
            seen += STAMP.search(line[:200].decode(errors="replace")) is not None
            if seen == row:
                return number
    return 1


def _bounded(file: Any) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        yield line


def damage(form: Form, message: str) -> str:
    """Name the line of what the reader of tables refused."""
    with form.path.open("rb") as file:
        for line_number, line in enumerate(_bounded(file), start=1):
            what = _wrong(form, line) if line_number > form.skipped else ""
            if what:
                return f"{form.path} line {line_number}: {what}; mend or delete the line"
    return f"{form.path} cannot be read: {' '.join(message.split())[:200]}"


def _wrong(form: Form, line: bytes) -> str:
    """Say what is wrong with a line; empty where nothing is."""
    if len(line) >= LONGEST_LINE:
        return f"it is longer than {LONGEST_LINE} bytes"
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return "it is not UTF-8"
    cells = [cell.strip(' "') for cell in text.split(form.delimiter)]
    if not STAMP.search(text):
        return ""
    if len(cells) != len(form.names):
        return f"it has {len(cells)} cells where the header has {len(form.names)}"
    for name, cell in zip(form.names, cells, strict=True):
        bare = cell.strip(UNITS)
        known = name in POWERS and bare not in ABSENT and not bare.startswith("[")
        if known and number(bare) is None:
            return f"{name} is no power in W: {cell[:40]!r}"
    return _wrong_time(cells[form.names.index(TIME)])


def _wrong_time(cell: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy warns of a time zone, which no such log has
            np.datetime64(cell.replace("/", "-"))
    except (ValueError, UserWarning):
        return f"{cell[:40]!r} is {wrong_stamp(cell)}"
    return ""
