"""Points that are called a frontier and are dominated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.design_factors import Codes
from joulebench.audit.design_outcomes import columns_of, headline
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.finding import Finding

_CALLED = frozenset({"pareto", "frontier", "frontiers", "nondominated", "skyline"})
_FEWEST = 2


def _not_dominant(table: AuditTable) -> Iterator[Finding]:
    """Find dominated points in tables that are called after a frontier."""
    if not set(words_of(table.name)) & _CALLED or len(table) < _FEWEST or _says_which(table):
        return
    energy = headline(table, "energy") or headline(table, "duration")
    if energy is None:
        return
    for quality in columns_of(table, "accuracy"):
        rows = dominated(table.si(energy), table.numbers(quality))
        if len(rows):
            yield _finding(table, energy, quality, rows)


def _says_which(table: AuditTable) -> bool:
    """Say whether a column tells frontier points from the others."""
    return any(
        set(words_of(column)) & {*_CALLED, "dominated", "optimal"} for column in table.columns
    )


def dominated(cost: Floats, quality: Floats) -> Codes:
    """Give the points that another one dominates: no worse in both, better in one.

    Args:
        cost: Less is better, shape (n,); points with a NaN take no part.
        quality: More is better, shape (n,).

    Returns:
        Row numbers in their order.
    """
    known = np.flatnonzero(np.isfinite(cost) & np.isfinite(quality))
    # Equal points are one: none of them dominates the other.
    points, point = np.unique(
        np.stack([cost[known], -quality[known]], axis=1), axis=0, return_inverse=True
    )
    if not len(points):
        return known
    best = np.minimum.accumulate(points[:, 1])
    worse = np.r_[False, points[1:, 1] >= best[:-1]]
    rows: Codes = known[worse[point.reshape(-1)]]
    return rows


def _finding(table: AuditTable, energy: str, quality: str, rows: Codes) -> Finding:
    return Finding(
        "frontier-not-dominant",
        "note",
        table.where(f"{energy} against {quality}"),
        f"{len(rows)} of {len(table)} points of a table that is called after a frontier are "
        f"dominated: another has at most their {energy} and at least their {quality}, and is "
        f"better in one ({table.places(rows.tolist())})",
        "draw the frontier through the other points only, and say where their intervals overlap",
        seen=f"{len(rows)} dominated",
        possible="0 on a frontier",
    )


RULES = (Rule("frontier-not-dominant", "design", table=_not_dominant),)
