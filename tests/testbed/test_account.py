"""Energies by channel and window, and the findings where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.testbed.account import account

POWER = Channel("gpu0:power", "W", period_s=0.1)


def power(watts: float = 100.0, stop_s: float = 10.0) -> Trace:
    t_s = np.arange(0.0, stop_s, 0.1)
    return Trace(POWER, t_s, np.full_like(t_s, watts))


def test_windows_of_one_name_are_pooled() -> None:
    windows = [Window("measure", 1, 4), Window("decode", 1, 2), Window("decode", 3, 4)]
    energies, findings = account({"gpu0:power": power()}, windows)
    assert energies["gpu0:power"]["measure"]["joules"] == pytest.approx(300)
    assert energies["gpu0:power"]["decode"]["joules"] == pytest.approx(200)
    assert findings == []


def test_an_uncovered_window_is_a_finding_and_costs_no_other_number() -> None:
    windows = [Window("measure", 1, 4), Window("idle_after", 9, 12)]
    energies, findings = account({"gpu0:power": power()}, windows)
    assert energies["gpu0:power"].keys() == {"measure"}
    assert [(f.rule, f.severity) for f in findings] == [("not-covered", "warning")]


def test_a_gap_is_bridged_and_told() -> None:
    whole = power()
    keep = (whole.t_s < 3) | (whole.t_s > 5)
    trace = Trace(POWER, whole.t_s[keep], whole.v[keep])
    energies, findings = account({"gpu0:power": trace}, [Window("measure", 1, 8)])
    assert energies["gpu0:power"]["measure"]["noise"] > 0
    assert "sampling-gap" in {f.rule for f in findings}


def test_a_run_without_an_energy_says_so() -> None:
    for traces in ({}, {"gpu0:power": power(stop_s=2)}):
        energies, findings = account(traces, [Window("measure", 1, 4)])
        assert energies == {}
        assert ("no-energy", "error") in {(f.rule, f.severity) for f in findings}


def test_a_window_shorter_than_the_sensor_is_told() -> None:
    counter = Channel("gpu0:energy", "J", period_s=0.1)
    t_s = np.arange(0.0, 10.0, 0.1)
    trace = Trace(counter, t_s, 100 * t_s)
    energies, findings = account({"gpu0:energy": trace}, [Window("measure", 1.02, 1.04)])
    assert energies["gpu0:energy"]["measure"]["below_resolution"]
    assert "below-resolution" in {f.rule for f in findings}
