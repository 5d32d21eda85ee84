"""Measurements that never change, and rows that are measured alike to the last digit."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.design_factors import WORK, Codes, combined, design_of
from joulebench.audit.design_outcomes import columns_of, headline, logs
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.finding import Finding
from joulebench.stats.coincidence import chance_of_equal, rounding_step, significant_digits
from joulebench.stats.repeat_spread import pooled_spread

_FROM_SENSORS = ("energy", "duration", "emissions", "throughput", "efficiency", "product")
_OF_A_PEAK = frozenset({"peak", "max", "maximum", "used", "allocated"})
_SCORES = ("accuracy", "loss")
_FEWEST_ROWS = 5
_FEWEST_CELLS = 2
_EXACT_DIGITS = 4
_LIKELY = 0.01
_NEAR = 5.0
"""Repeats farther apart than so many standard deviations are none."""

_MOST_GROUPS = 100
_FEW_ROWS = 4
_LEAST_SPREAD = 0.003
"""Relative spread of repeats of an energy or a time that is seldom undercut."""


def _constant(table: AuditTable) -> Iterator[Finding]:
    """Find measurements that are the same in every row although what was measured was varied."""
    design = design_of(table)
    if len(table) < _FEWEST_ROWS or design.cell_count < _FEWEST_CELLS:
        return
    for column in columns_of(table, *_FROM_SENSORS, "power", *_SCORES):
        values = table.numbers(column)
        known = values[np.isfinite(values)]
        if len(known) < _FEWEST_ROWS or np.any(known != known[0]):
            continue
        meaning = table.meaning(column)
        if meaning is not None and meaning.kind in _SCORES:
            yield _no_score(table, column, known)
        elif known[0] != 0:
            yield _no_measurement(table, column, known)
    if design.of_kind(*WORK, "model", "precision"):
        yield from _same_memory(table)


def _same_memory(table: AuditTable) -> Iterator[Finding]:
    """Find peaks of memory that are the same whatever model, precision or amount of work it was."""
    for column in columns_of(table, "memory"):
        values = table.numbers(column)
        known = values[np.isfinite(values)]
        peak = set(words_of(column)) & _OF_A_PEAK
        if peak and len(known) >= _FEWEST_ROWS and np.all(known == known[0]) and known[0]:
            yield Finding(
                "constant-column",
                "note",
                table.where(column),
                f"{column} is {known[0]:g} in all {len(known)} rows, of different work: it is what "
                "was set aside, or a peak that was not reset between runs",
                "reset the peak before each run and read what was allocated, not reserved; until "
                "then compare no memory",
                seen=f"{known[0]:g}, {len(known)} times",
                possible="more memory for more work",
            )


def _no_score(table: AuditTable, column: str, known: Floats) -> Finding:
    return Finding(
        "constant-column",
        "note",
        table.where(column),
        f"{column} is {known[0]:g} in all {len(known)} rows: it tells nothing apart, and a trade "
        "against it is none",
        "check that it was graded for each run; where it was, take harder items or a finer score",
        seen=f"{known[0]:g}, {len(known)} times",
        possible="values that vary with what was varied",
    )


def _no_measurement(table: AuditTable, column: str, known: Floats) -> Finding:
    exact = significant_digits(known) >= _EXACT_DIGITS
    return Finding(
        "constant-column",
        "warning" if exact and not _is_rated(table, column) else "note",
        table.where(column),
        f"{column} is {known[0]:g} in all {len(known)} rows, which no sensor reads: it is a "
        "constant that was assumed, or a copy",
        "do not call it measured; where it is a rated power, say estimated",
        seen=f"{known[0]:g}, {len(known)} times",
        possible="values that vary from run to run",
    )


def _is_rated(table: AuditTable, column: str) -> bool:
    """Say whether a column is a power, which estimators take from a data sheet."""
    meaning = table.meaning(column)
    return meaning is not None and meaning.kind == "power"


def _duplicates(table: AuditTable) -> Iterator[Finding]:
    """Find rows whose measured values are equal to the last digit."""
    columns = _telling(table)
    if not columns or len(table) < 2:
        return
    sharpest = max(columns, key=lambda column: significant_digits(table.numbers(column)))
    groups = _equal_rows(table, [sharpest, *(c for c in columns if c != sharpest)])
    if groups and not _by_chance(table, sharpest, groups):
        yield from _reported(table, columns, groups)


def _by_chance(table: AuditTable, sharpest: str, groups: list[Codes]) -> bool:
    """Say whether as many rows may agree by chance: Poisson's tail over all pairs of rows.

    Columns go together, so that only the one with the most digits is counted; or, where an energy
    and a duration are given, the duration and the power, which go apart.
    """
    from scipy.special import pdtrc

    expected = min(_expected(table, sharpest), _expected_of_both(table))
    seen = sum(len(group) - 1 for group in groups)
    return expected > 0 and float(pdtrc(seen - 1, expected)) > _LIKELY


def _expected_of_both(table: AuditTable) -> float:
    """Give how many pairs of rows agree by chance in their duration and in their power."""
    energy, duration = headline(table, "energy"), headline(table, "duration")
    if energy is None or duration is None:
        return math.inf
    joules, seconds = table.numbers(energy), table.numbers(duration)
    with np.errstate(all="ignore"):
        power = logs(joules / seconds)
        steps = rounding_step(joules) / joules + rounding_step(seconds) / seconds
    if not np.isfinite(power).any():
        return math.inf
    # Small figures agree the easiest: of all rows, the mean of the chances counts.
    typical = float(np.mean(np.abs(steps[np.isfinite(power)])))
    # A power that was assumed never differs: equal times are then equal energies.
    of_power = chance_of_equal(typical, _spread(table, power, least=0.0))
    return of_power * _expected(table, duration)


def _spread(table: AuditTable, logged: Floats, least: float = _LEAST_SPREAD) -> float:
    """Give the spread of repeats of a logarithm, and no less than it seldom undercuts."""
    finite = np.isfinite(logged)
    spread = pooled_spread(logged[finite], design_of(table).cells[finite], robust=True)
    return max(spread.sd if spread is not None else 0.0, least)


def _telling(table: AuditTable) -> list[str]:
    """Give the measured columns that vary; constants and powers out of data sheets tell nothing."""
    found = columns_of(table, *_FROM_SENSORS)
    return [c for c in found if len(set(table.texts(c)[:1000].tolist())) > 1]


def _equal_rows(table: AuditTable, columns: list[str]) -> list[Codes]:
    """Give the rows of each group that is equal in all columns, the sharpest column first."""
    first = table.numbers(columns[0])
    order = np.argsort(first, kind="stable")
    equal = first[order[1:]] == first[order[:-1]]
    rows = np.sort(order[np.r_[equal, False] | np.r_[False, equal]])
    values = np.stack([table.numbers(column)[rows] for column in columns])
    known = np.isfinite(values).all(axis=0) & (values != 0).all(axis=0)
    rows, values = rows[known], values[:, known]
    if not len(rows):
        return []
    codes = [np.unique(each, return_inverse=True)[1].astype(np.intp) for each in values]
    group = combined(codes, len(rows))
    several = np.flatnonzero(np.bincount(group) > 1)
    return [rows[group == number] for number in several[:_MOST_GROUPS]]


def _expected(table: AuditTable, column: str) -> float:
    """Give how many pairs of rows agree in a column by chance.

    Only pairs that lie within what repeats spread may agree, whatever cells they are of; each does
    so with the rounding over the density of the difference of two repeats.
    """
    values = table.numbers(column)
    logged = np.sort(logs(np.abs(values))[np.isfinite(values) & (values != 0)])
    if not logged.size:
        return math.inf
    relative = _spread(table, logs(np.abs(values)))
    ends = np.searchsorted(logged, logged + _NEAR * relative, side="right")
    pairs = ends - np.arange(logged.size) - 1
    chances = rounding_step(values) / (2.0 * math.sqrt(math.pi) * relative * np.exp(logged))
    return float(pairs @ np.minimum(chances, 1.0))


def _reported(table: AuditTable, columns: list[str], groups: list[Codes]) -> Iterator[Finding]:
    """Tell rows that are there twice from runs that share the values of another."""
    whole = [group for group in groups if _is_one_row(table, group)]
    if whole:
        yield _listed_twice(table, whole)
    other = [g for g in groups if not _is_one_row(table, g) and _is_other(table, g)]
    # Where most rows share their values, the table lists parts of runs, each with the run's own.
    if other and (len(table) <= _FEW_ROWS or sum(map(len, other)) <= len(table) / 2):
        yield _copied(table, columns, other)


def _is_one_row(table: AuditTable, group: Codes) -> bool:
    """Say whether rows are equal in every column but their number in the file."""
    bare = [c for c in table.columns if c and not c.lower().startswith("unnamed")]
    return all(len(set(table.texts(c)[group].tolist())) == 1 for c in bare)


def _is_other(table: AuditTable, group: Codes) -> bool:
    """Say whether rows claim to be other runs: another id, repetition or level.

    Rows of one run that only list its parts repeat its energy rightly.
    """
    ids = [table.run_ids[row] for row in group]
    if any(ids):
        return len(set(ids)) > 1
    named = [*table.settings, *([table.repetition_column] if table.repetition_column else [])]
    return any(len(set(table.texts(c)[group].tolist())) > 1 for c in named)


def _listed_twice(table: AuditTable, groups: list[Codes]) -> Finding:
    extra = sum(len(group) - 1 for group in groups)
    places = [int(row) for group in groups for row in group]
    return Finding(
        "duplicate-rows",
        "warning",
        table.where("rows listed twice"),
        f"rows are there more than once, equal in every column: {table.places(places)}",
        "keep one of each: copies count as repeats and narrow every interval",
        seen=f"{extra} row(s) too many",
        possible="0",
    )


def _copied(table: AuditTable, columns: list[str], groups: list[Codes]) -> Finding:
    places = [int(row) for group in groups for row in group]
    listed = ", ".join(columns[:4]) + (" ..." if len(columns) > 4 else "")
    return Finding(
        "duplicate-rows",
        "error",
        table.where("equal measurements"),
        f"runs that are said to be others have equal values to the last digit in all "
        f"{len(columns)} measured column(s) ({listed}): {table.places(places)}",
        "one of each was copied: find the raw files of both, or measure again",
        seen=f"{sum(len(group) - 1 for group in groups)} copies",
        possible=f"at most {_LIKELY:g} expected by chance",
    )


RULES = (
    Rule("constant-column", "design", table=_constant),
    Rule("duplicate-rows", "design", table=_duplicates),
)
