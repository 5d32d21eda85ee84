"""Sums of energies that count a channel twice, or a part with its whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from tables import table

from joulebench.audit.table import AuditTable
from joulebench.audit.table_energy_sums import double_counted, nested_added, part_above_whole, sums

RNG = np.random.default_rng(4)
CPU = RNG.uniform(50, 100, 8)
GPU = RNG.uniform(500, 900, 8)
DRAM = RNG.uniform(5, 9, 8)
CORE = 0.7 * CPU


def runs(**energies: Iterable[Any]) -> AuditTable:
    return table({"run_id": [f"run_{i}" for i in range(8)], **energies})


def test_a_total_that_counts_the_processor_twice_is_found() -> None:
    (finding,) = double_counted(runs(cpu_joules=CPU, gpu_joules=GPU, energy_total_j=2 * CPU + GPU))
    assert finding.severity == "error"
    assert finding.where == "t.csv: energy_total_j"
    assert finding.seen == "energy_total_j = 2 × cpu_joules + gpu_joules"


def test_rounded_cells_hide_it_no_better() -> None:
    rounded = runs(
        cpu_energy_j=CPU.round(1),
        gpu_energy_j=GPU.round(1),
        energy_j=(2 * CPU + GPU).round(1),
    )
    assert list(double_counted(rounded))


def test_it_is_found_across_units() -> None:
    mixed = runs(cpu_energy_j=CPU, gpu_energy_wh=GPU / 3600, energy_j=2 * CPU + GPU)
    assert list(double_counted(mixed))


def test_a_part_that_holds_another_part_is_found() -> None:
    (finding,) = double_counted(
        runs(cpu_joules=CPU, gpu_joules=GPU, gpu_energy_reported_j=GPU + CPU)
    )
    assert finding.where == "t.csv: gpu_energy_reported_j"
    assert "cpu_joules is counted in a column of the gpu" in finding.message


def test_one_mended_row_does_not_hide_the_others() -> None:
    total = np.tile(2 * CPU + GPU, 5)
    total[3] -= 60
    many = table({"cpu_j": np.tile(CPU, 5), "gpu_j": np.tile(GPU, 5), "energy_j": total})
    assert list(double_counted(many))


@pytest.mark.parametrize(
    "total", [CPU + GPU, CPU + GPU + DRAM, 1.5 * CPU + GPU, GPU + CPU + RNG.uniform(20, 40, 8)]
)
def test_each_channel_once_and_totals_of_more_are_no_fault(total: np.ndarray) -> None:
    right = runs(cpu_j=CPU, gpu_j=GPU, dram_j=DRAM, energy_j=total)
    assert not list(double_counted(right))
    assert not list(nested_added(right))


def test_small_whole_numbers_agree_by_chance() -> None:
    chance = table({"cpu_j": [1, 2], "gpu_j": [3, 3], "energy_j": [5, 7]})
    assert not list(sums(chance))


def test_two_sockets_and_a_part_that_is_what_a_total_leaves_are_no_fault() -> None:
    sockets = runs(
        cpu0_energy_j=CPU, cpu1_energy_j=1.1 * CPU, cpu_energy_j=2.1 * CPU, gpu_energy_j=GPU,
        total_energy_j=2.1 * CPU + GPU,
    )  # fmt: skip
    assert not list(double_counted(sockets))


def test_a_node_may_be_the_sum_of_its_parts() -> None:
    node = runs(cpu_energy_j=CPU, gpu_energy_j=GPU, node_energy_j=CPU + GPU)
    assert not list(double_counted(node))


def test_other_phases_statistics_and_divisors_are_not_added() -> None:
    other = runs(
        cpu_energy_j=CPU,
        idle_energy_j=2 * CPU,
        energy_noise_j=2 * CPU,
        energy_per_token_j=2 * CPU,
        gpu_energy_j=GPU,
    )
    assert not list(double_counted(other))


def test_cores_added_to_the_package_that_holds_them_are_found() -> None:
    (finding,) = nested_added(
        runs(package_energy_j=CPU, pp0_energy_j=CORE, gpu_energy_j=GPU, energy_j=CPU + CORE + GPU)
    )
    assert finding.severity == "error"
    assert "package_energy_j holds pp0_energy_j already" in finding.message


def test_the_wall_added_to_its_parts_is_found() -> None:
    wall = runs(gpu_energy_j=GPU, wall_energy_j=1.4 * GPU, total_energy_j=2.4 * GPU)
    assert list(nested_added(wall))


def test_nested_domains_side_by_side_are_no_fault() -> None:
    beside = runs(package_j=CPU, pp0_j=CORE, dram_j=DRAM, gpu_j=GPU, energy_j=CPU + DRAM + GPU)
    assert not list(nested_added(beside))


def test_a_part_above_its_whole_is_found() -> None:
    (finding,) = part_above_whole(runs(gpu_energy_j=GPU, wall_energy_j=0.5 * GPU))
    assert finding.rule == "scope-mismatch"
    assert finding.severity == "error"
    assert list(part_above_whole(runs(gpu_energy_j=GPU, total_energy_j=0.9 * GPU)))


def test_two_sensors_differ_by_their_gains() -> None:
    assert not list(part_above_whole(runs(package_j=CPU, core_j=1.05 * CPU)))
