"""Whether counters are what their scopes say: the same one twice, or a part of another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from joulebench.channel import Channel
from joulebench.characterize.points import unwrapped_j
from joulebench.characterize.polling import FloatArray, Polls
from joulebench.energy_ratio import Z_95
from joulebench.meters.sensor_profile import Figure
from joulebench.nesting import Pair, parts_and_wholes

BIN_S = 0.1
"""Stretch over which the power of two counters is compared, s."""

SLACK = 0.02
"""A part that exceeds its whole by no more than this may do so by their times of update."""

FOLLOWS = 0.5
"""A whole that changes by less than this share of what its parts change by does not hold them."""

_FEWEST = 8
_SAME = 100.0


@dataclass(frozen=True)
class Nesting:
    """A sum of parts beside the channel that is said to hold them.

    Args:
        whole: Channel that is said to hold the parts.
        parts: Channels that are said to lie in it.
        share: Energy of the parts as a share of that of the whole.
        slope: How much the whole changes with its parts, W/W; ``None`` where they did not vary.
        holds: Whether it does hold them; ``None`` where the load did not show it.
    """

    whole: str
    parts: tuple[str, ...]
    share: float
    slope: Figure | None
    holds: bool | None


def mirrored(polls: Polls) -> list[tuple[str, str]]:
    """Find pairs of counters of one scope that count the same.

    Two counters of different things drift apart; the same counter read twice stays within what it
    counts between the two readings and between two updates.
    """
    seen = _counters(polls)
    pairs = combinations(seen, 2)
    return [(a.name, b.name) for a, b in pairs if a.scope == b.scope and _same(seen[a], seen[b])]


def nestings(polls: Polls) -> list[Nesting]:
    """Compare each whole with the sum of its parts, under the load that was driven."""
    seen = _counters(polls)
    pairs = (pair for pair in parts_and_wholes(list(seen)) if len(pair.second) == 1)
    return [_nesting(pair, seen, polls) for pair in pairs]


@dataclass(frozen=True)
class _Counted:
    """A counter without its wraps: when it changed, s, and to what, J."""

    at_s: FloatArray
    energy_j: FloatArray

    def at(self, t_s: FloatArray) -> FloatArray:
        """Give the counter at several times, J."""
        return np.interp(t_s, self.at_s, self.energy_j)


def _counters(polls: Polls) -> dict[Channel, _Counted]:
    return dict(_counted(polls))


def _counted(polls: Polls) -> Iterator[tuple[Channel, _Counted]]:
    for place, channel in enumerate(polls.channels):
        changes = polls.changes(place)
        if channel.unit == "J" and changes.v.size >= _FEWEST:
            yield channel, _Counted(changes.at_s, unwrapped_j(channel, changes.v))


def _same(first: _Counted, second: _Counted) -> bool:
    at_s = first.at_s[(first.at_s >= second.at_s[0]) & (first.at_s <= second.at_s[-1])]
    if at_s.size < _FEWEST:
        return False
    apart_j = np.ptp(first.at(at_s) - second.at(at_s))
    moved_j = float(np.ptp(first.at(at_s)))
    step_j = float(np.quantile(np.diff(first.energy_j), 0.95))
    return bool(apart_j <= 3 * step_j and moved_j > _SAME * step_j)


def _nesting(pair: Pair, seen: dict[Channel, _Counted], polls: Polls) -> Nesting:
    (whole,) = pair.second
    low_s = max(seen[channel].at_s[0] for channel in pair.channels)
    high_s = min(seen[channel].at_s[-1] for channel in pair.channels)
    bins_s = np.arange(low_s, high_s, max(BIN_S, 20 * polls.spacing_s))
    whole_w = _power_w([seen[whole]], bins_s)
    parts_w = _power_w([seen[part] for part in pair.first], bins_s)
    share = float(parts_w.sum() / whole_w.sum()) if whole_w.sum() > 0 else math.nan
    slope = _slope(parts_w, whole_w)
    names = tuple(part.name for part in pair.first)
    return Nesting(whole.name, names, share, slope, _holds(share, slope))


def _power_w(counters: Sequence[_Counted], bins_s: FloatArray) -> FloatArray:
    energy_j = np.sum([counter.at(bins_s) for counter in counters], axis=0)
    power_w: FloatArray = np.diff(energy_j) / np.diff(bins_s)
    return power_w


def _slope(parts_w: FloatArray, whole_w: FloatArray) -> Figure | None:
    """Regress the whole on its parts; ``None`` where these did not vary."""
    if parts_w.size < _FEWEST:
        return None
    centred = parts_w - parts_w.mean()
    spread = float(centred @ centred)
    if spread <= 0:
        return None
    slope = float(centred @ whole_w) / spread
    left = whole_w - whole_w.mean() - slope * centred
    error = math.sqrt(float(left @ left) / max(parts_w.size - 2, 1) / spread)
    return Figure(slope, error) if error < FOLLOWS / Z_95 else None


def _holds(share: float, slope: Figure | None) -> bool | None:
    if share > 1 + SLACK:
        return False
    if slope is None:
        return None
    if slope.value + Z_95 * slope.standard_error < FOLLOWS:
        return False
    return True if slope.value - Z_95 * slope.standard_error > FOLLOWS else None
