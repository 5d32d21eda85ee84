"""One simulated sensor: a known power seen through update, averaging, rounding and faults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from random import Random
from typing import Any

from joulebench.channel import Channel
from joulebench.errors import UsageError, unknown
from joulebench.meters.power_profile import PowerProfile

_LEAST = {"averaging_error": -0.9, "clock_jump_s": -1e6}
"""Figures that may be below zero, and how far."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with a sensor; nothing by default.

    Args:
        averaging_error: Relative error of the averaging time: the sensor averages over
            ``1 + averaging_error`` times what its channel declares.
        delay_s: How long after its update a reading is shown, s.
        noise_w: Standard deviation of the noise of each update, W; of a counter, none.
        drop: Share of the readings that do not come.
        stall_every_s: Mean time from one stall to the next, s; 0 for none.
        stall_s: Length of a stall, in which the sensor holds its last update, s.
        spike_every_s: Mean time from one impossible reading, ten times the true one, to the next,
            s; 0 for none.
        reset_s: When a counter starts again from zero, s after the meter was opened; 0 for never.
        vanish_s: When the sensor is gone for good, s after the meter was opened; 0 for never.
        clock_jump_s: By how much the wall clock is set, forwards or back, s: the meter then stamps
            its readings with it, in whole milliseconds, as a log does; 0 for a meter that is read.
        clock_jump_at_s: When it is set, s after the meter was opened.

    Raises:
        UsageError: A figure that is negative, not finite or, for a share, above 1.
    """

    averaging_error: float = 0.0
    delay_s: float = 0.0
    noise_w: float = 0.0
    drop: float = 0.0
    stall_every_s: float = 0.0
    stall_s: float = 0.0
    spike_every_s: float = 0.0
    reset_s: float = 0.0
    vanish_s: float = 0.0
    clock_jump_s: float = 0.0
    clock_jump_at_s: float = 0.0

    def __post_init__(self) -> None:
        for part in fields(self):
            figure = getattr(self, part.name)
            least = _LEAST.get(part.name, 0.0)
            if not (math.isfinite(figure) and figure >= least):
                raise UsageError(f"faults: {part.name} = {figure} must be at least {least:g}")
        if self.drop > 1:
            raise UsageError(f"faults: drop = {self.drop} is a share; give 0 to 1")

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Faults:
        """Read faults as a study names them.

        Raises:
            UsageError: A fault that does not exist, or a figure that is no number.
        """
        names = [part.name for part in fields(cls)]
        for name, figure in options.items():
            if name not in names:
                raise unknown("meter 'simulated': fault", name, names)
            if isinstance(figure, bool) or not isinstance(figure, int | float):
                raise UsageError(f"meter 'simulated': fault {name} = {figure!r} must be a number")
        return cls(**{name: float(figure) for name, figure in options.items()})


NO_FAULTS = Faults()


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
        faults: What else is wrong with it; drops and vanishing are the meter's, not the sensor's.
        seed: Draws the noise and the stalls.
    """

    def __init__(  # noqa: PLR0913 - a sensor has that many knobs, all of them named
        self,
        channel: Channel,
        profile: PowerProfile,
        phase_s: float = 0.0,
        *,
        gain_error: float = 0.0,
        offset_error: float = 0.0,
        origin_s: float = 0.0,
        origin_j: float = 0.0,
        faults: Faults = NO_FAULTS,
        seed: int = 0,
    ) -> None:
        self.channel = channel
        self.profile = profile
        self.phase_s = phase_s
        self.gain_error = gain_error
        self.offset_error = offset_error
        self.origin_s = origin_s
        self.origin_j = origin_j
        self.faults = faults
        self.seed = seed
        self._faultless = faults == NO_FAULTS

    def updated_s(self, t_s: float) -> float:
        """Give the instant of the last update that is shown at an instant, s."""
        if not self._faultless:
            t_s = self._unstalled_s(t_s - self.faults.delay_s)
        period_s = self.channel.period_s
        if not period_s:
            return t_s
        return self.phase_s + math.floor((t_s - self.phase_s) / period_s) * period_s

    def reading(self, t_s: float) -> float:
        """Give what the sensor shows at an instant, in the channel's unit."""
        updated_s = self.updated_s(t_s)
        if self.channel.unit == "J":
            return self._counter_j(updated_s)
        shown_w = self._mean_w(updated_s) * (1 + self.gain_error) + self.offset_error
        if self._faultless:
            return self._rounded(shown_w)
        return self._rounded(self._spiked(shown_w + self._noise_w(updated_s), updated_s))

    def truth_j(self, start_s: float, stop_s: float) -> float:
        """Give the true energy between two instants, J, exactly."""
        return self.profile.energy_j(start_s, stop_s)

    def _mean_w(self, updated_s: float) -> float:
        averaging_s = self.channel.averaging_s
        if not averaging_s:
            return self.profile.power_w(updated_s)
        averaging_s *= 1 + self.faults.averaging_error
        return self.profile.energy_j(updated_s - averaging_s, updated_s) / averaging_s

    def _rounded(self, reading: float) -> float:
        step = self.channel.resolution
        return round(reading / step) * step if step else reading

    def _counter_j(self, updated_s: float) -> float:
        origin_s, origin_j = self._origin(updated_s)
        drawn_j = self.profile.energy_j(origin_s, updated_s)
        step, wrap_j = self.channel.resolution, self.channel.wrap_j
        total_j = origin_j + drawn_j * (1 + self.gain_error)
        stepped_j = math.floor(total_j / step) * step if step else total_j
        return stepped_j % wrap_j if wrap_j else stepped_j

    def _origin(self, updated_s: float) -> tuple[float, float]:
        """Give since when, s, and from what reading on, J, the counter has counted."""
        reset_s = self.origin_s + self.faults.reset_s
        if self.faults.reset_s and updated_s >= reset_s:
            return reset_s, 0.0
        return self.origin_s, self.origin_j

    def _drawn(self, what: str, place: int) -> Random:
        """Give the random numbers of one place in time: the same however often it is asked."""
        return Random(f"{self.seed} {what} {place}")  # noqa: S311 - no secret

    def _noise_w(self, updated_s: float) -> float:
        if not self.faults.noise_w:
            return 0.0
        place = round((updated_s - self.phase_s) / (self.channel.period_s or 1e-3))
        return self._drawn("noise", place).gauss(0.0, self.faults.noise_w)

    def _spiked(self, reading_w: float, updated_s: float) -> float:
        every_s = self.faults.spike_every_s
        if not every_s:
            return reading_w
        period_s = self.channel.period_s or 1e-3
        place = round((updated_s - self.phase_s) / period_s)
        hit = self._drawn("spike", place).random() < period_s / every_s
        return 10 * reading_w if hit else reading_w

    def _unstalled_s(self, t_s: float) -> float:
        """Give the time at which the sensor stands: in a stall, where the stall began.

        There is one stall in each stretch of ``stall_every_s``, at a random place of it.
        """
        every_s, stall_s = self.faults.stall_every_s, self.faults.stall_s
        if not (every_s and stall_s):
            return t_s
        stretch = math.floor((t_s - self.phase_s) / every_s)
        free_s = max(every_s - stall_s, 0.0)
        begin_s = self.phase_s + stretch * every_s
        begin_s += self._drawn("stall", stretch).uniform(0.0, free_s)
        return begin_s if begin_s < t_s < begin_s + stall_s else t_s
