"""Factors that the cells of a design cannot tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from joulebench.audit.design_factors import (
    DesignFactor,
    TableDesign,
    are_attributes,
    design_of,
    determines,
)
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding
from joulebench.stats.crossing import Crossing, crossing

_RELATED = (frozenset({"length"}), frozenset({"precision"}), frozenset({"hardware"}))
"""Kinds of which one column often says in more detail what another says."""

_MOST_NAMED = 6


def _empty_cells(table: AuditTable) -> Iterator[Finding]:
    """Find pairs of factors whose crossing has empty cells."""
    design = design_of(table)
    if not design.has_outcomes:
        return
    # What has a level a row names the rows: other columns are attributes of it.
    known = [f for f in design.factors if "" not in f.levels and len(f.levels) < design.rows]
    apart, thin = [], []
    for first, second in combinations(known, 2):
        if _detail(first, second) or not _is_varied(design, first, second):
            continue
        crossed = crossing(first.codes, second.codes)
        if crossed.lost_main:
            apart.append((first, second, crossed))
        elif crossed.lost_interaction:
            thin.append((first, second, crossed))
    if apart:
        yield _confounded(table, apart)
    if thin:
        yield _no_interaction(table, thin)


def _detail(first: DesignFactor, second: DesignFactor) -> bool:
    """Say whether one column only tells more of what the other tells: a stride of a length."""
    if not determines(first, second) and not determines(second, first):
        return False
    kinds = frozenset({first.kind, second.kind})
    if kinds in _RELATED or "" in kinds or "name" in kinds:
        return True
    return kinds == {"model"} and not are_attributes(first, second)


def _is_varied(design: TableDesign, first: DesignFactor, second: DesignFactor) -> bool:
    """Say whether two columns were varied on purpose: of known kinds, or with repeats.

    Where each combination stands once, a column of no known kind may only describe the others.
    """
    if design.table.factors is not None or design.rows >= 2 * design.cell_count:
        return True
    return not {first.kind, second.kind} & {"", "name"}


Crossed = tuple[DesignFactor, DesignFactor, Crossing]


def _confounded(table: AuditTable, found: list[Crossed]) -> Finding:
    told = "; ".join(
        f"{a.column} x {b.column}: {c.filled} of {c.cells} cells, {c.lost_main} contrast(s) of "
        f"{a.column} cannot be told from {b.column}"
        for a, b, c in found[:_MOST_NAMED]
    )
    first, second, crossed = found[0]
    return Finding(
        "empty-cells",
        "warning",
        table.where(f"{first.column} x {second.column}"),
        f"factors are aliased by empty cells: {told}; a two-way table with type II or III tests "
        "answers anyway in some software",
        f"do not test {first.column} and {second.column} in one model: compare the combinations "
        "that were run, or fill the cells that join them",
        seen=f"{crossed.filled} of {crossed.cells} cells, rank {crossed.additive_rank}",
        possible=f"rank {crossed.first + crossed.second - 1} for both factors",
    )


def _no_interaction(table: AuditTable, found: list[Crossed]) -> Finding:
    told = "; ".join(
        f"{a.column} x {b.column}: {c.filled} of {c.cells} cells, {c.lost_interaction} of "
        f"{(c.first - 1) * (c.second - 1)} parameters of the interaction are lost"
        for a, b, c in found[:_MOST_NAMED]
    )
    first, second, crossed = found[0]
    return Finding(
        "empty-cells",
        "note",
        table.where(f"{first.column} x {second.column} (interaction)"),
        f"cells are empty: {told}",
        "type III tests of the main effects then depend on which cells are filled: use the "
        "additive model and say so, or compare cells",
        seen=f"{crossed.filled} of {crossed.cells} cells",
        possible=f"{crossed.cells} cells",
    )


RULES = (Rule("empty-cells", "design", table=_empty_cells),)
