"""Rules on figures that a mistaken unit explains: odd rows, and powers of no machine."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.audit.table_energy_boards import board_counts, highest_limits_w
from joulebench.audit.table_energy_pairs import (
    PLAUSIBLE_W,
    ImpliedPower,
    implied_powers,
    may_be_of_a_cluster,
    meaning_in,
)
from joulebench.audit.table_energy_wrap import by_setting
from joulebench.audit.table_units_factors import factor_told, unit_factor
from joulebench.finding import Finding

_KINDS = ("energy", "power", "duration", "memory", "throughput", "flops", "efficiency", "emissions")
_NARROW = np.log(3.0) / 6
"""Standard deviation of a setting's logarithm below which a factor of ten is no outlier of it."""

_NEAR = 0.1
"""How near to a factor a row has to be, relative, beyond the spread of its setting."""

_FAR = 8.0
"""A row that is nearer to the others of its setting is not off by a factor between units."""

_ALIKE = 3.0
"""Powers of one table lie within this factor of their middle, nearly all, when units are one."""

_MOST_BOARDS = 16.0
_CLUSTER_W = 20_000.0
_NOTHING_W = 0.05
"""No processor, no board and no machine draws less while it works, W."""

_KNOWN: WeakKeyDictionary[AuditTable, list[Finding]] = WeakKeyDictionary()

_DURATION_UNITS = {1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}
_CONVERSIONS = (1e-3, 1e3, 1e-6, 1e6, 3600.0, 1 / 3600.0, 3.6e6, 1 / 3.6e6)


def odd_rows(table: AuditTable) -> list[Finding]:
    """Find rows that are off from others of their setting by a factor between units, once."""
    if table not in _KNOWN:
        columns = (column for kind in _KINDS for column in table.measures(kind))
        _KNOWN[table] = [finding for column in columns for finding in _odd_in(table, column)]
    return _KNOWN[table]


def _odd_in(table: AuditTable, column: str) -> Iterator[Finding]:
    numbers = table.si(column)
    with np.errstate(all="ignore"):
        logs = np.where(numbers > 0, np.log(numbers), np.nan)
    held = logs[np.isfinite(logs)]
    if held.size and held.max() - held.min() > np.log(_FAR):
        middle, spread = by_setting(table, logs)
        yield from _odd(table, column, logs, middle, np.fmax(spread, 0.0))


def _odd(
    table: AuditTable, column: str, logs: Floats, middle: Floats, spread: Floats
) -> Iterator[Finding]:
    away = logs - middle
    with np.errstate(invalid="ignore"):
        far = np.flatnonzero((np.abs(away) > np.log(_FAR)) & (spread < _NARROW))
    found: dict[str, list[int]] = {}
    for row in far.tolist():
        near = float(np.expm1(max(np.log1p(_NEAR), 6 * spread[row])))
        ratio = np.exp(away[row : row + 1])
        factor = unit_factor(ratio, near)
        if factor and abs(np.log(factor)) > np.log(100.0):
            found.setdefault(f"unit-scale {factor!r}", []).append(row)
        elif _comma_lost(table, column, row, ratio[0], near):
            found.setdefault("decimal-comma", []).append(row)
    for rule, rows in found.items():
        yield _odd_finding(table, column, rule, rows, np.exp(middle[rows[0]]))


def _comma_lost(table: AuditTable, column: str, row: int, ratio: float, near: float) -> bool:
    """Say whether a whole number among fractions is 10 or 100 times the others."""
    tens = np.log10(ratio)
    if not 0.5 < tens < 2.5 or abs(tens - round(tens)) > np.log10(1 + near):
        return False
    texts = table.texts(column)
    return str(texts[row]).isdigit() and any("." in str(text) for text in texts[:50])


def _odd_finding(
    table: AuditTable, column: str, rule: str, rows: list[int], usual: float
) -> Finding:
    name, _, factor = rule.partition(" ")
    off = factor_told(float(factor)) if factor else "10 or 100, as by a lost decimal comma"
    unit = _unit(table, column)
    return Finding(
        name,
        "error",
        table.where(column),
        f"{len(rows)} of {len(table)} rows are off from others of the same setting by a factor of "
        f"{off}: {table.places(rows)}",
        "convert these rows to the unit that the column names, from the source if there is doubt",
        f"{table.si(column)[rows[0]]:.6g}{unit}",
        f"about {usual:.6g}{unit}, as other rows of the same setting have",
    )


def _unit(table: AuditTable, column: str) -> str:
    known = {
        "energy": " J",
        "power": " W",
        "duration": " s",
        "emissions": " kg",
        "memory": " bytes",
    }
    meaning = meaning_in(table, column)
    return "" if meaning.per else known.get(meaning.kind, "")


def odd_powers(table: AuditTable) -> Iterator[Finding]:
    """Find rows whose power is off from the other rows by a factor between units."""
    for power in implied_powers(table):
        if len(power.columns) < 2 or power.mean:
            continue
        watts = power.least_w
        held = np.flatnonzero(np.isfinite(watts) & (watts > 0))
        if held.size < 4:
            continue
        ratio = watts[held] / np.median(watts[held])
        alike = (ratio < _ALIKE) & (ratio > 1 / _ALIKE)
        odd = held[~alike]
        if not odd.size or alike.mean() < 0.7:
            continue
        yield from _odd_power(table, power, odd, float(np.median(watts[held][alike])))


