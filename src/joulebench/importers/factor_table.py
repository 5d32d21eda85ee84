"""Factors out of the run table of experiment-runner.

The table holds the factors between measurements and bookkeeping and does not say which is which. A
run number stands for one combination of levels, so a factor is a column that is the same in all
repetitions of a run number, differs between run numbers, and says less than the number itself.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from joulebench.errors import UsageError, unknown
from joulebench.finding import Finding
from joulebench.importers.delimited import shown
from joulebench.importers.experiment_table import ExperimentTable

Levels = dict[int, Mapping[str, str]]

_BOOKKEEPING = ("run", "rep", "repetition", "")
_NUMBER = re.compile(r"[-+]?[0-9]{1,400}([.,][0-9]{1,400})?")
_MOST_LEVELS = 10_000
_LONGEST_LEVEL = 200
_SHOWN_LEVELS = 50
_NONE = -1


def read_factor_table(
    table: ExperimentTable, columns: Sequence[str], numbers: Iterable[int]
) -> tuple[Levels, tuple[Finding, ...]]:
    """Read the levels of runs from a run table.

    Args:
        table: Any separator, decimal points or commas.
        columns: Names of the columns that are factors; found by their pattern if empty.
        numbers: Run numbers that need levels.

    Returns:
        The level of each factor by run number, and what was changed in writing them.

    Raises:
        UsageError: The table cannot be read, contradicts itself, or lacks a run.
    """
    needed = list(numbers)
    _refuse_missing(table, needed)
    names = _named(table, columns) if columns else _factor_columns(table)
    return _read_levels(table, names, needed)


def read_sole_table(
    table: ExperimentTable, columns: Sequence[str], measured: Sequence[str]
) -> tuple[Levels, tuple[Finding, ...]]:
    """Read the levels of all runs of a table that has nothing beside it.

    Args:
        table: Any separator, decimal points or commas.
        columns: Names of the columns that are factors; found by their pattern if empty.
        measured: Columns that are known to be measurements.

    Raises:
        UsageError: The table contradicts itself, or has no column of a name.
    """
    if columns:
        return _read_levels(table, _named(table, columns), set(table.runs))
    repeated = len(set(table.runs)) < len(table)
    found = _factor_columns(table) if repeated else _words(table)
    names = [name for name in found if name not in measured]
    levels, findings = _read_levels(table, names, set(table.runs))
    return levels, (*findings, *([] if repeated else [_guessed(table, names)]))


def _read_levels(
    table: ExperimentTable, names: Sequence[str], needed: Iterable[int]
) -> tuple[Levels, tuple[Finding, ...]]:
    spelt = {name: _spelt(table, name) for name in names}
    places = [table.columns.index(name) for name in names]
    known: dict[tuple[str, ...], Mapping[str, str]] = {}
    by_run: Levels = {}
    for place, cells in enumerate(table):
        texts = tuple(cells[column] for column in places)
        levels = known.get(texts)
        if levels is None:
            levels = {n: spelt[n][text] for n, text in zip(names, texts, strict=True)}
            known[texts] = levels
        first = by_run.setdefault(table.runs[place], levels)
        _refuse_contradiction(table, place, levels, first)
    findings = (_respelt(table, name, spelt[name]) for name in names)
    kept = {key: by_run[key] for key in needed}
    return kept, tuple(finding for finding in findings if finding is not None)


def _refuse_missing(table: ExperimentTable, numbers: Sequence[int]) -> None:
    known = set(table.runs)
    missing = [key for key in numbers if key not in known]
    if missing:
        raise UsageError(
            f"{table.path} has no row for run {missing[0]}"
            f"{f' and {len(missing) - 1} more' if missing[1:] else ''}; "
            "is it the run table of these runs?"
        )


def _named(table: ExperimentTable, columns: Sequence[str]) -> list[str]:
    for column in columns:
        if column not in table.columns:
            raise unknown(f"{table.path}: factor column", column, table.columns)
    return list(columns)


def _factor_columns(table: ExperimentTable) -> list[str]:
    runs = set(table.runs)
    candidates = _candidates(table)
    if len(runs) == len(table) > 1:
        raise UsageError(
            f"{table.path}: no run is repeated, so nothing tells factors from measurements; name "
            f"them: --factors {' '.join(candidates[:3])} (columns: {shown(candidates)})"
        )
    counts = _levels_by_run(table, candidates)
    named = [name for name, count in counts.items() if count > 1]
    # One column that differs in every run is the only factor; among others it is a measurement.
    coarse = [name for name in named if counts[name] < len(runs)]
    return coarse or named[:1]


def _candidates(table: ExperimentTable) -> list[str]:
    return [name for name in table.columns if not _is_bookkeeping(name)]


def _is_bookkeeping(name: str) -> bool:
    return name in _BOOKKEEPING or name.startswith(("__", "Unnamed:"))


def _words(table: ExperimentTable) -> list[str]:
    """Give the columns that hold words, the same ones again and again."""
    seen: dict[str, set[str]] = {name: set() for name in _candidates(table)}
    for cells in table:
        row = dict(zip(table.columns, cells, strict=True))
        for name in list(seen):
            if _NUMBER.fullmatch(row[name]) or _too_much(row[name], len(seen[name])):
                del seen[name]
            else:
                seen[name].add(row[name].casefold())
    return [name for name, texts in seen.items() if 1 < len(texts) < len(table)]


def _too_much(text: str, known: int) -> bool:
    """Say whether a cell cannot be a level: there is none, it is prose, or there are too many."""
    return not text or len(text) > _LONGEST_LEVEL or known > _MOST_LEVELS


def _levels_by_run(table: ExperimentTable, names: Sequence[str]) -> dict[str, int]:
    """Give the number of levels of each column that has one level, and only one, in every run."""
    order = {run: place for place, run in enumerate(dict.fromkeys(table.runs))}
    codes: dict[str, dict[str, int]] = {name: {} for name in names}
    first = {name: array("l", [_NONE]) * len(order) for name in names}
    columns = {name: table.columns.index(name) for name in names}
    for run, cells in zip(table.runs, table, strict=True):
        for name in list(codes):
            text = cells[columns[name]]
            if _too_much(text, len(codes[name])):
                del codes[name]
                continue
            code = codes[name].setdefault(_plain(text), len(codes[name]))
            before = first[name][order[run]]
            first[name][order[run]] = code
            if before not in (_NONE, code):
                del codes[name]
    return {name: len(known) for name, known in codes.items()}


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    """Write a number in its shortest form, anything else without regard to case."""
    if not _NUMBER.fullmatch(text):
        return text.casefold()
    shortest = format(Decimal(text.replace(",", ".")).normalize(), "f")
    return "0" if shortest == "-0" else shortest


def _spelt(table: ExperimentTable, name: str) -> dict[str, str]:
    """Give each text of a column as the level it stands for, each level spelt one way.

    A column of numbers is written in their shortest form, so that 2.0 and 2 are one level; words
    that differ in case alone take their first spelling.
    """
    column = table.columns.index(name)
    texts = dict.fromkeys(cells[column] for cells in table)
    if all(_NUMBER.fullmatch(text) for text in texts if text):
        return {text: _plain(text) for text in texts}
    first: dict[str, str] = {}
    return {text: first.setdefault(text.casefold(), text) for text in texts}


def _refuse_contradiction(
    table: ExperimentTable, place: int, levels: Mapping[str, str], known: Mapping[str, str]
) -> None:
    if levels is known and all(levels.values()):
        return
    for name, level in levels.items():
        if not level:
            raise UsageError(f"{table.where(place)}: factor {name!r} is empty; fill it in")
        if level != known[name]:
            raise UsageError(
                f"{table.where(place)}: run {table.runs[place]} has {name} {level[:40]!r} here "
                f"and {known[name][:40]!r} elsewhere; a run number is one combination of levels"
            )


def _respelt(table: ExperimentTable, name: str, spelt: Mapping[str, str]) -> Finding | None:
    changed = [f"{before} -> {after}" for before, after in spelt.items() if before != after]
    if not changed:
        return None
    return Finding(
        "label-inconsistent",
        "note",
        f"{table.path.name}: {name}",
        "levels are written in one form each, numbers in their shortest",
        "use the form on the right in analyses",
        seen=", ".join(changed[:_SHOWN_LEVELS]),
    )


def _guessed(table: ExperimentTable, names: Sequence[str]) -> Finding:
    taken = f"the columns of words were taken: {', '.join(names)}" if names else "none was taken"
    return Finding(
        "factors-unknown",
        "note",
        table.path.name,
        f"no run is repeated, so nothing tells factors from measurements; {taken}",
        "name them with --factors",
    )
