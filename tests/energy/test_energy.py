"""Energies: addition, ratios, printing, and which channels may be summed."""

from __future__ import annotations

import math

import pytest

from joulebench.energy import Channel, Energy, headline_channels, total
from joulebench.errors import EnergyError


@pytest.mark.parametrize(
    ("joules", "half_width", "printed"),
    [
        (12.34, 0.42, "12.3 J ± 0.4 J"),
        (12.34, 0.13, "12.34 J ± 0.13 J"),
        (1977.9, 112.0, "1980 J ± 110 J"),
        (123456.0, 5600.0, "123 kJ ± 6 kJ"),
        (0.0123, 0.0021, "12.3 mJ ± 2.1 mJ"),
        (5.2e6, 4.0e5, "5.2 MJ ± 0.4 MJ"),
        (3.0, 0.0, "3 J ± 0 J"),
        (9.97, 0.96, "10.0 J ± 1.0 J"),
    ],
)
def test_an_energy_prints_with_its_95_percent_interval(
    joules: float, half_width: float, printed: str
) -> None:
    assert str(Energy(joules, half_width / 1.959963984540054)) == printed


def test_the_interval_holds_noise_and_bias() -> None:
    energy = Energy(100.0, 3.0, {"gain a": 4.0})
    assert energy.uncertainty == 5
    low, high = energy.interval_95
    assert (low, high) == pytest.approx((100 - 9.8, 100 + 9.8), abs=0.001)


def test_a_sum_has_the_weakest_method_and_all_scopes() -> None:
    both = Energy(1, 0, {}, "measured", "gpu board") + Energy(2, 0, {}, "modelled", "cpu package")
    assert (both.method, both.scope) == ("modelled", "gpu board + cpu package")


def test_nothing_to_add_is_not_zero() -> None:
    with pytest.raises(EnergyError, match="absent is not zero"):
        total([])


def test_an_offset_does_not_cancel_in_a_ratio_of_unequal_power() -> None:
    slow = Energy(1000.0, 0.0, {"offset a": 20.0})
    fast = Energy(500.0, 0.0, {"offset a": 4.0})
    assert slow.ratio(fast).bias == pytest.approx(abs(20 / 500 - 1000 * 4 / 500**2))


def test_biases_of_unknown_sign_never_cancel() -> None:
    one = Energy(100.0, 0.0, {"averaging a": 5.0})
    assert one.ratio(one).bias == pytest.approx(math.hypot(0.05, 0.05))


def test_a_ratio_to_nothing_is_refused() -> None:
    with pytest.raises(EnergyError, match="no value"):
        Energy(1, 0).ratio(Energy(0, 0))


def test_scaling_keeps_the_relative_uncertainty() -> None:
    share = Energy(100, 2, {"gain a": 3}) / 4
    assert (share.joules, share.noise, share.bias) == (25, 0.5, 0.75)


def test_an_energy_survives_its_dict() -> None:
    energy = Energy(12.0, 0.5, {"gain a": 0.1}, "estimated", "cpu package", below_resolution=True)
    assert Energy.from_dict(energy.to_dict()) == energy


def _names(*channels: Channel) -> list[str]:
    return [channel.name for channel in headline_channels(channels)]


def test_nested_domains_are_never_added() -> None:
    package = Channel("cpu0:package", "J", scope="cpu package")
    core = Channel("cpu0:core", "J", scope="cpu core")
    dram = Channel("cpu0:dram", "J", scope="dram")
    assert _names(core, package, dram) == ["cpu0:package", "cpu0:dram"]
    assert _names(core, package, dram, Channel("psys:energy", "J", scope="platform")) == [
        "psys:energy"
    ]


def test_alternatives_of_one_device_are_never_added() -> None:
    counter = Channel("gpu0:energy", "J", scope="gpu board")
    power = Channel("gpu0:power", "W", scope="gpu board")
    other = Channel("gpu1:power", "W", scope="gpu board")
    assert _names(power, counter, other) == ["gpu0:energy", "gpu1:power"]


def test_an_estimate_gives_way_to_a_measurement() -> None:
    estimate = Channel("cpu:estimate", "J", method="estimated", scope="cpu package")
    package = Channel("cpu0:package", "J", scope="cpu package")
    assert _names(estimate, package) == ["cpu0:package"]
    assert _names(estimate) == ["cpu:estimate"]


def test_the_wall_covers_all() -> None:
    wall = Channel("pdu:power", "W", scope="wall")
    assert _names(Channel("gpu0:power", "W", scope="gpu board"), wall) == ["pdu:power"]


def test_a_module_covers_its_own_board_only() -> None:
    module = Channel("gpu0:module", "W", scope="gpu module")
    mine = Channel("gpu0:power", "W", scope="gpu board")
    other = Channel("gpu1:power", "W", scope="gpu board")
    assert _names(module, mine, other) == ["gpu0:module", "gpu1:power"]


def test_a_module_of_two_gpus_covers_both_boards_and_its_processor() -> None:
    module = Channel("gpu0+gpu1:module_power", "W", scope="gpu module")
    boards = [Channel(f"gpu{n}:energy", "J", scope="gpu board") for n in range(3)]
    estimate = Channel("cpu:estimate", "J", method="estimated", scope="cpu package")
    assert _names(*boards, module, estimate) == ["gpu2:energy", "gpu0+gpu1:module_power"]


def test_the_memory_of_a_board_is_a_part_of_it() -> None:
    memory = Channel("gpu0:memory_power", "W", scope="gpu memory")
    board = Channel("gpu0:energy", "J", scope="gpu board")
    assert _names(memory, board) == ["gpu0:energy"]
