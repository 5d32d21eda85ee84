"""Whether the samples of a run are dense and even enough for what was made of them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from joulebench.aliasing import MOSTLY_SEEN, aliasing_finding, repeating_updates, unseen_share
from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.audit.table import AuditTable
from joulebench.audit.trace_stated import asked_step_s, only_stretch, stated_energy_j
from joulebench.audit.trace_stretch import Stretch, already_said, power_stretches
from joulebench.finding import Finding
from joulebench.integral import GAP_CADENCES, UNIFORM, gap_limit_s

FEWEST_UPDATES = 10
"""A mean of fewer readings than this has an interval that says so little that it must be said."""

_AGREES = 0.005
_NOTABLE_GAP, _NOTABLE_SPREAD, _NOTABLE_STEP = 0.005, 0.05, 0.01


def sampling_gap(view: AuditRun) -> Iterator[Finding]:
    """Look for stalls of the sampler that a published energy, or nothing so far, accounts for."""
    for part in power_stretches(view):
        spacing_s = np.diff(part.t_s)
        holes = spacing_s > gap_limit_s(part.channel, part.cadence_s)
        if not holes.any():
            continue
        bridged = _bridged_by(view, part)
        if bridged is None and already_said(view, "sampling-gap", part.channel.name):
            continue
        yield _gap(view, part, holes, bridged)


def _bridged_by(view: AuditRun, part: Stretch) -> float | None:
    """Give the energy that a source states if it is the trapezoid across the holes, J."""
    stated = stated_energy_j(view)
    return stated if only_stretch(view) is part and _agrees(stated, part.joules) else None


def _agrees(stated_j: float | None, joules: float) -> bool:
    return stated_j is not None and abs(stated_j - joules) <= _AGREES * joules


def _gap(
    view: AuditRun,
    part: Stretch,
    holes: NDArray[np.bool_],
    bridged: float | None,
) -> Finding:
    spacing_s = np.diff(part.t_s)
    lengths_s = spacing_s[holes]
    straight_j = float((0.5 * (part.power_w[1:] + part.power_w[:-1]) * spacing_s)[holes].sum())
    least_w, most_w = float(part.power_w.min()), float(part.power_w.max())
    unseen_s = float(lengths_s.sum())
    sure_j = part.joules - straight_j
    low_j, high_j = sure_j + least_w * unseen_s, sure_j + most_w * unseen_s
    at_s = float(part.t_s[:-1][holes][int(np.argmax(lengths_s))] - part.window.start_s)
    share = (high_j - low_j) / part.joules if part.joules > 0 else math.inf
    whose = "the stated energy bridges" if bridged is not None else "nothing was read in"
    return Finding(
        "sampling-gap",
        "warning" if share >= _NOTABLE_GAP else "note",
        view.where(part.channel.name),
        f"{whose} {lengths_s.size} hole(s), {unseen_s:.3g} s of {part.window.duration_s:.4g} s in "
        f"all, the longest of {lengths_s.max():.3g} s {at_s:.1f} s after the start, where samples "
        f"are {part.cadence_s:.3g} s apart: {straight_j:.4g} J were never measured",
        "find what stalled the sampler and measure again, or state the energy with the bounds "
        "that the lowest and the highest reading give",
        seen=f"{bridged if bridged is not None else part.joules:.6g} J",
        possible=f"{low_j:.6g} to {high_j:.6g} J",
    )


def too_few_samples(view: AuditRun) -> Iterator[Finding]:
    """Look for windows whose energy hangs on a few readings of power."""
    for part in power_stretches(view):
        count = part.updates
        if count >= FEWEST_UPDATES or already_said(view, "below-resolution", part.channel.name):
            continue
        doubt = _mean_doubt(part, count)
        yield Finding(
            "too-few-samples",
            "warning" if doubt > _NOTABLE_SPREAD else "note",
            view.where(part.channel.name),
            f"{part.t_s.size} samples, about {count:.2g} updates of the sensor, carry the energy "
            f"of {part.window.duration_s:.3g} s: as a mean it is known to ± {100 * doubt:.2g} %",
            "repeat the work within one window until it holds a hundred samples or more",
            seen=f"{count:.2g} updates",
            possible=f"at least {FEWEST_UPDATES}",
        )


def _mean_doubt(part: Stretch, count: float) -> float:
    """Give half of the 95 % interval of the mean of the readings, relative: t(n - 1) s/(m √n)."""
    from scipy.special import stdtrit

    if count < 2 or part.mean_w <= 0:
        return math.inf
    readings = part.power_w[part.changes] if part.changes.size > 2 else part.power_w
    spread = float(readings.std(ddof=1)) / part.mean_w
    return float(stdtrit(count - 1, 0.975)) * spread / math.sqrt(count)


def too_few_readings(table: AuditTable) -> Iterator[Finding]:
    """Look for rows whose energy hangs on a few readings, by the table's own count of them."""
    for column in table.measures("readings"):
        counts = table.numbers(column)
        rows = np.flatnonzero(counts < FEWEST_UPDATES)
        if rows.size:
            yield Finding(
                "too-few-samples",
                "warning",
                table.where(column),
                f"{rows.size} of {len(table)} rows rest on fewer than {FEWEST_UPDATES} samples: "
                f"{table.places(rows)}",
                "repeat the work within one window until it holds a hundred samples or more",
                seen=f"{counts[rows].min():g} samples",
                possible=f"at least {FEWEST_UPDATES}",
            )


