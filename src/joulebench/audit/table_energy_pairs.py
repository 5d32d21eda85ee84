"""Which columns of a table speak of the same stretch of work, and the power that they imply."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from joulebench.audit.columns import Meaning
from joulebench.audit.table import AuditTable, Floats

WORK_PHASES = frozenset({"", "inference", "training", "evaluation"})
"""Phases that a table names although it speaks of its only piece of work."""

_APART = frozenset({"idle", "load", "warmup", "net"})
_PARTS = frozenset({"", "total", "gpu", "node", "wall", "platform"})
_LONGEST_S = 3.2e7
_CLUSTER_J, _HALL_W = 3.6e9, 1e8
_SAMPLED_ROWS = 300
_UNSTATED = (1e3, 1e6, 1e9)
_IN_SECONDS_W = 0.5
"""Below this a duration that names no unit cannot be in seconds, W."""

PLAUSIBLE_W = (5.0, 5000.0)
"""Powers of one machine at work, W: a factor of 1,000, so that a unit is told from the next."""


@dataclass(frozen=True, eq=False)
class ImpliedPower:
    """The power that columns imply, row by row.

    Args:
        columns: Names of the columns that it is made of: a power, or an energy and durations.
        part: Of the machine: gpu, total, ...; empty where the table does not say.
        least_w: Lowest power that the columns allow, W: over the longest of several durations.
        most_w: Highest, W: over the shortest.
        boards_each: Whether it is of one board although several worked.
        assumed: Size of the unit that was taken for a duration that names none, as its number in
            one second; 1 where the unit is stated or it fits as seconds; NaN where neither energy
            nor duration names a unit and J and s do not fit.
        mean: Whether it is a mean over rows that are not here.
    """

    columns: tuple[str, ...]
    part: str
    least_w: Floats
    most_w: Floats
    boards_each: bool = False
    assumed: float = 1.0
    mean: bool = False

    @property
    def names(self) -> str:
        """What it is made of, for a person."""
        return self.columns[0] if len(self.columns) == 1 else " / ".join(self.columns[:2])


def implied_powers(table: AuditTable) -> list[ImpliedPower]:
    """Give the powers of a table that is at work: stated ones, and energies over durations.

    Net energies, of which an idle power was taken off, idle and load phases are left out.
    """
    return [*_stated(table), *_divided(table)]


def may_be_of_a_cluster(table: AuditTable, power: ImpliedPower) -> bool:
    """Say whether energies are so large that some hundred boards may have shared the work.

    A figure that a mistaken unit made so large gives powers that no hall has.
    """
    if meaning_in(table, power.columns[0]).kind != "energy":
        return False
    joules, watts = table.si(power.columns[0]), power.least_w
    held = np.isfinite(joules) & np.isfinite(watts)
    return bool(
        held.any() and np.median(joules[held]) >= _CLUSTER_J and np.median(watts[held]) < _HALL_W
    )


def _stated(table: AuditTable) -> Iterator[ImpliedPower]:
    for column in table.measures("power"):
        meaning = meaning_in(table, column)
        if meaning.phase in _APART or meaning.part not in _PARTS or meaning.per not in ("", "gpu"):
            continue
        watts = table.si(column)
        mean = meaning.statistic in ("mean", "median")
        yield ImpliedPower((column,), meaning.part, watts, watts, meaning.per == "gpu", 1.0, mean)


def _divided(table: AuditTable) -> Iterator[ImpliedPower]:
    for column in table.measures("energy"):
        meaning = meaning_in(table, column)
        if meaning.phase in _APART or meaning.part not in _PARTS:
            continue
        durations = durations_of(table, column)
        if durations:
            yield _over(table, column, meaning, durations)


def _over(table: AuditTable, column: str, meaning: Meaning, durations: list[str]) -> ImpliedPower:
    seconds = np.array([_positive_s(table, name) for name in durations])
    joules = table.si(column)
    steps = np.array([[_tick_s(table, name)] for name in durations])
    with np.errstate(all="ignore"):
        # A time between two stamps that were floored may be off by a whole tick.
        longest, shortest = np.fmax.reduce(seconds + steps), np.fmin.reduce(seconds - steps)
        least, most = joules / longest, np.where(shortest > 0, joules / shortest, np.inf)
        least, most = np.where(joules < 0, most, least), np.where(joules < 0, least, most)
    stated = any(meaning_in(table, name).unit for name in durations)
    assumed = 1.0 if stated else _assumed_unit(least, bool(meaning.unit))
    mean = meaning.statistic in ("mean", "median")
    columns = (column, *durations)
    known = np.nan_to_num(assumed, nan=1.0)
    return ImpliedPower(columns, meaning.part, least * known, most * known, False, assumed, mean)


def _assumed_unit(watts: Floats, energy_stated: bool) -> float:
    """Take the unit of a duration that makes the power that of a machine at work.

    NaN where the energy names no unit either, so that nobody can say which of them it is.
    """
    held = watts[np.isfinite(watts) & (watts > 0)]
    middle = float(np.median(held)) if held.size else np.nan
    if not middle < _IN_SECONDS_W:
        return 1.0
    if not energy_stated:
        return np.nan
    fitting = [unit for unit in _UNSTATED if PLAUSIBLE_W[0] <= middle * unit < PLAUSIBLE_W[1]]
    return fitting[0] if fitting else 1.0


def _tick_s(table: AuditTable, column: str) -> float:
    """Give the tick of durations that are all whole seconds; 0 where they show parts of one."""
    step = rounding_si(table, column)
    return step if step >= 1.0 and meaning_in(table, column).unit else 0.0


def _positive_s(table: AuditTable, column: str) -> Floats:
    seconds = table.si(column)
    with np.errstate(invalid="ignore"):
        return np.where((seconds > 0) & (seconds < _LONGEST_S), seconds, np.nan)


def durations_of(table: AuditTable, energy: str) -> list[str]:
    """Give the columns of durations that speak of the same stretch as a column of energies."""
    meaning = meaning_in(table, energy)
    found = [
        column
        for column in table.measures("duration", per=meaning.per)
        if same_statistic(meaning, meaning_in(table, column))
    ]
    exact = [column for column in found if meaning_in(table, column).phase == meaning.phase]
    if exact or meaning.phase not in WORK_PHASES:
        return exact
    loose = [column for column in found if meaning_in(table, column).phase in WORK_PHASES]
    return loose if len(_work_phases(table, meaning.per)) == 1 else []


def _work_phases(table: AuditTable, per: str) -> set[str]:
    """Give the named phases of work that a table has energies or durations of."""
    columns = table.measures("energy", per=per) + table.measures("duration", per=per)
    return {meaning_in(table, column).phase for column in columns} & (WORK_PHASES - {""})


def same_statistic(first: Meaning, second: Meaning) -> bool:
    """Say whether two columns are amounts of the same rows: a mean goes with a mean."""
    pair = {first.statistic, second.statistic}
    return len(pair) == 1 or pair <= {"", "sum"}


def meaning_in(table: AuditTable, column: str) -> Meaning:
    """Give what a column measures that is known to be a measurement."""
    meaning = table.meaning(column)
    if meaning is None:
        raise KeyError(f"{table.where(column)} is no measurement")
    return meaning


def rounding_si(table: AuditTable, column: str) -> float:
    """Give the step that the cells of a column were rounded to, in its SI unit; 0 if none shows.

    A column that ever shows more than 12 decimals or an exponent is taken as not rounded.
    """
    texts = table.texts(column)
    step = max(1, len(texts) // _SAMPLED_ROWS)
    places = [_decimals(str(text)) for text in texts[::step] if text]
    most = max(places, default=0)
    meaning = table.meaning(column)
    return 0.0 if most > 12 else 10.0**-most * (meaning.to_si if meaning else 1.0)


def _decimals(text: str) -> int:
    if "e" in text or "E" in text:
        return 99
    whole, point, fraction = text.replace(",", ".").rpartition(".")
    return len(fraction) if point and whole.lstrip("-").isdigit() else 0
