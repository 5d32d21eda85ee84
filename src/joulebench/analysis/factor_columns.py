"""Which columns of a table are its factors, and the order of their levels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.analysis.model_size import size_in, states_billions
from joulebench.analysis.response_columns import UNITS, plain_identifier
from joulebench.audit.columns import plain_name
from joulebench.audit.design_factors import design_of, level_key
from joulebench.audit.table import AuditTable, as_number
from joulebench.errors import UsageError, unknown

RESERVED = frozenset({"run", "repetition", "run_id", "line", "size_b", "n", *UNITS})
"""Names of columns of an analysis that no factor may have."""

RENAMED = frozenset({"n", "line"})
"""Names that people give to factors, and that columns of an analysis have too."""

_SIZE_ALONE = re.compile(r"\d+(\.\d+)?\s*[BbMm]")


@dataclass(frozen=True, slots=True)
class FactorColumn:
    """One factor.

    Args:
        name: Tidy name.
        column: Column of the table.
        level_of: Text of a cell -> name of its level; texts of one number share a level.
        levels: Levels in their order.
        twins: Columns that change with it in every row, so that neither can be told from the other.
    """

    name: str
    column: str
    level_of: Mapping[str, str]
    levels: tuple[str, ...]
    twins: tuple[str, ...] = ()


def find_factors(
    table: AuditTable, asked: Sequence[str], order: Mapping[str, Sequence[str]] | None = None
) -> list[FactorColumn]:
    """Give the factors of a table: those asked for, else what was varied.

    A column that names combinations of other factors (``model`` beside ``generation`` and
    ``model_size``) is none, and one that only renames another is that one's twin.

    Args:
        table: Anybody's table.
        asked: Columns or tidy names that the user wants.
        order: Levels in the order in which a study file lists them, by column.

    Raises:
        UsageError: A name that is no column, one that has a single level, or no factor at all.
    """
    if asked:
        found = [_asked(table, name, order or {}) for name in dict.fromkeys(asked)]
    else:
        found = [_factor(table, c, order or {}, twins) for c, twins in _varied(table)]
    names = [factor.name for factor in found]
    same = next((factor for factor in found if names.count(factor.name) > 1), None)
    if same is not None:
        raise UsageError(
            f"{table.name}: {names.count(same.name)} factors are called {same.name} but for signs; "
            "rename a column, or choose with --factors"
        )
    if not found:
        raise UsageError(
            f"{table.name}: no column was varied, so there is nothing to compare; name the factors "
            f"with --factors (columns: {shortened(table.columns)})"
        )
    return found


def shortened(names: Sequence[str], most: int = 12) -> str:
    """List names, the first of very many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def find_column(table: AuditTable, name: str, option: str) -> str:
    """Give the column of that name or that tidy name.

    Raises:
        UsageError: There is none.
    """
    if name in table:
        return name
    known = {plain_identifier(column): column for column in reversed(table.columns)}
    known |= {plain_name(column): column for column in reversed(table.columns)}
    if name.lower() not in known:
        raise unknown(option, name, table.columns)
    return known[name.lower()]


def left_out(table: AuditTable, factors: Sequence[FactorColumn]) -> list[str]:
    """Give the columns that were varied within cells of the factors, and are none of them."""
    cells = list(zip(*(_keys(table, factor.column) for factor in factors), strict=True))
    varied = [column for column, _ in _varied(table)]
    return [column for column in varied if not _follows(_keys(table, column), cells)]


def still_varied(
    table: AuditTable, factors: Sequence[FactorColumn], mask: NDArray[np.bool_]
) -> tuple[list[FactorColumn], list[str]]:
    """Give the factors that vary in the rows that are kept, with what to say of the others.

    Raises:
        UsageError: None does.
    """
    seen = {
        f.name: {f.level_of[text] for text in table.texts(f.column)[mask].tolist()} for f in factors
    }
    told = [
        f"{f.column} is {next(iter(seen[f.name]))!r} in all rows that are left, and no factor here"
        for f in factors
        if len(seen[f.name]) < 2
    ]
    kept = [f for f in factors if len(seen[f.name]) > 1]
    if not kept:
        raise UsageError(f"{table.name}: {'; '.join(told)}: nothing is left to compare")
    return kept, told


