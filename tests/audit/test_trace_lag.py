"""Rules about sensors that are slower than the work."""

from __future__ import annotations

import numpy as np
import pytest
from runs import view
from trace_samples import averaged, board, evidence, scattered, steady

from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_lag import sensor_ramp, short_reads_low
from joulebench.channel import Window
from joulebench.energy import Trace


def _of(trace: Trace, run_id: str = "run_0") -> AuditRun:
    window = Window("measure", float(trace.t_s[0]), float(trace.t_s[-1]))
    return view([trace], window, run_id=run_id)


@pytest.mark.parametrize("length_s", [0.4, 0.9, 2.0, 5.0])
def test_readings_that_climb_as_an_average_does_read_too_low(length_s: float) -> None:
    trace = averaged(28.0, 72.0, length_s)
    (finding,) = sensor_ramp(_of(trace))
    assert (finding.rule, finding.severity) == ("sensor-ramp", "warning")
    true_j = 72.0 * length_s
    told_j = float(finding.possible.split()[3])
    read_j = float(np.trapezoid(trace.v, trace.t_s))
    assert read_j < told_j < 1.03 * true_j
    if length_s > 1:
        assert told_j == pytest.approx(true_j, rel=0.03)


def test_a_long_window_does_not_feel_the_rise() -> None:
    assert not list(sensor_ramp(_of(averaged(28.0, 72.0, 30.0))))


def test_a_small_rise_is_none() -> None:
    assert not list(sensor_ramp(_of(averaged(68.0, 72.0, 2.0))))


def test_a_load_that_rises_slowly_is_the_load() -> None:
    t_s = 0.1 * np.arange(100)
    trace = Trace(board(), t_s, np.round(40 + 4 * t_s + 0.05 * scattered(1.0, 100), 3))
    assert not list(sensor_ramp(_of(trace)))


def test_a_window_that_begins_before_the_work_is_no_rise_of_the_sensor() -> None:
    power_w = np.concatenate((40.0 + 0.01 * np.arange(7), [55.0, 63.0, 70.0], scattered(72.0, 20)))
    trace = Trace(board(), 0.1 * np.arange(power_w.size), power_w)
    assert not list(sensor_ramp(_of(trace)))


def test_a_sensor_that_does_not_average_has_no_rise() -> None:
    trace = averaged(28.0, 72.0, 0.9)
    instant = Trace(board(period_s=0.05, stamp_s=0.0), trace.t_s, trace.v)
    node = Trace(board("node:power", scope="node"), trace.t_s, trace.v)
    assert not list(sensor_ramp(_of(instant)))
    assert not list(sensor_ramp(_of(node)))


def test_work_that_begins_before_the_window_shows_no_rise() -> None:
    assert not list(sensor_ramp(_of(steady(length_s=2.0))))


def _study(short_w: float | None = None) -> list[AuditRun]:
    """Give short and long runs of one sensor; the short ones lag, or draw a power of their own."""
    runs = [_of(steady(72.0, 10.0 + k, seed=k), f"long_{k}") for k in range(4)]
    for place, length_s in enumerate((0.15, 0.25, 0.35, 0.45, 0.6, 0.8)):
        trace = (
            averaged(28.0, 72.0, length_s)
            if short_w is None
            else steady(short_w, length_s, 0.05, seed=place)
        )
        runs.append(_of(trace, f"short_{place}"))
    return runs


def test_short_runs_that_read_less_the_shorter_they_are() -> None:
    (finding,) = short_reads_low(evidence(*_study()))
    assert (finding.rule, finding.severity) == ("sensor-ramp", "warning")
    assert finding.message.startswith("6 runs shorter than the 1 s")
    assert "long runs read 72" in finding.message


def test_short_runs_with_a_power_of_their_own_or_that_of_the_long_ones_are_none() -> None:
    assert not list(short_reads_low(evidence(*_study(50.0))))
    assert not list(short_reads_low(evidence(*_study(72.0))))


def test_long_runs_that_differ_tell_nothing_of_short_ones() -> None:
    runs = _study()
    for place, power_w in enumerate((50.0, 60.0, 90.0, 110.0)):
        runs[place] = _of(steady(power_w, 10.0), f"long_{place}")
    assert not list(short_reads_low(evidence(*runs)))
