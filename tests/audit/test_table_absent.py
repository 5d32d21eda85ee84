"""Zeros that stand for nothing measured, and zeros that are right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from tables import table

from joulebench.audit.table_energy_absent import absent_as_zero
from joulebench.finding import Finding


def found(**columns: Iterable[Any]) -> list[Finding]:
    return list(absent_as_zero(table(columns)))


def test_a_zero_beside_absent_companions_is_an_absent_value() -> None:
    (finding,) = found(
        forward_energy_mean=[4.1, 5.0, 6.0, 5.2],
        backward_energy_mean=[16.0, 41.0, None, 20.1],
        backward_flops_sum=[1e12, 2e12, None, 1e12],
        gflops_per_joule_backward=[605.4, 488.3, 0.0, 500.5],
    )
    assert finding.severity == "error"
    assert finding.where == "t.csv: gflops_per_joule_backward"
    assert "backward_energy_mean is absent in them" in finding.message
    assert "line 4" in finding.message


def test_a_zero_efficiency_of_a_phase_that_was_never_measured_is_absent() -> None:
    (finding,) = found(forward_energy_mean=[4.1, 5.0], gflops_per_joule_backward=[0.0, 0.0])
    assert finding.severity == "error"
    assert "nothing of backward was measured" in finding.message


@pytest.mark.parametrize(
    "work",
    [
        {"duration_s": [10.5, 11.2, 9.7, 10.1]},
        {"tokens_out": [500, 600, 700, 550]},
        {"gpu_power_w": [300, 310, 305, 302]},
    ],
)
def test_no_energy_where_work_was_done_is_absent(work: dict[str, list[float]]) -> None:
    (finding,) = found(gpu_energy_j=[3120.5, 3300.1, 0.0, 3050.9], **work)
    assert finding.severity == "error"


def test_a_part_that_a_setting_leaves_out_is_a_note() -> None:
    (finding,) = found(
        device=["cpu", "cpu", "cuda", "cuda"],
        duration_s=[10.5, 11.2, 9.7, 10.1],
        gpu_energy_j=[0, 0, 2990.1, 3003.2],
    )
    assert finding.severity == "note"
    assert "device = cpu" in finding.message


def test_a_column_of_zeros_is_a_note() -> None:
    (finding,) = found(cpu_energy_j=[5.0, 6.0], gpu_energy_j=[0.0, 0.0], duration_s=[1.5, 2.5])
    assert finding.severity == "note"


def test_zeros_that_are_right() -> None:
    assert not found(
        emissions=[0.0, 0.1, 0.2],
        accuracy=[0.0, 0.5, 0.6],
        load_energy_j=[0.0, 900.5, 880.1],
        net_energy_j=[0.0, 50.1, 44.2],
        gpu_util=[0, 90, 95],
        tokens_out=[0, 5, 6],
        cost_usd=[0.0, 0.1, 0.1],
    )


def test_a_zero_among_both_signs_is_a_figure() -> None:
    assert not found(duration_s=[1.5, 2.5, 3.5], dram_energy_j=[0.0, -0.1, 0.2])


def test_a_zero_that_was_rounded_is_no_absence() -> None:
    assert not found(duration_s=[0.0, 0.1, 0.3, 0.2], energy_wh=[0.0, 0.1, 0.1, 0.1])