def following(table: AuditTable, factors: Sequence[FactorColumn]) -> list[str]:
    """Give the columns that several factors decide together, and none of them alone.

    Of half the runs of a full crossing, one factor follows from the others: its effect cannot be
    told from their interaction. What names combinations of factors one to one is not meant.
    """
    keys = {factor.column: _keys(table, factor.column) for factor in factors}
    cells = list(zip(*keys.values(), strict=True))
    twins = {twin for factor in factors for twin in factor.twins}
    found = []
    for column in table.settings:
        if column in keys or column in twins or len(table.levels(column)) < 2:
            continue
        own = _keys(table, column)
        alone = any(_follows(own, key) for key in keys.values())
        names = [key for key in keys.values() if _follows(key, own)]
        if not alone and not names and _follows(own, cells) and len(set(own)) < len(set(cells)):
            found.append(column)
    return found


def _varied(table: AuditTable) -> list[tuple[str, tuple[str, ...]]]:
    factors = design_of(table).factors
    kept = [f for f in factors if not _names_others(f.column, [g.column for g in factors], table)]
    return [(factor.column, factor.aliases) for factor in kept]


def _names_others(column: str, factors: Sequence[str], table: AuditTable) -> bool:
    """Say whether a column names the combinations of at least two others, one to one."""
    texts = _keys(table, column)
    parts = [f for f in factors if f != column and _follows(_keys(table, f), texts)]
    if len(parts) < 2:
        return False
    joined = list(zip(*(_keys(table, part) for part in parts), strict=True))
    return _follows(texts, joined) and len(set(texts)) > max(
        len(set(_keys(table, part))) for part in parts
    )


def _follows(coarse: Sequence[object], fine: Sequence[object]) -> bool:
    """Say whether each value of ``fine`` goes with one value of ``coarse``."""
    return len(set(zip(fine, coarse, strict=True))) == len(set(fine))


def _keys(table: AuditTable, column: str) -> list[str]:
    key = {text: level_key(text) for text in {"", *table.levels(column)}}
    return [key[text] for text in table.texts(column).tolist()]


def _asked(table: AuditTable, name: str, order: Mapping[str, Sequence[str]]) -> FactorColumn:
    column = find_column(table, name, "--factors")
    factor = _factor(table, column, order)
    if len(factor.levels) < 2:
        shown = f"is {factor.levels[0]!r} in every row" if factor.levels else "is empty"
        raise UsageError(f"--factors {name}: {shown}; a factor needs two levels")
    return factor


def _factor(
    table: AuditTable,
    column: str,
    order: Mapping[str, Sequence[str]],
    twins: tuple[str, ...] = (),
) -> FactorColumn:
    name = plain_identifier(column)
    if name in RENAMED:
        name = f"factor_{name}"
    if name in RESERVED:
        raise UsageError(
            f"--factors {column}: an analysis has a column {name} of its own; rename the column"
        )
    texts = table.levels(column)
    first: dict[str, str] = {}
    for text in texts:
        first.setdefault(level_key(text), written(text))
    level_of = {text: first[level_key(text)] for text in texts}
    levels = ordered(list(dict.fromkeys(level_of.values())), order.get(column, ()))
    told = tuple(twin for twin in twins if not states_billions(twin))
    return FactorColumn(name, column, level_of, tuple(levels), told)


def ordered(levels: Sequence[str], asked: Sequence[str] = ()) -> list[str]:
    """Put levels in order: numbers and model sizes by size, else as asked, else by the alphabet."""
    numbers = [as_number(level) for level in levels]
    if not any(map(math.isnan, numbers)):
        return sorted(levels, key=as_number)
    sizes = {level: size_in(level) for level in levels if _SIZE_ALONE.fullmatch(level)}
    if len(sizes) == len(levels):
        return sorted(levels, key=lambda level: sizes[level] or 0.0)
    place = {level_key(level): number for number, level in enumerate(asked)}
    return sorted(
        levels, key=lambda level: (place.get(level_key(level), len(place)), level.casefold(), level)
    )


def written(text: str) -> str:
    """Write a level as people do: 2.0 and 2 are both 2."""
    number = as_number(text)
    if not math.isfinite(number):
        return text
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
