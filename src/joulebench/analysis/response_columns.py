"""Which columns of a table are the responses of an analysis, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.columns import Meaning
from joulebench.audit.table import AuditTable
from joulebench.errors import UsageError, unknown

Floats = NDArray[np.float64]

UNITS = {
    "energy_j": "J",
    "energy_per_token_j": "J",
    "energy_per_example_j": "J",
    "energy_per_correct_j": "J",
    "j_per_b": "J",
    "power_w": "W",
    "duration_s": "s",
    "latency_s": "s",
    "tokens": "",
    "accuracy": "",
    "cpu_energy_j": "J",
    "gpu_energy_j": "J",
    "dram_energy_j": "J",
}
"""Tidy names of the known responses, with their units."""

WORDS = {
    "energy_j": "energy per run",
    "energy_per_token_j": "energy per output token",
    "energy_per_example_j": "energy per example",
    "energy_per_correct_j": "energy per correct answer",
    "j_per_b": "energy per run and billion parameters",
    "power_w": "mean power",
    "duration_s": "duration",
    "latency_s": "latency",
    "tokens": "output tokens",
    "accuracy": "accuracy",
    "cpu_energy_j": "energy of the CPU per run",
    "gpu_energy_j": "energy of the GPU per run",
    "dram_energy_j": "energy of the memory per run",
}
"""What the known responses are, in words."""

_KINDS = {
    ("energy", ""): "energy_j",
    ("energy", "token"): "energy_per_token_j",
    ("energy", "example"): "energy_per_example_j",
    ("energy", "correct"): "energy_per_correct_j",
    ("duration", "example"): "latency_s",
    ("power", ""): "power_w",
    ("duration", ""): "duration_s",
    ("tokens", ""): "tokens",
    ("accuracy", ""): "accuracy",
}
_WHOLE = ("total", "", "wall", "node", "platform")
"""Parts of a machine whose energy is that of the whole, the surest first."""

_PARTS = ("gpu", "cpu", "dram")
_PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class Response:
    """One response.

    Args:
        name: Tidy name, with its unit: ``energy_j``.
        unit: SI unit; empty where it has none.
        words: What it is, for people.
        source: Column, or the formula that it was made by.
        reason: Why this column and no other.
        noise: Column of the standard uncertainty that repeats shrink; empty if none.
        bias: Column of the standard uncertainty that repeats do not shrink; empty if none.
    """

    name: str
    unit: str
    words: str
    source: str
    reason: str = ""
    noise: str = ""
    bias: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the response as a JSON-ready dict."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Read:
    """A response with its values.

    Args:
        response: What it is.
        si: Its values, NaN where there is none, shape (n,).
        noise: Its own noise, shape (n,); ``None`` if unknown.
        bias: Its own bias, shape (n,); ``None`` if unknown.
        chosen: Whether the user named its column.
    """

    response: Response
    si: Floats
    noise: Floats | None = None
    bias: Floats | None = None
    chosen: bool = False


def read_columns(table: AuditTable, asked: Sequence[str] = ()) -> dict[str, Read]:
    """Read the responses that stand in a table, by tidy name.

    Args:
        table: Anybody's table.
        asked: Columns or tidy names that the user wants; a column replaces the one that would have
            been taken for its quantity.

    Raises:
        UsageError: A name that is neither, a column without numbers, two columns of one response.
    """
    found = {name: _read(table, name, _column(table, name)) for name in UNITS}
    known = {name: read for name, read in found.items() if read is not None}
    named: dict[str, str] = {}
    for column in asked:
        if column in UNITS and column not in table:
            continue  # a response by its tidy name; what can be made is known only later
        read = _chosen(table, column)
        other = named.setdefault(read.response.name, column)
        if other != column:
            raise UsageError(
                f"--response: {other} and {column} are both {read.response.name}; choose one"
            )
        known[read.response.name] = read
    return known


def tidy_name(table: AuditTable, column: str) -> str:
    """Give the tidy name of a column: by what it measures where that is known, else its own."""
    meaning = table.meaning(column)
    name = _known_name(meaning) if meaning is not None else ""
    return name or plain_identifier(column)


def plain_identifier(column: str) -> str:
    """Make a column's name one that formulas take: small letters, digits, underscores."""
    kept = "".join(letter if letter.isalnum() else " " for letter in column.lower())
    name = "_".join(kept.split()) or "column"
    return f"x{name}" if name[0].isdigit() else name


