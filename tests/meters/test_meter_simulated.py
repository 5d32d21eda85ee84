"""Simulated sensors show what a real one would, and know the truth."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulebench.channel import Channel, Window
from joulebench.energy import Trace, headline_channels
from joulebench.errors import SensorLost, UsageError
from joulebench.meters.simulated import (
    BOARDS,
    Faults,
    PowerProfile,
    SimulatedMeter,
    SimulatedSensor,
)

times = st.lists(st.floats(0.01, 5), min_size=1, max_size=6)
powers = st.lists(st.floats(0, 500), min_size=6, max_size=6)
instants = st.floats(-20, 40)


@given(times, powers, st.booleans(), instants, instants)
def test_profile_integral_is_that_of_its_power(
    gaps: list[float], watts: list[float], repeats: bool, a: float, b: float
) -> None:
    starts = list(np.cumsum(gaps))
    period_s = starts[-1] - starts[0] + 0.7 if repeats else None
    profile = PowerProfile(starts, watts[: len(starts)], period_s)
    low, high = min(a, b), max(a, b)
    grid = np.linspace(low, high, 20_001)
    middle = 0.5 * (grid[1:] + grid[:-1])
    summed = sum(profile.power_w(float(t)) for t in middle) * (high - low) / 20_000
    steps = 1 + (high - low) / (period_s or math.inf)
    slack = max(watts) * (high - low) / 20_000 * (len(starts) + 1) * steps
    assert profile.energy_j(low, high) == pytest.approx(summed, abs=slack + 1e-9)
    assert profile.energy_j(high, low) == pytest.approx(-profile.energy_j(low, high))


def test_profile_holds_its_ends() -> None:
    profile = PowerProfile([0, 1, 3], [10, 20, 30])
    assert profile.power_w(-5) == 10
    assert profile.power_w(1) == 20
    assert profile.power_w(0.999) == 10
    assert profile.energy_j(-1, 4) == 10 + 10 + 40 + 30


@pytest.mark.parametrize(
    ("times", "watts", "says"),
    [
        ([0, 0], [1, 1], "increase"),
        ([0, 1], [1], "one power a time"),
        ([], [], "one power a time"),
        ([0], [-1], "at least 0"),
        ([0], [math.nan], "finite"),
    ],
)
def test_profile_refuses(times: list[float], watts: list[float], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        PowerProfile(times, watts)


def test_power_sensor_shows_the_mean_before_its_last_update() -> None:
    channel = Channel("g:power", "W", resolution=0.5, period_s=0.1, averaging_s=0.05)
    sensor = SimulatedSensor(channel, PowerProfile([0, 1.03], [100, 200]), phase_s=0.02)
    assert sensor.updated_s(1.119) == pytest.approx(1.02)
    assert sensor.reading(1.119) == 100
    assert sensor.reading(1.121) == 200
    late = SimulatedSensor(channel, PowerProfile([0, 1.0], [100, 200]), phase_s=0.02)
    assert late.reading(1.05) == pytest.approx(100 + 100 * 0.02 / 0.05)


def test_counter_steps_wraps_and_rounds_down() -> None:
    channel = Channel("c:energy", "J", resolution=1.0, period_s=0.1, wrap_j=50.0)
    sensor = SimulatedSensor(channel, PowerProfile([0], [100]), origin_j=20.0)
    assert sensor.reading(0.19) == 30.0
    assert sensor.reading(0.25) == 40.0
    assert sensor.reading(0.301) == 0.0
    assert sensor.truth_j(0.2, 0.7) == pytest.approx(50.0)


def test_gain_and_offset_errors_are_those_given() -> None:
    channel = Channel("g:power", "W")
    sensor = SimulatedSensor(channel, PowerProfile([0], [100]), gain_error=0.03, offset_error=-2.0)
    assert sensor.reading(5.0) == pytest.approx(101.0)
    assert sensor.truth_j(0, 1) == 100.0


@pytest.mark.parametrize("board", BOARDS)
def test_every_board_is_labelled_simulated_and_reads(board: str) -> None:
    now = [10.0]
    meter = SimulatedMeter(board, 120.0, clock=lambda: now[0], seed=3)
    first = meter.read()
    now[0] += 2.0
    for domain, channel, before, after in zip(
        BOARDS[board], meter.channels, first, meter.read(), strict=True
    ):
        assert channel.method == "simulated"
        assert channel.name == domain.channel.name
        seen_w = (after - before) / 2.0 if channel.unit == "J" else after
        if channel.wrap_j:
            seen_w %= channel.wrap_j / 2
        assert seen_w == pytest.approx(domain.base_w + domain.share * 120.0, rel=0.06)


def test_nested_domains_are_summed_once() -> None:
    meter = SimulatedMeter("rapl-domains", 100.0)
    assert [channel.name for channel in headline_channels(meter.channels)] == ["psys:energy"]
    meter = SimulatedMeter("hopper", 100.0)
    assert [channel.name for channel in headline_channels(meter.channels)] == ["gpu0:energy"]


POWER = Channel("g:power", "W", resolution=1e-3, period_s=0.1, averaging_s=0.1)
STEP = PowerProfile([0, 1.0], [100, 200])


def test_an_averaging_time_off_its_declaration() -> None:
    sensor = SimulatedSensor(POWER, STEP, faults=Faults(averaging_error=1.0))
    assert sensor.reading(1.1001) == pytest.approx(150)
    assert SimulatedSensor(POWER, STEP).reading(1.1001) == pytest.approx(200)


def test_a_delayed_sensor_shows_what_it_had_before() -> None:
    sensor = SimulatedSensor(POWER, STEP, faults=Faults(delay_s=0.25))
    assert sensor.reading(1.34) == 100
    assert sensor.reading(1.36) == 200


def test_noise_belongs_to_the_update_not_to_the_poll() -> None:
    sensor = SimulatedSensor(POWER, STEP, faults=Faults(noise_w=2.0), seed=5)
    polls = [sensor.reading(2.0 + 0.01 * k) for k in range(1000)]
    assert len(set(polls)) == pytest.approx(100, abs=1)
    assert np.std(polls) == pytest.approx(2.0, rel=0.25)
    again = SimulatedSensor(POWER, STEP, faults=Faults(noise_w=2.0), seed=5)
    assert [again.reading(2.0 + 0.01 * k) for k in range(1000)] == polls


def test_a_stalled_sensor_holds_and_a_stalled_counter_catches_up() -> None:
    faults = Faults(stall_every_s=2.0, stall_s=1.0, noise_w=1.0)
    sensor = SimulatedSensor(POWER, STEP, faults=faults)
    polls = np.array([sensor.reading(0.05 + 0.1 * k) for k in range(200)])
    runs = np.diff(np.flatnonzero(np.concatenate(([True], polls[1:] != polls[:-1], [True]))))
    assert (runs > 8).sum() in range(8, 12)
    counter = Channel("g:energy", "J", period_s=0.1)
    sensor = SimulatedSensor(counter, PowerProfile([0], [100]), faults=faults)
    read_j = np.array([sensor.reading(0.05 + 0.1 * k) for k in range(200)])
    assert np.diff(read_j).max() == pytest.approx(110, abs=11)
    assert read_j[-1] == pytest.approx(1990, abs=110)


def test_a_counter_that_is_reset_and_readings_that_are_impossible() -> None:
    counter = Channel("g:energy", "J", period_s=0.1)
    sensor = SimulatedSensor(counter, PowerProfile([0], [100]), faults=Faults(reset_s=5.0))
    assert sensor.reading(4.95) == pytest.approx(490)
    assert sensor.reading(6.05) == pytest.approx(100)
    spiky = SimulatedSensor(POWER, PowerProfile([0], [100]), faults=Faults(spike_every_s=1.0))
    polls = [spiky.reading(0.05 + 0.1 * k) for k in range(1000)]
    assert set(polls) == {100, 1000}
    assert polls.count(1000) == pytest.approx(100, abs=40)


def test_readings_that_do_not_come_and_a_board_that_vanishes() -> None:
    now = [0.0]
    meter = SimulatedMeter("volta", faults={"drop": 0.3, "vanish_s": 5.0}, clock=lambda: now[0])
    absent = 0
    for _ in range(490):
        now[0] += 0.01
        absent += math.isnan(meter.read()[0])
    assert absent == pytest.approx(147, abs=45)
    now[0] = 5.0
    with pytest.raises(SensorLost, match="vanish_s"):
        meter.read()


@pytest.mark.parametrize("by_s", [-30.0, -0.4, 0.4, 30.0])
def test_a_log_whose_clock_jumps_keeps_its_energy(by_s: float) -> None:
    now = [100.0]
    faults = {"clock_jump_s": by_s, "clock_jump_at_s": 7.03}
    watts = [[0, 60], [5, 300], [10, 80]]
    meter = SimulatedMeter(
        "turing", watts, repeat=False, idle_w=60.0, faults=faults, clock=lambda: now[0]
    )
    taken = []
    for _ in range(400):
        now[0] += 0.05
        taken += meter.rows()
    t_s, v = np.array([stamp_s for stamp_s, _ in taken]), np.array([row[0] for _, row in taken])
    assert len(taken) >= 395
    assert np.abs(t_s * 20 - np.round(t_s * 20)).max() < 0.03
    window = Window("measure", 102.0, 114.0)
    energy = Trace(meter.channels[0], t_s, v).energy(window)
    low, high = energy.interval_95
    assert low <= meter.sensor.truth_j(102.0, 114.0) <= high


@pytest.mark.parametrize(
    ("faults", "says"),
    [({"dorp": 0.1}, "drop"), ({"drop": 2}, "share"), ({"stall_s": -1}, "at least"),
     ({"drop": "much"}, "number"), ({"drop": True}, "number")],
)  # fmt: skip
def test_faults_that_make_no_sense_are_refused(faults: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        SimulatedMeter("volta", faults=faults)


def test_profile_from_csv_repeats_from_opening(tmp_path: Path) -> None:
    path = tmp_path / "watts.csv"
    path.write_text("t_s,watts\n100,50\n101,150\n103,0\n")
    now = [1000.0]
    meter = SimulatedMeter("volta", str(path), clock=lambda: now[0])
    assert meter.sensor.truth_j(1000, 1003) == pytest.approx(350)
    assert meter.sensor.truth_j(1003, 1006) == pytest.approx(350)


def test_profile_without_repeat_is_idle_around() -> None:
    meter = SimulatedMeter("volta", [[0, 50], [2, 999]], repeat=False, idle_w=5.0, start_s=10.0)
    assert meter.sensor.truth_j(8, 10) == pytest.approx(10)
    assert meter.sensor.truth_j(10, 14) == pytest.approx(110)


@pytest.mark.parametrize(
    ("watts", "says"),
    [("absent.csv", "cannot be read"), ([[1, 2, 3]], "pair"), ([], "no rows")],
)
def test_bad_profiles_are_refused(watts: str | list[list[float]], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        SimulatedMeter("a100", watts)


def test_unknown_board_names_the_known() -> None:
    with pytest.raises(UsageError, match="a100"):
        SimulatedMeter("b200")
