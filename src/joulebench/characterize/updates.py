"""How often a sensor updates, from when its reading changed under fast polling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from joulebench.characterize.polling import Changes, FloatArray
from joulebench.meters.sensor_profile import Figure

REGULAR = 0.12
"""Largest deviation from a comb, relative to its period, of a sensor that updates regularly; times
without any period would deviate by 0.29."""

STALLED = 0.5
"""A change within a stretch without polls longer than this share of the usual spacing of changes
says nothing of the period."""

SEEN = 0.5
"""Where a change lies in a stretch without polls longer than this share of the period, the period
is that of the polls and not of the sensor."""

_FEWEST = 8

_DIVISORS = range(1, 13)

_LONGEST = 30
"""Spacings of more periods than this are not counted in periods: the count would be in doubt."""


@dataclass(frozen=True)
class Updates:
    """How a reading changes.

    Args:
        count: Changes that were seen.
        period: The sensor's update period, s; ``None`` where the changes keep none, or follow one
            another as fast as the polls.
        spacing_s: 5 %, 50 % and 95 % quantile of the time between changes, s; nan without any.
        jitter_s: Deviation of an update from its period, s; nan where there is none.
    """

    count: int
    period: Figure | None
    spacing_s: tuple[float, float, float]
    jitter_s: float


def updates(changes: Changes) -> Updates:
    """Find the update period of a reading.

    A sensor at rest may be updated with the reading it had, so that changes are several periods
    apart. The period is the longest one of which all spacings are whole multiples.

    Args:
        changes: Where the reading changed.
    """
    spacing_s, gap_s = _spacings(changes)
    if spacing_s.size < _FEWEST:
        return Updates(int(changes.v.size), None, (math.nan,) * 3, math.nan)
    p5, p50, p95 = (float(q) for q in np.quantile(spacing_s, (0.05, 0.5, 0.95)))
    period_s = _period_s(spacing_s, p5)
    if period_s is None or float(np.median(gap_s)) > SEEN * period_s:
        return Updates(int(changes.v.size), None, (p5, p50, p95), math.nan)
    return _updates(changes, spacing_s, float(np.median(gap_s)), period_s, (p5, p50, p95))


def _spacings(changes: Changes) -> tuple[FloatArray, FloatArray]:
    """Give the time between changes whose times are known well, and what they are known to, s."""
    middle_s, gap_s = changes.middle_s, changes.gap_s
    if middle_s.size < 2:
        return np.empty(0), np.empty(0)
    spacing_s = np.diff(middle_s)
    usual_s = float(np.median(spacing_s))
    sharp = gap_s <= max(STALLED * usual_s, 4 * float(np.median(gap_s)))
    both = sharp[1:] & sharp[:-1]
    return spacing_s[both], gap_s[1:][both]


def _period_s(spacing_s: FloatArray, shortest_s: float) -> float | None:
    """Give the longest period that all spacings are multiples of, s; ``None`` without one.

    Args:
        spacing_s: Times between changes, s.
        shortest_s: Their lower end, a whole number of periods itself.
    """
    for divisor in _DIVISORS:
        period_s = _refined_s(spacing_s, shortest_s / divisor)
        if period_s is not None:
            return period_s
    return None


def _refined_s(spacing_s: FloatArray, period_s: float) -> float | None:
    """Fit a period near a first guess, s; ``None`` where the spacings are no multiples of it."""
    for longest in (2, 5, _LONGEST):
        periods = np.round(spacing_s / period_s)
        used = (periods >= 1) & (periods <= longest)
        if not used.any():
            continue
        counted = periods[used]
        period_s = float(spacing_s[used] @ counted / (counted @ counted))
    return period_s if _deviation(spacing_s, period_s) < REGULAR else None


def _deviation(spacing_s: FloatArray, period_s: float) -> float:
    """Give the deviation of spacings from multiples of a period, in periods (root mean square)."""
    near = spacing_s[spacing_s < (_LONGEST + 0.5) * period_s]
    if near.size < _FEWEST:
        return math.inf
    share = near / period_s
    late = np.abs(share - np.maximum(np.round(share), 1))
    # A single late poll must not hide a period that all others keep.
    return float(np.sqrt(np.mean(np.minimum(np.sort(late)[: math.ceil(0.98 * late.size)], 1) ** 2)))


def _updates(
    changes: Changes,
    spacing_s: FloatArray,
    gap_s: float,
    period_s: float,
    quantiles: tuple[float, float, float],
) -> Updates:
    periods = np.maximum(np.round(spacing_s / period_s), 1)
    near = periods <= _LONGEST
    total = float(periods[near].sum())
    refined_s = float(spacing_s[near].sum()) / total
    late_s = spacing_s[near] - periods[near] * refined_s
    # Of most updates: one that stalls is no jitter.
    jitter_s = 1.4826 * float(np.median(np.abs(late_s)))
    # Errors of a stamp cancel along the comb; a wandering period does not.
    error_s = math.hypot(float(late_s.std()) * math.sqrt(late_s.size), gap_s) / total
    return Updates(int(changes.v.size), Figure(refined_s, error_s), quantiles, jitter_s)
