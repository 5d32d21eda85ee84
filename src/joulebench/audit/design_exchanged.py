"""Rows whose labels were exchanged, told by what more work must cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from joulebench.audit.design_effects import generates
from joulebench.audit.design_factors import WORK, Codes, DesignFactor, TableDesign, design_of
from joulebench.audit.design_outcomes import headline
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.finding import Finding

_FEWEST_LEVELS, _MOST_ROWS = 4, 64


def _exchanged(table: AuditTable) -> Iterator[Finding]:
    """Find two rows without which nothing but an exchange of labels makes costs rise with work."""
    design = design_of(table)
    if not 4 < len(table) <= _MOST_ROWS or design.cell_count != len(table):
        return
    columns = [c for kind in ("energy", "duration", "memory") if (c := headline(table, kind))]
    values = [table.si(column) for column in columns]
    if len(columns) < 2 or not all(np.all(each > 0) for each in values):
        return
    for factor in design.of_kind(*WORK):
        if not factor.is_amount or generates(table, factor):
            continue
        pair = _one_exchange(design, factor, values)
        certain = "memory" in _kinds(table, columns)
        if pair is not None and (certain or _far(factor, pair)):
            yield _rows_exchanged(table, factor, columns, pair, certain=certain)


def _kinds(table: AuditTable, columns: Sequence[str]) -> set[str]:
    return {meaning.kind for c in columns if (meaning := table.meaning(c)) is not None}


def _one_exchange(
    design: TableDesign, factor: DesignFactor, values: Sequence[Floats]
) -> tuple[int, int] | None:
    """Give the one pair of rows whose exchange makes all costs monotone in each group."""
    groups = _groups(design, factor)
    signs = [_sign(each, groups) for each in values]
    if not groups or any(not _falls(v, groups, s) for v, s in zip(values, signs, strict=True)):
        return None
    found = []
    for one, two in combinations(np.concatenate(groups).tolist(), 2):
        place = np.arange(design.rows)
        place[[one, two]] = place[[two, one]]
        if not any(_falls(v[place], groups, s) for v, s in zip(values, signs, strict=True)):
            found.append((one, two))
            if len(found) > 1:
                return None
    return found[0] if found else None


def _groups(design: TableDesign, factor: DesignFactor) -> list[Codes]:
    """Give the rows of each group that differs in one factor alone, in the order of its levels."""
    rest, amount = design.without(factor), factor.amounts[factor.codes]
    order = np.lexsort((amount, rest))
    cuts = np.flatnonzero(np.diff(rest[order])) + 1
    return [rows for rows in np.split(order, cuts) if len(rows) >= _FEWEST_LEVELS]


def _sign(values: Floats, groups: Sequence[Codes]) -> float:
    """Say whether values rise or fall with the level over all groups: 1 or -1."""
    change = sum(float(np.sum(np.sign(np.diff(values[rows])))) for rows in groups)
    return 1.0 if change >= 0 else -1.0


def _falls(values: Floats, groups: Sequence[Codes], sign: float) -> bool:
    """Say whether values go against their direction in any group."""
    return any(bool(np.any(sign * np.diff(values[rows]) <= 0)) for rows in groups)


def _far(factor: DesignFactor, pair: tuple[int, int]) -> bool:
    """Say whether two rows are more than neighbours, which noise alone may exchange."""
    order = np.argsort(np.argsort(factor.amounts))
    one, two = (int(order[factor.codes[row]]) for row in pair)
    return abs(one - two) != 1


def _rows_exchanged(
    table: AuditTable,
    factor: DesignFactor,
    columns: Sequence[str],
    pair: tuple[int, int],
    *,
    certain: bool,
) -> Finding:
    """Give the finding; energy and time go up and down together by chance, memory does not."""
    return Finding(
        "mislabelled-row",
        "error" if certain else "warning",
        table.where(f"rows exchanged in {factor.column}"),
        f"{', '.join(columns)} all go up and down with {factor.column}, and all are monotone once "
        f"the values of {table.places(pair)} are exchanged; no other exchange does that",
        "compare the two with the raw files: their labels were exchanged",
        seen=f"{len(columns)} costs against their own trend at the same rows",
        possible=f"monotone in {factor.column}",
    )


RULES = (Rule("mislabelled-row", "design", table=_exchanged),)
