"""Rules on sums of energies: a channel counted twice, a part added to its whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.audit.table_energy_pairs import meaning_in, rounding_si
from joulebench.finding import Finding
from joulebench.nesting import INSIDE

SCOPES = {
    "cpu": "cpu package", "core": "cpu core", "uncore": "cpu uncore", "dram": "dram",
    "gpu": "gpu board", "platform": "platform", "node": "node", "wall": "wall",
}  # fmt: skip
"""Part in the name of a column -> scope, of which some lie inside others."""

_MOST_PARTS = 5
_SHARE = 0.95
"""Share of the rows in which a sum has to hold: a few rows may have been mended by hand."""

_TRIED_ROWS = 200
"""Rows that sums are tried on before all are looked at."""

_DIGITS = 6.0
"""Digits of agreement, over all rows, that chance does not reach among the sums tried."""

_EXACT = 1e-9
_GAIN = 1.1
"""A part may read so many times its whole before it is wrong: two sensors, each with its gain."""


@dataclass(frozen=True, eq=False)
class Sum:
    """A column that is a sum of others.

    Args:
        column: The sum.
        terms: How often each of the others is counted.
        rows: Share of the rows in which it holds.
    """

    column: str
    terms: tuple[tuple[str, int], ...]
    rows: float

    @property
    def told(self) -> str:
        """The sum in words."""
        return " + ".join(name if k == 1 else f"{k} × {name}" for name, k in self.terms)

    @property
    def doubled(self) -> list[str]:
        """Columns that are counted more than once."""
        return [name for name, k in self.terms if k > 1]


def sums(table: AuditTable) -> Iterator[Sum]:
    """Give the columns of energies that are sums of others, each with its simplest sum."""
    for group in _groups(table):
        known = {column: table.si(column) for column in group}
        for column in group:
            parts = [other for other in group if _may_be_in(table, column, other)]
            found = _simplest(table, column, parts[:_MOST_PARTS], known)
            if found is not None:
                yield found


def _groups(table: AuditTable) -> list[list[str]]:
    """Give the energies of whole runs that may be added: those of one phase and statistic."""
    groups: dict[tuple[str, str], list[str]] = {}
    for column in table.measures("energy", per=""):
        meaning = meaning_in(table, column)
        numbers = table.si(column)
        if np.any(numbers[np.isfinite(numbers)]):
            key = (meaning.phase, meaning.statistic.replace("sum", ""))
            groups.setdefault(key, []).append(column)
    return [group for group in groups.values() if len(group) > 1]


def _may_be_in(table: AuditTable, column: str, other: str) -> bool:
    """Say whether a column may be part of a sum: a named part of the machine."""
    if column == other or meaning_in(table, other).part not in SCOPES:
        return False
    part = meaning_in(table, column).part
    return part in ("", "total") or part in SCOPES


def _simplest(
    table: AuditTable, column: str, parts: Sequence[str], known: dict[str, Floats]
) -> Sum | None:
    """Give the sum with the smallest numbers that makes a column; ``None`` if none does.

    A part of the machine is looked for only in sums that hold another part, once more itself: what
    is left when parts are taken from a total is no sum.
    """
    own = meaning_in(table, column).part
    counts = sorted(
        product((0, 1, 2), repeat=len(parts)), key=lambda k: (max(k, default=0), sum(k))
    )
    for ks in counts:
        terms = tuple((name, k) for name, k in zip(parts, ks, strict=True) if k)
        if sum(ks) < 2 or not _is_about(table, own, terms):
            continue
        few, digits = _agreement(table, column, terms, known, slice(_TRIED_ROWS))
        if few >= _SHARE and digits >= _DIGITS:
            share, _ = _agreement(table, column, terms, known, slice(None))
            if share >= _SHARE:
                return Sum(column, terms, share)
    return None


def _is_about(table: AuditTable, own: str, terms: Sequence[tuple[str, int]]) -> bool:
    parts = {meaning_in(table, name).part for name, _ in terms}
    if own in ("", "total"):
        return True
    return own in parts and len(parts) > 1 and not _holds_all(own, parts)


def _holds_all(own: str, parts: set[str]) -> bool:
    """Say whether the whole holds its parts anyway: a node is the sum of its parts."""
    return all(part == own or SCOPES[own] in INSIDE.get(SCOPES[part], ()) for part in parts)


def _agreement(
    table: AuditTable,
    column: str,
    terms: Sequence[tuple[str, int]],
    known: dict[str, Floats],
    rows: slice,
) -> tuple[float, float]:
    """Give the share of rows in which a sum holds, and the digits in which they agree together."""
    value = known[column][rows]
    total = sum((k * known[name][rows] for name, k in terms), np.zeros(value.size))
    rounded = rounding_si(table, column) + sum(k * rounding_si(table, name) for name, k in terms)
    held = np.isfinite(value) & np.isfinite(total) & (value != 0)
    if not held.any():
        return 0.0, 0.0
    slack = 0.5 * rounded + _EXACT * np.abs(value[held])
    fits = np.abs(value[held] - total[held]) <= slack
    digits = np.log10(np.maximum(np.abs(value[held][fits]) / (2 * slack[fits]), 1.0))
    return float(fits.mean()), float(digits.sum())


def double_counted(table: AuditTable) -> Iterator[Finding]:
    """Find sums that count a channel twice, and parts that hold another part."""
    for found in sums(table):
        own = meaning_in(table, found.column).part
        named = own not in ("", "total")
        if not (found.doubled or named):
            continue
        what = ", ".join(found.doubled) or _others(table, found, own)
        yield Finding(
            "double-counted-channel",
            "error",
            table.where(found.column),
            f"{found.column} is {found.told} in {found.rows:.0%} of the rows: {what} is counted "
            + ("twice" if found.doubled else f"in a column of the {own}"),
            "add each channel once, and recompute everything made of this column",
            f"{found.column} = {found.told}",
            "each channel once",
        )


def _others(table: AuditTable, found: Sum, own: str) -> str:
    return ", ".join(name for name, _ in found.terms if meaning_in(table, name).part != own)


def nested_added(table: AuditTable) -> Iterator[Finding]:
    """Find sums of a part and its whole, and parts that are larger than their whole."""
    for found in sums(table):
        inside = nested_part(table, [name for name, _ in found.terms])
        if inside and meaning_in(table, found.column).part in ("", "total"):
            part, whole = inside
            yield Finding(
                "nested-domains-added",
                "error",
                table.where(found.column),
                f"{found.column} is {found.told} in {found.rows:.0%} of the rows, but {whole} "
                f"holds {part} already",
                f"leave {part} out of the sum, and recompute everything made of it",
                f"{found.column} = {found.told}",
                f"{whole} without {part}",
            )


def nested_part(table: AuditTable, names: Sequence[str]) -> tuple[str, str] | None:
    """Give the first part and whole among columns."""
    scopes = {name: SCOPES[meaning_in(table, name).part] for name in names}
    for part, whole in product(names, repeat=2):
        if scopes[whole] in INSIDE.get(scopes[part], ()):
            return part, whole
    return None


def part_above_whole(table: AuditTable) -> Iterator[Finding]:
    """Find parts of the machine that took more than the whole that they belong to."""
    for group in _groups(table):
        for part, whole in product(group, repeat=2):
            if _is_inside(table, part, whole):
                yield from _larger(table, part, whole)


def _is_inside(table: AuditTable, part: str, whole: str) -> bool:
    inner, outer = meaning_in(table, part).part, meaning_in(table, whole).part
    if inner not in SCOPES:
        return False
    return outer == "total" or SCOPES.get(outer, "-") in INSIDE.get(SCOPES[inner], ())


def _larger(table: AuditTable, part: str, whole: str) -> Iterator[Finding]:
    inner, outer = table.si(part), table.si(whole)
    allowed = 1 + _EXACT if meaning_in(table, whole).part == "total" else _GAIN
    slack = rounding_si(table, part) + rounding_si(table, whole)
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero((outer > 0) & (inner > allowed * outer + slack))
    if not rows.size:
        return
    worst = int(rows[np.argmax(inner[rows] / outer[rows])])
    yield Finding(
        "scope-mismatch",
        "error",
        table.where(whole if meaning_in(table, whole).part == "total" else part),
        f"{part} is above {whole}, which holds it, in {rows.size} rows: "
        f"{table.places(rows.tolist())}",
        "find which of the two is of another window, another machine or another unit",
        f"{inner[worst]:.6g} J",
        f"at most {outer[worst]:.6g} J",
    )


_SUMMED: tuple[tuple[str, Callable[[AuditTable], Iterator[Finding]]], ...] = (
    ("double-counted-channel", double_counted),
    ("nested-domains-added", nested_added),
    ("scope-mismatch", part_above_whole),
)

RULES = tuple(Rule(name, "energy", table=check) for name, check in _SUMMED)
