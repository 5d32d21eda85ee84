"""Rules on figures that other columns of the same table contradict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.audit.table_energy_claims import Claim, Way, claims, pieces, repeats
from joulebench.audit.table_units_factors import factor_told, lost_comma, unit_factor
from joulebench.finding import Finding

_FAR = 4.0
"""A row contradicts where it is so many times farther off than the figures may be."""

_AGREED = 0.5
"""Share of rows that have to agree before the others are taken for wrong."""

_AVERAGED = 0.25
"""Means of ratios are no ratios of means: so far apart they may be where the rows vary."""

_LOOSE = 0.05
"""Tolerance of figures that two sensors made."""

_DERIVED = 1e-4
"""Rounding of what lies between, relative."""

_STEADY = 0.01
"""Relative spread below which a ratio is the same in all rows."""

Rows = NDArray[np.intp]

_KNOWN: WeakKeyDictionary[AuditTable, list[Finding]] = WeakKeyDictionary()


def _judged(table: AuditTable) -> list[Finding]:
    """Judge all claims of a table, once for all rules that they may break."""
    if table not in _KNOWN:
        told = chain(claims(table), repeats(table), pieces(table))
        judged = (_judge(table, claim) for claim in told)
        _KNOWN[table] = [finding for finding in judged if finding is not None]
    return _KNOWN[table]


@dataclass(frozen=True, eq=False)
class _Held:
    """A stated figure held against one way to make it out of other columns."""

    table: AuditTable
    claim: Claim
    way: Way

    @cached_property
    def ratio(self) -> Floats:
        """Stated over made, row by row; NaN where either is absent or not positive."""
        with np.errstate(all="ignore"):
            ratio = self.claim.values / self.way.values
            return np.where(np.isfinite(ratio) & (ratio > 0), ratio, np.nan)

    @cached_property
    def allowed(self) -> Floats:
        """How far the two may differ, relative: as figures of their kind do, and by rounding."""
        loose = max(self.claim.tolerance, _AVERAGED) if self.claim.averaged else 0.0
        rounded = np.nan_to_num(self.claim.slack + self.way.slack, nan=0.0, posinf=1.0)
        return max(self.claim.tolerance, loose) + rounded

    @cached_property
    def rows(self) -> Rows:
        """Rows that hold both."""
        return np.flatnonzero(np.isfinite(self.ratio))

    @cached_property
    def known(self) -> Floats:
        """The ratios of these rows."""
        return self.ratio[self.rows]

    @cached_property
    def fits(self) -> NDArray[np.bool_]:
        """Which of these rows agree."""
        return np.abs(np.log(self.known)) <= np.log1p(self.allowed[self.rows])

    @property
    def derived(self) -> bool:
        """Whether the figures that agree do so to their last digits: one was made of the other."""
        rounded = np.nan_to_num(self.claim.slack + self.way.slack, nan=0.0, posinf=1.0)
        away = np.abs(np.log(self.known[self.fits]))
        allowed = 2 * rounded[self.rows][self.fits] + _DERIVED
        return bool(np.mean(away <= allowed) > _AGREED)

    @property
    def constant(self) -> bool:
        """Whether the ratio is the same in all rows, as far as their digits go."""
        rounded = np.nan_to_num(self.claim.slack + self.way.slack, nan=0.0, posinf=1.0)
        allowed = 2 * float(rounded[self.rows].max(initial=0.0)) + 10 * _DERIVED
        return bool(np.ptp(np.log(self.known)) <= allowed)

    @property
    def goodness(self) -> tuple[float, float]:
        """What ways are compared by: share of rows that agree, then how near they are."""
        if not self.rows.size:
            return (-1.0, 0.0)
        share = round(float(self.fits.mean()), 2) + 0.001 * self.way.named
        return (share, -float(np.median(np.abs(np.log(self.known)))))

    def finding(self, rule: str, severity: str, rows: Rows, message: str, remedy: str) -> Finding:
        """Say of some rows what is wrong with them."""
        worst = int(rows[np.argmax(np.abs(np.log(self.ratio[rows])))])
        claim, way = self.claim, self.way
        return Finding(
            rule,
            severity,
            self.table.where(claim.column),
            f"{claim.column} {message}: {self.table.places(rows.tolist())}",
            remedy,
            f"{claim.values[worst]:.6g}, {self.ratio[worst]:.4g} times {way.made_of}",
            f"{way.values[worst]:.6g}, within {self.allowed[worst]:.1%}",
        )


def _judge(table: AuditTable, claim: Claim) -> Finding | None:
    """Hold a stated figure against all ways to make it."""
    held = [_Held(table, claim, way) for way in claim.ways]
    best = max(held, key=lambda each: each.goodness)
    if not best.rows.size:
        return None
    if best.fits.mean() < _AGREED:
        return _otherwise(held, best)
    limit = np.log1p(_FAR * best.allowed[best.rows])
    far = np.abs(np.log(best.known)) > np.maximum(limit, 6 * _spread(best.known[best.fits]))
    if far.any() and not claim.averaged:
        return _some_rows(held, best, best.rows[far])
    return None if best.way.named else _other_count(best)


def _spread(values: Floats) -> float:
    """Give the standard deviation of a logarithm, without regard to outliers."""
    logs = np.log(values)
    return float(1.4826 * np.median(np.abs(logs - np.median(logs)))) if logs.size else 0.0


def _some_rows(held: list[_Held], best: _Held, rows: Rows) -> Finding:
    """Most rows agree, and these do not."""
    other = next((each for each in held if each is not best and _agrees(each, rows)), None)
    if other is not None:
        return best.finding(
            "scope-mismatch",
            "error",
            rows,
            f"is {best.way.made_of} in most rows, but {other.way.made_of} in {rows.size} of them",
            "take one denominator for all rows, and name it in the column",
        )
    ratio = best.ratio[rows]
    factor = unit_factor(ratio, spread=0.05)
    comma = lost_comma(ratio) or lost_comma(1.0 / ratio)
    told = f", off by {factor_told(factor)}" if factor and not comma else ""
    read = best.claim.last or (best.claim.momentary and not best.derived)
    if read and not (comma or factor):
        told = ": it may be a reading of one moment"
    return best.finding(
        "decimal-comma" if comma else "unit-scale" if factor else best.claim.rule,
        "note" if told.startswith(":") else "error",
        rows,
        f"contradicts {best.way.made_of} in {rows.size} of {best.rows.size} rows{told}",
        "recompute these rows from their parts; if the parts were corrected later, so must this be",
    )


def _agrees(held: _Held, rows: Rows) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.all(np.abs(np.log(held.ratio[rows])) <= np.log1p(held.allowed[rows])))


def _other_count(best: _Held) -> Finding:
    """All rows agree, with another count than the name says."""
    return best.finding(
        "scope-mismatch",
        "error",
        best.rows,
        f"is {best.way.made_of}: another count than its name says",
        "divide by the count that the name promises, or name the one that was taken",
    )


def _otherwise(held: list[_Held], best: _Held) -> Finding | None:
    """Most rows disagree: by one factor, in one way, or without any pattern."""
    found = next((finding for each in held if (finding := _by_factor(each))), None)
    if found is not None:
        return found
    claim = best.claim
    is_power = claim.rule == "energy-not-power-times-time"
    steady = _spread(best.known) < _STEADY and best.rows.size > 1
    sure = steady and is_power and not claim.last and (best.constant or not claim.momentary)
    away = float(np.median(np.abs(np.log(best.known))))
    if (
        claim.averaged
        or claim.optional
        or away <= np.log1p(claim.tolerance * 2)
        or not best.way.named
    ):
        return None
    if best.rows.size < 2 and not is_power:
        return None
    return best.finding(
        "scope-mismatch" if steady and not is_power else claim.rule,
        "error" if sure else "note" if claim.momentary else "warning",
        best.rows,
        f"is not {best.way.made_of}: {np.median(best.known):.3g} times that in the middle",
        "say what it covers and over which time: another part of the machine, another window, or "
        "other pieces of work than the columns beside it",
    )


def _by_factor(held: _Held) -> Finding | None:
    """Give a finding where all rows are off by a factor between units, or have lost a comma."""
    if not held.rows.size:
        return None
    claim, made_of = held.claim, held.way.made_of
    spread = 0.1 if claim.averaged else 0.05 if claim.tolerance >= _LOOSE else 0.01
    factor = unit_factor(held.known, spread)
    if factor:
        return held.finding(
            "unit-scale",
            "error",
            held.rows,
            f"is {factor_told(factor)} away from {made_of}: a unit is not what a name says",
            "find which of these columns has another unit than its name says, and convert it",
        )
    if lost_comma(held.known) or lost_comma(1.0 / held.known):
        return held.finding(
            "decimal-comma",
            "error",
            held.rows,
            f"is powers of ten away from {made_of}: a column lost its decimal comma",
            "read the source again with its decimal comma: 111,84 is 111.84, not 11184",
        )
    return None


def _only(rule: str) -> Callable[[AuditTable], Iterator[Finding]]:
    def check(table: AuditTable) -> Iterator[Finding]:
        return (finding for finding in _judged(table) if finding.rule == rule)

    return check


RULES = (
    Rule("energy-not-power-times-time", "energy", table=_only("energy-not-power-times-time")),
    Rule("stale-summary", "energy", table=_only("stale-summary")),
    Rule("scope-mismatch", "energy", table=_only("scope-mismatch")),
    Rule("unit-scale", "data", table=_only("unit-scale")),
    Rule("decimal-comma", "data", table=_only("decimal-comma")),
)
