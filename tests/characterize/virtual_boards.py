"""Boards that are polled in virtual time: seconds of polling take a fraction of one."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from joulebench.characterize.load import Wave
from joulebench.characterize.meter_facts import MeterFacts, meter_facts
from joulebench.characterize.polling import Poller, Polls
from joulebench.characterize.simulated_load import ProfileLoad, with_wave
from joulebench.meters.meter import MeterSpec
from joulebench.meters.simulated import SimulatedMeter

QUIET_S, TAIL_S = 1.0, 1.5


class Clock:
    """A monotonic clock that goes on whenever it is looked at, irregularly."""

    def __init__(self, step_s: float) -> None:
        self.now_s = 1000.0
        self._step_s = step_s
        self._random = Random(7)

    def __call__(self) -> float:
        self.now_s += self._step_s * self._random.uniform(0.5, 1.5)
        return self.now_s

    def sleep(self, length_s: float) -> None:
        self.now_s += length_s


def board(clock: Clock, wave_s: float, **options: Any) -> SimulatedMeter:
    """Open a simulated board that follows a wave after a quiet stretch."""
    spec = with_wave(MeterSpec("simulated", options), QUIET_S, wave_s)
    return SimulatedMeter(**spec.options, clock=clock)


def polled(meter: Any, clock: Clock, wave_s: float, spacing_s: float = 0.0) -> Polls:
    poller = Poller(meter, spacing_s, clock=clock, sleep=clock.sleep)
    poller.run(clock.now_s + QUIET_S + wave_s + TAIL_S)
    return poller.polls()


def characterised(
    options: Mapping[str, Any], *, wave_s: float = 10.0, step_s: float = 1e-4, wrap: Any = None
) -> MeterFacts:
    """Measure a simulated board, whose readings ``wrap`` may change on the way."""
    clock = Clock(step_s)
    meter = board(clock, wave_s, **options)
    read: Any = meter if wrap is None else wrap(meter)
    load = ProfileLoad(meter, clock)
    polls = polled(read, clock, wave_s)
    waves: dict[str, Wave] = load.waves()
    return meter_facts(MeterSpec("simulated", options), read, polls, waves, (load.what, ""))
