"""Meters that read one thing are compared, and parts with their wholes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulebench.agreement import Difference, agreement_findings, differences
from joulebench.channel import Channel
from joulebench.energy import Energy
from joulebench.finding import Finding
from joulebench.nesting import Pair, comparable, parts_and_wholes

COUNTER = Channel("gpu0:energy", "J", scope="gpu board")
POWER = Channel("gpu0:power", "W", scope="gpu board")
CLAMP = Channel("gpu0:clamp", "J", scope="gpu board")
PACKAGE = Channel("cpu0:package", "J", scope="cpu package")
OTHER = Channel("cpu1:package", "J", scope="cpu package")
CORE = Channel("cpu0:core", "J", scope="cpu core")
UNCORE = Channel("cpu0:uncore", "J", scope="cpu uncore")
GUESS = Channel("cpu:estimate", "J", scope="cpu package", method="estimated")
NODE = Channel("node:power", "W", scope="node")


def found(
    channels: list[Channel],
    energies: list[Energy],
    window: str = "measure",
    duration_s: float = 10.0,
) -> list[Finding]:
    named = {c.name: {window: e} for c, e in zip(channels, energies, strict=True)}
    return agreement_findings(channels, named, {window: duration_s})


def read(channel: Channel, joules: float, noise: float = 0.0, gain: float = 0.0) -> Energy:
    biases = {f"gain {channel.name}": gain * joules} if gain else {}
    return Energy(joules, noise, biases, channel.method, channel.scope)


def _names(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [pair.names for pair in pairs]


def test_two_channels_of_one_device_and_scope_are_compared() -> None:
    module = Channel("gpu0:module", "W", scope="gpu module")
    second = Channel("gpu1:power", "W", scope="gpu board")
    pairs = comparable([COUNTER, POWER, second, module, PACKAGE, OTHER])
    assert _names(pairs) == [("gpu0:energy", "gpu0:power")]


def test_a_channel_of_all_devices_is_compared_with_their_sum() -> None:
    pairs = comparable([GUESS, PACKAGE, OTHER, NODE])
    assert _names(pairs) == [("cpu:estimate", "cpu0:package + cpu1:package")]


def test_channels_that_do_not_say_what_they_cover_are_not_compared() -> None:
    assert comparable([Channel("a:one", "W"), Channel("a:two", "W")]) == []


def test_parts_are_held_against_their_wholes() -> None:
    board = Channel("gpu0:power", "W", scope="gpu board")
    module = Channel("gpu0:module", "W", scope="gpu module")
    pairs = parts_and_wholes([CORE, UNCORE, PACKAGE, OTHER, board, module, NODE, GUESS])
    assert _names(pairs) == [
        ("gpu0:power", "gpu0:module"),
        ("gpu0:module", "node:power"),
        ("cpu0:core + cpu0:uncore", "cpu0:package"),
    ]
    assert all(pair.nested for pair in pairs)


def test_two_supplies_are_one_whole() -> None:
    wall = [Channel(f"outlet{n}:power", "W", scope="wall") for n in (1, 2)]
    energies = [read(POWER, 900.0, 1.0), read(wall[0], 600.0, 1.0), read(wall[1], 600.0, 1.0)]
    assert found([POWER, *wall], energies) == []


def test_the_normalised_error() -> None:
    first = Energy(110.0, 3.0, {"gain a": 4.0})
    second = Energy(100.0, 12.0)
    difference = Difference("measure", first, second)
    assert difference.energy.uncertainty == pytest.approx(13.0)
    assert difference.e_n == pytest.approx(10 / (1.959963984540054 * 13))
    assert difference.relative == pytest.approx(10 / 105)


def test_meters_within_their_bounds_agree() -> None:
    assert found([CLAMP, COUNTER], [read(CLAMP, 1000, 1, 0.03), read(COUNTER, 1080, 1, 0.03)]) == []


def test_meters_beyond_their_bounds_are_a_finding_that_names_both() -> None:
    (finding,) = found([CLAMP, COUNTER], [read(CLAMP, 1000, 5), read(COUNTER, 1100, 5)])
    assert (finding.rule, finding.severity) == ("meters-disagree", "warning")
    assert finding.where == "gpu0:clamp and gpu0:energy in measure"
    assert "1000 J ± 10 J" in finding.message
    assert "1100 J ± 10 J" in finding.message
    assert "difference of -100 J ± 14 J" in finding.message
    assert finding.seen == "-9.5 %, E_n = 7.2"


def test_counter_and_power_of_one_sensor_share_its_gain() -> None:
    """Five per cent apart is within two independent gains, and more than one gain explains."""
    energies = [read(COUNTER, 1000, 1, 0.03), read(POWER, 1050, 1, 0.03)]
    (finding,) = found([COUNTER, POWER], energies)
    assert (finding.seen, finding.possible) == ("-4.9 %", "within 3 %")
    assert "-50.0 J ± 2.8 J, the gain of their one sensor aside" in finding.message
    assert "doctor --characterize" in finding.remedy
    assert found([COUNTER, POWER], [energies[0], read(POWER, 1025, 1, 0.03)]) == []
    assert found([COUNTER, POWER], [energies[0], read(POWER, 1050, 25, 0.03)]) == []


def test_an_estimate_is_the_one_not_to_rely_on() -> None:
    (finding,) = found([GUESS, PACKAGE], [read(GUESS, 500, 5), read(PACKAGE, 100, 1)])
    assert "do not rely on the estimate of cpu:estimate" in finding.remedy


def test_the_sum_of_several_may_cover_other_devices() -> None:
    everything = Channel("codecarbon:cpu", "J", scope="cpu package")
    energies = [read(everything, 100, 1), read(PACKAGE, 100, 1), read(OTHER, 90, 1)]
    (finding,) = found([everything, PACKAGE, OTHER], energies)
    assert "same devices" in finding.remedy


@pytest.mark.parametrize(
    ("energies", "why"),
    [
        ([read(CLAMP, 1000, 1), read(COUNTER, 0, 1)], "gpu0:energy gave no energy at all"),
        ([read(CLAMP, 5000, 1), read(COUNTER, 1000, 1)], "gpu0:clamp is above the 400 W"),
    ],
)
def test_an_impossible_reading_makes_it_an_error(energies: list[Energy], why: str) -> None:
    limited = Channel("gpu0:clamp", "J", scope="gpu board", limit_w=400.0)
    (finding,) = found([limited, COUNTER], energies)
    assert finding.severity == "error"
    assert why in finding.message


def test_a_part_above_its_whole_is_an_error() -> None:
    channels = [CORE, UNCORE, PACKAGE]
    energies = [read(CORE, 70, 0.1), read(UNCORE, 50, 0.1), read(PACKAGE, 100, 0.1)]
    (finding,) = found(channels, energies)
    assert (finding.rule, finding.severity) == ("part-above-whole", "error")
    assert finding.where == "cpu0:core + cpu0:uncore inside cpu0:package in measure"
    assert finding.seen == "1.2 times the whole"


def test_a_part_above_its_whole_within_bounds_or_below_it_is_none() -> None:
    assert found([CORE, PACKAGE], [read(CORE, 102, 1), read(PACKAGE, 100, 1)]) == []
    assert found([CORE, PACKAGE], [read(CORE, 20, 1), read(PACKAGE, 100, 1)]) == []


def test_an_estimated_whole_is_no_proof() -> None:
    guess = Channel("node:estimate", "W", scope="node", method="estimated")
    (finding,) = found([POWER, guess], [read(POWER, 1000, 1), read(guess, 500, 1)])
    assert (finding.rule, finding.severity) == ("part-above-whole", "warning")


def test_windows_below_resolution_and_absent_ones_are_not_compared() -> None:
    short = Energy(100.0, 50.0, below_resolution=True)
    assert found([CLAMP, COUNTER], [short, read(COUNTER, 900, 1)]) == []
    pair = Pair((CLAMP,), (COUNTER,))
    assert differences(pair, {CLAMP.name: {"idle": read(CLAMP, 1)}}) == []


def test_equal_readings_without_any_uncertainty_agree() -> None:
    assert found([CLAMP, COUNTER], [Energy(0.1 + 0.2, 0), Energy(0.3, 0)]) == []
    (finding,) = found([CLAMP, COUNTER], [Energy(1.0, 0), Energy(1.1, 0)])
    assert finding.seen == "-9.5 %, E_n = inf"


def test_one_finding_a_pair_tells_of_the_worst_window() -> None:
    energies = {
        CLAMP.name: {"idle": read(CLAMP, 100, 1), "measure": read(CLAMP, 1000, 1)},
        COUNTER.name: {"idle": read(COUNTER, 110, 1), "measure": read(COUNTER, 1100, 1)},
    }
    (finding,) = agreement_findings([CLAMP, COUNTER], energies, {"idle": 1.0, "measure": 10.0})
    assert finding.where.endswith("in measure")
    assert "in 2 of 2 windows" in finding.message


def test_true_bounds_seldom_give_an_alarm_however_many_windows() -> None:
    """At 95 % each, one of ten windows would be flagged in 40 % of runs."""
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(400):
        windows = [f"w{n}" for n in range(10)]
        energies = {
            c.name: {w: read(c, 100 + rng.normal(0, 2), 2) for w in windows}
            for c in (CLAMP, COUNTER)
        }
        alarms += bool(agreement_findings([CLAMP, COUNTER], energies, dict.fromkeys(windows, 1.0)))
    # Expected 4 of 400.
    assert alarms <= 12


@given(
    st.floats(1, 1e6), st.floats(1, 1e6), st.floats(0.01, 1e3), st.floats(0.01, 1e3),
    st.floats(1e-3, 1e3),
)  # fmt: skip
def test_the_normalised_error_has_no_side_and_no_unit(
    a: float, b: float, u_a: float, u_b: float, factor: float
) -> None:
    one = Difference("w", Energy(a, u_a), Energy(b, u_b))
    turned = Difference("w", one.second, one.first)
    scaled = Difference("w", one.first * factor, one.second * factor)
    assert turned.e_n == one.e_n
    assert scaled.e_n == pytest.approx(one.e_n, rel=1e-6, abs=1e-6)
    assert one.e_n == pytest.approx(
        abs(a - b) / (1.959963984540054 * math.hypot(u_a, u_b)), rel=1e-9, abs=1e-4
    )
