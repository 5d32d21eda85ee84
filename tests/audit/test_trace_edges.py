"""Rules about where windows begin and end: each fires where it must, and not where it must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from runs import view
from trace_samples import board, counter, names, scattered, steady

from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_edges import (
    edge_uncertainty,
    tail_not_integrated,
    window_below_resolution,
)
from joulebench.channel import Window
from joulebench.energy import Trace


@pytest.mark.parametrize(
    ("length_s", "severity"), [(20.0, ["warning"]), (60.0, ["note"]), (300.0, [])]
)
def test_marks_in_whole_seconds_leave_a_share_in_doubt(
    length_s: float, severity: list[str]
) -> None:
    trace = steady(length_s=length_s + 10)
    window = Window("measure", 5.0, 5.0 + length_s, edge_s=0.577)
    found = list(edge_uncertainty(view([trace], window)))
    assert names(found) == [("edge-uncertainty", each) for each in severity]
    for finding in found:
        told_j = float(finding.seen.split()[1])
        assert told_j == pytest.approx(1.96 * 0.577 * 2**0.5 * 300, rel=0.01)


def test_the_doubt_of_all_channels_is_told_once() -> None:
    t_s = 0.1 * np.arange(300)
    package = Trace(counter(), t_s, 100.0 * t_s)
    run = view([steady(), package], Window("measure", 5.0, 25.0, edge_s=0.577))
    (finding,) = edge_uncertainty(run)
    assert finding.where == "run_0_repetition_0"
    assert float(finding.seen.split()[4]) == pytest.approx(20.0 * 400.0, rel=0.01)


def test_exact_marks_leave_nothing() -> None:
    assert not list(edge_uncertainty(view([steady()], Window("measure", 5.0, 6.0))))


def _short(stated_s: float, stated_j: float | None = None, **facts: float) -> AuditRun:
    trace = steady(mean_w=60.0, length_s=1.0)
    told = {"stated_duration_s": stated_s, **facts}
    if stated_j is not None:
        told["stated_energy_j"] = stated_j
    return view([trace], Window("measure", 0.0, 1.0), facts=told)


def test_a_stated_energy_that_lacks_the_tail_is_wrong() -> None:
    trapezoid_j = float(np.trapezoid(steady(mean_w=60.0, length_s=1.0).v, dx=0.1))
    found = list(tail_not_integrated(_short(1.2, trapezoid_j)))
    assert names(found) == [("tail-not-integrated", "error")]
    assert "17 % of the time" in found[0].message
    assert names(tail_not_integrated(_short(1.02, trapezoid_j)))[0][1] == "warning"
    assert not list(tail_not_integrated(_short(1.005, trapezoid_j)))


def test_an_energy_that_counts_the_tail_is_right() -> None:
    assert not list(tail_not_integrated(_short(1.2, 72.0)))


def test_without_a_stated_energy_it_is_ours_that_lacks_it() -> None:
    found = list(tail_not_integrated(_short(1.2)))
    assert names(found) == [("tail-not-integrated", "warning")]
    assert "our energy" in found[0].message


def test_the_time_is_worked_out_from_published_latencies() -> None:
    published = {"values": {"average_latency_per_example_ms": 12.0, "energy_per_example_j": 0.6}}
    trace = steady(mean_w=60.0, length_s=1.0)
    window, work = Window("measure", 0.0, 1.0), {"requests": 100}
    run = view([trace], window, facts={"published": published}, work=work)
    assert names(tail_not_integrated(run)) == [("tail-not-integrated", "error")]


def test_latencies_of_requests_side_by_side_are_no_duration() -> None:
    published = {"values": {"average_latency_per_example_ms": 80.0, "energy_per_example_j": 0.6}}
    trace = steady(mean_w=60.0, length_s=1.0)
    window, work = Window("measure", 0.0, 1.0), {"requests": 100}
    run = view([trace], window, facts={"published": published}, work=work)
    assert not list(tail_not_integrated(run))


@pytest.mark.parametrize(
    ("length_s", "channel", "covers"),
    [
        (0.5, {}, "1 s"),
        (0.5, {"stamp_s": 0.0}, "1 s"),
        (0.5, {"averaging_s": 1.0, "period_s": 0.1}, "1 s"),
        (0.5, {"period_s": 0.6, "stamp_s": 0.0}, "0.6 s"),
        (0.5, {"scope": "node", "period_s": 2.0}, "2 s"),
    ],
)
def test_a_window_shorter_than_a_reading_covers(
    length_s: float, channel: dict[str, Any], covers: str
) -> None:
    trace = steady(length_s=4.0, step_s=0.1, **channel)
    run = view([trace], Window("measure", 1.0, 1.0 + length_s))
    found = list(window_below_resolution(run))
    assert names(found) == [("window-below-resolution", "warning")]
    assert found[0].possible == f"at least {covers}"


def test_windows_that_the_sensor_resolves() -> None:
    assert not list(window_below_resolution(view([steady()], Window("measure", 1.0, 2.5))))
    instant = steady(period_s=0.1, averaging_s=0.1)
    assert not list(window_below_resolution(view([instant], Window("measure", 1.0, 1.5))))
    t_s = 0.1 * np.arange(100)
    package = Trace(counter(), t_s, 100.0 * t_s)
    assert not list(window_below_resolution(view([package], Window("measure", 1.0, 1.5))))


def test_what_a_recording_said_itself_is_not_said_again() -> None:
    run = view([steady(averaging_s=1.0, period_s=0.1)], Window("measure", 1.0, 1.5))
    run.run.origin = "live"
    assert not list(window_below_resolution(run))


def test_a_window_with_a_single_sample_is_told_by_the_cadence() -> None:
    trace = Trace(board(scope="node"), 5.0 * np.arange(20), scattered(300.0, 20))
    found = list(window_below_resolution(view([trace], Window("measure", 11.0, 14.0))))
    assert names(found) == [("window-below-resolution", "warning")]
    assert "apart by 5 s" in found[0].message
