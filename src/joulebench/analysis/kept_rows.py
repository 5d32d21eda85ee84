"""Which rows an analysis can use, and why it leaves out the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from joulebench.analysis.analysis_frame import Dropped
from joulebench.analysis.factor_columns import FactorColumn, written
from joulebench.analysis.response_columns import Read
from joulebench.analysis.source import Source
from joulebench.audit.columns import plain_name
from joulebench.audit.table import AuditTable
from joulebench.errors import UsageError
from joulebench.exclusion import Exclusion

Mask = NDArray[np.bool_]

_EXCLUDED = "excluded by"
_STATUS = ("status", "done", "__done")
_DONE = frozenset({"", "done", "true", "1", "1.0", "yes", "ok", "success", "succeeded", "completed",
                   "complete", "finished"})  # fmt: skip


def kept_rows(
    source: Source,
    factors: Sequence[FactorColumn],
    read: Mapping[str, Read],
    exclude: Sequence[str] = (),
) -> tuple[Mask, tuple[Dropped, ...]]:
    """Choose the rows: of runs that were done, not excluded, with all levels and any response.

    Returns:
        Whether each row is kept, shape (n,), and what was left out for which reason.

    Raises:
        UsageError: A condition cannot be read, or no row is left.
    """
    table = source.table
    keep: Mask = np.ones(len(table), dtype=bool)
    dropped = []
    for reason, out in _reasons(table, factors, read, exclude):
        rows = np.flatnonzero(out & keep)
        if rows.size or reason.startswith(_EXCLUDED):
            place = table.places([int(rows[0])]) if rows.size else ""
            dropped.append(Dropped(int(rows.size), reason, place))
            keep &= ~out
    if not keep.any():
        told = "; ".join(each.sentence for each in dropped)
        raise UsageError(f"{table.name}: no row can be used: {told}{_together(table, factors)}")
    return keep, tuple(dropped)


def _together(table: AuditTable, factors: Sequence[FactorColumn]) -> str:
    """Offer factors that some rows have all levels of; empty where that is not the trouble."""
    there = {f.name: table.texts(f.column) != "" for f in factors}
    names = sorted(there, key=lambda name: -int(there[name].sum()))
    while names and not np.all([there[name] for name in names], axis=0).any():
        names.pop()
    if not names or len(names) == len(factors):
        return ""
    rows = int(np.all([there[name] for name in names], axis=0).sum())
    kept = ",".join(f.name for f in factors if f.name in names)
    return f"; name factors that were set in the same rows, such as --factors {kept} ({rows} rows)"


def _reasons(
    table: AuditTable,
    factors: Sequence[FactorColumn],
    read: Mapping[str, Read],
    exclude: Sequence[str],
) -> Iterator[tuple[str, Mask]]:
    for column in table.columns:
        if plain_name(column) in _STATUS:
            texts = table.texts(column)
            for text in table.levels(column):
                if text.casefold() not in _DONE:
                    yield f"{column} is {text!r}", texts == text
    for expression in exclude:
        yield f"{_EXCLUDED} {expression!r}", _where(table, factors, expression)
    for factor in factors:
        yield f"no level of {factor.column}", table.texts(factor.column) == ""
    first = next(iter(read.values()))
    others = [np.isfinite(each.si) for each in read.values()]
    yield f"no {first.response.name} and no other response", ~np.any(others, axis=0)


def _where(table: AuditTable, factors: Sequence[FactorColumn], expression: str) -> Mask:
    """Say where a condition on levels holds, shape (n,)."""
    names = [name for f in factors for name in (f.name, f.column)]
    condition = Exclusion(expression, names, written)
    holds: Callable[[tuple[str, ...]], bool] = _remembered(condition, factors)
    columns = [
        [f.level_of.get(text, "") for text in table.texts(f.column).tolist()] for f in factors
    ]
    return np.array([holds(levels) for levels in zip(*columns, strict=True)], dtype=bool)


def _remembered(
    condition: Exclusion, factors: Sequence[FactorColumn]
) -> Callable[[tuple[str, ...]], bool]:
    known: dict[tuple[str, ...], bool] = {}

    def holds(levels: tuple[str, ...]) -> bool:
        if levels not in known:
            named = {
                name: level
                for factor, level in zip(factors, levels, strict=True)
                for name in (factor.name, factor.column)
            }
            known[levels] = condition.holds(named)
        return known[levels]

    return holds
