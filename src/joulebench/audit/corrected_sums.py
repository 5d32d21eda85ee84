"""Sums of energies that count something twice, added up again from their parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from joulebench.audit.corrected_figures import Mended
from joulebench.audit.evidence import Evidence
from joulebench.audit.table import AuditTable
from joulebench.audit.table_energy_pairs import meaning_in
from joulebench.audit.table_energy_sums import Sum, nested_part, sums


def mended_sums(evidence: Evidence, known: Collection[tuple[int, str]]) -> Iterator[Mended]:
    """Give totals that count a part twice, or a part beside its whole, with the sum they should be.

    Args:
        evidence: What was audited.
        known: Identity of table and column of what traces have determined already.
    """
    for table in evidence.tables:
        for found in sums(table) if not table.recomputed else ():
            if (id(table), found.column) not in known:
                yield from _mended(table, found)


def _mended(table: AuditTable, found: Sum) -> Iterator[Mended]:
    """Add each part once, without those that lie inside another; a part is no sum of others."""
    meaning = meaning_in(table, found.column)
    if meaning.part not in ("", "total"):
        return
    names, rule = [name for name, _ in found.terms], "double-counted-channel"
    while (inside := nested_part(table, names)) is not None:
        names.remove(inside[0])
        rule = "nested-domains-added"
    if not found.doubled and rule == "double-counted-channel":
        return
    once = np.sum([table.si(name) for name in names], axis=0) / meaning.to_si
    published = table.numbers(found.column)
    places = np.flatnonzero(np.isfinite(once) & np.isfinite(published))
    yield Mended(
        table,
        found.column,
        tuple(places.tolist()),
        tuple(table.places([place]) for place in places.tolist()),
        meaning.unit,
        published[places],
        once[places],
        np.full(places.size, np.nan),
        rule,
        "table",
    )
