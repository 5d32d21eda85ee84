"""Efficiencies that divide one thing by all of another, or are added although they do not add."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.compute_columns import Pass, passes, quotient, setups
from joulebench.audit.evidence import Evidence
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.finding import Finding
from joulebench.flops.precision_names import find_precision

EQUAL = 1e-6
"""Two figures that agree so far, in any of the decimal prefixes, are one figure."""

CLOSE = 0.01
"""How near a published efficiency must lie to be taken as one quotient and not another."""

MANY = 1.5
"""A sum over fewer than this many means is no sum over several."""

_NAMED = 4
_MOST_PAIRS = 1_000_000
"""More pairs of figures than this would agree by chance, at one in three million each."""

_FEW_PAIRS = 3_000
"""Among fewer pairs than this, one that agrees is no chance: one in a thousand."""

_DIGITS = 6
"""Significant digits that a figure must be written with to agree in six."""


def _sum_over_mean(table: AuditTable) -> Iterator[Finding]:
    for each in passes(table):
        if not (each.efficiency and _counted_once(table, each)):
            continue
        seen = table.si(each.efficiency)
        count = _count(table, each)
        by_mean = quotient(table.si(each.flops), table.si(each.joules))
        by_sum = quotient(table.si(each.flops), table.si(each.joules_sum))
        with np.errstate(invalid="ignore"):
            wrong = (np.abs(seen / by_sum - 1) < CLOSE) & (count > MANY)
            right = np.abs(seen / by_mean - 1) < CLOSE
        rows = [int(row) for row in np.flatnonzero(wrong & ~right)]
        if rows:
            yield _summed(table, each.efficiency, rows, by_mean, count)


def _count(table: AuditTable, each: Pass) -> Floats:
    """Give the number of units of work that the sum of a row is of."""
    return quotient(table.si(each.joules_sum), table.si(each.joules))


def _counted_once(table: AuditTable, each: Pass) -> bool:
    """Say whether operations stand beside a sum and a mean energy, and are those of one unit.

    They are if the column says so, or if rows with other numbers of units have the same operations;
    operations of all units over the energy of all units would be right.
    """
    if not (each.flops and each.joules and each.joules_sum):
        return False
    meaning = table.meaning(each.flops)
    if meaning is not None and (meaning.per or meaning.statistic == "mean"):
        return True
    flops, count = table.si(each.flops), np.round(_count(table, each))
    known = [float(f) for f in set(flops[np.isfinite(flops) & np.isfinite(count)])]
    return any(len(set(count[(flops == f) & np.isfinite(count)])) > 1 for f in known)


def _summed(
    table: AuditTable, column: str, rows: list[int], right: Floats, count: Floats
) -> Finding:
    return Finding(
        "sum-over-mean",
        "error",
        table.where(column),
        f"{_rows(rows)} ({table.places(rows)}): the efficiency is the operations of one unit of "
        f"work over the energy of about {np.median(count[rows]):.0f} of them together; it is that "
        "many times too low",
        "divide the operations of one by the mean energy of one",
        f"{table.si(column)[rows[0]] / 1e9:.4g} GFLOP/J",
        f"{right[rows[0]] / 1e9:.4g} GFLOP/J",
    )


@dataclass(frozen=True, slots=True)
class _Derived:
    """What can be made of one row's figures, rightly and wrongly, in SI units."""

    precision: str | None
    phase: str
    place: str
    by_sum: float
    by_mean: float
    count: float
    share: float


def _summed_elsewhere(evidence: Evidence) -> Iterator[Finding]:
    """Hold the figures of other tables against what the rows with operations and energies make."""
    derived = [item for table in evidence.tables for item in _derivations(table)]
    if not derived:
        return
    for table in evidence.tables:
        if not any(passes(table)):
            yield from _hits(table, derived)


