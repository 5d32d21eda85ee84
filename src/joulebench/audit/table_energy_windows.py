"""Tables of energies of windows that are shorter than one update of the sensor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.devices import Devices, table_devices
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.audit.table_energy_pairs import durations_of, meaning_in
from joulebench.finding import Finding
from joulebench.importers.nvidia_smi_boards import architecture
from joulebench.nvml_timing import VOLTA, counter_period_s

_ONE_BY_ONE = ("mean", "median")
_REPEATED = frozenset({"iterations", "iters", "loops", "passes", "batches", "inner"})
_SPREADS = ("sem", "sd")


def window_below_resolution(table: AuditTable) -> Iterator[Finding]:
    """Look for energies of boards that were measured within less than one update of the sensor.

    Power and energy of a board are updated every 100 ms, on Volta every 20 ms
    (arXiv 2312.02741).
    """
    if table.recomputed:
        return  # their traces are looked at
    period_s = _update_periods_s(table)
    for column in table.measures("energy", part=("gpu", "", "total")):
        meaning = meaning_in(table, column)
        durations = durations_of(table, column)
        if not durations or not _is_one_window(table, column) or not _of_board(table, column):
            continue
        seconds = np.fmax.reduce([table.si(name) for name in durations])
        with np.errstate(invalid="ignore"):
            rows = np.flatnonzero((table.si(column) > 0) & (seconds > 0) & (seconds < period_s))
        if not rows.size:
            continue
        each = "each of their windows" if meaning.statistic in _ONE_BY_ONE else "they"
        shortest = int(rows[np.argmin(seconds[rows])])
        yield Finding(
            "window-below-resolution",
            "warning",
            table.where(column),
            f"{rows.size} of {len(table)} rows: {each} lasted less than one update of the "
            f"sensor of the board: {table.places(rows.tolist())}; what is read within one is as "
            "much of what came before",
            "repeat the work within one window until it lasts a hundred updates, and divide",
            f"{seconds[shortest]:.3g} s",
            f"at least {period_s[shortest]:.3g} s for one update",
        )


def _is_one_window(table: AuditTable, column: str) -> bool:
    """Say whether energies were read window by window: of whole runs, or means with a spread.

    An energy of one example may be that of thousands, divided.
    """
    meaning = meaning_in(table, column)
    if meaning.statistic not in _ONE_BY_ONE:
        return meaning.per == "" and meaning.statistic == "" and not _was_repeated(table)
    spreads = (table.measures("energy", phase=meaning.phase, statistic=s) for s in _SPREADS)
    return any(map(any, spreads))


def _was_repeated(table: AuditTable) -> bool:
    """Say whether a column counts how often the work was repeated within one window."""
    named = (c for c in table.columns if set(words_of(c)) & _REPEATED and table.is_number(c))
    return any(np.nanmax(table.numbers(column), initial=0.0) > 1 for column in named)


def _of_board(table: AuditTable, column: str) -> bool:
    """Say whether an energy holds that of a board: by its name, or because a board is named."""
    return meaning_in(table, column).part == "gpu" or any(table_devices(table))


def _update_periods_s(table: AuditTable) -> Floats:
    """Give the update period of the sensor of each row's board, s; the shortest where unknown."""
    devices = table_devices(table)
    different = {id(each): each for each in devices}
    known = {key: _period_s(each) for key, each in different.items()}
    return np.array([known[id(each)] for each in devices], dtype=np.float64)


def _period_s(devices: Devices) -> float:
    found = [architecture(spec.name) for spec in devices]
    if not found or None in found:
        return counter_period_s(VOLTA)
    return min(counter_period_s(each[0]) for each in found if each is not None)


RULES = (Rule("window-below-resolution", "energy", table=window_below_resolution),)
