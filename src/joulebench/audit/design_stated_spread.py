"""Summaries that state the spread of their values, and differences that lie within it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.design_factors import TableDesign, design_of
from joulebench.audit.design_outcomes import headline, neighbours, percent
from joulebench.audit.design_repeats import COUNTED, unresolved
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.finding import Finding

_Z_95 = 1.96


def _below_stated_spread(table: AuditTable) -> Iterator[Finding]:
    """Find neighbours whose difference is within what their own stated errors make of it."""
    design = design_of(table)
    outcome = headline(table, "energy") or headline(table, "duration")
    if outcome is None or not design.factors or design.cell_count < len(table):
        return
    mean = table.si(outcome)[design.first_row]
    least = _least_difference(table, outcome)
    if least is None:
        return
    near = [
        (one, two, float(np.log(mean[two] / mean[one])))
        for one, two in neighbours(design, mean)
        if mean[two] - mean[one] < least(one, two)
    ]
    if near:
        yield _told(design, outcome, near, least, mean)


class _Least:
    """The least difference of two means that their stated errors resolve at 95 %.

    With standard errors ``s`` and ``n`` values each it is ``t(0.975, dof) sqrt(s1^2 + s2^2)``, the
    degrees of freedom those of Welch (1947, doi:10.2307/2332510); 1.96 where ``n`` is not stated.
    """

    def __init__(self, sem: Floats, count: Floats, rows: np.ndarray) -> None:
        self.sem, self.count = sem[rows], count[rows]

    def __call__(self, one: int, two: int) -> float:
        """Give it for two cells, in the unit of the means; NaN where one states no error."""
        from scipy.special import stdtrit

        parts = np.array([self.sem[one], self.sem[two]]) ** 2
        dof = parts.sum() ** 2 / np.sum(parts**2 / (self.count[[one, two]] - 1))
        factor = float(stdtrit(dof, 0.975)) if np.isfinite(dof) else _Z_95
        return factor * float(np.sqrt(parts.sum()))


def _least_difference(table: AuditTable, outcome: str) -> _Least | None:
    """Read the standard errors of a column of means: stated, or of a deviation and a number."""
    column = _error_of(table, outcome)
    if not column:
        return None
    count = _count(table)
    stated = table.meaning(column)
    spread = table.si(column)
    sem = spread if stated is not None and stated.statistic == "sem" else spread / np.sqrt(count)
    rows = design_of(table).first_row
    return _Least(sem, count, rows) if np.isfinite(sem[rows]).any() else None


def _error_of(table: AuditTable, outcome: str) -> str:
    """Give the column of standard errors or deviations that belongs to a column of means."""
    own = table.meaning(outcome)
    for statistic in ("sem", "sd"):
        found = []
        for column in table.columns:
            meaning = table.meaning(column)
            if meaning is None or own is None or not table.is_number(column):
                continue
            alike = meaning.kind == own.kind and meaning.part in (own.part, "")
            if alike and meaning.statistic == statistic and meaning.per in (own.per, ""):
                found.append(column)
        if len(found) == 1:
            return found[0]
    return ""


def _count(table: AuditTable) -> Floats:
    """Give how many values each row is the mean of; NaN where nothing says it."""
    for column in table.columns:
        if set(words_of(column)) & COUNTED and table.is_number(column):
            return np.where(table.numbers(column) > 1, table.numbers(column), np.nan)
    return np.full(len(table), np.nan)


def _told(
    design: TableDesign,
    outcome: str,
    near: list[tuple[int, int, float]],
    least: _Least,
    mean: Floats,
) -> Finding:
    one, two, _ = near[0]
    needed = float(np.log1p(least(one, two) / mean[one]))
    relative = float(np.nanmedian(least.sem / mean))
    told = f"the stated errors make a standard error of {percent(relative)} of one mean"
    return unresolved(design, outcome, near, told, needed)


RULES = (Rule("difference-below-spread", "design", table=_below_stated_spread),)
