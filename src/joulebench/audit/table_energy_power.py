"""Rules on the power that a table states or implies: what boards may draw, what machines must."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.columns import words_of
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.audit.table_energy_boards import (
    board_counts,
    device_names,
    highest_limits_w,
    lowest_idle_w,
    may_be_raised,
)
from joulebench.audit.table_energy_pairs import (
    ImpliedPower,
    implied_powers,
    may_be_of_a_cluster,
    meaning_in,
)
from joulebench.finding import Finding

TOLERANCE = 0.05
"""How far a board's own sensor may read too high: ±5 % (arXiv 2312.02741)."""

_RAISED = 1.4
"""A board sold for games may be set to so many times its limit by its owner."""

_HOST_W = {"": 500.0, "total": 1000.0, "node": 2000.0, "platform": 1000.0, "wall": 3000.0}
"""What the rest of a machine may draw beside its boards, W, by what a figure may cover."""

_MOST_BOARDS = 16
"""Boards of one machine: up to so many may have been added where a table does not say it."""

IDLE_SHARE = 0.03
"""Least idle power of a board over its limit: those that publish it idle at 3 to 20 %."""

_ANY_MACHINE_W = 5.0
"""A server, desktop or laptop at work draws more, W; only phones and small boards draw less."""

_ODD = 3.0
"""Rows of a small machine differ by less than this; a lost comma makes 10 and more of it."""

_SMALL = re.compile(
    r"raspberry|\brpi\b|\bpi[ -]?(zero|[345]b?)\b|jetson|\borin\b|phone|\bpixel\b|\bipad\b|android"
    r"|\bgalaxy\b|snapdragon|exynos|\bmobile\b|tablet|microcontroller|\bmcu\b|arduino|esp32|\bnpu\b"
    r"|\bcoral\b|odroid|macbook|apple[ -]m\d|embedded|single[ -]board",
    re.IGNORECASE,
)
"""Names of machines that may well draw less."""


def power_above_limit(table: AuditTable) -> Iterator[Finding]:
    """Find powers above what the devices of a row may draw."""
    if table.recomputed:
        return  # the trace of each board is held against its own limit
    limit = highest_limits_w(table)
    if not np.isfinite(limit).any():
        return
    counts = board_counts(table)
    for power in implied_powers(table):
        if np.isnan(power.assumed):
            continue
        counted = bool(np.isfinite(counts).any())
        # Where other rows say how many boards worked, one that does not is not judged.
        boards = np.where(np.isnan(counts) & counted, np.nan, np.fmax(counts, 1.0))
        boards = np.ones(len(table)) if power.boards_each else boards
        yield from _above(table, power, limit * boards, counted)


def _above(
    table: AuditTable, power: ImpliedPower, allowed: Floats, counted: bool
) -> Iterator[Finding]:
    part = power.part or ("total" if table.measures("energy", part=("cpu", "dram")) else "")
    with np.errstate(invalid="ignore"):
        over = np.isfinite(power.least_w) & (power.least_w > allowed * (1 + TOLERANCE))
        if part in _HOST_W and part:
            over &= power.least_w > allowed + _HOST_W[part]
    rows = np.flatnonzero(over)
    if not rows.size:
        return
    worst = rows[np.argmax(power.least_w[rows] / allowed[rows])]
    known = np.isfinite(allowed) & np.isfinite(power.least_w)
    severity = _severity(table, power, allowed, rows, np.flatnonzero(known), counted)
    yield Finding(
        "power-above-limit",
        severity,
        table.where(power.names),
        f"{rows.size} of {int(known.sum())} rows draw more than {_what(power)} may: "
        f"{table.places(rows.tolist())}",
        _remedy_above(severity, counted),
        f"{power.least_w[worst]:,.0f} W{_unit_told(power)}",
        f"at most {allowed[worst]:,.0f} W ({device_names(table, [int(worst)])})",
    )


def _severity(
    table: AuditTable,
    power: ImpliedPower,
    allowed: Floats,
    rows: NDArray[np.intp],
    known: NDArray[np.intp],
    counted: bool,
) -> str:
    """Say whether the excess is impossible, or may be boards or a host that nobody named."""
    share = power.least_w[rows] / allowed[rows]
    beyond = share > np.where(may_be_raised(table)[rows], _RAISED, 1.0) * (1 + TOLERANCE)
    if not power.part:
        beyond &= power.least_w[rows] > allowed[rows] + _HOST_W[""]
    typical = float(np.median(power.least_w[known] / allowed[known]))
    many = _may_be_of_one(power) or may_be_of_a_cluster(table, power)
    most = np.inf if many else _MOST_BOARDS
    if not counted and not power.boards_each and 1 + TOLERANCE < typical <= most:
        return "warning"
    return "error" if beyond.any() else "warning"


