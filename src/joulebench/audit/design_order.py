"""Levels that were run one after the other, so that a drift looks like their effect."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from joulebench.audit.design_factors import Codes, DesignFactor, TableDesign, design_of
from joulebench.audit.design_outcomes import headline, logs, percent
from joulebench.audit.evidence import Evidence
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.finding import Finding
from joulebench.record import Run
from joulebench.stats.level_order import OrderTest, level_order_test, midranks, trend_order_test
from joulebench.stats.trend import within_group_slope

_ORDERS = (
    "order", "run_order", "exec_order", "execution_order", "trial_order", "run_sequence",
)  # fmt: skip
_SIGNIFICANCE = 0.01
_LEAST_SHARE = 0.1
"""Of a linear drift, a tenth of whose variance lies between levels, a third of its size does."""

_HARMLESS = 0.2
_FEWEST = 6

_APART = ("place", "name", "hardware")
"""Kinds that no drift of one machine can be taken for: other machines have other times."""


def _in_published(table: AuditTable) -> Iterator[Finding]:
    """Look at a table whose author says when its rows were run."""
    if not table.recomputed:
        yield from _order_confounded(table)


def _in_joined(evidence: Evidence) -> Iterator[Finding]:
    """Look at published tables that do not say when their rows were run, though the runs do."""
    started: dict[str, str] = {}
    for digest in evidence.digests:
        known = started.setdefault(digest.run.run_id, digest.run.started_at or "")
        if known != (digest.run.started_at or ""):
            return  # two studies call different runs by one name
    for table in evidence.tables:
        stamps = [started.get(run, "") for run in table.run_ids]
        if table.recomputed or time_column(table) is not None or not all(stamps):
            continue
        cells = {**table.cells, "started_at": np.array(stamps, dtype=object)}
        yield from _order_confounded(replace(table, cells=cells))


def _in_runs(evidence: Evidence) -> Iterator[Finding]:
    yield from _in_recomputed(evidence)
    yield from _in_joined(evidence)


def _in_recomputed(evidence: Evidence) -> Iterator[Finding]:
    """Look at tables of our own rows, whose order is that of time where runs were stamped."""
    stamped = {
        unit.name: bool(unit.digests) and all(_is_stamped(each.run) for each in unit.digests)
        for unit in evidence.units
    }
    for table in evidence.tables:
        if table.recomputed and stamped.get(table.name, False):
            yield from _order_confounded(table)


def _is_stamped(run: Run) -> bool:
    return run.origin == "live" or bool(run.started_at)


def _order_confounded(table: AuditTable) -> Iterator[Finding]:
    """Find factors whose levels go with the time at which rows were run."""
    design = design_of(table)
    column = time_column(table)
    if column is None or len(table) < _FEWEST or not _rows_are_runs(design):
        return
    stamps = _time(table, column)
    time = np.where(np.isfinite(stamps), midranks(stamps), np.nan)
    factors = [f for f in design.factors if f.kind not in _APART]
    tested = [(factor, _test(factor, time)) for factor in factors]
    # One test of levels and one of their trend for each factor: together they stay at 1 %.
    limit = _SIGNIFICANCE / max(1, 2 * len(factors))
    for factor, test in tested:
        if test.p < limit and test.share >= _LEAST_SHARE:
            yield _confounded(design, factor, column, time, test)


def time_column(table: AuditTable) -> str | None:
    """Give the column that says when rows were run; ``None`` where none does for sure."""
    known = {column.strip().lower(): column for column in table.columns}
    for name in _ORDERS:
        if name in known and table.is_number(known[name]):
            return known[name]
    named = [c for c in table.columns if (m := table.meaning(c)) and m.kind == "timestamp"]
    named.sort(key=lambda column: "start" not in column.lower())
    return next((c for c in named if np.isfinite(_time(table, c)).all()), None)


def _time(table: AuditTable, column: str) -> Floats:
    """Give times as numbers that only order matters of; NaN where one cannot be read."""
    if table.is_number(column):
        return table.numbers(column)
    texts = [text.strip() for text in table.texts(column).tolist()]
    try:
        return np.array([_seconds(text) for text in texts])
    except (ValueError, OverflowError):
        return np.full(len(texts), np.nan)


def _seconds(text: str) -> float:
    """Give a date and time in seconds; one that names no zone is read as all others of its table.

    Raises:
        ValueError: It is none.
    """
    if not text:
        return math.nan
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _rows_are_runs(design: TableDesign) -> bool:
    """Say whether rows are runs with an energy or a duration, not samples of a sensor."""
    table = design.table
    return bool(design.factors) and bool(headline(table, "energy") or headline(table, "duration"))


def _test(factor: DesignFactor, time: Floats) -> OrderTest:
    """Give the stronger of the tests that fit a factor."""
    stated = np.array([bool(level) for level in factor.levels])[factor.codes]
    known = np.isfinite(time) & stated
    codes = factor.codes[known]
    if len(codes) < _FEWEST:
        return OrderTest(0.0, 1.0)
    # Where some rows do not say their level, the ranks of the others are still in their order.
    rank = time if known.all() else midranks(time[known])
    tests = [level_order_test(codes, rank)]
    if len(factor.levels) > 2 and np.isfinite(factor.amounts).all():
        tests.append(trend_order_test(_rank_of_amount(factor, codes), rank))
    return min(tests, key=lambda test: test.p)


def _rank_of_amount(factor: DesignFactor, codes: Codes) -> Floats:
    """Give the rank of the level of each row, shape (n,): that of equal levels is their mean."""
    order = np.argsort(factor.amounts)
    count = np.bincount(codes, minlength=len(order))[order]
    mean = np.empty(len(order))
    mean[order] = np.cumsum(count) - (count - 1) / 2.0
    ranks: Floats = mean[codes]
    return ranks


def _confounded(
    design: TableDesign, factor: DesignFactor, column: str, time: Floats, test: OrderTest
) -> Finding:
    outcome = headline(design.table, "energy") or headline(design.table, "duration") or ""
    bound = _drift_bound(design, factor, outcome, time)
    effect = _effect(design, factor, outcome)
    small = bound is not None and math.isfinite(effect) and bound < _HARMLESS * effect
    if bound is None:
        told = "no cell was repeated at other times, so that a drift cannot be seen"
    else:
        told = (
            f"repeats of one cell bound a drift in {outcome} over the distance of its levels to "
            f"{percent(bound)}, while the levels differ by {percent(effect)}"
        )
    return Finding(
        "order-confounded",
        "note" if small else "warning",
        design.table.where(factor.column),
        f"the levels of {factor.column} were run one after the other: {100 * test.share:.0f} % of "
        f"the variation of {column} lies between them; {told}",
        "run the cells in random order within blocks; until then read a difference between levels "
        "as level and drift together",
        seen=f"share {test.share:.2f}, p = {test.p:.1g}",
        possible=f"p above {_SIGNIFICANCE:g} for all factors together in a random order",
    )


def _drift_bound(
    design: TableDesign, factor: DesignFactor, outcome: str, time: Floats
) -> float | None:
    """Give the largest drift between levels, as a log ratio, that repeats of cells allow."""
    value = logs(design.table.si(outcome))
    known = np.isfinite(value) & np.isfinite(time)
    cells = [str(cell) for cell in design.cells[known].tolist()]
    slope = within_group_slope(value[known], time[known], cells)
    if slope is None or not slope.bounded:
        return None
    mean = _means(time[known], factor.codes[known], len(factor.levels))
    return max(abs(slope.low), abs(slope.high)) * float(np.nanmax(mean) - np.nanmin(mean))


def _effect(design: TableDesign, factor: DesignFactor, outcome: str) -> float:
    """Give the log ratio of the levels with the highest and the lowest mean."""
    value = logs(design.table.si(outcome))
    known = np.isfinite(value)
    mean = _means(value[known], factor.codes[known], len(factor.levels))
    return float(np.nanmax(mean) - np.nanmin(mean)) if np.isfinite(mean).any() else math.nan


def _means(values: Floats, codes: Codes, levels: int) -> Floats:
    count = np.bincount(codes, minlength=levels)
    total = np.bincount(codes, values, minlength=levels)
    mean: Floats = np.divide(total, count, out=np.full(levels, np.nan), where=count > 0)
    return mean


RULES = (Rule("order-confounded", "design", table=_in_published, evidence=_in_runs),)
