"""Times that do not grow with the work: the window closed before the device was done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from joulebench.audit.compute_bounds import ROUNDING, rate_bound
from joulebench.audit.compute_columns import Pass, passes, quotient, setup_labels, setups
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.finding import Finding

FLAT = 0.5
"""Growth of time with work, as a power, below which it is called flat; compute-bound work has 1."""

BUSY = 0.8
"""Share of the peak above which no launch or memory can be what the time was spent on."""

FASTER = 3.0
"""How many times the rate of another phase on the same device is no longer a better kernel."""

_LEAST_SPAN = 2.0
_NAMED = 4


@dataclass(frozen=True, slots=True)
class Growth:
    """How time or energy grows with work in one group: a power, and its 95 % half-width."""

    power: float
    half: float

    @property
    def flat(self) -> bool:
        """Whether even the upper end of the interval is far from proportional."""
        return self.power + self.half < FLAT

    def __str__(self) -> str:
        return f"{self.power:.2f} ± {self.half:.2f}"


@dataclass(frozen=True, slots=True)
class _Group:
    """Configurations of one device and precision that differ in the amount of work."""

    label: str
    rows: tuple[int, ...]
    growth: Growth
    rate: float
    bound: float
    other_rate: float

    @property
    def above_peak(self) -> bool:
        return self.rate > ROUNDING * self.bound

    @property
    def too_fast(self) -> bool:
        """Whether the rate at the largest work leaves no room for anything but computing."""
        return self.rate > BUSY * self.bound or self.rate > FASTER * self.other_rate


def _unsynchronised(table: AuditTable) -> Iterator[Finding]:
    known = list(passes(table))
    for each in known:
        if each.flops and each.seconds:
            groups = [g for g in _groups(table, each, known) if g.growth.flat and g.too_fast]
            if groups:
                yield _finding(table, each, groups)


def _groups(table: AuditTable, each: Pass, known: Sequence[Pass]) -> list[_Group]:
    """Give the groups with a growth; the scatter about the lines is that of all together."""
    work, seconds = table.si(each.flops), table.si(each.seconds)
    found = _rows_by_setup(table, work, seconds)
    sem = table.si(each.seconds_sem) if each.seconds_sem else np.full(len(table), np.nan)
    growths = _growths(found, np.log(np.maximum(work, 1e-300)), seconds, quotient(sem, seconds))
    other_rates = [
        np.nan_to_num(quotient(table.si(other.flops), table.si(other.seconds)))
        for other in known
        if other is not each and other.flops and other.seconds
    ]
    setting = setups(table, each.flops)
    groups = []
    for (label, rows), growth in zip(found.items(), growths, strict=True):
        largest = rows[int(np.argmax(work[list(rows)]))]
        rate = float(work[largest] / seconds[largest])
        rates = [float(other[largest]) for other in other_rates]
        other_rate = max((r for r in rates if r > 0), default=np.inf)
        bound = rate_bound(setting[largest]).most
        groups.append(_Group(label, rows, growth, rate, bound, other_rate))
    return groups


def _rows_by_setup(table: AuditTable, work: Floats, seconds: Floats) -> dict[str, tuple[int, ...]]:
    """Group rows that are equal in device, precision and every setting in words but for the size.

    A setting in words that goes with the amount of work, such as small and large, is its name.
    """
    usable = np.isfinite(work) & np.isfinite(seconds) & (work > 0) & (seconds > 0)
    words = [c for c in table.varied if not table.is_number(c) and not _names_size(table, c, work)]
    rows: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, label in enumerate(setup_labels(table)):
        if usable[row]:
            rest = tuple(str(table.texts(column)[row]) for column in words)
            rows[tuple(dict.fromkeys((*label, *rest)))].append(row)
    return {
        " ".join(part for part in key if part): tuple(found)
        for key, found in rows.items()
        if np.ptp(np.log(work[found])) >= np.log(_LEAST_SPAN)
    }


def _names_size(table: AuditTable, column: str, work: Floats) -> bool:
    """Say whether each level of a column stands for one amount of work, or names a row."""
    sizes: dict[str, set[float]] = defaultdict(set)
    for text, size in zip(table.texts(column).tolist(), work.tolist(), strict=True):
        if np.isfinite(size):
            sizes[text].add(float(f"{size:.2g}"))
    several = len({size for found in sizes.values() for size in found}) > 1
    return several and all(len(found) == 1 for found in sizes.values())


def _growths(
    found: dict[str, tuple[int, ...]], log_work: Floats, seconds: Floats, relative: Floats
) -> list[Growth]:
    """Fit ``log seconds = a + power log work`` in each group by least squares.

    The variance of the power is ``sum c^2 var`` with ``c = (x - mean x) / Sxx``: of the stated
    standard errors where all are there, else of the residuals of all groups, whose scatter is one.
    """
    from scipy.special import ndtri, stdtrit  # of scipy.stats the import takes half a second

    fits = [_fit(log_work[list(rows)], np.log(seconds[list(rows)])) for rows in found.values()]
    free = sum(len(rows) - 2 for rows in found.values())
    scatter = sum(fit[1] for fit in fits) / free if free > 0 else np.nan
    growths = []
    for rows, (power, _, weights) in zip(found.values(), fits, strict=True):
        stated = relative[list(rows)]
        if np.all(np.isfinite(stated)):
            half = float(ndtri(0.975) * np.sqrt(np.sum((weights * stated) ** 2)))
        elif free > 0:
            half = float(stdtrit(free, 0.975) * np.sqrt(scatter * np.sum(weights**2)))
        else:
            half = np.inf
        growths.append(Growth(power, half))
    return growths


def _fit(x: Floats, y: Floats) -> tuple[float, float, Floats]:
    centred = x - x.mean()
    weights = centred / np.sum(centred**2)
    power = float(np.sum(weights * y))
    residual = y - y.mean() - power * centred
    return power, float(np.sum(residual**2)), weights


def _finding(table: AuditTable, each: Pass, groups: Sequence[_Group]) -> Finding:
    above = [group for group in groups if group.above_peak]
    worst = max(groups, key=lambda group: group.growth.power + group.growth.half)
    named = ", ".join(group.label or "all rows" for group in groups[:_NAMED])
    more = f" and {len(groups) - _NAMED} more" if len(groups) > _NAMED else ""
    phase = f"the {each.phase} pass" if each.phase else "the work"
    rate = max(group.rate / group.bound for group in groups)
    reached = f"up to {rate:.2g} times the peak" if np.isfinite(rate) else "a rate that grows alike"
    return Finding(
        "unsynchronised-window",
        "error" if above else "warning",
        table.where(each.seconds),
        f"the time of {phase} hardly grows with its operations ({named}{more}), although it "
        f"implies {reached}: at one efficiency the time of compute-bound work is proportional to "
        "it, so this is the time to launch it, not to do it"
        f"{_energy_too(table, each, worst)}",
        "synchronise with the device before both ends of the window, and measure time and energy "
        "again; work that ran on after one window was booked to the next",
        f"time grows as work to the power {worst.growth} (95 %) or less",
        "power 1 for compute-bound work",
    )


def _energy_too(table: AuditTable, each: Pass, worst: _Group) -> str:
    if not each.joules:
        return ""
    rows = list(worst.rows)
    joules = table.si(each.joules)[rows]
    if not np.all(joules > 0):
        return ""
    power = _fit(np.log(table.si(each.flops)[rows]), np.log(joules))[0]
    return f"; its energy grows as work to the power {power:.2f}"


RULES = (Rule("unsynchronised-window", "compute", table=_unsynchronised),)