def irregular_steps(view: AuditRun) -> Iterator[Finding]:
    """Look for uneven steps, which make the sum of readings times one step another energy."""
    for part in power_stretches(view):
        step_s = asked_step_s(view.run) or part.cadence_s
        nominal_s = (part.t_s.size - 1) * step_s
        error = nominal_s / part.span_s - 1
        if abs(error) < _NOTABLE_STEP or part.t_s.size <= FEWEST_UPDATES:
            continue
        stated = stated_energy_j(view)
        if _agrees(stated, part.joules):
            continue  # whoever stated it has used the real stamps
        done = _agrees(stated, step_s * float(part.power_w.sum()))
        yield Finding(
            "assumed-constant-step",
            "error" if done else "note",
            view.where(part.channel.name),
            f"{part.t_s.size} samples of one step of {step_s:.4g} s would last {nominal_s:.5g} s, "
            f"but they span {part.span_s:.5g} s: "
            + ("the stated energy is the" if done else "a")
            + " sum that multiplies each reading by one step, and is "
            f"off by {100 * error:+.2g} %",
            "integrate over the real time stamps",
            seen=f"{part.span_s:.5g} s",
            possible=f"{nominal_s:.5g} s at an even step",
        )


def aliasing(view: AuditRun) -> Iterator[Finding]:
    """Look for readings that repeat in step with the load where the sensor may not see it all."""
    for part in power_stretches(view):
        channel = part.channel
        blind = unseen_share(channel) or float(_may_be_blind(part))
        if not blind or already_said(view, "aliasing", channel.name):
            continue
        held = max(round(part.t_s.size / part.updates), 1)
        cycle = repeating_updates(part.power_w[::held])
        if not cycle:
            continue
        swing_w = float(np.ptp(part.power_w))
        doubt_j = UNIFORM * blind * swing_w * part.window.duration_s
        told = aliasing_finding(
            channel,
            part.window,
            doubt_j,
            f"the readings repeat every {cycle} updates, in step with the load",
        )
        yield Finding(
            told.rule,
            told.severity,
            view.where(channel.name),
            f"the readings repeat every {cycle} updates, as those of a sensor that samples in "
            "step with the load do: the same part of it is seen each time, and the energy may be "
            f"off by ± {math.sqrt(3) * doubt_j:.3g} J",
            told.remedy,
            seen=f"{cycle} updates",
        )


def _may_be_blind(part: Stretch) -> bool:
    """Say whether a sensor of unknown averaging may miss what happens between its samples."""
    channel = part.channel
    averages_s = channel.averaging_s or 2 * channel.stamp_s
    return channel.period_s == 0 and averages_s < MOSTLY_SEEN * part.cadence_s


def crowded_stamps(view: AuditRun) -> Iterator[Finding]:
    """Look for samples that were stamped nearly at once: written in bursts after a stall."""
    for part in power_stretches(view):
        spacing_s = np.diff(part.t_s)
        crowded = int((spacing_s < 0.01 * part.cadence_s).sum())
        if crowded < GAP_CADENCES or crowded < 0.01 * spacing_s.size:
            continue
        yield Finding(
            "repeated-timestamp",
            "warning",
            view.where(part.channel.name),
            f"{crowded} of {spacing_s.size} samples are stamped within a hundredth of the usual "
            f"step of {part.cadence_s:.3g} s of the one before: they were written in bursts, not "
            "when they were read",
            "stamp each reading when it is taken",
            seen=f"{spacing_s.min():.2g} s",
            possible=f"about {part.cadence_s:.3g} s",
        )


RULES = (
    Rule("sampling-gap", "energy", run=sampling_gap),
    Rule("too-few-samples", "energy", run=too_few_samples, table=too_few_readings),
    Rule("assumed-constant-step", "energy", run=irregular_steps),
    Rule("aliasing", "energy", run=aliasing),
    Rule("repeated-timestamp", "data", run=crowded_stamps),
)
"""Rules about when samples were taken."""
