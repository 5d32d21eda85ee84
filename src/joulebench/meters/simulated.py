"""Simulated boards: a known power, seen through the update, averaging and rounding of sensors.

They ship so that a study runs, and its uncertainty can be checked against the truth, on any
machine. Every channel of theirs has the method ``"simulated"``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from joulebench.channel import Channel, Window
from joulebench.errors import SensorLost, UsageError, unknown
from joulebench.meters.meter import ABSENT
from joulebench.meters.power_profile import PowerProfile, read_profile
from joulebench.meters.simulated_boards import BOARDS, Domain
from joulebench.meters.simulated_log import STAMP_STEP_S, JumpingLog
from joulebench.meters.simulated_phases import ONLY_VIRTUAL, PhasePowers
from joulebench.meters.simulated_sensor import Faults, SimulatedSensor
from joulebench.sensor_gains import NVML_GAIN

__all__ = ["BOARDS", "Faults", "PowerProfile", "SimulatedMeter", "SimulatedSensor"]

_COUNTED_J = 1e4
"""Where counters stand when the meter is opened, J: a board has been on for a while."""


class SimulatedMeter:
    """One simulated board; its profile begins when the meter is opened.

    Args:
        board: One of :data:`BOARDS`.
        watts: Constant power, W; or ``[t_s, watts]`` pairs; or the path of a CSV ``t_s,watts``; or
            the power of each phase of a trial on computed time, see
            :class:`joulebench.meters.simulated_phases.PhasePowers`.
        repeat: Whether a profile of pairs begins again at its last row, which then only marks the
            end; otherwise the last power is held.
        idle_w: Power before the first row and, without ``repeat``, from the last row on, W.
        device: Device name of the channels, for example ``"gpu1"``; the board's own by default.
        seed: Draws the phase of the updates, and what the faults leave to chance.
        gain_error: Relative error of this board.
        limit_w: Power limit that the channels declare, W.
        faults: What else is wrong with its sensors: see
            :class:`joulebench.meters.simulated_sensor.Faults`.
        noise_rel: Relative standard deviation, from run to run, of the power of each phase.
        start_s: Monotonic begin of the profile, s; the moment of opening where ``None``.
        clock: Gives monotonic time, s.

    Raises:
        UsageError: A board or fault that does not exist, or a profile that cannot be read.
    """

    def __init__(  # noqa: PLR0913 - a board has that many knobs, all of them named
        self,
        board: str = "a100",
        watts: float | str | Sequence[Sequence[float]] | Mapping[str, Any] = 100.0,
        *,
        repeat: bool = True,
        idle_w: float | None = None,
        device: str | None = None,
        seed: int = 0,
        gain_error: float = 0.0,
        limit_w: float | None = None,
        faults: Mapping[str, Any] | None = None,
        noise_rel: float = 0.0,
        start_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if board not in BOARDS:
            raise unknown("meter 'simulated': board", board, BOARDS)
        self._faults = Faults.read(faults or {})
        self._clock = clock
        self._begin_s = clock() if start_s is None else start_s
        self._random = Random(seed)  # noqa: S311 - no secret
        self._phases = PhasePowers(watts, noise_rel) if isinstance(watts, Mapping) else None
        if noise_rel and self._phases is None:
            raise UsageError("meter 'simulated': noise_rel goes with watts by phase: {idle: 60}")
        self.refusal = ONLY_VIRTUAL if self._phases else ""
        steady = 0.0 if isinstance(watts, Mapping) else watts
        profile = read_profile(steady, self._begin_s, repeat=repeat, idle_w=idle_w)
        self._board = BOARDS[board]
        self.sensors = [
            self._sensor(domain, profile, (device, limit_w, gain_error, seed))
            for domain in self._board
        ]
        self.channels = [sensor.channel for sensor in self.sensors]
        if self._faults.clock_jump_s:
            self._log = JumpingLog(clock, self._begin_s, self._faults)
            self.channels = [replace(c, stamp_step_s=STAMP_STEP_S) for c in self.channels]
            self.rows = self._rows
        wrong = "".join(f" {name}={figure:g}" for name, figure in (faults or {}).items())
        self.identities = {c.device: f"{board}{wrong}" for c in self.channels}

    def follow(self, windows: Sequence[Window]) -> None:
        """Have the power follow the phases of a trial, where it was given by phase.

        Args:
            windows: Of the whole trial, on the meter's clock.
        """
        if self._phases is None:
            return
        profile = self._phases.profile(windows, self._begin_s, self._random)
        for domain, sensor in zip(self._board, self.sensors, strict=True):
            sensor.profile = profile.scaled(domain.share, domain.base_w)
        self.refusal = ""

    @property
    def sensor(self) -> SimulatedSensor:
        """The board's first sensor."""
        return self.sensors[0]

    def _sensor(
        self,
        domain: Domain,
        profile: PowerProfile,
        knobs: tuple[str | None, float | None, float, int],
    ) -> SimulatedSensor:
        device, limit_w, gain_error, seed = knobs
        channel = _channel(domain, device, limit_w)
        phase_s = self._begin_s + self._random.uniform(0, channel.period_s)
        return SimulatedSensor(
            channel,
            profile.scaled(domain.share, domain.base_w),
            phase_s,
            gain_error=gain_error,
            origin_s=self._begin_s,
            origin_j=_COUNTED_J,
            faults=self._faults,
            seed=seed,
        )

    def read(self) -> list[float]:
        """Give what the board shows now, W or J; nan where a fault keeps a reading back.

        Raises:
            SensorLost: The board has vanished, as its faults ask.
            UsageError: Its power is that of phases which nobody has told it.
        """
        if self.refusal:
            raise UsageError(self.refusal)
        now_s = self._clock()
        vanish_s = self._faults.vanish_s
        if vanish_s and now_s - self._begin_s >= vanish_s:
            raise SensorLost(
                f"the simulated board vanished {vanish_s:g} s after it was opened, as its faults "
                "ask; leave vanish_s out"
            )
        if self._faults.drop and self._random.random() < self._faults.drop:
            return [ABSENT] * len(self.channels)
        return [sensor.reading(now_s) for sensor in self.sensors]

    def _rows(self) -> list[tuple[float, list[float]]]:
        """Give one row, stamped by a wall clock that is set; none where that leaves it in doubt."""
        stamp_s = self._log.stamp_s()
        return [] if stamp_s is None else [(stamp_s, self.read())]

    def close(self) -> None:
        """Do nothing: there is no sensor to let go."""


def _channel(domain: Domain, device: str | None, limit_w: float | None) -> Channel:
    channel = domain.channel
    if limit_w is not None and not limit_w > 0:
        raise UsageError(f"meter 'simulated': limit_w = {limit_w} must be above 0 W")
    return replace(
        channel,
        name=f"{device or channel.device}:{channel.name.partition(':')[2]}",
        gain=NVML_GAIN if channel.scope == "gpu board" else 0.0,
        method="simulated",
        limit_w=limit_w,
    )
