"""The updates of a sensor with the power that each shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from joulebench.channel import Channel
from joulebench.characterize.polling import Changes, FloatArray
from joulebench.characterize.updates import Updates
from joulebench.integral import UNIFORM

FINEST_S = (4e-3, 0.02, 0.06)
"""A counter is differenced over at least this, s: over less, the doubt of the polls' times would
be larger than what it shows. The longer ones are for counters that count in bursts."""

_STALL = 20.0
"""A change within a stretch so many times longer than usual without polls is left out."""

_EVERY = 1.5
"""Where 95 % of the changes are closer than so many periods, every update is one."""

_MOST = 6000


@dataclass(frozen=True)
class Points:
    """Updates of one channel.

    Args:
        at_s: When each was seen, s; shape (n,).
        v: Power that it shows, W; shape (n,).
        gap_s: Stretch that its time is known to lie in, s; shape (n,).
        error_w: Standard error of each power from rounding and from the times, W; shape (n,).
        since_s: Stretch before each update that its power is the mean of, s; shape (n,); ``None``
            where that is the sensor's unknown averaging time.
    """

    at_s: FloatArray
    v: FloatArray
    gap_s: FloatArray
    error_w: FloatArray
    since_s: FloatArray | None = None

    def chosen(self, keep: Any) -> Points:
        """Give those points that a mask or a list of indices chooses."""
        since_s = None if self.since_s is None else self.since_s[keep]
        return Points(self.at_s[keep], self.v[keep], self.gap_s[keep], self.error_w[keep], since_s)


def points(
    channel: Channel, changes: Changes, seen: Updates, finest_s: float = FINEST_S[0]
) -> Points:
    """Turn what polling saw of a channel into updates with their power.

    Args:
        channel: The channel.
        changes: Where it changed.
        seen: How often it does.
        finest_s: Shortest stretch that a counter is differenced over, s.
    """
    if channel.unit == "J":
        return _counter_points(channel, changes, finest_s)
    return _power_points(channel, changes, seen)


def unwrapped_j(channel: Channel, v: FloatArray) -> FloatArray:
    """Add the modulus wherever a counter begins again, J."""
    if channel.wrap_j is None:
        return v
    falls = np.concatenate(([0], np.cumsum(np.diff(v) < -0.5 * channel.wrap_j)))
    return v + falls * channel.wrap_j


def _power_points(channel: Channel, changes: Changes, seen: Updates) -> Points:
    """List the updates, those too at which the reading stayed what it was.

    Where each update changes the reading, one that stays has stalled, and was not updated.
    """
    at_s, v, gap_s = changes.middle_s, changes.v, changes.gap_s
    jitter_s = 0.0 if seen.period is None else seen.jitter_s
    if seen.period is not None and seen.spacing_s[2] > _EVERY * seen.period.value:
        at_s, v, gap_s = _with_unchanged(changes, seen.period.value, jitter_s)
    kept = slice(None, None, math.ceil(at_s.size / _MOST) or 1)
    error_w = np.full(at_s.size, UNIFORM * channel.resolution)
    return Points(at_s[kept], v[kept], gap_s[kept], error_w[kept])


def _with_unchanged(
    changes: Changes, period_s: float, jitter_s: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Put updates a period apart between a change and the next."""
    middle_s = changes.middle_s
    begins_s = np.concatenate(([changes.start_s], middle_s))
    ends_s = np.concatenate((middle_s, [changes.stop_s]))
    repeats = np.maximum(np.floor((ends_s - begins_s) / period_s - 0.5), 0).astype(np.intp)
    repeats[0] = 0  # nothing says when the first reading came
    which = np.repeat(np.arange(repeats.size), repeats)
    ordinal = np.arange(which.size) - np.repeat(np.cumsum(repeats) - repeats, repeats) + 1
    at_s = np.concatenate((middle_s, begins_s[which] + ordinal * period_s))
    v = np.concatenate((changes.v, np.concatenate(([changes.first], changes.v))[which]))
    gap_s = np.concatenate((changes.gap_s, np.full(which.size, jitter_s / UNIFORM)))
    order = np.argsort(at_s, kind="stable")
    return at_s[order], v[order], gap_s[order]


def _counter_points(channel: Channel, changes: Changes, finest_s: float) -> Points:
    """Difference a counter between updates whose times are known well."""
    energy_j = unwrapped_j(channel, changes.v)
    usual_s = float(np.median(changes.gap_s)) if changes.v.size else 0.0
    sharp = changes.gap_s <= _STALL * usual_s
    at_s, energy_j, gap_s = changes.middle_s[sharp], energy_j[sharp], changes.gap_s[sharp]
    kept = _apart(at_s, finest_s)
    at_s, energy_j, gap_s = at_s[kept], energy_j[kept], gap_s[kept]
    since_s = np.diff(at_s)
    v = np.diff(energy_j) / since_s
    both_s = np.hypot(gap_s[1:], gap_s[:-1])
    error_w = UNIFORM * np.hypot(math.sqrt(2) * channel.resolution, v * both_s) / since_s
    return Points(at_s[1:], v, gap_s[1:], error_w, since_s)


def _apart(at_s: FloatArray, least_s: float) -> list[int]:
    """Choose times at least so far apart."""
    kept: list[int] = []
    last_s = -math.inf
    for place, time_s in enumerate(at_s.tolist()):
        if time_s - last_s >= least_s:
            kept.append(place)
            last_s = time_s
    return kept