def _may_be_of_one(power: ImpliedPower) -> bool:
    """Say whether a duration may be of one request: an inference time beside all the energy."""
    words = {word for column in power.columns[1:] for word in words_of(column)}
    return bool(words & {"inference", "generation", "response", "request"})


def _what(power: ImpliedPower) -> str:
    return "the boards" if power.part in ("gpu", "") else f"the {power.part} with its boards"


def _unit_told(power: ImpliedPower) -> str:
    units = {1e3: "ms", 1e6: "µs", 1e9: "ns"}
    told = units.get(power.assumed)
    return f" (durations read as {told})" if told else ""


def _remedy_above(severity: str, counted: bool) -> str:
    mend = "mend the energy or the duration of these rows: window, unit or a channel counted twice"
    if severity == "error":
        return mend
    return mend if counted else (
        "say in a column n_gpus how many boards were added, and in the name of the column whether "
        f"the processor is in it; else {mend}"
    )  # fmt: skip


def power_below_idle(table: AuditTable) -> Iterator[Finding]:
    """Find powers far below what the device, or any machine, draws while it is switched on."""
    idle = lowest_idle_w(table, IDLE_SHARE) * np.fmax(np.nan_to_num(board_counts(table)), 1.0)
    idle = np.where(_on_processor(table), np.nan, idle)
    told: set[str] = set()
    for power in implied_powers(table):
        pieces = len(power.columns) > 1 and _per_piece(table, power)
        if power.part in told or pieces or np.isnan(power.assumed):
            continue  # a power that is stated and made of two columns is one power
        for finding in _below(table, power, idle):
            told.add(power.part)
            yield finding


def _per_piece(table: AuditTable, power: ImpliedPower) -> bool:
    """Say whether durations are of single pieces, which may have overlapped."""
    meaning = table.meaning(power.columns[1])
    return meaning is not None and meaning.per != ""


def _below(table: AuditTable, power: ImpliedPower, idle: Floats) -> Iterator[Finding]:
    watts = power.most_w
    known = np.isfinite(idle)
    with np.errstate(invalid="ignore"):
        worked = watts > 0
        of_device = worked & known & (watts < idle)
        judged = not table.recomputed and any(meaning_in(table, c).unit for c in power.columns)
        of_any = worked & ~known & (watts < _ANY_MACHINE_W) & judged
        if not of_any[worked].all():
            of_any &= watts < np.median(watts[worked]) / _ODD
    of_any &= not (of_any.any() and _names_small(table))
    for low, severity in ((of_device, "error"), (of_any, "warning")):
        rows = np.flatnonzero(low)
        if rows.size and (severity == "error" or power.assumed == 1.0):
            yield _too_low(table, power, rows, int(worked.sum()), severity, idle)


def _names_small(table: AuditTable) -> bool:
    """Say whether anything in a table says that it is of a phone, a small board or the like."""
    levels = (level for column in table.settings for level in table.levels(column))
    return any(map(_SMALL.search, (table.name.replace("_", " "), *table.devices, *levels)))


def _too_low(
    table: AuditTable,
    power: ImpliedPower,
    rows: NDArray[np.intp],
    of: int,
    severity: str,
    idle: Floats,
) -> Finding:
    middle = float(np.median(power.most_w[rows]))
    if severity == "error":
        named = device_names(table, rows.tolist())
        possible = f"at least {np.min(idle[rows]):.3g} W even when idle ({named})"
    else:
        possible = f"more than {_ANY_MACHINE_W:g} W for anything but phones and small boards"
    return Finding(
        "power-below-idle",
        severity,
        table.where(power.names),
        f"{rows.size} of {of} rows draw less power than a machine that is switched on: "
        f"{table.places(rows.tolist())}",
        "hold the duration against the clock: a lost decimal comma makes it 10 to 1,000 times too "
        f"long, a wrong unit 1,000 times; {_would_be(middle)}",
        f"{middle:.3g} W{_unit_told(power)}",
        possible,
    )


def _would_be(watts: float) -> str:
    factor = next((f for f in (100.0, 1000.0, 10.0) if 50 <= watts * f <= 2000), 1000.0)
    return f"with a factor of {factor:,.0f} it would be {watts * factor:,.0f} W"


def _on_processor(table: AuditTable) -> NDArray[np.bool_]:
    """Say of each row whether a setting says that it ran on the processor."""
    found = np.zeros(len(table), dtype=bool)
    for column in table.settings:
        if any(level.casefold() == "cpu" for level in table.levels(column)):
            found |= np.array([str(text).casefold() == "cpu" for text in table.texts(column)])
    return found


RULES = (
    Rule("power-above-limit", "energy", table=power_above_limit),
    Rule("power-below-idle", "energy", table=power_below_idle),
)
