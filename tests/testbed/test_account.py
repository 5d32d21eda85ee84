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


def both(counter_w: float, scope: str = "gpu board") -> dict[str, Trace]:
    """A power of 100 W, and a counter of another device or of the same that counts otherwise."""
    t_s = np.arange(0.0, 10.0, 0.1)
    counter = Channel("gpu0:energy", "J", gain=0.001, scope=scope)
    watched = Channel("gpu0:power", "W", gain=0.001, period_s=0.1, scope="gpu board")
    return {
        "gpu0:power": Trace(watched, t_s, np.full_like(t_s, 100.0)),
        "gpu0:energy": Trace(counter, t_s, counter_w * t_s),
    }


def test_meters_of_one_board_that_disagree_are_told_and_both_kept() -> None:
    windows = [Window("idle", 0.5, 2), Window("measure", 2, 8)]
    energies, findings = account(both(110.0), windows)
    assert {name: e["measure"]["joules"] for name, e in energies.items()} == pytest.approx(
        {"gpu0:power": 600, "gpu0:energy": 660}
    )
    (finding,) = findings
    assert (finding.rule, finding.severity) == ("meters-disagree", "warning")
    assert "gpu0:power" in finding.where
    assert "gpu0:energy" in finding.where
    assert "in 2 of 2 windows" in finding.message


def test_meters_of_one_board_that_agree_are_not_told() -> None:
    assert account(both(100.05), [Window("measure", 2, 8)])[1] == []


def test_a_board_above_its_node_is_an_error() -> None:
    _, findings = account(both(80.0, "node"), [Window("measure", 2, 8)])
    assert [(f.rule, f.severity) for f in findings] == [("part-above-whole", "error")]
    assert account(both(300.0, "node"), [Window("measure", 2, 8)])[1] == []


def test_an_average_that_is_not_summed_is_left_out_of_many_short_windows() -> None:
    t_s = 0.1 * np.arange(400)
    counter = Trace(Channel("gpu0:energy", "J", scope="gpu board"), t_s, 100 * t_s)
    average = Channel("gpu0:power_average", "W", averaging_s=1.0, scope="gpu board")
    traces = {
        "gpu0:energy": counter,
        "gpu0:power_average": Trace(average, t_s, np.full(400, 100.0)),
    }
    steps = [Window("step", 5 + n, 5.5 + n) for n in range(25)]
    energies, _ = account(traces, [Window("measure", 5.0, 31.0), *steps])
    assert energies["gpu0:energy"].keys() == {"measure", "step"}
    assert energies["gpu0:power_average"].keys() == {"measure"}