def _derivations(table: AuditTable) -> Iterator[_Derived]:
    for each in passes(table):
        if not _counted_once(table, each):
            continue
        flops, joules = table.si(each.flops), table.si(each.joules)
        by_sum = quotient(flops, table.si(each.joules_sum))
        by_mean, count = quotient(flops, joules), _count(table, each)
        sem = table.si(each.joules_sem) if each.joules_sem else np.full(len(table), np.nan)
        share = quotient(sem, table.si(each.joules_sum))
        found = setups(table, each.flops)
        for row in np.flatnonzero(np.isfinite(by_sum) & (count > MANY)):
            place = f"{table.name} {table.places([int(row)])}"
            figures = (float(part[row]) for part in (by_sum, by_mean, count, share))
            yield _Derived(found[row].precision, each.phase, place, *figures)


def _hits(table: AuditTable, derived: list[_Derived]) -> Iterator[Finding]:
    for column in table.columns:
        if not table.is_number(column) or column == table.run_column:
            continue
        precision, phase = find_precision(column), _phase(column)
        fitting = [item for item in derived if _may_be(item, precision, phase)]
        exact = np.array([_told_exactly(text) for text in table.texts(column).tolist()])
        numbers = np.where(exact, table.numbers(column), np.nan)
        summed = _equal(numbers, [item.by_sum for item in fitting])
        if summed:
            yield _found_elsewhere(table, column, {row: fitting[k] for row, k in summed.items()})
        for values in ("by_sum", "by_mean"):
            narrow = _equal(numbers, [item.share * getattr(item, values) for item in fitting])
            if narrow:
                yield _error_elsewhere(table, column, {r: fitting[k] for r, k in narrow.items()})


def _equal(numbers: Floats, candidates: list[float]) -> dict[int, int]:
    """Give, for each number that is one of the candidates in some prefix, its row and which.

    Nothing where so few agree that chance may have done it.
    """
    held = np.flatnonzero(numbers > 0)
    seen, known = _mantissa(numbers[held]), _mantissa(np.array(candidates))
    pairs = seen.size * known.size
    if pairs > _MOST_PAIRS:
        return {}
    with np.errstate(invalid="ignore"):
        rows, which = np.nonzero(np.abs(seen[:, None] / known[None, :] - 1) < EQUAL)
    hits = dict(zip(held[rows].tolist(), which.tolist(), strict=True))
    return hits if len(hits) >= (1 if pairs < _FEW_PAIRS else 2) else {}


def _mantissa(values: Floats) -> Floats:
    """Scale positive numbers by a power of a thousand into 1 to 1000; NaN for others."""
    positive = np.where(values > 0, values, np.nan)
    return positive / 1000.0 ** np.floor(np.log10(positive) / 3)


def _told_exactly(text: str) -> bool:
    """Say whether a figure is written with so many digits that it cannot agree by its roundness."""
    digits = re.sub(r"[eE].*|\D", "", text).strip("0")
    return len(digits) >= _DIGITS


def _rows(rows: Sized) -> str:
    return f"{len(rows)} row{'s' if len(rows) != 1 else ''}"


def _phase(column: str) -> str:
    named = [word for word in words_of(column) if word in ("forward", "backward")]
    return named[0] if len(named) == 1 else ""


def _may_be(item: _Derived, precision: str | None, phase: str) -> bool:
    """Say whether a column's name does not speak against a row.

    Devices are not asked for: figures that agree in six digits are one figure, and labels may be
    wrong.
    """
    if precision and item.precision and precision != item.precision:
        return False
    return not (phase and item.phase and phase != item.phase)