def _odd_power(
    table: AuditTable, power: ImpliedPower, odd: NDArray[np.intp], usual_w: float
) -> Iterator[Finding]:
    found: dict[float, list[int]] = {}
    for row in odd.tolist():
        factor = unit_factor(power.least_w[row : row + 1] / usual_w, _ALIKE - 1)
        if abs(np.log(factor or 1.0)) > np.log(100.0):
            found.setdefault(factor, []).append(row)
    for factor, rows in found.items():
        yield Finding(
            "unit-scale",
            "error",
            table.where(power.names),
            f"{len(rows)} of {len(table)} rows imply a power about {factor_told(factor)} times off "
            f"from the others: {table.places(rows)}",
            "look which of the columns has another unit in these rows, and convert it",
            f"{power.least_w[rows[0]]:.4g} W",
            f"about {usual_w:.4g} W, as the other rows have",
        )


def impossible_powers(table: AuditTable) -> Iterator[Finding]:
    """Find powers that no machine draws, and durations that name no unit and are not in seconds."""
    limit = highest_limits_w(table) * np.fmax(np.nan_to_num(board_counts(table)), 1.0)
    for power in implied_powers(table):
        watts = np.where(power.least_w > 0, power.least_w, np.nan)
        if not np.isfinite(watts).any():
            continue
        middle = float(np.nanmedian(watts))
        if np.isnan(power.assumed):
            yield _neither_stated(table, power, middle)
        elif power.assumed != 1.0:
            yield _unstated(table, power, middle)
        elif middle < _NOTHING_W:
            yield _impossible(table, power, middle, "more than 0.05 W", certain=True)
        else:
            yield from _too_high(table, power, middle, limit)


def _too_high(
    table: AuditTable, power: ImpliedPower, middle: float, limit: Floats
) -> Iterator[Finding]:
    known = bool(np.isfinite(limit).any())
    most = _MOST_BOARDS * float(np.nanmax(limit)) if known else _CLUSTER_W
    if middle > most and not may_be_of_a_cluster(table, power):
        told = f"at most {most:,.0f} W ({_MOST_BOARDS:.0f} boards)" if known else "one machine"
        yield _impossible(table, power, middle, told, certain=known)


def _impossible(
    table: AuditTable, power: ImpliedPower, middle: float, possible: str, *, certain: bool
) -> Finding:
    fitting = [f for f in _CONVERSIONS if PLAUSIBLE_W[0] * 4 <= middle * f < PLAUSIBLE_W[1]]
    would = ", ".join(f"{middle * f:,.0f} W with a factor of {f:.3g}" for f in fitting[:2])
    stated = all(meaning_in(table, column).unit for column in power.columns)
    return Finding(
        "unit-scale",
        "error" if certain and stated else "warning",
        table.where(power.names),
        f"{power.names} imply a power that no machine draws"
        + (f"; it would be {would}" if would else "")
        + ("" if stated else "; the names of the columns do not say every unit"),
        "find which of these columns has another unit than its name says (mJ, kWh, ms), convert "
        "it, and name the unit",
        f"{middle:.3g} W in the middle of {len(table)} rows",
        possible,
    )


def _unstated(table: AuditTable, power: ImpliedPower, middle: float) -> Finding:
    unit = _DURATION_UNITS[power.assumed]
    return Finding(
        "unit-scale",
        "note",
        table.where(power.columns[1]),
        f"{power.columns[1]} names no unit; {unit} were taken, because with {power.columns[0]} "
        f"they make {middle:,.0f} W and seconds would make {middle / power.assumed:.2g} W",
        "name the unit in the column",
        f"{middle / power.assumed:.2g} W in seconds",
        f"{PLAUSIBLE_W[0]:g} to {PLAUSIBLE_W[1]:,.0f} W",
    )


def _neither_stated(table: AuditTable, power: ImpliedPower, middle: float) -> Finding:
    """Say what units would make the power that of a machine; nothing is judged by them."""
    would = {"ms or kJ": 1e3, "µs or MJ": 1e6, "Wh": 3600.0, "kWh": 3.6e6}
    low, high = PLAUSIBLE_W
    fitting = [
        f"{unit} {middle * f:,.0f} W" for unit, f in would.items() if low <= middle * f < high
    ]
    return Finding(
        "unit-scale",
        "note",
        table.where(power.names),
        f"neither {power.columns[0]} nor {power.columns[1]} names its unit, and J and s would make "
        f"{middle:.2g} W; " + (f"{', '.join(fitting)} would do" if fitting else "no unit would do"),
        "name both units in the columns: without them no power can be judged",
        f"{middle:.2g} W as J and s",
        f"{low:g} to {high:,.0f} W",
    )


RULES = (
    Rule("unit-scale", "data", table=impossible_powers),
    Rule("unit-scale", "data", table=odd_powers),
    Rule("unit-scale", "data", table=lambda table: _of("unit-scale", table)),
    Rule("decimal-comma", "data", table=lambda table: _of("decimal-comma", table)),
)


def _of(rule: str, table: AuditTable) -> Iterator[Finding]:
    return (finding for finding in odd_rows(table) if finding.rule == rule)
