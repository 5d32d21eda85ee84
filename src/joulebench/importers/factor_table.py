"""Factors out of the run table of experiment-runner.

The table holds the factors between measurements and bookkeeping and does not say which is which. A
run number stands for one combination of levels, so a factor is a column that is the same in all
repetitions of a run number, differs between run numbers, and says less than the number itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from joulebench.errors import UsageError, unknown
from joulebench.finding import Finding
from joulebench.importers.delimited import Delimited, number, read_delimited
from joulebench.importers.run_folders import parse_run_id

Levels = dict[int, dict[str, str]]

_RUN_ID = "__run_id"
_BOOKKEEPING = ("run", "rep", "repetition", "")
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")


def read_factor_table(
    path: Path, columns: Sequence[str], numbers: Sequence[int]
) -> tuple[Levels, tuple[Finding, ...]]:
    """Read the levels of runs from a run table.

    Args:
        path: The table: any separator, decimal points or commas.
        columns: Names of the columns that are factors; found by their pattern if empty.
        numbers: Run numbers that need levels.

    Returns:
        The level of each factor by run number, and what was changed in writing them.

    Raises:
        UsageError: The table cannot be read, does not say which run a row is, contradicts itself,
            or lacks a run.
    """
    table = read_delimited(path)
    keys = _run_numbers(table)
    _refuse_missing(path, set(keys), numbers)
    names = _named(table, columns) if columns else _factor_columns(table, keys)
    texts = {name: _consistent(table, name) for name in names}
    rows = zip(*(texts[name] for name in names), strict=True) if names else [()] * len(keys)
    by_run: Levels = {}
    for line, key, row in zip(table.lines, keys, rows, strict=True):
        levels = dict(zip(names, row, strict=True))
        _refuse_contradiction(f"{path} line {line}", key, levels, by_run.setdefault(key, levels))
    findings = (_respelt(table, name, texts[name]) for name in names)
    needed = {key: by_run[key] for key in numbers}
    return needed, tuple(finding for finding in findings if finding is not None)


def _run_numbers(table: Delimited) -> list[int]:
    """Give the run number of each row."""
    column = next((name for name in (_RUN_ID, "run") if name in table), None)
    if column is None:
        raise UsageError(
            f"{table.path} line 1: neither a column {_RUN_ID!r} nor 'run' says which run a row is; "
            f"it has {', '.join(table.columns)}"
        )
    texts = table.column(column)
    keys = [_run_number(text, bare=column == "run") for text in texts]
    for line, text, key in zip(table.lines, texts, keys, strict=True):
        if key is None:
            raise UsageError(
                f"{table.path} line {line}: {column!r} names no run: {text[:40]!r}; mend it"
            )
    return [key for key in keys if key is not None]


def _run_number(text: str, *, bare: bool) -> int | None:
    if not bare:
        key = parse_run_id(text)
        return key[0] if key else None
    value = number(text)
    return int(value) if value is not None and value == int(value) else None


def _refuse_missing(path: Path, known: set[int], numbers: Sequence[int]) -> None:
    missing = [key for key in numbers if key not in known]
    if missing:
        raise UsageError(
            f"{path} has no row for run {missing[0]}"
            f"{f' and {len(missing) - 1} more' if missing[1:] else ''}; "
            "is it the run table of these runs?"
        )


def _named(table: Delimited, columns: Sequence[str]) -> list[str]:
    for column in columns:
        if column not in table.columns:
            raise unknown(f"{table.path}: factor column", column, table.columns)
    return list(columns)


def _factor_columns(table: Delimited, keys: Sequence[int]) -> list[str]:
    runs = set(keys)
    candidates = [name for name in table.columns if not _is_bookkeeping(name)]
    if len(runs) == len(keys) > 1:
        raise UsageError(
            f"{table.path}: no run is repeated, so nothing tells factors from measurements; name "
            f"them: --factors {' '.join(candidates[:3])} (columns: {', '.join(candidates)})"
        )
    levels = {name: _levels_by_run(table, keys, name) for name in candidates}
    named = [name for name in candidates if len(set(levels[name].values())) > 1]
    # One column that differs in every run is the only factor; among others it is a measurement.
    coarse = [name for name in named if len(set(levels[name].values())) < len(runs)]
    return coarse or named[:1]


def _is_bookkeeping(name: str) -> bool:
    return name in _BOOKKEEPING or name.startswith(("__", "Unnamed:"))


def _levels_by_run(table: Delimited, keys: Sequence[int], name: str) -> dict[int, str]:
    """Give a column's value by run; nothing if a run has two, or none."""
    by_run: dict[int, str] = {}
    for key, text in zip(keys, table.column(name), strict=True):
        plain = _plain(text)
        if not plain or by_run.setdefault(key, plain) != plain:
            return {}
    return by_run


def _plain(text: str) -> str:
    """Write a number in its shortest form, anything else without regard to case."""
    if not _NUMBER.fullmatch(text):
        return text.casefold()
    shortest = format(Decimal(text.replace(",", ".")).normalize(), "f")
    return "0" if shortest == "-0" else shortest


def _consistent(table: Delimited, name: str) -> list[str]:
    """Give the level of each row, each level spelt one way.

    A column of numbers is written in their shortest form, so that 2.0 and 2 are one level; words
    that differ in case alone take their first spelling.
    """
    texts = table.column(name)
    if all(_NUMBER.fullmatch(text) for text in texts if text):
        return [_plain(text) for text in texts]
    first: dict[str, str] = {}
    return [first.setdefault(text.casefold(), text) for text in texts]


def _refuse_contradiction(
    where: str, run: int, levels: Mapping[str, str], known: Mapping[str, str]
) -> None:
    for name, level in levels.items():
        if not level:
            raise UsageError(f"{where}: factor {name!r} is empty; fill it in")
        if level != known[name]:
            raise UsageError(
                f"{where}: run {run} has {name} {level!r} here and {known[name]!r} elsewhere; "
                "a run number is one combination of levels"
            )


def _respelt(table: Delimited, name: str, spelt: Sequence[str]) -> Finding | None:
    pairs = zip(table.column(name), spelt, strict=True)
    changed = dict.fromkeys(f"{before} -> {after}" for before, after in pairs if before != after)
    if not changed:
        return None
    return Finding(
        "label-inconsistent",
        "note",
        f"{table.path.name}: {name}",
        "levels are written in one form each, numbers in their shortest",
        "use the form on the right in analyses",
        seen=", ".join(changed),
    )
