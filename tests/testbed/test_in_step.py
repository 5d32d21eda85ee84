"""Steps of the work that keep time with a part-time sensor are found from their marks."""

from __future__ import annotations

import numpy as np
import pytest

from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.meters.simulated import PowerProfile, SimulatedSensor
from joulebench.testbed.account import account

A100 = Channel(
    "gpu0:power", "W", 1e-3, period_s=0.1, averaging_s=0.025, scope="gpu board", limit_w=400.0
)


def _run(step_s: float) -> tuple[dict[str, object], float, list[str], Trace]:
    """Steps of 300 W and 100 W in turn, idle before and after; marked by their begins."""
    steps = int(12 / step_s)
    times = [step_s * k / 2 for k in range(2 * steps)]
    profile = PowerProfile([-50.0, *times, 12.0], [60.0, *[300.0, 100.0] * steps, 60.0])
    sensor = SimulatedSensor(A100, profile, phase_s=0.03)
    t_s = 0.03 + 0.1 * np.arange(-30, 160)
    trace = Trace(A100, t_s, np.array([sensor.reading(t + 1e-6) for t in t_s]))
    marks = [Window("step", begin_s, begin_s + step_s / 2) for begin_s in times[::2]]
    energies, findings = account({"gpu0:power": trace}, [Window("measure", 0.5, 11.5), *marks])
    truth_j = profile.energy_j(0.5, 11.5)
    return energies["gpu0:power"]["measure"], truth_j, [f.rule for f in findings], trace


@pytest.mark.parametrize("step_s", [0.1, 0.05])
def test_steps_in_time_with_the_sensor_are_found_and_their_bound_covers(step_s: float) -> None:
    energy, truth_j, rules, trace = _run(step_s)
    plain = trace.energy(Window("measure", 0.5, 11.5))
    assert not plain.interval_95[0] <= truth_j <= plain.interval_95[1]
    assert "aliasing" in rules
    biases = energy["biases"]
    assert isinstance(biases, dict)
    assert abs(energy["joules"] - truth_j) < 1.96 * biases["aliasing gpu0:power"]  # type: ignore[operator]


def test_steps_out_of_time_are_not() -> None:
    energy, truth_j, rules, _ = _run(0.0437)
    assert "aliasing" not in rules
    assert energy["joules"] == pytest.approx(truth_j, rel=0.03)
