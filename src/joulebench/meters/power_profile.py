"""A known power over time, with its exact integral: what simulated sensors look at."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from joulebench.errors import UsageError


class PowerProfile:
    """A piecewise constant power, with its exact integral.

    Args:
        times: Where each stretch begins, strictly increasing, s.
        watts: Power of each stretch, W, at least 0.
        period_s: Length of one cycle if the profile repeats, s; at least the last of ``times``
            less the first. Without it the first and the last power are held for ever.

    Raises:
        UsageError: Unequal lengths, nothing given, times that do not increase, or negative power.
    """

    def __init__(
        self, times: Sequence[float], watts: Sequence[float], period_s: float | None = None
    ) -> None:
        _refuse_bad_profile(times, watts)
        self.times = [float(t) for t in times]
        self.watts = [float(w) for w in watts]
        self.period_s = period_s
        self._steady = len(self.watts) == 1
        self._cumulative_j = [0.0]
        for (start, stop), power in zip(pairwise(self.times), self.watts, strict=False):
            self._cumulative_j.append(self._cumulative_j[-1] + power * (stop - start))
        self._cycle_j = self._within_j(self.times[0] + period_s) if period_s else 0.0

    def scaled(self, share: float, base_w: float) -> PowerProfile:
        """Give ``base_w`` and a share of this power."""
        if (share, base_w) == (1.0, 0.0):
            return self
        watts = [base_w + share * power for power in self.watts]
        return PowerProfile(self.times, watts, self.period_s)

    def power_w(self, t_s: float) -> float:
        """Give the power at an instant, W; at a step, the power after it."""
        if self._steady:
            return self.watts[0]
        _, t_s = self._fold(t_s)
        return self.watts[max(bisect_right(self.times, t_s) - 1, 0)]

    def energy_j(self, start_s: float, stop_s: float) -> float:
        """Give the exact energy between two instants, J."""
        if self._steady:
            return self.watts[0] * (stop_s - start_s)
        return self._since_origin_j(stop_s) - self._since_origin_j(start_s)

    def _since_origin_j(self, t_s: float) -> float:
        cycles, t_s = self._fold(t_s)
        return cycles * self._cycle_j + self._within_j(t_s)

    def _within_j(self, t_s: float) -> float:
        piece = max(bisect_right(self.times, t_s) - 1, 0)
        return self._cumulative_j[piece] + self.watts[piece] * (t_s - self.times[piece])

    def _fold(self, t_s: float) -> tuple[int, float]:
        if not self.period_s:
            return 0, t_s
        cycles = math.floor((t_s - self.times[0]) / self.period_s)
        return cycles, t_s - cycles * self.period_s


def _refuse_bad_profile(times: Sequence[float], watts: Sequence[float]) -> None:
    if len(times) != len(watts) or not times:
        raise UsageError(
            f"power profile: {len(times)} times and {len(watts)} powers; give one power a time"
        )
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise UsageError("power profile: times must increase strictly")
    if any(not (math.isfinite(w) and w >= 0) for w in watts):
        raise UsageError("power profile: every power must be finite and at least 0 W")


def read_profile(
    watts: float | str | Sequence[Sequence[float]],
    begin_s: float,
    *,
    repeat: bool,
    idle_w: float | None,
) -> PowerProfile:
    """Read a profile as a study gives it.

    Args:
        watts: Constant power, W; ``[t_s, watts]`` pairs; or the path of a CSV ``t_s,watts``.
        begin_s: When its first row is to be, monotonic s.
        repeat: Whether it begins again at the last row, which then only marks the end.
        idle_w: Power before the first row and, without ``repeat``, from the last one on, W.

    Raises:
        UsageError: A profile that cannot be read.
    """
    if isinstance(watts, int | float):
        return PowerProfile([begin_s], [float(watts)])
    rows = _csv_rows(Path(watts)) if isinstance(watts, str) else [_pair(row) for row in watts]
    if not rows:
        raise UsageError(f"power profile {watts!r}: no rows; give t_s and watts")
    shift_s = begin_s - rows[0][0]
    times, powers = [t + shift_s for t, _ in rows], [w for _, w in rows]
    if repeat and len(rows) > 1:
        return PowerProfile(times[:-1], powers[:-1], times[-1] - times[0])
    if idle_w is not None:
        # A stretch long before the begin, so that averages reaching back see the idle board.
        return PowerProfile([begin_s - 1e6, *times], [idle_w, *powers[:-1], idle_w])
    return PowerProfile(times, powers)


def _pair(row: Sequence[float]) -> tuple[float, float]:
    try:
        t_s, power_w = row
        return float(t_s), float(power_w)
    except (TypeError, ValueError) as error:
        raise UsageError(f"power profile: row {row!r} is not a pair of t_s and watts") from error


def _csv_rows(path: Path) -> list[tuple[float, float]]:
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.reader(lines) if row]
    except OSError as error:
        raise UsageError(f"power profile {path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"power profile {path}: is no CSV in UTF-8 ({error})") from error
    if rows and rows[0][:1] == ["t_s"]:
        rows = rows[1:]
    try:
        return [(float(row[0]), float(row[1])) for row in rows]
    except (ValueError, IndexError) as error:
        raise UsageError(
            f"power profile {path}: each row must be two numbers, t_s and watts: {error}"
        ) from error
