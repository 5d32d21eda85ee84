"""Loads that keep step with a sensor that sees only part of the time.

A sensor that averages over 25 ms of every 100 ms says nothing of the other 75 ms. For most loads
the part it sees is a fair sample of the whole; for one that repeats in step with the sensor it is
the same part of every repetition, and no interval from the readings alone covers the truth. Two
signs give it away: the readings themselves repeat after a few updates, or the marks of the work
(steps, requests) fall on the same place between two updates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from joulebench.channel import Channel, Window
from joulebench.finding import Finding
from joulebench.integral import UNIFORM, FloatArray

MOSTLY_SEEN = 0.9
"""A sensor that sees a larger share of the time than this has nothing to hide."""

LONGEST_CYCLE = 8
"""Readings that repeat after more updates than this sample the cycle densely enough."""

_FEWEST = 12
_REPEATS, _DIFFERS = 0.02, 0.3
_CHANCE = 1e-6
_LEAST_RESULTANT = 0.3


def unseen_share(channel: Channel) -> float:
    """Give the share of the time that a power sensor does not see; 0 where it sees nearly all."""
    if channel.unit != "W" or not channel.period_s:
        return 0.0
    seen = min(channel.averaging_s / channel.period_s, 1.0)
    return 0.0 if seen > MOSTLY_SEEN else 1.0 - seen


def repeating_updates(v: FloatArray) -> int:
    """Give after how many updates the readings repeat; 0 where they do not.

    With D(m) the mean squared difference of readings m apart, over twice their variance, readings
    that follow a cycle have D(m) near 0 for it and D(1) well above; slow ones have the smallest D
    at m = 1, independent ones have D near 1 throughout. In step they are if D vanishes also over
    half of the readings: a cycle that drifts shows the sensor all its parts in turn.

    Args:
        v: Readings, one an update; shape (n,).
    """
    if v.size < _FEWEST:
        return 0
    twice = 2 * float(v.var())
    if twice <= 0 or _apart(v, 1) < _DIFFERS * twice:
        return 0
    for lag in range(2, min(LONGEST_CYCLE, v.size // 4) + 1):
        half = lag * (v.size // (2 * lag))
        if max(_apart(v, lag), _apart(v, half)) < _REPEATS * twice:
            return lag
    return 0


def _apart(v: FloatArray, lag: int) -> float:
    return float(np.mean((v[lag:] - v[:-lag]) ** 2))


def kept_step(updates_s: FloatArray, cycles_s: FloatArray) -> float:
    """Give how much a sensor kept step with the cycles of the work: 0 not at all, 1 exactly.

    It is the resultant of the phases at which the updates fall into the cycles, and 0 where chance
    explains it: of n independent phases it exceeds R with the probability exp(-n R²) (Rayleigh;
    Mardia and Jupp, *Directional Statistics*, 2000, section 6.3.1).

    Args:
        updates_s: Times of the sensor's updates, s; shape (n,).
        cycles_s: When each cycle began, increasing, s; shape (m,).
    """
    if cycles_s.size <= _FEWEST or cycles_s[0] == cycles_s[-1]:
        return 0.0
    inside = updates_s[(updates_s >= cycles_s[0]) & (updates_s < cycles_s[-1])]
    if inside.size < _FEWEST:
        return 0.0
    place = np.searchsorted(cycles_s, inside, side="right") - 1
    phase = (inside - cycles_s[place]) / (cycles_s[place + 1] - cycles_s[place])
    resultant = float(abs(np.mean(np.exp(2j * np.pi * phase))))
    by_chance = math.sqrt(-math.log(_CHANCE) / inside.size)
    return resultant if resultant > max(by_chance, _LEAST_RESULTANT) else 0.0


def bound_j(channel: Channel, window: Window, powers_w: Sequence[float]) -> float:
    """Give the standard error that the unseen time of a window amounts to, J.

    The power of the unseen time lies anywhere between the least and the most that the device
    draws: a uniform distribution.

    Args:
        channel: The sensor.
        window: The window.
        powers_w: Readings, W; the device's limit counts besides, where it is known.
    """
    most_w = max(*powers_w, channel.limit_w or 0.0)
    return UNIFORM * unseen_share(channel) * (most_w - min(powers_w)) * window.duration_s


def aliasing_finding(channel: Channel, window: Window, doubt_j: float, why: str) -> Finding:
    """Build the finding of a load that keeps step with a sensor."""
    seen_s = channel.averaging_s
    return Finding(
        rule="aliasing",
        severity="warning",
        where=f"{channel.name} in {window.name}",
        message=f"{why}: the sensor sees {1e3 * seen_s:.3g} ms of every "
        f"{1e3 * channel.period_s:.3g} ms, always the same part of the load, so that its energy "
        f"may be off by ± {math.sqrt(3) * doubt_j:.3g} J",
        remedy="take the energy counter of the device instead, or vary the length of the work's "
        "steps (other batch sizes, shuffled lengths)",
        seen=f"{100 * (1 - unseen_share(channel)):.0f} % of the time",
    )