def _found_elsewhere(table: AuditTable, column: str, hits: dict[int, _Derived]) -> Finding:
    row, item = next(iter(hits.items()))
    seen = float(table.numbers(column)[row])
    places = ", ".join(dict.fromkeys(item.place for item in list(hits.values())[:_NAMED]))
    counts = sorted({round(item.count) for item in hits.values()})
    times = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    return Finding(
        "sum-over-mean",
        "error",
        table.where(column),
        f"{_rows(hits)} ({table.places(hits)}): the figure is the operations of one unit of "
        f"work over the energy of all of them together ({places}); it is "
        f"{times} times too low, and rows with other counts cannot be compared",
        "divide the operations of one by the mean energy of one",
        f"{seen:.4g}",
        f"{seen * item.count:.4g}",
    )


def _error_elsewhere(table: AuditTable, column: str, hits: dict[int, _Derived]) -> Finding:
    row, item = next(iter(hits.items()))
    seen = float(table.numbers(column)[row])
    return _too_narrow(table.where(column), table, list(hits), seen, seen * item.count, item.count)


def _too_narrow(
    where: str, table: AuditTable, rows: list[int], seen: float, right: float, count: float
) -> Finding:
    return Finding(
        "error-over-sum",
        "error",
        where,
        f"{_rows(rows)} ({table.places(rows)}): the error bar is the value times the standard "
        f"error over the sum of the energies instead of over their mean; it is about {count:.0f} "
        "times too small",
        "the relative error of an efficiency is that of its energy: standard error over mean",
        f"{seen:.4g}",
        f"{right:.4g}",
    )


def _error_over_sum(table: AuditTable) -> Iterator[Finding]:
    for each in passes(table):
        if not (each.efficiency and each.joules and each.joules_sum and each.joules_sem):
            continue
        value, count = table.si(each.efficiency), _count(table, each)
        right = value * quotient(table.si(each.joules_sem), table.si(each.joules))
        for statistic in ("error", "sem"):
            for column in table.measures(
                "efficiency", per="flops", phase=each.phase, statistic=statistic
            ):
                yield from _narrow_rows(table, column, right, count)


def _narrow_rows(table: AuditTable, column: str, right: Floats, count: Floats) -> Iterator[Finding]:
    seen = table.si(column)
    with np.errstate(invalid="ignore", divide="ignore"):
        wrong = (np.abs(seen * count / right - 1) < CLOSE) & (count > MANY)
    rows = [int(row) for row in np.flatnonzero(wrong)]
    if rows:
        row = rows[0]
        yield _too_narrow(
            table.where(column), table, rows, seen[row] / 1e9, right[row] / 1e9, count[row]
        )


def _efficiencies_added(table: AuditTable) -> Iterator[Finding]:
    """Look for a column of efficiencies that is the sum of two others, row by row."""
    columns = table.measures("efficiency", per="flops")
    for total in columns:
        parts = [column for column in columns if column != total]
        for pair in combinations(parts, 2):
            added = table.si(pair[0]) + table.si(pair[1])
            whole = table.si(total)
            both = np.isfinite(added) & np.isfinite(whole) & (table.si(pair[0]) > 0)
            both &= table.si(pair[1]) > 0
            if np.any(both) and np.all(np.abs(whole[both] / added[both] - 1) < EQUAL):
                row = int(np.flatnonzero(both)[0])
                yield _added(table, total, pair, float(whole[row]), int(np.count_nonzero(both)))
                break


def _added(table: AuditTable, total: str, pair: tuple[str, str], seen: float, rows: int) -> Finding:
    return Finding(
        "efficiencies-added",
        "error",
        table.where(total),
        f"in {rows} rows it is {pair[0]} + {pair[1]}: operations per joule do not add; of two "
        "passes together it lies between the two",
        "add the operations of both passes and divide by the sum of their energies",
        f"{seen / 1e9:.4g} GFLOP/J",
        f"between {pair[0]} and {pair[1]}",
    )


RULES = (
    Rule("sum-over-mean", "compute", table=_sum_over_mean, evidence=_summed_elsewhere),
    Rule("error-over-sum", "compute", table=_error_over_sum),
    Rule("efficiencies-added", "compute", table=_efficiencies_added),
)
