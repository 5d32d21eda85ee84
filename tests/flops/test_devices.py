"""The table of devices: figures against the units and clocks they come from, names as written."""

from __future__ import annotations

import pytest

from joulebench.errors import UsageError
from joulebench.flops.devices import (
    DEVICES,
    PRECISIONS,
    DeviceSpec,
    find_device,
    highest_flops_per_joule,
    highest_limit_w,
    highest_peak,
)

UNITS_AND_CLOCKS = [
    # name, multiprocessors, clock in MHz, FLOP a clock and multiprocessor: fp32, fp16 (dense)
    ("Tesla V100-SXM2-16GB", 80, 1530, 128, 1024),
    ("Tesla V100-PCIE-32GB", 80, 1370, 128, 1024),
    ("Tesla V100S-PCIE-32GB", 80, 1597, 128, 1024),
    ("NVIDIA A40", 84, 1740, 256, 1024),
    ("NVIDIA A100-SXM4-80GB", 108, 1410, 128, 2048),
    ("NVIDIA L4", 58, 2040, 256, 1024),
    ("NVIDIA L40S", 142, 2520, 256, 1024),
    ("NVIDIA GeForce RTX 3090", 82, 1695, 256, 1024),
    ("NVIDIA GeForce RTX 4090", 128, 2520, 256, 1024),
    ("NVIDIA H100 PCIe", 114, 1620, None, 4096),
    ("NVIDIA H100 80GB HBM3", 132, 1830, None, 4096),
    ("NVIDIA H100 NVL", 132, 1545, None, 4096),
    ("AMD Instinct MI300X OAM", 304, 2100, 256, 2048),
]


@pytest.mark.parametrize(("name", "units", "mhz", "fp32", "fp16"), UNITS_AND_CLOCKS)
def test_peaks_are_those_of_units_and_clock(
    name: str, units: int, mhz: int, fp32: int | None, fp16: int
) -> None:
    (device,) = find_device(name)
    assert device.peak_flops["fp16"] == pytest.approx(units * mhz * 1e6 * fp16, rel=0.02)
    if fp32 is not None:
        assert device.peak_flops["fp32"] == pytest.approx(units * mhz * 1e6 * fp32, rel=0.02)


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_figures_are_dense_and_have_a_source(device: DeviceSpec) -> None:
    rates = device.peak_flops
    assert set(rates) <= set(PRECISIONS)
    assert device.source
    assert device.url.startswith("https://")
    assert 1.0 <= device.clock_margin < 1.3
    assert 70 <= device.power_limit_w <= 1000
    assert 1e9 < device.memory_bandwidth_b_per_s < 1e13
    # Rates double with each halving of the operands: a sparse one among them would stand out.
    for wide, narrow in (("tf32", "bf16"), ("bf16", "fp8"), ("fp16", "int8")):
        if wide in rates and narrow in rates:
            assert 1.9 <= rates[narrow] / rates[wide] <= 4.1, (wide, narrow)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("NVIDIA A100-SXM4-80GB", ["NVIDIA A100 SXM 80 GB"]),
        ("NVIDIA A100 80GB PCIe", ["NVIDIA A100 PCIe 80 GB"]),
        ("a100-40g", ["NVIDIA A100 SXM 40 GB", "NVIDIA A100 PCIe 40 GB"]),
        ("l40s", ["NVIDIA L40S"]),
        ("L40", ["NVIDIA L40"]),
        ("l4", ["NVIDIA L4"]),
        ("RTX 4090", ["NVIDIA GeForce RTX 4090"]),
        ("rtx3090", ["NVIDIA GeForce RTX 3090"]),
        ("NVIDIA GeForce RTX 4090", ["NVIDIA GeForce RTX 4090"]),
        ("Tesla V100-SXM2-16GB", ["NVIDIA V100 SXM2 16 GB"]),
        ("NVIDIA H100 80GB HBM3", ["NVIDIA H100 SXM"]),
        ("h100", ["NVIDIA H100 SXM", "NVIDIA H100 PCIe", "NVIDIA H100 NVL"]),
        ("NVIDIA H200 NVL", ["NVIDIA H200 NVL"]),
        ("B200 192GB", ["NVIDIA B200 SXM"]),
        ("mi300x", ["AMD Instinct MI300X"]),
        ("a100-40g_fp16_llama3.2_1b", ["NVIDIA A100 SXM 40 GB", "NVIDIA A100 PCIe 40 GB"]),
    ],
)
def test_names_as_people_and_drivers_write_them(text: str, names: list[str]) -> None:
    assert [device.name for device in find_device(text)] == names


@pytest.mark.parametrize(
    "text",
    [
        "", "cpu", "Tesla V100-SXM3-32GB", "NVIDIA A100-SXM-64GB", "RTX 3090 Ti", "GH200 480GB",
        "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 4090 D", "H800", "MI300A",
        "A100 and H100", "Titan V",
    ],
)  # fmt: skip
def test_what_is_not_in_the_table_is_not_guessed(text: str) -> None:
    assert find_device(text) == ()


def test_a_bound_takes_the_largest_of_all_that_fit() -> None:
    devices = find_device("h100")
    assert highest_limit_w(devices) == 700
    peak = highest_peak(devices, "bf16")
    assert peak == pytest.approx(989.4e12 * 1980 / 1830)
    assert peak == highest_peak(devices, "fp16")
    # The card with the lower limit is the more efficient one; the bound is not peak over limit of
    # two different forms.
    best = highest_flops_per_joule(devices, "bf16")
    assert best == pytest.approx(756e12 / 350)


def test_a_precision_without_units_of_its_own_is_bound_by_the_fastest() -> None:
    v100 = find_device("Tesla V100-SXM2-16GB")
    assert "bf16" not in v100[0].peak_flops
    assert highest_peak(v100, "bf16") == highest_peak(v100, None) == 125e12
    assert highest_peak((), "fp32") is None
    assert highest_flops_per_joule(()) is None


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(UsageError, match="fp12"):
        highest_peak(find_device("a100"), "fp12")
