"""Published columns beside what their figures should have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from joulebench.audit.corrected_figures import Mended, mended_figures
from joulebench.audit.corrected_summary import mended_summaries
from joulebench.audit.corrected_sums import mended_sums
from joulebench.audit.evidence import Evidence
from joulebench.audit.table import Floats


@dataclass(frozen=True, eq=False)
class Correction:
    """A published column with what its figures should have been.

    Args:
        table: Name of the published table.
        column: The column.
        rows: Runs of the rows that are corrected, or their lines where the table names no runs.
        unit: Of the column as it is named; empty where the name says none.
        published: As published, in that unit; shape (n,).
        corrected: As it should have been, in that unit; shape (n,).
        uncertainty: Standard uncertainty of that, in that unit; NaN where it is not known; shape
            (n,).
        rule: Rules that the column breaks, joined by semicolons.
        rules: Those that each row breaks, joined by semicolons.
        sources: Of each row, "traces" or "table": what its correction was determined from.
    """

    table: str
    column: str
    rows: tuple[str, ...]
    unit: str
    published: Floats
    corrected: Floats
    uncertainty: Floats
    rule: str
    rules: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def inflation(self) -> Floats:
        """Published over corrected, less one; shape (n,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.published / self.corrected - 1.0)


def mended(evidence: Evidence) -> list[Mended]:
    """Give all rows whose correction is determined: of tables of runs, then of their summaries."""
    found = mended_figures(evidence)
    known = {(id(each.table), each.column) for each in found}
    found += mended_sums(evidence, known)
    return [*found, *mended_summaries(evidence, found)]


def corrections(evidence: Evidence) -> list[Correction]:
    """Give every published column with figures whose correction is determined.

    Where traces are, a figure is recomputed from them. In rows without traces, a way that was
    proven to the last digit on the others is undone if other columns of the same run suffice.
    """
    by_column: dict[tuple[int, str], list[Mended]] = {}
    for each in mended(evidence):
        by_column.setdefault((id(each.table), each.column), []).append(each)
    return [_together(parts) for parts in by_column.values()]


def _together(parts: Sequence[Mended]) -> Correction:
    first = parts[0]
    rules = [rule for part in parts for rule in part.rule.split(";")]
    return Correction(
        first.table.name,
        first.column,
        tuple(row for part in parts for row in part.rows),
        first.unit,
        np.concatenate([part.published for part in parts]),
        np.concatenate([part.corrected for part in parts]),
        np.concatenate([part.uncertainty for part in parts]),
        ";".join(dict.fromkeys(rules)),
        tuple(part.rule for part in parts for _ in part.rows),
        tuple(part.source for part in parts for _ in part.rows),
    )