def _known_name(meaning: Meaning) -> str:
    if meaning.phase or not meaning.is_value:
        return ""
    if meaning.kind == "energy" and not meaning.per and meaning.part in _PARTS:
        return f"{meaning.part}_energy_j"
    if meaning.kind in ("energy", "power") and meaning.part not in _WHOLE:
        return ""
    if meaning.kind == "tokens" and meaning.part not in ("", "out"):
        return ""
    return _KINDS.get((meaning.kind, meaning.per), "")


def _column(table: AuditTable, name: str) -> str | None:
    """Give the column that a response is read from; ``None`` if there is none."""
    fitting = [c for c in table.columns if tidy_name(table, c) == name and table.is_number(c)]
    return min(fitting, key=lambda column: _rank(table, name, column)) if fitting else None


def _rank(table: AuditTable, name: str, column: str) -> tuple[bool, bool, int, bool, int]:
    """Sort columns of one quantity: ours, what says total, output tokens, a unit, the finer one."""
    meaning = table.meaning(column)
    assert meaning is not None
    whole = _WHOLE.index(meaning.part) if meaning.part in _WHOLE else len(_WHOLE)
    return (
        column != name,
        meaning.part != "out",
        whole,
        not meaning.unit,
        -len(table.levels(column)),
    )


def _read(table: AuditTable, name: str, column: str | None) -> Read | None:
    if column is None:
        return None
    return _of_column(table, name, column, _reason(table, name, column))


def _reason(table: AuditTable, name: str, column: str) -> str:
    """Say why a column was taken, and which others could have been."""
    meaning = table.meaning(column)
    others = [c for c in table.columns if c != column and tidy_name(table, c) == name]
    if not others:
        return ""
    why = "it says that it is the total" if meaning and meaning.part == "total" else "the surest"
    if name == "duration_s":
        why = "the finest"
    return f"{why}; another choice: --response {' or '.join(others)}"


def _chosen(table: AuditTable, column: str) -> Read:
    if column not in table:
        near = {tidy_name(table, each): each for each in reversed(table.columns)}
        if column not in near:
            raise unknown("--response", column, {*table.columns, *near})
        column = near[column]
    if not table.is_number(column):
        raise UsageError(
            f"--response {column}: holds text, not numbers; name a column that was measured"
        )
    name = tidy_name(table, column)
    read = _of_column(table, name, column, "as chosen" if name != column else "")
    return Read(read.response, read.si, read.noise, read.bias, chosen=True)


def _of_column(table: AuditTable, name: str, column: str, reason: str) -> Read:
    values = table.si(column)
    values = np.where(np.isfinite(values), values, np.nan)
    if name == "accuracy" and 1.0 < np.nanmax(values, initial=0.0) <= _PERCENT:
        values = values / _PERCENT
        reason = f"{reason}; in percent there" if reason else "in percent there"
    noise, bias = (_beside(table, column, what) for what in ("noise", "bias"))
    parts = {"noise": noise, "bias": bias}
    present = {what: f"{_stem(name)[0]}_{what}{_stem(name)[1]}"
               for what, part in parts.items() if part is not None}  # fmt: skip
    response = Response(
        name,
        UNITS.get(name, ""),
        WORDS.get(name, name.replace("_", " ")),
        column,
        reason,
        **present,
    )
    return Read(response, values, noise, bias)


def _beside(table: AuditTable, column: str, what: str) -> Floats | None:
    """Give the uncertainty that stands beside a column, as in our own tables; else ``None``."""
    stem, unit = _stem(column)
    other = f"{stem}_{what}{unit}"
    if not unit or other not in table or not table.is_number(other):
        return None
    values = table.si(other)
    return np.where(np.isfinite(values) & (values >= 0), values, np.nan)


def _stem(name: str) -> tuple[str, str]:
    """Part a name from its unit: ``energy_j`` into ``energy`` and ``_j``."""
    stem, mark, unit = name.rpartition("_")
    return (stem, mark + unit) if unit in ("j", "w", "s") else (name, "")
