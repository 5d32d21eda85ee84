"""Stalls are found where a sensor scatters, and a hole costs what it would cost elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.errors import CounterError, GapError
from joulebench.holes import hole_doubt_j, without_stalls

POWER = Channel("gpu0:power", "W", resolution=1e-3, period_s=0.1, averaging_s=0.1)
WINDOW = Window("measure", 5.0, 25.0)


def _noisy(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 0.1 * np.arange(300), 300 + 2 * rng.standard_normal(300)


def test_a_stalled_reading_is_a_hole() -> None:
    t_s, v = _noisy()
    v[120:135] = v[120]
    with pytest.raises(GapError, match="stood still at"):
        Trace(POWER, t_s, v).energy(WINDOW)
    energy = Trace(POWER, t_s, v).energy(WINDOW, gaps="bridge")
    assert [finding.rule for finding in energy.findings] == ["sampling-gap"]


def test_a_polled_reading_that_stalls_is_a_hole() -> None:
    rng = np.random.default_rng(2)
    values = 300 + 2 * rng.standard_normal(300)
    values[120:135] = values[120]
    t_s = 0.02 * np.arange(1500)
    trace = Trace(POWER, t_s, np.repeat(values, 5))
    with pytest.raises(GapError, match="stood still at"):
        trace.energy(WINDOW)


@pytest.mark.parametrize("step_w", [1.0, 5.0])
def test_a_coarse_sensor_is_believed(step_w: float) -> None:
    t_s, v = _noisy()
    v = np.round((300 + 0.1 * (v - 300)) / step_w) * step_w
    assert Trace(POWER, t_s, v).energy(WINDOW).findings == ()


def test_a_load_without_noise_is_believed() -> None:
    rng = np.random.default_rng(3)
    v = np.concatenate((np.full(100, 60.0), rng.uniform(100, 400, 100), np.full(100, 60.0)))
    t_s, kept = without_stalls(0.1 * np.arange(300, dtype=np.float64), v)
    assert kept.size == t_s.size == 300


def test_a_hole_costs_what_it_would_cost_elsewhere() -> None:
    t_s, v = _noisy()
    quiet_j = hole_doubt_j(t_s, v, 1.0, 0.5)
    # The mean of two readings of 2 W deviation, less that of the ten between them, for a second.
    assert quiet_j == pytest.approx(2 * np.sqrt(0.5 + 0.1), rel=0.2)
    assert hole_doubt_j(t_s[:20], v[:20], 1.0, 0.5) == pytest.approx(np.ptp(v[:20]) / np.sqrt(12))


COUNTER = Channel("gpu0:energy", "J", resolution=1e-3)


def test_windows_beside_a_reset_are_kept() -> None:
    t_s = 0.1 * np.arange(300)
    energy_j = 100 * t_s + 5000
    energy_j[150:] -= energy_j[150]
    trace = Trace(COUNTER, t_s, energy_j)
    assert trace.energy(Window("before", 2.0, 12.0)).joules == pytest.approx(1000)
    assert trace.energy(Window("after", 17.0, 27.0)).joules == pytest.approx(1000)
    with pytest.raises(CounterError, match="went backwards by"):
        trace.energy(Window("over", 12.0, 17.0))
    assert trace.power()[1] == pytest.approx(100)


def test_a_stalled_counter_is_not_taken_for_a_burst() -> None:
    polls_s = 0.02 * np.arange(1500)
    counter = Channel("gpu0:energy", "J", resolution=1e-3, period_s=0.1)
    updated_s = np.floor(polls_s / 0.1) * 0.1
    updated_s = np.where((updated_s > 10) & (updated_s < 12), 10.0, updated_s)
    trace = Trace(counter, polls_s, 300 * updated_s)
    energy = trace.energy(Window("measure", 5.0, 11.0))
    low, high = energy.interval_95
    assert low <= 1800 <= high
    assert energy.joules == pytest.approx(1800, rel=0.02)
