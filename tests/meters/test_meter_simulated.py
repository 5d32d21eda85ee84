"""Simulated sensors show what a real one would, and know the truth."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulebench.channel import Channel
from joulebench.errors import UsageError
from joulebench.meters.simulated import (
    BOARDS,
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
    [channel] = meter.channels
    assert channel.method == "simulated"
    first = meter.read()[0]
    now[0] += 2.0
    gained = (meter.read()[0] - first) / 2.0 if channel.unit == "J" else meter.read()[0]
    if channel.wrap_j:
        gained %= channel.wrap_j / 2
    assert gained == pytest.approx(120.0, rel=0.06)


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
