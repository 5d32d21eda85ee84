"""Tables in which one power stands behind all energies: that of a limit, or an assumed one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.design_factors import WORK, design_of
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.audit.table_energy_boards import board_counts, device_names, highest_limits_w
from joulebench.audit.table_energy_pairs import ImpliedPower, implied_powers, rounding_si
from joulebench.audit.trace_limits import (
    AT_LIMIT,
    DIFFERENT_WORK,
    FEWEST_LEVELS,
    OVER_LIMIT,
    fitting,
    is_plateau,
)
from joulebench.finding import Finding

_FEWEST_ROWS = 5
_RATED = 1e-6
"""No reading meets a limit so nearly."""

_TOLD = 2e-3
"""A power has to be known to this, relative, before that it never changes says anything."""

_PIECES = ("example", "token", "batch", "step")
_COSTLY = (*WORK, "model", "precision")


def power_limit_saturated(table: AuditTable) -> Iterator[Finding]:
    """Look for settings that differ in speed and all draw one power, known as a limit or not."""
    if table.recomputed:
        return  # their traces are looked at
    told: set[str] = set()
    for power in implied_powers(table):
        if power.part in told or not np.allclose(
            power.least_w, power.most_w, rtol=0.01, equal_nan=True
        ):
            continue
        found = _at_known_limit(table, power) or _on_plateau(table, power)
        if found is not None:
            told.add(power.part)
            yield found


def _at_known_limit(table: AuditTable, power: ImpliedPower) -> Finding | None:
    """Look for rows at the limit of their boards; a host's share would have to fit by chance."""
    if power.part != "gpu" or _is_assumed(table, power):
        return None
    boards = np.ones(len(table)) if power.boards_each else board_counts(table)
    limit_w = highest_limits_w(table) * np.fmax(np.nan_to_num(boards), 1.0)
    with np.errstate(invalid="ignore"):
        share = power.least_w / limit_w
        rated = np.abs(share - 1.0) < _RATED  # copied out of a data sheet
        rows = np.flatnonzero((share >= AT_LIMIT) & (share <= OVER_LIMIT) & ~rated)
    if not rows.size:
        return None
    why = f"the limit of {device_names(table, rows.tolist())} is {limit_w[rows[0]]:.4g} W"
    return _saturated(table, power, rows, why, f"{limit_w[rows[0]]:.4g} W")


def _on_plateau(table: AuditTable, power: ImpliedPower) -> Finding | None:
    """Look for one power in settings of different speed, as only a limiter keeps it."""
    known = np.isfinite(power.least_w) & (power.least_w > 0)
    design = design_of(table)
    varied = [factor.column for factor in design.of_kind(*_COSTLY)]
    if not varied or not known.any() or _is_assumed(table, power):
        return None
    cells = design.cells[known]
    levels = _means(power.least_w[known], cells)
    if levels.size < FEWEST_LEVELS or not is_plateau(levels) or not _speeds_differ(table, known):
        return None
    if not is_plateau(power.least_w[known]):
        return None  # a limiter holds each run, not only their means
    why = (
        f"{', '.join(varied)} differ in speed and draw the same power, as only a limit makes it"
        f"{fitting(float(np.median(levels)))}"
    )
    return _saturated(table, power, np.flatnonzero(known), why, "")


def _means(values: Floats, cells: NDArray[np.intp]) -> Floats:
    count = np.bincount(cells)
    held = count > 0
    means: Floats = np.bincount(cells, values)[held] / count[held]
    return means


def _speeds_differ(table: AuditTable, rows: NDArray[np.bool_]) -> bool:
    """Say whether settings worked at clearly different speeds, else took clearly other times."""
    pieces = [c for per in _PIECES for c in table.measures("duration", per=per)]
    columns = table.measures("throughput") + pieces
    for column in columns or table.measures("duration", per=""):
        values = table.si(column)[rows]
        values = values[np.isfinite(values) & (values > 0)]
        if values.size and values.max() >= DIFFERENT_WORK * values.min():
            return True
    return False


def _saturated(
    table: AuditTable, power: ImpliedPower, rows: NDArray[np.intp], why: str, possible: str
) -> Finding:
    watts = power.least_w[rows]
    held = int(np.isfinite(power.least_w).sum())
    return Finding(
        "power-limit-saturated",
        "warning" if rows.size > 1 else "note",
        table.where(power.names),
        f"{rows.size} of {held} rows sit at {np.median(watts):.4g} W ({watts.min():.4g} to "
        f"{watts.max():.4g} W): {why}; their energy is that power times their time, so that energy "
        "and time carry the same information",
        "do not count energy and latency as two results; lower the work per step or report the "
        "limit, and compare energies at several limits",
        seen=f"{np.median(watts):.4g} W",
        possible=possible,
    )


def _is_assumed(table: AuditTable, power: ImpliedPower) -> bool:
    """Say whether a power is the same to the last digit that the columns hold, in all rows."""
    watts = power.least_w[np.isfinite(power.least_w) & (power.least_w > 0)]
    return bool(
        watts.size >= _FEWEST_ROWS and np.ptp(watts) <= 2 * _rounding(table, power) * watts.max()
    )


def _rounding(table: AuditTable, power: ImpliedPower) -> float:
    """Give how well a power is known, relative, by the digits of the columns that it is made of."""
    steps = []
    for column in power.columns[:2]:
        with np.errstate(all="ignore"):
            steps.append(0.5 * rounding_si(table, column) / np.abs(table.si(column)))
    total = np.sum(steps, axis=0)
    held = total[np.isfinite(total)]
    return float(held.max()) if held.size else np.inf


def assumed_power(table: AuditTable) -> Iterator[Finding]:
    """Look for energies that are one power times the time, to the last digit."""
    if table.recomputed:
        return
    for power in implied_powers(table):
        if len(power.columns) < 2 or not _is_assumed(table, power):
            continue
        seconds = table.si(power.columns[1])
        held = seconds[np.isfinite(seconds) & (seconds > 0)]
        rounding = _rounding(table, power)
        if rounding > _TOLD or held.max() < DIFFERENT_WORK * held.min():
            continue
        watts = float(np.nanmedian(power.least_w))
        yield Finding(
            "constant-column",
            "warning",
            table.where(power.names),
            f"{power.names} is {watts:.5g} W in all {held.size} rows, as far as their digits go, "
            "which no sensor reads: the energy is that power times the time and says nothing that "
            "the time does not say",
            "call it an estimate, with the power that was assumed; measure the power to compare "
            "energies",
            seen=f"{watts:.5g} W within {2 * rounding:.1g}",
            possible="powers that vary from run to run",
        )


RULES = (
    Rule("power-limit-saturated", "energy", table=power_limit_saturated),
    Rule("constant-column", "design", table=assumed_power),
)
