"""Rules on energies that are off by the range of a counter, or below zero."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.audit.table_energy_pairs import durations_of, meaning_in
from joulebench.finding import Finding

RANGES_J = (262144.0, 262143.328850, 65536.0, 65712.999613, 65532.610987, 4294.967296)
"""Ranges of energy counters, J: 2^32 steps of 61 µJ (2^-14 J), of 15.3 µJ (2^-16 J) and of 1 µJ.

Between them what Linux gives as ``max_energy_range_uj`` of packages and of memory.
"""

_FEWEST = 4
"""Rows of one setting that are needed to say what is usual for it."""

_NARROW = 0.1
"""A setting's spread has to stay below this share of the range, else a wrap is no outlier."""

_OUTLIER = 0.4
"""A wrapped figure is away from the usual one by at least this share of the range."""

_LANDS = 0.02
"""A wrapped figure has to come back this near to the usual one, as a share of the range."""

_STEADY = np.log(1.25)
"""A row whose power is within a quarter of the usual, and its time is not, just took longer."""

_FAR = 3.0
"""One run may take four times as long as the others; beyond that it is no run that took longer."""

_NOISE = 0.02
"""What is left above idle may be below zero by noise: by this share of the whole."""

_SMALL_RANGE_J = 10_000.0
"""Below it an outlier may be off by the range by chance: two of them are needed."""


@dataclass(frozen=True, eq=False)
class _Usual:
    """What is usual for each row of a column: its middle and its standard deviation, J."""

    middle_j: Floats
    spread_j: Floats


def counter_wrap(table: AuditTable) -> Iterator[Finding]:
    """Find energies that come back to what is usual when the range of a counter is undone."""
    for column in table.measures("energy", per="", phase=None):
        if meaning_in(table, column).phase == "net":
            continue
        found = wrapped(table, column)
        if found is not None:
            rows, range_j, told = found
            worst = int(rows[0])
            usual_j = without_range(table.si(column)[worst], range_j, told)
            away = abs(table.si(column)[worst] - usual_j) > _FAR * usual_j
            sure = rows.size > 1 or away or bool(durations_of(table, column))
            yield Finding(
                "counter-wrap",
                "error" if sure else "warning",
                table.where(column),
                f"{rows.size} of {len(table)} rows are off by the whole range of a counter "
                f"({range_j:,.0f} J): {table.places(rows.tolist())}",
                f"take {told} instead, or read the counter often enough to see it wrap",
                f"{table.si(column)[worst]:,.0f} J",
                f"{usual_j:,.0f} J, as other rows of the same setting have",
            )


def wrapped(table: AuditTable, column: str) -> tuple[NDArray[np.intp], float, str] | None:
    """Find the rows of a column that a counter's range is missing from, or was added to.

    Returns:
        The rows, the range, J, and in words what the energy is; ``None`` where there are none.
    """
    joules = table.si(column)
    held = joules[np.isfinite(joules)]
    if not held.size or held.max() - held.min() < _OUTLIER * min(RANGES_J):
        return None
    usual = _usual(table, column, joules)
    with np.errstate(invalid="ignore"):
        odd = np.flatnonzero(np.abs(joules - usual.middle_j) > _OUTLIER * min(RANGES_J))
    odd = odd[~_took_longer(table, column, joules)[odd]] if odd.size else odd
    usual = _Usual(usual.middle_j[odd], usual.spread_j[odd])
    best: tuple[NDArray[np.intp], float, str] | None = None
    for range_j in RANGES_J if odd.size else ():
        for told, undone in _ways_back(joules[odd], range_j):
            rows = odd[_comes_back(joules[odd], undone, usual, range_j)]
            enough = rows.size >= (2 if range_j < _SMALL_RANGE_J else 1)
            if enough and (best is None or rows.size > best[0].size):
                best = (rows, range_j, told)
    return best


def _took_longer(table: AuditTable, column: str, joules: Floats) -> NDArray[np.bool_]:
    """Say of each row whether its time explains it: odd like the energy, at the usual power."""
    durations = durations_of(table, column)
    if not durations:
        return np.zeros(joules.size, dtype=bool)
    seconds = np.fmax.reduce([table.si(name) for name in durations])
    with np.errstate(all="ignore"):
        watts = np.where(seconds > 0, joules / seconds, np.nan)
        usual_w, usual_s = by_setting(table, watts)[0], by_setting(table, seconds)[0]
        steady = np.abs(np.log(watts / usual_w)) < _STEADY
        longer: NDArray[np.bool_] = np.abs(np.log(seconds / usual_s)) > _STEADY
        return np.asarray(steady & longer, dtype=bool)


def _ways_back(joules: Floats, range_j: float) -> Sequence[tuple[str, Floats]]:
    """Give the energies that figures may stand for: the range left out, or its sign lost too."""
    return (
        (f"the figure plus {range_j:,.0f} J", joules + range_j),
        (f"the figure less {range_j:,.0f} J", joules - range_j),
        (f"{range_j:,.0f} J less the figure", range_j - joules),
    )


