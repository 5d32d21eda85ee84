"""Rules about sensors that cannot be right."""

from __future__ import annotations

import numpy as np
import pytest
from runs import view
from trace_samples import board, counter, evidence, names, scattered, steady

from joulebench.audit.trace_sensors import (
    counter_wrap,
    mirrored_sensor,
    negative_energy,
    repeated_trace,
    stuck_sensor,
)
from joulebench.audit.trace_stretch import stretches
from joulebench.channel import Window
from joulebench.energy import Trace

WINDOW = Window("measure", 5.0, 25.0)
T_S = 0.1 * np.arange(301)


def _counted(from_j: float) -> Trace:
    return Trace(counter(), T_S, np.mod(from_j + 100.0 * T_S, 262144.0))


def test_a_wrap_within_the_window_is_told_with_its_range() -> None:
    (finding,) = counter_wrap(view([_counted(262144.0 - 1000.0)], WINDOW))
    assert (finding.rule, finding.severity) == ("counter-wrap", "note")
    assert "262144 J" in finding.message


def test_a_wrap_outside_the_window_changes_nothing() -> None:
    assert not list(counter_wrap(view([_counted(262144.0 - 100.0)], WINDOW)))
    assert not list(counter_wrap(view([_counted(0.0)], WINDOW)))


@pytest.mark.parametrize(("at_s", "severity"), [(15.0, "error"), (2.0, "note")])
def test_a_counter_that_falls_without_a_wrap_was_reset(at_s: float, severity: str) -> None:
    read_j = 50000.0 + 100.0 * T_S
    read_j[at_s <= T_S] -= 50000.0
    run = view([Trace(counter(), T_S, read_j)], windows=[WINDOW])
    assert names(negative_energy(run)) == [("negative-energy", severity)]


def test_a_wrap_is_no_fall() -> None:
    assert not list(negative_energy(view([_counted(262144.0 - 1000.0)], WINDOW)))


@pytest.mark.parametrize(("count", "severity"), [(1, "warning"), (30, "error")])
def test_negative_power(count: int, severity: str) -> None:
    power_w = scattered(50.0, 301)
    power_w[100 : 100 + count] = -5.0
    run = view([Trace(board(), T_S, power_w)], WINDOW)
    assert names(negative_energy(run)) == [("negative-energy", severity)]


def test_a_sensor_with_an_offset_may_show_a_little_less_than_nothing() -> None:
    run = view([Trace(board(offset=0.5), T_S, scattered(1.0, 301) - 1.5)], WINDOW)
    assert not list(negative_energy(run))


def test_a_power_that_never_changes_is_stuck() -> None:
    run = view([Trace(board(), T_S, np.full(301, 71.37))], WINDOW)
    assert names(stuck_sensor(run)) == [("stuck-sensor", "warning")]


@pytest.mark.parametrize("power_w", [300.0, 72.0, 71.5])
def test_a_coarse_reading_may_stand(power_w: float) -> None:
    run = view([Trace(board(), T_S, np.full(301, power_w))], WINDOW)
    assert not list(stuck_sensor(run))


def test_a_counter_that_stands_still_measures_nothing() -> None:
    trace = Trace(counter(period_s=1.0), T_S, np.full(301, 12345.0))
    run = view([trace], windows=[WINDOW])
    assert names(stuck_sensor(run)) == [("stuck-sensor", "warning")]
    assert not stretches(run)
    assert not list(stuck_sensor(view([_counted(0.0)], WINDOW)))


def test_an_estimate_is_constant_by_right() -> None:
    run = view([Trace(board(method="estimated"), T_S, np.full(301, 71.37))], WINDOW)
    assert not list(stuck_sensor(run))
    assert not list(stuck_sensor(view([steady()], WINDOW)))


def test_two_devices_with_the_same_readings_are_one() -> None:
    first, second = steady(), steady(name="gpu1:power")
    found = list(mirrored_sensor(view([first, second], WINDOW)))
    assert names(found) == [("mirrored-sensor", "error")]
    assert found[0].where.endswith("gpu0:power, gpu1:power")


def test_two_devices_that_do_alike_are_two() -> None:
    first, second = steady(seed=1), steady(seed=2, name="gpu1:power")
    assert not list(mirrored_sensor(view([first, second], WINDOW)))
    idle = [Trace(board(f"gpu{k}:power"), T_S, np.full(301, 15.0)) for k in range(2)]
    assert not list(mirrored_sensor(view(idle, WINDOW)))


def test_a_part_that_equals_its_whole_is_not_counted_twice() -> None:
    package = _counted(0.0)
    core = Trace(counter("cpu0:core", scope="cpu core"), T_S, package.v)
    assert not list(mirrored_sensor(view([package, core], WINDOW)))


def test_two_runs_with_the_same_readings_are_one() -> None:
    copies = [view([steady()], WINDOW, run_id=f"run_{k}") for k in range(3)]
    found = list(repeated_trace(evidence(*copies)))
    assert names(found) == [("repeated-trace", "error")]
    assert "run_0, run_1, run_2" in found[0].message


def test_runs_of_one_power_are_as_many_as_there_are() -> None:
    runs = [view([steady(seed=k)], WINDOW, run_id=f"run_{k}") for k in range(3)]
    assert not list(repeated_trace(evidence(*runs)))
    flat = [
        view([Trace(board(), T_S, np.full(301, 300.0))], WINDOW, run_id=f"run_{k}")
        for k in range(3)
    ]
    assert not list(repeated_trace(evidence(*flat)))
