"""One configuration in several tables: repeats that nobody called so, and what they say.

Two rows are taken for one configuration where all settings that both tables name are equal and so
are all qualities, to the last digit: a model that is loaded again answers as it did before. Where
several rows of a table fit, memory decides, and none is taken where it does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.design_factors import design_of, kind_of, level_key
from joulebench.audit.design_outcomes import cell_means, columns_of, headline, neighbours, percent
from joulebench.audit.design_repeats import says_spread, unresolved
from joulebench.audit.evidence import Evidence
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding
from joulebench.stats.coincidence import significant_digits
from joulebench.stats.repeat_spread import RepeatSpread, pooled_spread

_MOST_ROWS = 200
_FARTHEST = math.log(1.25)
"""Rows that differ by more than a quarter are no repeats: a setting that no table names differs."""

_DIGITS = 5
_APART = ("", "name", "place")


@dataclass(frozen=True, eq=False)
class _Row:
    """A row of a published table.

    Args:
        table: The table.
        row: Its number.
        outcome: Name of the column that is compared.
        joules: What stands there.
        settings: Level by kind of factor.
        qualities: Text by column.
        memory: Text of the memory that it took; empty where none is given.
    """

    table: AuditTable
    row: int
    outcome: str
    joules: float
    settings: dict[str, str]
    qualities: dict[str, str]
    memory: str

    def fits(self, other: _Row) -> bool:
        """Say whether two rows may be one configuration."""
        shared = self.settings.keys() & other.settings.keys()
        asked = self.qualities.keys() & other.qualities.keys()
        return (
            bool(shared)
            and bool(asked)
            and all(self.settings[key] == other.settings[key] for key in shared)
            and all(self.qualities[key] == other.qualities[key] for key in asked)
            and abs(math.log(self.joules / other.joules)) < _FARTHEST
        )


def _below_spread(evidence: Evidence) -> Iterator[Finding]:
    """Find tables whose neighbours are closer than one configuration is to itself elsewhere."""
    tables = [t for t in evidence.tables if not t.recomputed and 0 < len(t) <= _MOST_ROWS]
    rows = [row for table in tables for row in _rows(table)]
    for outcome in dict.fromkeys(row.outcome for row in rows):
        same = [row for row in rows if row.outcome == outcome]
        groups = _groups(same)
        spread = _spread(groups)
        if spread is None:
            continue
        for table in dict.fromkeys(row.table for row in same):
            yield from _close(table, outcome, spread, groups)


def _rows(table: AuditTable) -> Iterator[_Row]:
    """Give the rows of a table that can be compared: with an energy, a setting and a quality."""
    outcome = headline(table, "energy") or headline(table, "duration")
    asked = [c for c in columns_of(table, "accuracy") if significant_digits(table.numbers(c))]
    if outcome is None or not asked:
        return
    named = {c: key for c in table.columns if (key := _key(table, c))}
    memory = headline(table, "memory")
    joules = table.si(outcome)
    for row in range(len(table)):
        qualities = {c: text for c in asked if _is_telling(text := str(table.texts(c)[row]))}
        settings = {key: level_key(str(table.texts(c)[row])) for c, key in named.items()}
        if joules[row] > 0 and qualities:
            text = str(table.texts(memory)[row]) if memory else ""
            known = {key: level for key, level in settings.items() if level}
            yield _Row(table, row, outcome, float(joules[row]), known, qualities, text)


def _key(table: AuditTable, column: str) -> str:
    """Give the name under which tables share a setting; empty where a column is none."""
    kind = kind_of(column)
    if table.meaning(column) is not None or kind in _APART:
        return ""
    detail = {"stride", "dtype", "ratio_label", "size"} & set(words_of(column))
    return " ".join([kind, *sorted(detail)])


def _is_telling(text: str) -> bool:
    """Say whether a quality has digits enough that two models would not share it by chance."""
    return len(text.replace(".", "").lstrip("0").rstrip("0")) >= _DIGITS


def _groups(rows: Sequence[_Row]) -> list[list[_Row]]:
    """Put rows that are one configuration together."""
    alike: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        for quality in row.qualities.items():
            alike.setdefault(quality, []).append(place)
    home = list(range(len(rows)))
    for one, two in _joined(rows, alike):
        old, new = home[one], home[two]
        home = [new if each == old else each for each in home]
    groups: dict[int, list[_Row]] = {}
    for row, place in zip(rows, home, strict=True):
        groups.setdefault(place, []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def _joined(
    rows: Sequence[_Row], alike: Mapping[tuple[str, str], Sequence[int]]
) -> Iterator[tuple[int, int]]:
    """Give pairs of rows of different tables that choose each other."""
    choice: dict[tuple[int, int], int | None] = {}
    for place, row in enumerate(rows):
        near = {p for quality in row.qualities.items() for p in alike[quality]}
        by_table: dict[int, list[int]] = {}
        for p in sorted(near):
            if rows[p].table is not row.table and row.fits(rows[p]):
                by_table.setdefault(id(rows[p].table), []).append(p)
        for table, fitting in by_table.items():
            choice[place, table] = _chosen(row, fitting, rows)
    for (place, _), chosen in choice.items():
        back = None if chosen is None else choice.get((chosen, id(rows[place].table)))
        if chosen is not None and back == place and place < chosen:
            yield place, chosen


def _chosen(row: _Row, fitting: Sequence[int], rows: Sequence[_Row]) -> int | None:
    """Give the one row that fits; of several, the one that took the same memory."""
    if len(fitting) > 1:
        fitting = [p for p in fitting if row.memory and rows[p].memory == row.memory]
    return fitting[0] if len(fitting) == 1 else None


def _spread(groups: Sequence[Sequence[_Row]]) -> RepeatSpread | None:
    """Give the spread of the logarithm of one configuration over tables."""
    if not groups:
        return None
    values = np.log([row.joules for group in groups for row in group])
    numbers = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return pooled_spread(values, numbers)


def _close(
    table: AuditTable, outcome: str, spread: RepeatSpread, groups: Sequence[Sequence[_Row]]
) -> Iterator[Finding]:
    design = design_of(table)
    mean, count = cell_means(design, outcome)
    if design.cell_count < 2 or count.max() > 1 or says_spread(table):
        return
    least = spread.least_difference()
    near = [
        (one, two, change)
        for one, two in neighbours(design, mean)
        if (change := math.log(mean[two] / mean[one])) < least
    ]
    if near:
        yield unresolved(design, outcome, near, _told(groups), least, "warning")


def _told(groups: Sequence[Sequence[_Row]]) -> str:
    """Say what one configuration measured in several tables."""
    widest = max(groups, key=_range)
    tables = ", ".join(row.table.places([row.row]) + " of " + row.table.name for row in widest[:3])
    return (
        f"one configuration that {len(widest)} tables share ({tables}) differs by "
        f"{percent(_range(widest))} from itself"
    )


def _range(group: Sequence[_Row]) -> float:
    return math.log(max(row.joules for row in group) / min(row.joules for row in group))


RULES = (Rule("difference-below-spread", "design", evidence=_below_spread),)
