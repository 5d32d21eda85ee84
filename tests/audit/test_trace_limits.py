"""Rules about how much power a device can draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from runs import view
from trace_samples import board, counter, evidence, names, steady

from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_limits import (
    power_above_limit,
    power_limit_saturated,
)
from joulebench.channel import Channel, Window
from joulebench.energy import Trace

WINDOW = Window("measure", 0.0, 30.0)


@pytest.mark.parametrize(
    ("mean_w", "severity"), [(330.0, ["error"]), (315.0, []), (300.0, []), (250.0, [])]
)
def test_more_than_the_limit_on_average_is_impossible(mean_w: float, severity: list[str]) -> None:
    run = view([steady(mean_w, limit_w=300.0)], WINDOW)
    assert [each for _, each in names(power_above_limit(run))] == severity


def test_the_limit_of_a_device_that_was_named_counts() -> None:
    assert names(power_above_limit(view([steady(90.0)], WINDOW, devices=("NVIDIA L4",)))) == [
        ("power-above-limit", "error")
    ]
    assert not list(power_above_limit(view([steady(90.0)], WINDOW)))
    assert not list(power_above_limit(view([steady(72.0)], WINDOW, devices=("NVIDIA L4",))))


def test_the_limit_of_a_graphics_card_may_have_been_raised() -> None:
    raised = view([steady(560.0)], WINDOW, devices=("RTX 4090",))
    assert names(power_above_limit(raised)) == [("power-above-limit", "warning")]
    impossible = view([steady(900.0)], WINDOW, devices=("RTX 4090",))
    assert names(power_above_limit(impossible)) == [("power-above-limit", "error")]


def test_short_peaks_are_real_and_twice_the_limit_is_not() -> None:
    trace = steady(290.0, limit_w=300.0)
    power_w = trace.v.copy()
    power_w[50] = 380.0
    assert not list(power_above_limit(view([Trace(trace.channel, trace.t_s, power_w)], WINDOW)))
    power_w[60] = 2900.0
    found = list(power_above_limit(view([Trace(trace.channel, trace.t_s, power_w)], WINDOW)))
    assert names(found) == [("power-above-limit", "warning")]
    assert found[0].seen == "2900 W"


def _work(
    place: int, level_w: float, speed: float, *, seconds: float = 30.0, start_w: float = 40.0,
    channel: Channel | None = None,
) -> AuditRun:  # fmt: skip
    """Give a run at a level, with a rise at its start, that did so many requests a second."""
    trace = steady(level_w, seconds, seed=place)
    power_w = trace.v.copy()
    power_w[:3] = start_w
    return view(
        [Trace(channel or trace.channel, trace.t_s, power_w)],
        Window("measure", 0.0, seconds),
        run_id=f"run_{place}",
        work={"requests": speed * seconds},
    )


def _at_limit(**more: Any) -> list[AuditRun]:
    speeds = (100.0, 110.0, 200.0, 350.0, 400.0, 90.0)
    return [_work(k, 72.0 + 0.02 * k, speed, **more) for k, speed in enumerate(speeds)]


def test_one_power_for_all_kinds_of_work_is_a_limit() -> None:
    (finding,) = power_limit_saturated(evidence(*_at_limit()))
    assert (finding.rule, finding.severity) == ("power-limit-saturated", "warning")
    assert "6 of 6 runs" in finding.message
    assert "NVIDIA L4" in finding.message


def test_the_same_work_at_the_same_power_is_no_limit() -> None:
    runs = [_work(k, 302.0 + 0.1 * k, 100.0) for k in range(6)]
    assert not list(power_limit_saturated(evidence(*runs)))


def test_work_of_different_power_is_no_limit() -> None:
    speeds = (100.0, 110.0, 200.0, 350.0, 400.0, 90.0)
    runs = [_work(k, 260.0 + 9.0 * k, speed) for k, speed in enumerate(speeds)]
    assert not list(power_limit_saturated(evidence(*runs)))


def test_half_a_percent_from_run_to_run_is_a_chip_without_a_limit() -> None:
    levels = (300.0, 301.5, 298.5, 302.0, 298.0, 300.8)
    runs = [_work(k, level, 100.0 * (1 + k)) for k, level in enumerate(levels)]
    assert not list(power_limit_saturated(evidence(*runs)))


def test_a_device_that_idles_beside_the_work_is_at_no_limit() -> None:
    assert not list(power_limit_saturated(evidence(*_at_limit(start_w=72.0))))


def test_a_known_limit_needs_one_run() -> None:
    at_limit = _work(0, 349.0, 10.0, channel=board(limit_w=350.0))
    found = list(power_limit_saturated(evidence(at_limit)))
    assert names(found) == [("power-limit-saturated", "note")]
    below = _work(0, 300.0, 10.0, channel=board(limit_w=350.0))
    assert not list(power_limit_saturated(evidence(below)))


def test_estimates_and_simulations_have_no_limit_to_infer() -> None:
    runs = _at_limit(channel=board(method="estimated"))
    assert not list(power_limit_saturated(evidence(*runs)))


def test_a_counter_can_be_at_the_limit_too() -> None:
    t_s = 0.1 * np.arange(301)
    trace = Trace(counter(limit_w=125.0), t_s, 124.0 * t_s)
    run = view([trace], Window("measure", 0.0, 30.0))
    assert not list(power_above_limit(run))
    fast = Trace(counter(limit_w=125.0), t_s, 160.0 * t_s)
    assert names(power_above_limit(view([fast], WINDOW))) == [("power-above-limit", "error")]
