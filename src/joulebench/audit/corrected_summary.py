"""What a summary should have said, once the rows that it was made of are corrected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from joulebench.audit.corrected_figures import Mended
from joulebench.audit.evidence import Evidence
from joulebench.audit.joint_summary import Summarised, summarised
from joulebench.audit.table import AuditTable, Floats


class _Column:
    """A column of a table of runs with its corrections put in, in SI units.

    Args:
        table: The table.
        column: The column.
        corrections: All that are known.
    """

    def __init__(self, table: AuditTable, column: str, corrections: Sequence[Mended]) -> None:
        self.table = table
        self.column = column
        self.corrections = [c for c in corrections if c.table is table and c.column == column]

    @property
    def rules(self) -> list[str]:
        """Rules that it was corrected by."""
        return [rule for each in self.corrections for rule in each.rule.split(";")]

    @cached_property
    def values(self) -> Floats:
        """Its figures; NaN where one is wrong and nothing determines it; shape (runs,)."""
        figures = self.table.si(self.column).copy()
        if any(_whole(each) for each in self.corrections):
            figures[:] = np.nan
        for each in self.corrections:
            figures[list(each.places)] = each.corrected * self._size
        return figures

    @cached_property
    def share(self) -> float:
        """Median relative standard uncertainty of its corrected figures."""
        shares = [np.abs(each.uncertainty / each.corrected) for each in self.corrections]
        return float(np.nanmedian(np.concatenate(shares))) if shares else 0.0

    @property
    def _size(self) -> float:
        meaning = self.table.meaning(self.column)
        return meaning.to_si if meaning else 1.0


def _whole(correction: Mended) -> bool:
    """Say whether a correction means that all rows of its column are wrong."""
    single = {"counter-wrap", "mislabelled-row", "unexplained-difference"}
    return bool(set(correction.rule.split(";")) - single)


def mended_summaries(evidence: Evidence, corrections: Sequence[Mended]) -> Iterator[Mended]:
    """Give the corrected figures of summaries whose rows are all determined.

    Args:
        evidence: What was audited.
        corrections: Of the tables of runs.
    """
    told: set[tuple[int, str]] = set()  # two tables of the same runs explain a summary alike
    for each in summarised(evidence):
        if (id(each.table), each.column) in told:
            continue
        columns = [_Column(each.runs, column, corrections) for column in each.source.columns]
        rules = [rule for column in columns for rule in column.rules]
        if each.source.misread:
            rules.insert(0, "decimal-comma")
        if rules:
            for corrected in _corrected(each, columns, list(dict.fromkeys(rules))):
                told.add((id(each.table), each.column))
                yield corrected


def _corrected(
    each: Summarised, columns: Sequence[_Column], rules: Sequence[str]
) -> Iterator[Mended]:
    values = columns[0].values
    for divisor in columns[1:]:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = values / divisor.values
    whole = [rows if np.isfinite(values[rows]).all() else rows[:0] for rows in each.groups]
    made = np.array([each.statistic(values[rows]) if rows.size else np.nan for rows in whole])
    places = np.flatnonzero(np.isfinite(made))
    if not places.size:
        return
    meaning = each.table.meaning(each.column)
    size = meaning.to_si if meaning else 1.0
    share = float(np.hypot.reduce([column.share for column in columns]))
    yield Mended(
        each.table,
        each.column,
        tuple(places.tolist()),
        tuple(each.table.places([place]) for place in places.tolist()),
        meaning.unit if meaning else "",
        each.table.numbers(each.column)[places],
        made[places] / size,
        share * np.abs(made[places]) / size,
        ";".join(rules),
        "table",
    )
