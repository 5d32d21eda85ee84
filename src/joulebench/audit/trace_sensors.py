"""Sensors that cannot be right: stuck, running backwards, or one that is shown as two."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.evidence import Evidence
from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_stretch import Floats, headline_traces, power_stretches
from joulebench.channel import Window
from joulebench.energy import Trace
from joulebench.finding import Finding

_FEWEST_EQUAL, _DIGITS = 50, 1e-3
_FEWEST_MOVES = 20
_MANY = 0.01


def counter_wrap(view: AuditRun) -> Iterator[Finding]:
    """Say where a counter started again within a window: simple differences are short by it."""
    for trace in view.traces.values():
        wrap_j = trace.channel.wrap_j
        if trace.channel.unit != "J" or wrap_j is None:
            continue
        falls = int(sum(_falls(trace, window, wrap_j) for window in view.windows))
        if falls:
            yield Finding(
                "counter-wrap",
                "note",
                view.where(trace.channel.name),
                f"the counter started again {falls} time(s) within the window: a figure made of "
                f"its end less its start is short by {falls * wrap_j:g} J; ours is unwrapped",
                "compare what was published with our energy of this run",
                seen=f"{falls}",
            )


def _falls(trace: Trace, window: Window, wrap_j: float) -> int:
    """Count the falls within a window that a wrap explains."""
    near = slice(
        max(int(np.searchsorted(trace.t_s, window.start_s, "right")) - 1, 0),
        int(np.searchsorted(trace.t_s, window.stop_s)) + 1,
    )
    steps = np.diff(trace.v[near])
    return int(((steps < 0) & (steps + wrap_j <= 0.5 * wrap_j)).sum())


def negative_energy(view: AuditRun) -> Iterator[Finding]:
    """Look for counters that run backwards, and for negative power."""
    for trace in view.traces.values():
        finding = _backwards(view, trace) if trace.channel.unit == "J" else _below_zero(view, trace)
        if finding is not None:
            yield finding


def _backwards(view: AuditRun, trace: Trace) -> Finding | None:
    steps = np.diff(trace.v)
    wrap_j = trace.channel.wrap_j
    falls = steps < 0
    if wrap_j is not None:
        falls &= steps + wrap_j > 0.5 * wrap_j
    inside = _within(view, trace.t_s[1:])
    if not falls.any():
        return None
    worst = int(np.argmin(np.where(falls, steps, 0.0)))
    return Finding(
        "negative-energy",
        "error" if (falls & inside).any() else "note",
        view.where(trace.channel.name),
        f"the counter falls {int(falls.sum())} time(s) where no wrap explains it, by "
        f"{-steps[worst]:.4g} J at {trace.t_s[worst + 1]:.3f} s"
        + ("" if (falls & inside).any() else ", outside the measured window"),
        "the sensor was reset or its range is not the declared one: find out which, and take no "
        "energy across the fall",
        seen=f"{steps[worst]:.4g} J",
        possible="at least 0 J from reading to reading",
    )


def _within(view: AuditRun, t_s: Floats) -> NDArray[np.bool_]:
    """Say which times lie in a measured window; all of them where there is none."""
    inside = np.zeros(t_s.size, dtype=bool)
    for window in view.windows:
        inside |= (t_s >= window.start_s) & (t_s <= window.stop_s)
    return inside if view.windows else ~inside


def _below_zero(view: AuditRun, trace: Trace) -> Finding | None:
    channel = trace.channel
    below = trace.v < -(channel.resolution + 3 * channel.offset)
    count = int(below.sum())
    if not count:
        return None
    return Finding(
        "negative-energy",
        "error" if count > _MANY * below.size else "warning",
        view.where(channel.name),
        f"{count} of {below.size} readings of power are negative, down to {trace.v.min():.4g} W",
        "leave these readings out, and find out what the sensor means by them",
        seen=f"{trace.v.min():.4g} W",
        possible="at least 0 W",
    )


def stuck_sensor(view: AuditRun) -> Iterator[Finding]:
    """Look for powers that never change although their digits must, and counters that stand."""
    for trace in view.traces.values():
        if trace.channel.unit == "J" and len(trace) >= _FEWEST_EQUAL and not np.ptp(trace.v):
            yield Finding(
                "stuck-sensor",
                "warning",
                view.where(trace.channel.name),
                f"the counter stands at {trace.v[0]:g} J for all of its {len(trace)} readings",
                "leave it out: a counter of energy that stands still measures nothing",
                seen="0 J",
            )
    for part in power_stretches(view):
        first_w = float(part.power_w[0])
        if not part.is_reading or part.power_w.size < _FEWEST_EQUAL or np.ptp(part.power_w) > 0:
            continue
        if not _has_digits(first_w):
            continue
        yield Finding(
            "stuck-sensor",
            "warning",
            view.where(part.channel.name),
            f"all {part.power_w.size} readings of the window are {first_w:g} W to the last digit: "
            "a sensor that resolves this does not repeat itself so often",
            "see whether the sensor was asked anew each time, and whether it is a constant that "
            "somebody assumed",
            seen=f"{first_w:g} W",
        )


def _has_digits(power_w: float) -> bool:
    """Say whether a reading is finer than a thousandth of itself, so that noise must show."""
    steps = power_w / 10.0 ** np.arange(3, -7, -1)
    finest = np.flatnonzero(np.abs(steps - np.round(steps)) < 1e-6)
    return bool(finest.size) and 10.0 ** (3 - int(finest[0])) < _DIGITS * abs(power_w)


def mirrored_sensor(view: AuditRun) -> Iterator[Finding]:
    """Look for two devices that show the same readings: one sensor that is counted twice."""
    for first, second in combinations(headline_traces(view), 2):
        if not _same(first, second):
            continue
        yield Finding(
            "mirrored-sensor",
            "error",
            view.where(f"{first.channel.name}, {second.channel.name}"),
            f"{first.channel.name} and {second.channel.name} show the same readings, all "
            f"{len(first)} of them: one sensor is counted twice",
            "leave one of them out of the sum; two devices never agree to the last digit",
            seen="equal readings",
        )


def _same(first: Trace, second: Trace) -> bool:
    one, two = first.channel, second.channel
    if (
        one.unit != two.unit
        or one.method not in ("measured", "modelled")
        or len(first) != len(second)
    ):
        return False
    moves = int(np.count_nonzero(np.diff(first.v)))
    return moves >= _FEWEST_MOVES and bool(np.array_equal(first.v, second.v))


def repeated_trace(evidence: Evidence) -> Iterator[Finding]:
    """Look for runs that bear the readings of another run."""
    for unit in evidence.units:
        seen: dict[tuple[str, str], list[str]] = {}
        for digest in unit.digests:
            for channel, print_ in digest.figures.get("traces", {}).items():
                seen.setdefault((channel, print_), []).append(digest.run.run_id)
        for (channel, _), runs in seen.items():
            if len(runs) > 1:
                yield _copied(unit.name, channel, runs)


def _copied(unit: str, channel: str, runs: list[str]) -> Finding:
    return Finding(
        "repeated-trace",
        "error",
        f"{unit}: {runs[0]}: {channel}",
        f"{len(runs)} runs bear the same readings of {channel}, to the last digit: "
        f"{', '.join(runs[:5])}",
        "find out which of them was measured, and leave the copies out",
        seen=f"{len(runs)} equal traces",
        possible="1",
    )


RULES = (
    Rule("counter-wrap", "energy", run=counter_wrap),
    Rule("negative-energy", "data", run=negative_energy),
    Rule("stuck-sensor", "energy", run=stuck_sensor),
    Rule("mirrored-sensor", "energy", run=mirrored_sensor),
    Rule("repeated-trace", "data", evidence=repeated_trace),
)
"""Rules about sensors that cannot be right."""
