"""Whether cells were repeated, and whether they differ by more than repeats do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.design_factors import TableDesign, design_of
from joulebench.audit.design_outcomes import (
    cell_means,
    headline,
    logs,
    neighbours,
    percent,
)
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding
from joulebench.stats.repeat_spread import RepeatSpread, pooled_spread

_SPREADS = ("sem", "sd", "var", "interval", "relative")
COUNTED = frozenset(
    {"n", "runs", "reps", "repetitions", "repeats", "trials", "replicates", "observations"}
)
"""Words of columns that say how many values a row is the mean of."""
_FEWEST_CELLS = 2
_FEW_REPEATED = 0.1
_MOST_PAIRS = 3


def _no_repeats(table: AuditTable) -> Iterator[Finding]:
    """Find tables that compare cells of which each was run once."""
    design = design_of(table)
    outcome = headline(table, "energy") or headline(table, "duration")
    if outcome is None or not design.factors or design.cell_count < _FEWEST_CELLS:
        return
    _, count = cell_means(design, outcome)
    held, repeated = np.count_nonzero(count), np.count_nonzero(count > 1)
    if held < _FEWEST_CELLS or repeated > _FEW_REPEATED * held or says_spread(table):
        return
    once = f"each of the {held}" if not repeated else f"{held - repeated} of the {held}"
    has = "has" if not repeated else "have"
    yield Finding(
        "no-repeats",
        "warning",
        table.where(outcome),
        f"{once} combinations of "
        f"{', '.join(f.column for f in design.factors)} {has} one value of {outcome} and nothing "
        "says how far repeats lie apart: with one value there is no degree of freedom for chance, "
        "and no difference between two combinations has an interval",
        "repeat each combination at least 3 times in random order, and report intervals",
        seen="1 run a combination",
        possible="at least 2 for any interval, 3 or more for a useful one",
    )


def says_spread(table: AuditTable) -> bool:
    """Say whether a table gives the spread of its values, or how many each is the mean of."""
    if table.recomputed:
        return False
    for column in table.columns:
        meaning = table.meaning(column)
        if meaning is not None and meaning.statistic in _SPREADS:
            return True
        counts = set(words_of(column)) & COUNTED and table.is_number(column)
        if counts and meaning is None and np.nanmax(table.numbers(column), initial=0) > 1:
            return True
    return False


def _below_spread(table: AuditTable) -> Iterator[Finding]:
    """Find tables with neighbours that the spread of their own repeats cannot tell apart."""
    design = design_of(table)
    outcome = headline(table, "energy") or headline(table, "duration")
    if outcome is None or not design.factors or design.cell_count < _FEWEST_CELLS:
        return
    spread = _spread(design, outcome)
    if spread is None:
        return
    mean, count = cell_means(design, outcome)
    near = [
        (one, two, change)
        for one, two in neighbours(design, mean)
        if (change := math.log(mean[two] / mean[one]))
        < spread.least_difference(count[one], count[two])
    ]
    if near:
        typical = float(np.median(count[count > 0]))
        told = f"repeats of one combination have a standard deviation of {percent(spread.sd)}"
        yield unresolved(design, outcome, near, told, spread.least_difference(typical, typical))


def _spread(design: TableDesign, outcome: str) -> RepeatSpread | None:
    """Give the spread of the logarithm of repeats, pooled over cells."""
    value = logs(design.table.si(outcome))
    known = np.isfinite(value)
    return pooled_spread(value[known], design.cells[known]) if known.any() else None


def unresolved(
    design: TableDesign,
    outcome: str,
    near: Sequence[tuple[int, int, float]],
    told: str,
    least: float,
    severity: str = "note",
) -> Finding:
    """Give the finding that some neighbours of a table cannot be told apart.

    Args:
        design: Of the table.
        outcome: The column that was compared.
        near: Cells, the lower first, with the log ratio of their means.
        told: Where the spread of repeats is known from.
        least: Log ratio from which two means are resolved at 95 %.
        severity: Of the finding.
    """
    rows = design.first_row.tolist()
    named = "; ".join(
        f"{design.cell_name(rows[one])} and {design.cell_name(rows[two])} ({percent(change)})"
        for one, two, change in near[:_MOST_PAIRS]
    )
    mean, _ = cell_means(design, outcome)
    pairs = len(neighbours(design, mean))
    return Finding(
        "difference-below-spread",
        severity,
        design.table.where(outcome),
        f"{len(near)} of {pairs} pairs of neighbours in {outcome} are closer than repeats allow "
        f"to tell apart: {named}; {told}, so that two values must differ by {percent(least)} at "
        "95 %",
        "do not rank these; give intervals, or add repetitions: the limit falls with their root",
        seen=percent(min(change for _, _, change in near)),
        possible=f"resolved above {percent(least)}",
    )


RULES = (
    Rule("no-repeats", "design", table=_no_repeats),
    Rule("difference-below-spread", "design", table=_below_spread),
)
