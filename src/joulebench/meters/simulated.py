"""Simulated sensors: a known power, seen through the update, averaging and rounding of a board.

They ship so that a study runs, and its uncertainty can be checked against the truth, on any
machine. Every channel of theirs has the method ``"simulated"``.
"""

from __future__ import annotations

import csv
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

from joulebench.channel import Channel
from joulebench.errors import UsageError
from joulebench.sensor_gains import NVML_GAIN

BOARDS: dict[str, Channel] = {
    "a100": Channel("gpu0:power", "W", 1e-3, period_s=0.1, averaging_s=0.025, scope="gpu board"),
    "volta": Channel("gpu0:power", "W", 1e-3, period_s=0.02, averaging_s=0.01, scope="gpu board"),
    "turing": Channel("gpu0:power", "W", 1e-3, period_s=0.1, averaging_s=0.1, scope="gpu board"),
    "ada": Channel("gpu0:power", "W", 1e-3, period_s=0.1, averaging_s=1.0, scope="gpu board"),
    "hopper-average": Channel(
        "gpu0:power", "W", 1e-3, period_s=0.1, averaging_s=1.0, scope="gpu board"
    ),
    "hopper-instant": Channel(
        "gpu0:power", "W", 1e-3, period_s=0.1, averaging_s=0.025, scope="gpu board"
    ),
    "counter": Channel("gpu0:energy", "J", 1e-3, period_s=0.1, scope="gpu board"),
    "rapl": Channel(
        "cpu0:package", "J", 2.0**-14, period_s=1e-3, wrap_j=2.0**18, scope="cpu package"
    ),
}
"""Boards by name; update and averaging times from Yang et al., arXiv 2312.02741."""


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
        self._cumulative_j = [0.0]
        for (start, stop), power in zip(pairwise(self.times), self.watts, strict=False):
            self._cumulative_j.append(self._cumulative_j[-1] + power * (stop - start))
        self._cycle_j = self._within_j(self.times[0] + period_s) if period_s else 0.0

    def power_w(self, t_s: float) -> float:
        """Give the power at an instant, W; at a step, the power after it."""
        _, t_s = self._fold(t_s)
        return self.watts[max(bisect_right(self.times, t_s) - 1, 0)]

    def energy_j(self, start_s: float, stop_s: float) -> float:
        """Give the exact energy between two instants, J."""
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


class SimulatedSensor:
    """Shows a power profile as a real sensor would.

    The sensor updates at ``phase_s + k * period_s`` and holds its value in between. At an update
    a power channel shows the mean power of the ``averaging_s`` before it (or the power of that
    instant, without averaging); a counter shows the energy since ``origin_s``, modulo its wrap,
    rounded down to a whole step.

    Args:
        channel: Unit, period, averaging, resolution and wrap of the sensor.
        profile: True power.
        phase_s: Instant of any one update, s.
        gain_error: Relative error of this board: it shows ``1 + gain_error`` times the truth.
        offset_error: Constant error of a power channel, W.
        origin_s: Where a counter stands at ``origin_j``, s.
        origin_j: Reading of the counter then, J.
    """

    def __init__(
        self,
        channel: Channel,
        profile: PowerProfile,
        phase_s: float = 0.0,
        *,
        gain_error: float = 0.0,
        offset_error: float = 0.0,
        origin_s: float = 0.0,
        origin_j: float = 0.0,
    ) -> None:
        self.channel = channel
        self.profile = profile
        self.phase_s = phase_s
        self.gain_error = gain_error
        self.offset_error = offset_error
        self.origin_s = origin_s
        self.origin_j = origin_j

    def updated_s(self, t_s: float) -> float:
        """Give the instant of the last update at or before an instant, s."""
        period_s = self.channel.period_s
        if not period_s:
            return t_s
        return self.phase_s + math.floor((t_s - self.phase_s) / period_s) * period_s

    def reading(self, t_s: float) -> float:
        """Give what the sensor shows at an instant, in the channel's unit."""
        updated_s = self.updated_s(t_s)
        if self.channel.unit == "J":
            return self._counter_j(updated_s)
        return self._rounded(self._mean_w(updated_s) * (1 + self.gain_error) + self.offset_error)

    def truth_j(self, start_s: float, stop_s: float) -> float:
        """Give the true energy between two instants, J, exactly."""
        return self.profile.energy_j(start_s, stop_s)

    def _mean_w(self, updated_s: float) -> float:
        averaging_s = self.channel.averaging_s
        if not averaging_s:
            return self.profile.power_w(updated_s)
        return self.profile.energy_j(updated_s - averaging_s, updated_s) / averaging_s

    def _rounded(self, reading: float) -> float:
        step = self.channel.resolution
        return round(reading / step) * step if step else reading

    def _counter_j(self, updated_s: float) -> float:
        drawn_j = self.profile.energy_j(self.origin_s, updated_s) * (1 + self.gain_error)
        step, wrap_j = self.channel.resolution, self.channel.wrap_j
        total_j = self.origin_j + drawn_j
        stepped_j = math.floor(total_j / step) * step if step else total_j
        return stepped_j % wrap_j if wrap_j else stepped_j


class SimulatedMeter:
    """One simulated board; its profile begins when the meter is opened.

    Args:
        board: One of :data:`BOARDS`.
        watts: Constant power, W; or ``[t_s, watts]`` pairs; or the path of a CSV ``t_s,watts``.
        repeat: Begin again at the last row, which then only marks the end of the cycle.
        idle_w: Power before the profile and, without ``repeat``, from its last row on, W.
        device: Device name of the channel; the board's own where ``None``.
        seed: Draws when the sensor updates.
        gain_error: Relative error of this board.
        start_s: Monotonic begin of the profile, s; the moment of opening where ``None``.
        clock: Gives monotonic time, s.

    Raises:
        UsageError: A board that does not exist, or a profile that cannot be read.
    """

    def __init__(  # noqa: PLR0913 - a board has that many knobs, all of them named
        self,
        board: str = "a100",
        watts: float | str | Sequence[Sequence[float]] = 100.0,
        *,
        repeat: bool = True,
        idle_w: float | None = None,
        device: str | None = None,
        seed: int = 0,
        gain_error: float = 0.0,
        start_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        channel = _board_channel(board, device)
        begin_s = clock() if start_s is None else start_s
        profile = _profile(watts, begin_s, repeat=repeat, idle_w=idle_w)
        phase_s = begin_s + Random(seed).uniform(0, channel.period_s)  # noqa: S311 - no secret
        self.sensor = SimulatedSensor(
            channel, profile, phase_s, gain_error=gain_error, origin_s=begin_s
        )
        self.channels = [channel]
        self._clock = clock

    def read(self) -> list[float]:
        """Give what the board shows now, W or J."""
        return [self.sensor.reading(self._clock())]

    def close(self) -> None:
        """Do nothing: there is no sensor to let go."""


def _board_channel(board: str, device: str | None) -> Channel:
    if board not in BOARDS:
        raise UsageError(f"simulated board {board!r} does not exist; use {', '.join(BOARDS)}")
    channel = BOARDS[board]
    gain = NVML_GAIN if channel.scope == "gpu board" else 0.0
    name = f"{device or channel.device}:{channel.name.partition(':')[2]}"
    return replace(channel, name=name, gain=gain, method="simulated")


def _profile(
    watts: float | str | Sequence[Sequence[float]],
    begin_s: float,
    *,
    repeat: bool,
    idle_w: float | None,
) -> PowerProfile:
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
