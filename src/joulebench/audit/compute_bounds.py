"""Rates and efficiencies above what the device can do: no software makes them true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.compute_columns import Pass, Setup, passes, quotient, rate_columns, setups
from joulebench.audit.devices import run_devices
from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.audit.table import AuditTable, Floats
from joulebench.energy import Energy, headline_channels
from joulebench.finding import Finding
from joulebench.flops.device_spec import DeviceSpec
from joulebench.flops.precision_names import find_precision

ROUNDING = 1.02
"""Data sheets round their rates to two or three digits."""

FRUGAL = 2.0
"""How far FLOP/J may really lie above peak over limit: at lower clocks, and on easy data.

Peak over limit is what a device gives that needs all of its limit to reach its peak. The same
multiplication of other numbers draws up to 1.67 times more or less (Bhalachandra et al., arXiv
2212.08805; 1.4 in Gregersen et al., arXiv 2409.18324), and a lower clock needs a lower voltage.
"""


_MOST_SHARE, _LEAST_SHARE = 3.0, 0.3
_BOARDS = ("gpu board", "gpu module")


@dataclass(frozen=True, slots=True)
class Bound:
    """What is possible: surely nothing above ``most``, and only with TF32 anything above ``plain``.

    Both are NaN where the device is not known.
    """

    plain: float
    most: float


def _bound(setup: Setup, of: Callable[[DeviceSpec, str | None], float]) -> Bound:
    """Take the largest of all devices that the name may mean.

    Frameworks may compute fp32 products in TF32, on devices that have it, and say fp32 still.
    """
    plain = [of(device, setup.precision) for device in setup.devices]
    most = [
        of(device, "tf32")
        for device in setup.devices
        if setup.precision == "fp32" and "tf32" in device.peak_flops
    ]
    if not plain:
        return Bound(np.nan, np.nan)
    return Bound(max(plain), max(plain + most))


def rate_bound(setup: Setup) -> Bound:
    """Give the highest FLOP/s that a setup can reach."""
    one = _bound(setup, DeviceSpec.fastest_flops)
    return Bound(one.plain * setup.count, one.most * setup.count)


def efficiency_bound(setup: Setup) -> Bound:
    """Give the FLOP/J of peak over power limit, at the clock that the peak is quoted at."""
    return _bound(setup, DeviceSpec.flops_per_joule)


@dataclass(frozen=True, slots=True)
class _Excess:
    """A column of figures against their bounds.

    Args:
        seen: The figures, FLOP/s or FLOP/J.
        plain: Bound of each without TF32.
        most: Bound of each.
    """

    seen: Floats
    plain: Floats
    most: Floats

    def above(self, bound: Floats, factor: float) -> list[int]:
        with np.errstate(invalid="ignore"):
            return [int(row) for row in np.flatnonzero(self.seen > factor * bound)]

    def worst(self, rows: list[int]) -> int:
        return max(rows, key=lambda row: float(self.seen[row] / self.most[row]))


def _excess(seen: Floats, found: list[Setup], of: Callable[[Setup], Bound]) -> _Excess:
    known = {id(setup): setup for setup in found}
    bound = {key: of(setup) for key, setup in known.items()}
    bounds = [bound[id(setup)] for setup in found]
    return _Excess(seen, np.array([b.plain for b in bounds]), np.array([b.most for b in bounds]))


def _flops_above_peak(table: AuditTable) -> Iterator[Finding]:
    for each in passes(table):
        if each.flops and each.seconds:
            rates = quotient(table.si(each.flops), table.si(each.seconds))
            yield from _rate_findings(table, each.flops, rates)
    for column in rate_columns(table):
        yield from _rate_findings(table, column, table.si(column))
    yield from _above_one(table)


def _above_one(table: AuditTable) -> Iterator[Finding]:
    """Look for shares of the peak above all of it."""
    for column in table.measures("utilisation"):
        if not set(words_of(column)) & {"mfu", "hfu"}:
            continue
        share, told = table.si(column), bool((m := table.meaning(column)) and m.unit)
        held = share[np.isfinite(share)]
        if not told and held.size and held.max() > _MOST_SHARE:
            share, told = share / 100, True  # so large a figure is percent, whatever it is named
        rows = np.flatnonzero(share > ROUNDING)
        # A few percent of the peak are as likely as some rows above it, and many are not.
        if rows.size and (told or np.median(held) > _LEAST_SHARE):
            yield Finding(
                "flops-above-peak",
                "error" if told else "warning",
                table.where(column),
                f"{rows.size} of {held.size} rows ({table.places(rows.tolist())}): the share of "
                "the peak is above one, so that the peak is of another device or precision, or "
                "the operations are not those done",
                "divide by the dense peak of the device in the precision that was computed in",
                f"{share[rows].max():.4g}",
                "at most 1",
            )


def _rate_findings(table: AuditTable, column: str, rates: Floats) -> Iterator[Finding]:
    found = setups(table, column)
    excess = _excess(rates, found, rate_bound)
    sure = excess.above(excess.most, ROUNDING)
    doubtful = excess.above(excess.plain, ROUNDING)
    if sure:
        worst = excess.worst(sure)
        yield _above_peak(
            table.where(column),
            f"{len(sure)} of {_held(rates)} rows ({table.places(sure)})",
            found[worst],
            float(rates[worst]),
        )
    elif doubtful:
        worst = excess.worst(doubtful)
        yield _needs_tf32(table, column, doubtful, found[worst], float(rates[worst]))


def _held(values: Floats) -> int:
    return int(np.count_nonzero(np.isfinite(values)))


def _above_peak(where: str, which: str, setup: Setup, rate: float) -> Finding:
    return Finding(
        "flops-above-peak",
        "error",
        where,
        f"{which}: operations over time exceed the dense peak of the device, "
        f"{_named(setup)}: the time does not cover the work, or the operations are not those done",
        "synchronise with the device before both ends of the timed window, and count the "
        "operations of that window alone",
        f"{rate / 1e12:.4g} TFLOP/s",
        f"at most {rate_bound(setup).most / 1e12:.4g} TFLOP/s",
    )


def _needs_tf32(
    table: AuditTable, column: str, rows: list[int], setup: Setup, rate: float
) -> Finding:
    bound = rate_bound(setup)
    return Finding(
        "flops-above-peak",
        "warning",
        table.where(column),
        f"{len(rows)} of {len(table)} rows ({table.places(rows)}) exceed the fp32 peak of "
        f"{_named(setup)}; that is possible only where TF32 was on, and then the precision was "
        "not fp32",
        "say whether TF32 was allowed; if not, the time does not cover the work",
        f"{rate / 1e12:.4g} TFLOP/s",
        f"{bound.plain / 1e12:.4g} TFLOP/s in fp32, {bound.most / 1e12:.4g} in TF32",
    )


def _named(setup: Setup) -> str:
    names = [device.name for device in setup.devices]
    more = f" (or {len(names) - 1} other form{'s' if len(names) > 2 else ''})"
    shown = names[0] + (more if len(names) > 1 else "")
    shown = f"{setup.count} x {shown}" if setup.count > 1 else shown
    return f"{shown} in {setup.precision}" if setup.precision else f"{shown} in any precision"


def _efficiency_above_bound(table: AuditTable) -> Iterator[Finding]:
    for each in passes(table):
        column, seen = _efficiency(table, each)
        if column:
            yield from _efficiency_findings(table, column, seen)


def _efficiency(table: AuditTable, each: Pass) -> tuple[str, Floats]:
    """Give the published FLOP/J of a pass, or what its operations and its energy make."""
    if each.efficiency:
        return each.efficiency, table.si(each.efficiency)
    if each.flops and each.joules:
        return each.joules, quotient(table.si(each.flops), table.si(each.joules))
    return "", np.empty(0)


def _efficiency_findings(table: AuditTable, column: str, seen: Floats) -> Iterator[Finding]:
    found = setups(table, column)
    excess = _excess(seen, found, efficiency_bound)
    rows = excess.above(excess.most, ROUNDING)
    if rows:
        worst = excess.worst(rows)
        which = f"{len(rows)} of {_held(seen)} rows ({table.places(rows)})"
        yield _above_bound(table.where(column), which, found[worst], float(seen[worst]))
        return
    doubtful = excess.above(excess.plain, FRUGAL)
    if doubtful:
        worst = excess.worst(doubtful)
        which = f"{len(doubtful)} of {_held(seen)} rows ({table.places(doubtful)}), unless in TF32"
        yield _above_bound(table.where(column), which, found[worst], float(seen[worst]))


def _above_bound(where: str, which: str, setup: Setup, seen: float) -> Finding:
    bound = efficiency_bound(setup).most
    sure = seen > FRUGAL * bound
    what = (
        "no lower clock and no easier data explain that: the energy is not that of the work"
        if sure
        else "only a board that runs far below its limit at full speed could do that"
    )
    return Finding(
        "efficiency-above-bound",
        "error" if sure else "warning",
        where,
        f"{which}: operations per joule exceed peak over power limit of {_named(setup)}; {what}",
        "synchronise with the device before both ends of the window and integrate the power over "
        "all of it; divide the operations of a window by the energy of the same window",
        f"{seen / 1e9:.4g} GFLOP/J",
        f"about {bound / 1e9:.4g} GFLOP/J, surely below {FRUGAL * bound / 1e9:.4g}",
    )


def _run_above_peak(view: AuditRun) -> Iterator[Finding]:
    for name, flops, seconds, _ in _windows(view):
        setup = _run_setup(view)
        if seconds > 0 and flops / seconds > ROUNDING * rate_bound(setup).most:
            yield _above_peak(view.where(name), f"window {name}", setup, flops / seconds)


def _run_above_bound(view: AuditRun) -> Iterator[Finding]:
    for name, flops, _, joules in _windows(view):
        setup = _run_setup(view)
        if joules > 0 and flops / joules > ROUNDING * efficiency_bound(setup).most:
            yield _above_bound(view.where(name), f"window {name}", setup, flops / joules)


def _run_setup(view: AuditRun) -> Setup:
    texts = [str(level) for level in view.run.levels.values()]
    precision = next((found for text in texts if (found := find_precision(text))), None)
    boards = {c.device for c in view.run.channels if c.scope in _BOARDS}
    return Setup(run_devices(view), precision, max(1, len(boards)))


def _windows(view: AuditRun) -> Iterator[tuple[str, float, float, float]]:
    """Give name, operations, seconds and accelerator joules of the windows that have operations.

    What a source published is looked at as a table, where one finding speaks of all its rows.
    """
    work = view.run.work
    counted = work.get("flops_by_window") or {"measure": work.get("flops")}
    if view.published or not isinstance(counted, dict):
        return
    for name, flops in counted.items():
        if isinstance(flops, int | float) and flops > 0:
            seconds = sum(w.duration_s for w in view.run.windows if w.name == name)
            yield name, float(flops), seconds, _accelerator_j(view, name)


def _accelerator_j(view: AuditRun, window: str) -> float:
    boards = [c for c in view.run.channels if c.scope in _BOARDS]
    energies = [
        view.run.energy.get(channel.name, {}).get(window) for channel in headline_channels(boards)
    ]
    return sum(Energy.from_dict(energy).joules for energy in energies if energy is not None)


RULES = (
    Rule("flops-above-peak", "compute", table=_flops_above_peak, run=_run_above_peak),
    Rule("efficiency-above-bound", "compute", table=_efficiency_above_bound, run=_run_above_bound),
)
