"""Rule on zeros that stand for nothing measured: an absent energy is no energy of 0 J."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable
from joulebench.audit.table_energy_pairs import meaning_in, rounding_si
from joulebench.finding import Finding

_KINDS = ("energy", "power", "duration", "efficiency", "throughput")
_MAY_BE_ZERO = frozenset({"load", "warmup", "net", "idle"})
"""Phases that may really take nothing: a model that is loaded already, an idle power of nothing."""

_WORK = ("tokens", "requests", "flops", "duration", "energy", "power")
_ROUNDED_AWAY = 20.0
"""A zero is a rounded figure where the smallest other is below so many steps of rounding."""

Rows = NDArray[np.intp]


def absent_as_zero(table: AuditTable) -> Iterator[Finding]:
    """Find zeros where nothing was measured, or where work was done that takes more."""
    for kind in _KINDS:
        for column in table.measures(kind):
            if meaning_in(table, column).phase in _MAY_BE_ZERO:
                continue
            numbers = table.si(column)
            rows = np.flatnonzero(numbers == 0)
            if rows.size and not (numbers < 0).any():
                positive = numbers[numbers > 0]
                yield from _zeros(table, column, rows, positive)


def _zeros(
    table: AuditTable, column: str, rows: Rows, positive: NDArray[np.float64]
) -> Iterator[Finding]:
    if not positive.size:
        nothing = _nothing_of_its_phase(table, column)
        yield (
            _zero_among(table, column, rows, nothing, "error")
            if nothing
            else _all_zero(table, column, rows)
        )
        return
    if positive.min() < _ROUNDED_AWAY * rounding_si(table, column) * _written_short(table, column):
        return
    if _nothing_counted(table, column, rows):
        return
    by = _setting_that_explains(table, column, rows)
    absent = _companions_absent(table, column, rows)
    worked = _work_beside(table, column, rows)
    if absent or (worked and by is None):
        yield _zero_among(table, column, rows, absent or worked, "error")
    elif not (by and meaning_in(table, column).part):
        told = f"all with {by}" if by else "and nothing beside them says why"
        yield _zero_among(table, column, rows, told, "warning")
    else:
        told = f"all with {by}"
        yield _zero_among(table, column, rows, told, "note")


def _written_short(table: AuditTable, column: str) -> float:
    """Say whether the column is rounded at all: 1, or 0 where its cells show many decimals."""
    texts = table.texts(column)
    return float(max((len(str(text).rpartition(".")[2]) for text in texts[:300]), default=0) <= 6)


def _companions_absent(table: AuditTable, column: str, rows: Rows) -> str:
    """Name what is absent in all these rows although it belongs to the same phase of the work."""
    meaning = meaning_in(table, column)
    if not meaning.phase:
        return ""
    others = [
        other
        for other in table.columns
        if other != column
        and (its := table.meaning(other)) is not None
        and its.phase == meaning.phase
        and its.part in ("", meaning.part, "gpu", "cpu")
    ]
    absent = [other for other in others if not np.isfinite(table.numbers(other)[rows]).any()]
    present = [other for other in others if other not in absent and _is_there(table, other, rows)]
    return f"{absent[0]} is absent in them" if absent and not present else ""


def _nothing_counted(table: AuditTable, column: str, rows: Rows) -> bool:
    """Say whether a rate is of nothing in these rows: answers without a token."""
    meaning = meaning_in(table, column)
    if meaning.kind not in ("throughput", "efficiency") or meaning.per not in (
        "tokens",
        "requests",
    ):
        return False
    counts = [table.numbers(other)[rows] for other in table.measures(meaning.per, per="")]
    return any(bool(np.all(count == 0)) for count in counts)


def _nothing_of_its_phase(table: AuditTable, column: str) -> str:
    """Say so where an efficiency is of a phase of which nothing was measured, unlike another."""
    meaning = meaning_in(table, column)
    if meaning.kind not in ("efficiency", "throughput") or not meaning.phase:
        return ""
    phases = {
        meaning_in(table, other).phase
        for kind in ("energy", "duration")
        for other in table.measures(kind)
        if np.any(table.numbers(other) > 0)
    }
    return (
        f"and nothing of {meaning.phase} was measured"
        if phases - {meaning.phase, ""} and (meaning.phase not in phases)
        else ""
    )


def _is_there(table: AuditTable, column: str, rows: Rows) -> bool:
    return bool(np.any(table.numbers(column)[rows] > 0))


def _work_beside(table: AuditTable, column: str, rows: Rows) -> str:
    """Name what shows that work was done in these rows."""
    meaning = meaning_in(table, column)
    for kind in _WORK:
        for other in table.measures(kind):
            same = meaning_in(table, other).phase == meaning.phase
            if other != column and same and np.all(table.numbers(other)[rows] > 0):
                return f"{other} is above zero in them"
    return ""


def _setting_that_explains(table: AuditTable, column: str, rows: Rows) -> str | None:
    """Name the level of a setting that has all of these rows and no others."""
    numbers = table.si(column)
    zero = numbers == 0
    for setting in table.varied:
        texts = table.texts(setting)
        level = texts[rows[0]]
        same = texts == level
        told = texts != ""
        if np.array_equal((same & np.isfinite(numbers))[told], zero[told]) and (
            0 < same.sum() < len(table) and level
        ):
            return f"{setting} = {level}"
    return None


def _all_zero(table: AuditTable, column: str, rows: Rows) -> Finding:
    return Finding(
        "absent-as-zero",
        "note",
        table.where(column),
        f"all {rows.size} figures of {column} are 0: it was not measured, or there is no such part",
        "leave the column out, or its cells empty: absent is not zero",
        "0 in every row",
        "an empty cell",
    )


def _zero_among(table: AuditTable, column: str, rows: Rows, why: str, severity: str) -> Finding:
    numbers = table.numbers(column)
    least = float(np.min(numbers[numbers > 0], initial=np.inf))
    told = f"; the other rows have at least {least:.4g}" if np.isfinite(least) else ""
    return Finding(
        "absent-as-zero",
        severity,
        table.where(column),
        f"{rows.size} of {len(table)} rows are 0, {why}: {table.places(rows.tolist())}",
        "leave the cell empty where nothing was measured, and leave these rows out of means",
        "0",
        f"an empty cell{told}",
    )


RULES = (Rule("absent-as-zero", "energy", table=absent_as_zero),)
