"""The form of a log of ``nvidia-smi --query-gpu=... --format=csv``: what stands in which column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from joulebench.errors import UsageError
from joulebench.importers.source_files import first_lines

POWERS = {
    "power.draw": ("power", "usage"),
    "power.draw.instant": ("power_instant", "instant"),
    "power.draw.average": ("power_average", "average"),
}
"""Columns of power: the quantity in the channel's name, and the reading of NVML's that it is."""

TIME = "timestamp"
LIMITS = ("enforced.power.limit", "power.limit")
NAME, INDEX = "name", "index"
IDENTITIES = (INDEX, "uuid", "pci.bus_id", "serial", NAME)
"""Columns that tell boards apart, the best first."""

_ALIASES = {
    "gpu_name": NAME,
    "gpu_uuid": "uuid",
    "gpu_bus_id": "pci.bus_id",
    "gpu_serial": "serial",
}

SUMMARISED = re.compile(
    r"utilization\.|clocks\.|temperature\.|memory\.|fan\.speed|module\.power|pcie"
)
"""Columns of which smallest, mean and largest value are kept."""

STAMP = re.compile(r"\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d")
_HEAD_LINES = 200
_OTHER_STAMP = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")
_UNIT = re.compile(r"\s*\[[^\]]*\]\s*$")


@dataclass(frozen=True, slots=True)
class Form:
    """What stands where in a log.

    Args:
        path: The file.
        delimiter: Between cells.
        names: Names of the columns as ``--query-gpu`` has them, without units.
        skipped: Lines before the first row.
    """

    path: Path
    delimiter: str
    names: tuple[str, ...]
    skipped: int

    def first_of(self, wanted: Sequence[str]) -> str | None:
        """Give the first of several columns that is there."""
        return next((name for name in wanted if name in self.names), None)


def looks_like(path: Path) -> bool:
    """Say whether a file begins as a log of powers does."""
    if path.suffix.casefold() not in (".csv", ".txt", ".log", ".tsv", ""):
        return False
    line = next((line for line in first_lines(path, 3) if line.strip()), "")
    return _is_power_header(_names(line, _delimiter(line))) or _is_bare(line)


def read_form(path: Path, query: Sequence[str] = ()) -> Form:
    """Read the header of a log.

    Args:
        path: The file.
        query: Columns of a log without a header, as they were given to ``--query-gpu``.

    Raises:
        UsageError: It has no header and none is given, or no time or no power in it.
    """
    lines = first_lines(path, 20)
    number = next((n for n, line in enumerate(lines) if line.strip()), None)
    if number is None:
        raise UsageError(f"{path} is empty or no text in UTF-8; remove it or log again")
    line = lines[number]
    delimiter = _delimiter(line)
    names, skipped = _names(line, delimiter), number + 1
    if STAMP.search(line):
        cells = [cell.strip(' "') for cell in line.split(delimiter)]
        names, skipped = _asked(path, number + 1, cells, query), number
    _refuse(path, number + 1, names)
    return Form(path, delimiter, names, skipped)


def first_cells(form: Form, name: str) -> tuple[str, ...]:
    """Give the different cells of a column in the first lines of a log."""
    if name not in form.names:
        return ()
    lines = first_lines(form.path, _HEAD_LINES)[form.skipped :]
    rows = [[cell.strip(' "') for cell in line.split(form.delimiter)] for line in lines]
    place = form.names.index(name)
    return tuple(dict.fromkeys(row[place] for row in rows if len(row) == len(form.names)))


def first_stamp(form: Form) -> str:
    """Give the first stamp of a log as it is written; empty if there is none."""
    return next((cell for cell in first_cells(form, TIME) if STAMP.match(cell)), "")


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _names(line: str, delimiter: str) -> tuple[str, ...]:
    cells = (_UNIT.sub("", cell.strip(' "')).casefold() for cell in line.split(delimiter))
    return tuple(_ALIASES.get(cell, cell) for cell in cells)


def _is_power_header(names: Sequence[str]) -> bool:
    return TIME in names and any(name in POWERS for name in names)


def _is_bare(line: str) -> bool:
    """Say whether a line is a row with its units, of a log without a header."""
    cells = [cell.strip() for cell in line.split(_delimiter(line))]
    return STAMP.match(cells[0]) is not None and any(re.fullmatch(r"[\d.]+ W", c) for c in cells)


def _asked(path: Path, line: int, cells: Sequence[str], query: Sequence[str]) -> tuple[str, ...]:
    """Give the columns of a log without a header: as the user says, or where they are plain."""
    if query:
        if len(query) != len(cells):
            raise UsageError(
                f"{path} line {line} has {len(cells)} cells, but query names {len(query)} columns"
            )
        return tuple(_ALIASES.get(name.strip(), name.strip()) for name in query)
    powers = [n for n, cell in enumerate(cells) if re.fullmatch(r"[\d.]+ W", cell)]
    if len(powers) != 1 or not STAMP.match(cells[0]):
        raise UsageError(
            f"{path} line {line}: the log has no header and its columns cannot be told apart; give "
            "--map FILE with the line query: timestamp,index,power.draw,... as nvidia-smi was asked"
        )
    names = [f"column {n + 1}" for n in range(len(cells))]
    names[0], names[powers[0]] = TIME, "power.draw"
    _guess_identities(cells, names)
    return tuple(names)


def _guess_identities(cells: Sequence[str], names: list[str]) -> None:
    for place, cell in enumerate(cells):
        if cell.startswith("GPU-"):
            names[place] = "uuid"
        elif re.fullmatch(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:\w\w\.\w", cell):
            names[place] = "pci.bus_id"
        elif re.match(r"(NVIDIA|Tesla|GeForce|Quadro|TITAN) ", cell):
            names[place] = NAME
        elif place == 1 and re.fullmatch(r"\d{1,2}", cell):
            names[place] = INDEX


def _refuse(path: Path, line: int, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise UsageError(f"{path} line {line}: column {twice[0]!r} is there twice; remove one")
    if not _is_power_header(names):
        raise UsageError(
            f"{path} line {line}: no columns timestamp and power.draw; is it a log of nvidia-smi "
            f"--query-gpu=timestamp,power.draw --format=csv? It has {', '.join(names)[:200]}"
        )


def wrong_stamp(cell: str) -> str:
    """Say what is wrong with a cell that holds no time of nvidia-smi's."""
    if _OTHER_STAMP.search(cell):
        return "a date with the year last, as a spreadsheet writes it: export it year first"
    return "no time such as 2025/09/22 11:06:57.123"
