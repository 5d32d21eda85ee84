"""Figures of a table that its other columns make too: what was stated, and what they give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.compute_columns import flop_columns
from joulebench.audit.table import AuditTable, Floats
from joulebench.audit.table_energy_boards import board_counts
from joulebench.audit.table_energy_pairs import (
    WORK_PHASES,
    meaning_in,
    rounding_si,
    same_statistic,
)

_WHOLE = ("", "total")
_COUNT_KINDS = {"example": "requests", "window": "windows", "correct": "correct"}


@dataclass(frozen=True, eq=False)
class Way:
    """One way to make a figure out of other columns.

    Args:
        made_of: In words, with the names of the columns.
        values: In the SI unit.
        slack: Relative rounding of the columns that it is made of.
        named: Whether it is what the name of the figure says; else another that people take.
    """

    made_of: str
    values: Floats
    slack: Floats
    named: bool = True


@dataclass(frozen=True, eq=False)
class Claim:
    """A column that others make too.

    Args:
        column: Its name.
        rule: Rule that a contradiction belongs to.
        values: In its SI unit.
        slack: Relative rounding of its cells.
        ways: Ways to make it, those that its name says first.
        tolerance: How far the figures may differ beyond rounding, relative.
        averaged: Whether the rows are means: the mean of a ratio is no ratio of means.
        momentary: Whether it may be a reading of one moment: a power whose name says no mean.
        optional: Whether the ways may be of something else, so that only a pattern tells.
        last: Whether it is known to be such a reading, by the tool that writes it.
    """

    column: str
    rule: str
    values: Floats
    slack: Floats
    ways: tuple[Way, ...]
    tolerance: float = 0.005
    averaged: bool = False
    momentary: bool = False
    optional: bool = False
    last: bool = False


def claims(table: AuditTable) -> Iterator[Claim]:
    """Give every figure of a table that can be made out of others."""
    for column, kind in _columns(table):
        ways = tuple(_WAYS[kind](table, column))
        if ways:
            meaning = meaning_in(table, column)
            power = kind == "power"
            yield Claim(
                column,
                "energy-not-power-times-time" if power else "stale-summary",
                table.si(column),
                _slack(table, column),
                ways,
                0.05 if power else 0.005,
                _averaged(table) if power else meaning.statistic in ("mean", "median"),
                power and not meaning.statistic,
                last=power and column in table.meanings,
            )


def repeats(table: AuditTable) -> Iterator[Claim]:
    """Give every figure that stands in another column too, in another unit."""
    for kind in ("energy", "power", "duration", "memory", "emissions"):
        columns = [column for column in table.measures(kind) if meaning_in(table, column).unit]
        for place, column in enumerate(columns):
            meaning = meaning_in(table, column)
            alike = [
                other
                for other in columns[:place]
                if meaning_in(table, other).to_si != meaning.to_si
                and replace(meaning_in(table, other), unit="", to_si=1.0)
                == replace(meaning, unit="", to_si=1.0)
            ]
            ways = tuple(Way(o, table.si(o), _slack(table, o)) for o in alike)
            if ways:
                slack = _slack(table, column)
                yield Claim(column, "stale-summary", table.si(column), slack, ways, optional=True)


def pieces(table: AuditTable) -> Iterator[Claim]:
    """Give every power that the energy and the time of one piece of work make too.

    Pieces may have overlapped, so that only rows that leave the pattern of the others tell.
    """
    for column in table.measures("power", per=""):
        meaning = meaning_in(table, column)
        ways = tuple(
            _way(table, f"{energy} / {seconds}", energy, [seconds])
            for per in ("example", "batch", "step")
            for energy in table.measures("energy", per=per)
            if meaning_in(table, energy).part == meaning.part
            for seconds in table.measures("duration", per=per)
            if same_statistic(meaning_in(table, energy), meaning_in(table, seconds))
            and meaning_in(table, energy).phase == meaning_in(table, seconds).phase
        )
        if ways:
            yield Claim(
                column, "energy-not-power-times-time", table.si(column), _slack(table, column),
                ways, 0.05, optional=True,
            )  # fmt: skip


def _columns(table: AuditTable) -> Iterator[tuple[str, str]]:
    for kind in _WAYS:
        for column in table.measures(kind):
            yield column, kind


def _averaged(table: AuditTable) -> bool:
    """Say whether a table holds means of rows that are not in it: it gives their spread too."""
    energies = table.measures("energy", statistic="mean")
    spread = table.measures("energy", statistic="sd") + table.measures("energy", statistic="sem")
    return bool(energies and spread)


def _slack(table: AuditTable, *columns: str) -> Floats:
    total: Floats = np.zeros(len(table))
    for column in columns:
        with np.errstate(all="ignore"):
            total = total + 0.5 * rounding_si(table, column) / np.abs(table.si(column))
    return total


def _way(
    table: AuditTable, made_of: str, over: str | None, under: Sequence[str], named: bool = True
) -> Way:
    """Make a quotient: a column over the sum of others; or a product where there is no sum."""
    columns = ([over] if over else []) + list(under)
    above = table.si(over) if over else np.ones(len(table))
    below = sum((table.si(column) for column in under), np.zeros(len(table)))
    with np.errstate(all="ignore"):
        values = np.where((below > 0) & (above > 0), above / below, np.nan)
    return Way(made_of, values, _slack(table, *columns), named)


def _power(table: AuditTable, column: str) -> Iterator[Way]:
    meaning = meaning_in(table, column)
    each = meaning.per == "gpu"
    boards = board_counts(table) if each else np.ones(len(table))
    for energy in _energies(table, "gpu" if each else meaning.part, meaning.phase, ""):
        kinds = {meaning_in(table, energy).statistic, meaning.statistic}
        if "median" in kinds and len(kinds) > 1:
            continue
        for seconds in _durations(table, energy):
            way = _way(table, f"{energy} / {seconds}", energy, [seconds])
            yield replace(way, values=way.values / boards)


def _energy(table: AuditTable, column: str) -> Iterator[Way]:
    """Give the ways to make an energy per something."""
    meaning = meaning_in(table, column)
    if not meaning.per or meaning.phase in ("idle", "load", "warmup", "net"):
        return
    for energy in _energies(table, meaning.part, meaning.phase, meaning.statistic):
        for counts, named in _counts(table, meaning.per, column):
            made_of = f"{energy} / {' + '.join(counts)}"
            if meaning.per == "token":
                made_of = f"{energy} / ({' + '.join(counts)})" if len(counts) > 1 else made_of
            yield _way(table, made_of, energy, counts, named)
    if meaning.per == "correct":
        yield from _per_correct(table, column)


def _per_correct(table: AuditTable, column: str) -> Iterator[Way]:
    """Give the energy of one example over the share of correct answers."""
    part = meaning_in(table, column).part
    for each in table.measures("energy", per="example", part=part):
        for accuracy in table.measures("accuracy", statistic=""):
            if {"accuracy", "acc", "exact"} & set(words_of(accuracy)):
                way = _way(table, f"{each} / {accuracy}", each, [accuracy])
                percent = np.nanmax(table.si(accuracy), initial=0.0) > 1.0
                yield Way(way.made_of, way.values * (100.0 if percent else 1.0), way.slack)


def _duration(table: AuditTable, column: str) -> Iterator[Way]:
    meaning = meaning_in(table, column)
    if meaning.per not in _COUNT_KINDS or "per" not in column.casefold():
        return  # latencies of requests that overlapped are no share of the whole time
    for whole in table.measures("duration", per="", phase=meaning.phase, part=meaning.part):
        for counts, named in _counts(table, meaning.per):
            yield _way(table, f"{whole} / {counts[0]}", whole, counts, named)


def _throughput(table: AuditTable, column: str) -> Iterator[Way]:
    meaning = meaning_in(table, column)
    if meaning.per == "requests":
        found = [([name], True) for name in table.measures("requests", per="")]
    else:
        found = list(_counts(table, "token", column))
    for seconds in table.measures("duration", per="", part=""):
        alike = same_statistic(meaning, meaning_in(table, seconds))
        if not (alike and _phase(table, seconds, column)):
            continue
        for counts, named in found:
            way = _way(table, f"{' + '.join(counts)} / {seconds}", seconds, counts, named)
            with np.errstate(all="ignore"):
                yield Way(way.made_of, 1.0 / way.values, way.slack, named)


def _efficiency(table: AuditTable, column: str) -> Iterator[Way]:
    meaning = meaning_in(table, column)
    if meaning.per not in ("tokens", "requests", "flops"):
        return
    works = (
        [counts for counts, _ in _counts(table, "token", column)]
        if meaning.per == "tokens"
        else [[name] for name in _works(table, meaning.per) if _phase(table, name, column)]
    )
    for energy in table.measures("energy", per=""):
        if not _phase(table, energy, column):
            continue
        for work in works:
            way = _way(table, f"{' + '.join(work)} / {energy}", energy, work)
            with np.errstate(all="ignore"):
                yield Way(way.made_of, 1.0 / way.values, way.slack)


def _works(table: AuditTable, kind: str) -> list[str]:
    """Give the columns that count the work of a run; "TFLOPS" may as well be a rate."""
    counted = flop_columns(table) if kind == "flops" else table.measures(kind)
    return [column for column in counted if column in table.measures(kind, per="")]


def _rate(table: AuditTable, column: str) -> Iterator[Way]:
    for work in _works(table, "flops"):
        for seconds in table.measures("duration", per=""):
            if _phase(table, work, column) and _phase(table, seconds, column):
                yield _way(table, f"{work} / {seconds}", work, [seconds])


def _accuracy(table: AuditTable, column: str) -> Iterator[Way]:
    if not {"accuracy", "acc"} & set(words_of(column)):
        return
    percent = np.nanmax(table.si(column), initial=0.0) > 1.0
    for right in table.measures("correct", per=""):
        for graded in table.measures("graded", per=""):
            way = _way(table, f"{right} / {graded}", right, [graded])
            yield Way(way.made_of, way.values * (100.0 if percent else 1.0), way.slack)


_WAYS = {
    "power": _power, "energy": _energy, "duration": _duration, "throughput": _throughput,
    "efficiency": _efficiency, "rate": _rate, "accuracy": _accuracy,
}  # fmt: skip


def _phase(table: AuditTable, column: str, claimed: str) -> bool:
    """Say whether two columns are of one phase of the work."""
    phase, other = meaning_in(table, claimed).phase, meaning_in(table, column).phase
    return phase == other or {phase, other} <= WORK_PHASES


def _energies(table: AuditTable, part: str, phase: str, statistic: str) -> list[str]:
    """Give the energies of whole runs that a figure of a part and a phase may be made of."""
    parts = [part] if part not in _WHOLE else ["", "total", "gpu"]
    found = [
        column
        for column in table.measures("energy", per="")
        if meaning_in(table, column).part in parts
        and {meaning_in(table, column).phase, phase} <= (WORK_PHASES | {phase})
        and meaning_in(table, column).phase != "net"
        and (not statistic or meaning_in(table, column).statistic in (statistic, "", "sum"))
    ]
    exact = [column for column in found if meaning_in(table, column).phase == phase]
    if phase not in WORK_PHASES:
        found = exact
    return sorted(exact or found, key=lambda name: parts.index(meaning_in(table, name).part))


def _durations(table: AuditTable, energy: str) -> list[str]:
    meaning = meaning_in(table, energy)
    return [
        column
        for column in table.measures("duration", per="")
        if meaning_in(table, column).part != "cpu"
        and same_statistic(meaning, meaning_in(table, column))
        and (
            meaning_in(table, column).phase == meaning.phase
            or {meaning_in(table, column).phase, meaning.phase} <= WORK_PHASES
        )
    ]


def _counts(table: AuditTable, per: str, claimed: str = "") -> Iterator[tuple[list[str], bool]]:
    """Give the columns that count what a figure is per, and whether its name says so.

    Tokens are those that were generated, unless a name says otherwise: where only those of the
    prompts are listed, nothing tells their number.
    """
    if per == "token":
        columns = table.measures("tokens", per="")
        if not set(words_of(claimed)) & {"in", "input", "prompt", "prefill"} and all(
            meaning_in(table, column).part == "in" for column in columns
        ):
            return
        yield from (([column], True) for column in columns)
        outs = [column for column in columns if meaning_in(table, column).part == "out"]
        ins = [column for column in columns if meaning_in(table, column).part == "in"]
        yield from (([one, other], True) for one in ins for other in outs)
    elif per in _COUNT_KINDS:
        kind = _COUNT_KINDS[per]
        yield from (([column], True) for column in table.measures(kind, per=""))
        other = {"requests": "windows", "windows": "requests"}.get(kind, "")
        yield from (([column], False) for column in table.measures(other, per=""))