def without_range(joules: float, range_j: float, told: str) -> float:
    """Give what a figure stands for, in the words of :func:`wrapped`."""
    if told.startswith("the figure plus"):
        return joules + range_j
    return joules - range_j if told.startswith("the figure less") else range_j - joules


def _comes_back(joules: Floats, undone: Floats, usual: _Usual, range_j: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        narrow = 6 * usual.spread_j < _NARROW * range_j
        outlier = np.abs(joules - usual.middle_j) > _OUTLIER * range_j
        near = np.abs(undone - usual.middle_j) <= np.maximum(4 * usual.spread_j, _LANDS * range_j)
        return narrow & outlier & near & (undone > 0)


def _usual(table: AuditTable, column: str, joules: Floats) -> _Usual:
    """Say what is usual for each row: the other rows of its setting, else its power and time."""
    middle, spread = by_setting(table, joules)
    durations = durations_of(table, column)
    if np.isnan(middle).any() and durations:
        seconds = table.si(durations[0])
        with np.errstate(all="ignore"):
            watts = np.where(seconds > 0, joules / seconds, np.nan)
        power, power_spread = _middle_and_spread(watts[np.isfinite(watts)])
        missing = np.isnan(middle)
        middle = np.where(missing, power * seconds, middle)
        spread = np.where(missing, power_spread * seconds, spread)
    return _Usual(middle, spread)


def by_setting(table: AuditTable, numbers: Floats) -> tuple[Floats, Floats]:
    """Give middle and standard deviation of the setting that each row has, robustly.

    NaN where fewer than four rows have the setting.
    """
    cells = table.cell_of_row
    held = np.isfinite(numbers)
    middles, counts = _medians(numbers[held], cells[held], int(cells.max(initial=0)) + 1)
    away = np.abs(numbers - middles[cells])
    spreads, _ = _medians(away[held], cells[held], middles.size)
    few = counts < _FEWEST
    middles[few], spreads[few] = np.nan, np.nan
    return middles[cells], 1.4826 * spreads[cells]


def _medians(
    numbers: Floats, cells: NDArray[np.intp], size: int
) -> tuple[Floats, NDArray[np.intp]]:
    """Give the median and the number of the values of each of several cells."""
    by_size = np.argsort(numbers)
    small = cells[by_size].astype(np.uint16) if size < 2**16 else cells[by_size]
    order = by_size[np.argsort(small, kind="stable")]
    counts = np.bincount(cells, minlength=size)
    starts = np.cumsum(counts) - counts
    ranked = np.append(numbers[order], np.nan)
    low, high = starts + (counts - 1) // 2, starts + counts // 2
    medians = (ranked[np.maximum(low, 0)] + ranked[high]) / 2
    return np.where(counts > 0, medians, np.nan), counts


def _middle_and_spread(numbers: Floats) -> tuple[float, float]:
    if numbers.size < _FEWEST:
        return np.nan, np.nan
    middle = float(np.median(numbers))
    return middle, float(1.4826 * np.median(np.abs(numbers - middle)))


def negative_energy(table: AuditTable) -> Iterator[Finding]:
    """Find energies and powers below zero, where no idle power was taken off."""
    for kind, unit in (("energy", "J"), ("power", "W"), ("duration", "s")):
        for column in table.measures(kind):
            numbers = table.si(column)
            net = meaning_in(table, column).phase == "net"
            least = -_NOISE * _gross(table, column) if net else 0.0
            with np.errstate(invalid="ignore"):
                rows = np.flatnonzero(numbers < least)
            if rows.size and net:
                yield _below_own_idle(table, column, rows, float(numbers[rows].min()), unit)
            elif rows.size:
                yield _negative(table, column, rows, float(numbers[rows].min()), unit)


def _negative(
    table: AuditTable, column: str, rows: NDArray[np.intp], least: float, unit: str
) -> Finding:
    return Finding(
        "negative-energy",
        "error",
        table.where(column),
        f"{rows.size} of {len(table)} rows are below zero: {table.places(rows.tolist())}",
        "difference the counter with its wrap, keep start before stop, and if an idle energy was "
        "taken off say so in the name of the column",
        f"{least:.6g} {unit}",
        f"at least 0 {unit}",
    )


def _gross(table: AuditTable, net: str) -> Floats:
    """Give the energy or power that an idle share was taken off of; NaN where it is not there."""
    own = meaning_in(table, net)
    whole = table.measures(own.kind, part=own.part, per=own.per, phase="")
    return table.si(whole[0]) if whole else np.full(len(table), np.nan)


def _below_own_idle(
    table: AuditTable, column: str, rows: NDArray[np.intp], least: float, unit: str
) -> Finding:
    return Finding(
        "negative-energy",
        "warning",
        table.where(column),
        f"{rows.size} of {len(table)} rows are below zero after the idle power was taken off: "
        f"{table.places(rows.tolist())}; work would have cost less than doing nothing",
        "measure the idle power right before and after each run, at the temperature and the "
        "clocks of the run, and take it off for the duration of that run",
        f"{least:.6g} {unit}",
        f"above 0 {unit}, or below by no more than its noise",
    )


RULES = (
    Rule("counter-wrap", "energy", table=counter_wrap),
    Rule("negative-energy", "data", table=negative_energy),
)
