"""Rules about when samples were taken: each fires where it must, and not where it must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from runs import view
from tables import table
from trace_samples import board, names, scattered, steady

from joulebench.audit.trace_cadence import (
    aliasing,
    crowded_stamps,
    irregular_steps,
    sampling_gap,
    too_few_readings,
    too_few_samples,
)
from joulebench.channel import Window
from joulebench.energy import Trace


def _with_hole(hole_s: float) -> Trace:
    t_s = 0.2 * np.arange(500)
    t_s[250:] += hole_s
    power_w = scattered(70.0, t_s.size, share=0.03)
    power_w[0] = 20.0
    return Trace(board(), t_s, power_w)


def _whole(trace: Trace) -> Window:
    return Window("measure", float(trace.t_s[0]), float(trace.t_s[-1]))


def test_a_stated_energy_that_bridges_a_stall_has_its_bounds() -> None:
    trace = _with_hole(10.0)
    straight_j = float(np.trapezoid(trace.v, trace.t_s))
    (finding,) = sampling_gap(view([trace], _whole(trace), facts={"stated_energy_j": straight_j}))
    assert (finding.rule, finding.severity) == ("sampling-gap", "warning")
    low_j, high_j = (float(part) for part in finding.possible.removesuffix(" J").split(" to "))
    assert high_j - low_j == pytest.approx(10.2 * (trace.v.max() - 20.0), rel=0.01)
    assert low_j < straight_j < high_j
    assert "1 hole(s), 10.2 s" in finding.message


def test_a_stall_that_the_run_tells_of_is_not_told_twice() -> None:
    trace = _with_hole(10.0)
    run = view([trace], _whole(trace))
    assert [finding.rule for finding in run.run.findings] == ["sampling-gap"]
    assert not list(sampling_gap(run))
    straight_j = float(np.trapezoid(trace.v, trace.t_s))
    run.run.facts["stated_energy_j"] = 0.95 * straight_j
    assert not list(sampling_gap(run))
    run.run.findings = []
    assert names(sampling_gap(run)) == [("sampling-gap", "warning")]


def test_a_spacing_that_the_cadence_explains_is_no_gap() -> None:
    trace = _with_hole(0.6)
    run = view([trace], _whole(trace), facts={"stated_energy_j": 7000.0})
    assert not list(sampling_gap(run))


def test_a_gap_of_little_energy_is_a_note() -> None:
    t_s = 0.2 * np.arange(5000)
    t_s[2500:] += 2.0
    trace = Trace(board(), t_s, scattered(70.0, t_s.size))
    run = view([trace], _whole(trace))
    run.run.findings = []
    assert names(sampling_gap(run)) == [("sampling-gap", "note")]


@pytest.mark.parametrize(
    ("readings", "severity"),
    [([41.3, 43.2, 45.3, 47.6], "warning"), ([61.0, 61.3, 61.2, 61.4, 61.1, 61.2], "note")],
)
def test_few_readings_are_told_with_what_they_leave_open(
    readings: list[float], severity: str
) -> None:
    trace = Trace(board(), 0.1 * np.arange(len(readings)), readings)
    assert names(too_few_samples(view([trace], _whole(trace)))) == [("too-few-samples", severity)]


def test_readings_that_are_held_between_updates_count_once() -> None:
    pairs = np.repeat(scattered(60.0, 8, share=0.05), 2)
    trace = Trace(board(), 0.05 * np.arange(16), pairs)
    (finding,) = too_few_samples(view([trace], _whole(trace)))
    assert finding.seen == "8 updates"


def test_ten_readings_are_enough_and_a_steady_power_is_not_taken_for_one() -> None:
    assert not list(too_few_samples(view([steady(length_s=1.0)], Window("measure", 0.0, 1.0))))
    flat = Trace(board(), 0.1 * np.arange(20), np.full(20, 300.0))
    assert not list(too_few_samples(view([flat], _whole(flat))))


def test_a_table_that_counts_its_samples_says_which_rows_rest_on_few() -> None:
    found = list(too_few_readings(table({"number_of_energy_samples": [4, 116, 7, 200]})))
    assert names(found) == [("too-few-samples", "warning")]
    assert "2 of 4 rows" in found[0].message
    assert not list(too_few_readings(table({"number_of_energy_samples": [40, 116]})))


def test_steps_that_come_late_make_another_sum() -> None:
    t_s = 0.227 * np.arange(300)
    trace = Trace(board(), t_s, scattered(70.0, 300))
    asked = {"recorder": {"interval_s": 0.2}}
    (finding,) = irregular_steps(view([trace], _whole(trace), facts=asked))
    assert (finding.rule, finding.severity) == ("assumed-constant-step", "note")
    assert "-12 %" in finding.message
    assert not list(irregular_steps(view([trace], _whole(trace))))


def test_an_energy_that_was_integrated_over_the_real_stamps_is_left_alone() -> None:
    t_s = 0.227 * np.arange(300)
    trace = Trace(board(), t_s, scattered(70.0, 300))
    facts = {
        "recorder": {"interval_s": 0.2},
        "stated_energy_j": float(np.trapezoid(trace.v, trace.t_s)),
    }
    assert not list(irregular_steps(view([trace], _whole(trace), facts=facts)))


def test_steps_that_jitter_evenly_are_regular() -> None:
    rng = np.random.default_rng(1)
    t_s = 0.2 * np.arange(400) + rng.uniform(0, 0.02, 400)
    trace = Trace(board(), t_s, scattered(70.0, 400))
    assert not list(irregular_steps(view([trace], _whole(trace))))


def _in_step(cycle: int, **more: Any) -> Trace:
    place = np.arange(200)
    power_w = np.where(place % cycle < cycle / 2, 300.0, 100.0) + 0.3 * scattered(1.0, 200)
    return Trace(board(**more), 0.1 * place, power_w)


def test_readings_in_step_with_the_load_may_be_of_a_sensor_that_sees_a_part() -> None:
    trace = _in_step(3, stamp_s=0.0)
    assert names(aliasing(view([trace], _whole(trace)))) == [("aliasing", "warning")]


def test_a_sensor_that_sees_all_of_the_time_cannot_be_in_step() -> None:
    for known in ({"stamp_s": 0.5}, {"averaging_s": 0.1, "period_s": 0.1}):
        trace = _in_step(3, **known)
        assert not list(aliasing(view([trace], _whole(trace))))


def test_a_slow_cycle_without_noise_is_sampled_densely() -> None:
    place = np.arange(400)
    trace = Trace(board(stamp_s=0.0), 0.1 * place, np.where(place % 40 < 20, 300.0, 100.0))
    assert not list(aliasing(view([trace], _whole(trace))))


def test_samples_written_in_bursts_were_not_stamped_when_they_were_read() -> None:
    burst_s = np.concatenate([0.5 * k + 1e-4 * np.arange(3) for k in range(60)])
    even_s = 60.0 + 0.5 * np.arange(200)
    t_s = np.concatenate((burst_s, even_s))
    trace = Trace(board(), t_s, scattered(70.0, t_s.size))
    found = names(crowded_stamps(view([trace], _whole(trace))))
    assert found == [("repeated-timestamp", "warning")]
    assert not list(crowded_stamps(view([steady()], Window("measure", 0.0, 30.0))))
