"""Power beside what the device may draw at most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from joulebench.audit.devices import run_devices
from joulebench.audit.digest import RunDigest
from joulebench.audit.evidence import Evidence
from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_figures import limit_w
from joulebench.audit.trace_lag import Kept, by_sensor
from joulebench.audit.trace_stretch import Floats, Stretch, already_said, stretches
from joulebench.finding import Finding
from joulebench.flops.devices import DEVICES

TIMES_LIMIT = 2.0
"""Peaks between two looks of a limiter go above a power limit, but not to twice of it."""

_LEAST_TOLERANCE = 0.025
_SETTABLE = 4 / 3
"""Vendors let owners of graphics cards raise the limit by up to a third (an RTX 4090 from 450 to
600 W), those of data centres not."""

_MANY = 0.01
AT_LIMIT, OVER_LIMIT = 0.97, 1.05
"""Mean power over the limit of a device that sits at it."""

_TIGHT, _AGREES, _MOSTLY, _NARROW = 0.003, 0.01, 0.8, 0.1
FEWEST_LEVELS = 4
DIFFERENT_WORK = 1.5
"""Speeds that differ by so much are those of other work."""

_NAMED_LIMIT = 0.01

_SEEN_BELOW = 0.8


def power_above_limit(view: AuditRun) -> Iterator[Finding]:
    """Look for more power than the device may draw: on average, or in single readings."""
    for part in stretches(view):
        limit = limit_w(view, part)
        if (
            limit is None
            or part.t_s.size < 2
            or already_said(view, "power-above-limit", part.channel.name)
        ):
            continue
        tolerance = 2 * max(part.channel.gain, _LEAST_TOLERANCE)
        if part.mean_w > limit * (1 + tolerance):
            yield _sustained(view, part, limit, tolerance)
        elif part.is_power and (part.power_w > TIMES_LIMIT * limit).any():
            yield _peaks(view, part, limit)


def _sustained(view: AuditRun, part: Stretch, limit: float, tolerance: float) -> Finding:
    as_shipped = part.channel.limit_w is None and any(
        "RTX" in device.name for device in run_devices(view)
    )
    most_w = limit * (1 + tolerance) * (_SETTABLE if as_shipped else 1.0)
    return Finding(
        "power-above-limit",
        "error" if part.mean_w > most_w else "warning",
        view.where(part.channel.name),
        f"the mean power over {part.window.duration_s:.4g} s is {part.mean_w:.4g} W, above the "
        f"limit of {limit:.4g} W that the device keeps on average",
        "check the unit and the device, and whether a part was counted twice"
        + (", and whether its owner has raised the limit" if as_shipped else ""),
        seen=f"{part.mean_w:.4g} W",
        possible=f"up to {limit * (1 + tolerance):.4g} W",
    )


def _peaks(view: AuditRun, part: Stretch, limit: float) -> Finding:
    over = part.power_w > TIMES_LIMIT * limit
    count = int(over.sum())
    return Finding(
        "power-above-limit",
        "error" if count > _MANY * over.size else "warning",
        view.where(part.channel.name),
        f"{count} of {over.size} readings are above {TIMES_LIMIT:g} times the limit of "
        f"{limit:.4g} W, the highest {part.power_w.max():.4g} W",
        "leave these readings out: no peak of a device that keeps to its limit is as high",
        seen=f"{part.power_w.max():.4g} W",
        possible=f"up to {TIMES_LIMIT * limit:.4g} W",
    )


class _Plateau(NamedTuple):
    """Runs at one power: which, the power, W, and whether the limit was known."""

    kept: Kept
    level_w: float
    known_limit_w: float | None


def power_limit_saturated(evidence: Evidence) -> Iterator[Finding]:
    """Look for runs whose power is the limit of the device, known or shown by their plateau."""
    for unit in evidence.units:
        for name, kept in by_sensor(unit.digests):
            found = _at_known_limit(kept) or _plateau(kept)
            if found is not None:
                yield _saturated(f"{unit.name}: {name}", found, len(kept))


def _saturated(where: str, found: _Plateau, count: int) -> Finding:
    runs = [digest.run.run_id for digest, _ in found.kept]
    limit = found.known_limit_w
    levels = [figures.level_w or 0.0 for _, figures in found.kept]
    why = (
        f"the limit is {limit:.4g} W"
        if limit is not None
        else "work that differs in speed drew the same power, as only a limit makes it"
        + fitting(found.level_w)
    )
    return Finding(
        "power-limit-saturated",
        "warning" if len(runs) > 1 else "note",
        where,
        f"{len(runs)} of {count} runs sit at {found.level_w:.4g} W ({min(levels):.4g} to "
        f"{max(levels):.4g} W; {', '.join(runs[:3])}{', ...' if len(runs) > 3 else ''}): {why}; "
        "their energy is that power times their time, so that energy and time carry the same "
        "information",
        "do not count energy and latency as two results; lower the work per step or report the "
        "limit, and compare energies at several limits",
        seen=f"{found.level_w:.4g} W",
        possible="" if limit is None else f"{limit:.4g} W",
    )


def fitting(level_w: float) -> str:
    """Name the devices that are known to have such a limit.

    Args:
        level_w: A power, W.
    """
    fits = [
        device.name
        for device in DEVICES
        if abs(device.power_limit_w - level_w) <= _NAMED_LIMIT * level_w
    ]
    return f" (that of: {', '.join(fits[:3])})" if fits else ""


def _at_known_limit(kept: Kept) -> _Plateau | None:
    """Give the runs whose level lies at the limit of their device.

    The limiter regulates by the sensor that is read, so that the gain of the board does not
    matter.
    """
    at_limit = [
        (digest, figures)
        for digest, figures in kept
        if figures.level_w is not None
        and figures.limit_w is not None
        and AT_LIMIT * figures.limit_w <= figures.level_w <= OVER_LIMIT * figures.limit_w
    ]
    if not at_limit:
        return None
    level_w = float(np.median([figures.level_w or 0.0 for _, figures in at_limit]))
    return _Plateau(at_limit, level_w, at_limit[0][1].limit_w)


def _plateau(kept: Kept) -> _Plateau | None:
    """Infer a limit from runs of different work that all have one level, and none above it.

    Without a limiter the power of a chip moves by a percent or more with its temperature from one
    repetition to the next, and by tens of percent with the kind of work. A limiter holds the mean
    to some tenths of a percent whatever is computed. A device that was never seen well below that
    level may as well have had nothing to do.
    """
    sized = [each for each in kept if each[1].level_w is not None and each[1].band <= _NARROW]
    if len(sized) < FEWEST_LEVELS:
        return None
    levels = np.array([figures.level_w or 0.0 for _, figures in sized])
    level_w = float(np.median(levels))
    same = np.abs(levels - level_w) <= _AGREES * level_w
    if not is_plateau(levels) or same.sum() < FEWEST_LEVELS:
        return None
    there = [each for each, at in zip(sized, same, strict=True) if at]
    floor = min(figures.least_w for _, figures in kept) > _SEEN_BELOW * level_w
    if floor or not _work_differs([digest for digest, _ in there]):
        return None
    return _Plateau(there, level_w, None)


def is_plateau(levels_w: Floats) -> bool:
    """Say whether nearly all powers are one, and none of them lies above it.

    Args:
        levels_w: Mean powers, W; shape (n,).
    """
    level_w = float(np.median(levels_w))
    scatter = 1.4826 * float(np.median(np.abs(levels_w - level_w))) / level_w
    same = np.abs(levels_w - level_w) <= _AGREES * level_w
    above = bool((levels_w > (1 + 2 * _AGREES) * level_w).mean() > 1 - _MOSTLY)
    return bool(scatter <= _TIGHT and same.mean() >= _MOSTLY and not above)


def _work_differs(digests: Sequence[RunDigest]) -> bool:
    """Say whether runs worked at clearly different speeds, by the count that all of them have."""
    for count in ("tokens_out", "tokens_in", "requests"):
        speeds = [
            float(digest.run.work[count]) / digest.duration_s
            for digest in digests
            if digest.run.work.get(count) and digest.duration_s
        ]
        if len(speeds) >= max(FEWEST_LEVELS, 0.5 * len(digests)):
            return max(speeds) >= DIFFERENT_WORK * min(speeds)
    return False


RULES = (
    Rule("power-above-limit", "energy", run=power_above_limit),
    Rule("power-limit-saturated", "energy", evidence=power_limit_saturated),
)
"""Rules about how much power a device can draw at most."""
