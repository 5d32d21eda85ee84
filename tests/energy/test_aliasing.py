"""A load in step with a sensor that sees part of the time is found, and its bound carried."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulebench.aliasing import kept_step, repeating_updates, unseen_share
from joulebench.channel import Window
from joulebench.energy import Energy, Trace
from joulebench.meters.simulated import BOARDS, PowerProfile, SimulatedSensor

A100 = replace(BOARDS["a100"][0].channel, method="simulated")


def _square(period_s: float, phase_s: float) -> tuple[Energy, float]:
    """Give what an A100 makes of a square wave between 100 and 300 W, and the truth, J."""
    profile = PowerProfile([0.0, period_s / 2], [300.0, 100.0], period_s)
    sensor = SimulatedSensor(A100, profile, phase_s)
    t_s = phase_s + 0.1 * np.arange(120, dtype=np.float64)
    trace = Trace(A100, t_s, np.array([sensor.reading(t + 1e-6) for t in t_s]))
    window = Window("measure", 1.0, 11.0)
    return trace.energy(window), profile.energy_j(1.0, 11.0)


@pytest.mark.parametrize("cycle", [2, 3, 4])
@pytest.mark.parametrize("phase_s", [0.0, 0.013, 0.04, 0.08])
def test_readings_that_repeat_in_step_with_the_load_are_aliasing(
    cycle: int, phase_s: float
) -> None:
    energy, truth_j = _square(0.1 * cycle, phase_s)
    low, high = energy.interval_95
    assert low <= truth_j <= high
    if max(abs(energy.joules - truth_j), 1.0) > 0.02 * truth_j:
        assert [finding.rule for finding in energy.findings] == ["aliasing"]
        assert "± " in energy.findings[0].message


@pytest.mark.parametrize("period_s", [0.237, 0.61, 1.7, 4.0])
def test_a_load_out_of_step_is_none(period_s: float) -> None:
    energy, truth_j = _square(period_s, 0.02)
    low, high = energy.interval_95
    assert low <= truth_j <= high
    assert energy.findings == ()


def test_steady_noisy_and_slow_readings_do_not_repeat() -> None:
    rng = np.random.default_rng(3)
    place = np.arange(200.0)
    assert repeating_updates(np.full(200, 250.0)) == 0
    assert repeating_updates(250 + rng.standard_normal(200)) == 0
    assert repeating_updates(250 + 50 * np.sin(place / 20)) == 0
    assert repeating_updates(np.where(place % 5 < 2, 300.0, 100.0)) == 5
    assert repeating_updates(np.where(place % 5 < 2, 300.0, 100.0)[:9]) == 0


def test_marks_of_the_work_in_step_with_the_sensor() -> None:
    rng = np.random.default_rng(4)
    updates_s = 0.1 * np.arange(300, dtype=np.float64)
    assert kept_step(updates_s, 0.03 + 0.1 * np.arange(300, dtype=np.float64)) == pytest.approx(1)
    assert kept_step(updates_s, 0.03 + 0.05 * np.arange(600, dtype=np.float64)) == pytest.approx(1)
    assert kept_step(updates_s, 0.03 + 0.0437 * np.arange(600, dtype=np.float64)) == 0
    irregular_s = np.cumsum(rng.uniform(0.05, 0.15, 300))
    assert kept_step(updates_s, irregular_s) == 0
    assert kept_step(updates_s, 2.0 * np.arange(15, dtype=np.float64)) == 0


def test_only_part_time_sensors_have_unseen_time() -> None:
    assert unseen_share(A100) == pytest.approx(0.75)
    assert unseen_share(BOARDS["turing"][0].channel) == 0
    assert unseen_share(BOARDS["hopper-average"][0].channel) == 0
    assert unseen_share(BOARDS["counter"][0].channel) == 0
