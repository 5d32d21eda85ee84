"""Powers that no board draws, and powers that no machine gets by with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from tables import table

from joulebench.audit.table import AuditTable
from joulebench.audit.table_energy_power import power_above_limit, power_below_idle
from joulebench.finding import Finding

T_S = np.array([100.0, 120.0, 90.0, 110.0, 105.0, 95.0])


def runs(watts: float | np.ndarray, **more: Iterable[Any] | None) -> AuditTable:
    """Six runs on an A100 (at most 400 W), unless said otherwise."""
    columns: Mapping[str, Iterable[Any] | None] = {
        "gpu": ["A100-SXM4-80GB"] * 6,
        "duration_s": T_S,
        "gpu_energy_j": watts * T_S,
        **more,
    }
    return table({name: cells for name, cells in columns.items() if cells is not None})


def above(subject: AuditTable) -> list[Finding]:
    return list(power_above_limit(subject))


def below(subject: AuditTable) -> list[Finding]:
    return list(power_below_idle(subject))


def test_a_row_above_the_limit_of_its_board_is_wrong() -> None:
    watts = np.full(6, 350.0)
    watts[3] = 600.0
    (finding,) = above(runs(watts))
    assert finding.severity == "error"
    assert "1 of 6 rows" in finding.message
    assert "line 5" in finding.message
    assert finding.seen == "600 W"
    assert finding.possible.startswith("at most 400 W")


def test_a_stated_power_above_the_limit_is_found_too() -> None:
    stated = table({"device": ["L4"] * 4, "avg_gpu_power_w": [70, 71, 95, 69]})
    (finding,) = above(stated)
    assert finding.where == "t.csv: avg_gpu_power_w"
    assert "line 4" in finding.message


def test_a_limit_that_the_row_states_counts_first() -> None:
    capped = runs(300.0, power_limit_w=[250] * 6)
    (finding,) = above(capped)
    assert finding.possible.startswith("at most 250 W")
    assert not above(runs(300.0, power_limit_w=[300] * 6))


@pytest.mark.parametrize("watts", [395.0, 418.0])
def test_the_gain_of_a_sensor_is_no_fault(watts: float) -> None:
    assert not above(runs(watts))


def test_several_boards_may_draw_several_times_as_much() -> None:
    assert not above(runs(2400.0, n_gpus=[8] * 6))
    assert not above(runs(1500.0, gpu=["4x A100"] * 6))
    assert above(runs(2400.0, n_gpus=[4] * 6))[0].severity == "error"


def test_boards_that_nobody_counted_may_explain_all_rows_but_not_some() -> None:
    (everywhere,) = above(runs(1500.0))
    assert everywhere.severity == "warning"
    assert "n_gpus" in everywhere.remedy


def test_an_inference_time_may_be_of_one_request() -> None:
    one = table({"gpu": ["A100"] * 6, "gpu_energy_j": 300 * T_S, "inference_time_s": T_S / 1000})
    assert [finding.severity for finding in above(one)] == ["warning"]


def test_the_host_may_be_in_an_energy_that_names_no_part() -> None:
    host = runs(450.0, gpu_energy_j=None, energy_j=450.0 * T_S)
    (finding,) = above(host)
    assert finding.severity == "warning"
    assert "processor" in finding.remedy
    total = runs(450.0, gpu_energy_j=None, total_energy_j=700.0 * T_S)
    assert not above(total)
    impossible = runs(450.0, gpu_energy_j=None, energy_j=np.r_[350.0 * T_S[:5], 1500.0 * T_S[5]])
    assert above(impossible)[0].severity == "error"


def test_the_longest_of_several_durations_bounds_the_power() -> None:
    both = runs(380.0, gpu_time_s=T_S / 3)
    assert not above(both)


def test_a_board_for_games_may_be_set_higher_by_its_owner() -> None:
    raised = runs(np.r_[[440.0] * 5, 560.0], gpu=["RTX 4090"] * 6)
    assert above(raised)[0].severity == "warning"
    beyond = runs(np.r_[[440.0] * 5, 900.0], gpu=["RTX 4090"] * 6)
    assert above(beyond)[0].severity == "error"


def test_without_a_device_nothing_is_above_its_limit() -> None:
    assert not above(runs(5000.0, gpu=["mystery"] * 6))


def test_energies_of_other_stretches_are_no_powers() -> None:
    loads = runs(300.0, load_energy_j=1e6 * T_S, net_energy_j=1e6 * T_S, energy_per_token_j=T_S)
    assert not above(loads)


def test_a_board_at_work_that_draws_less_than_at_rest_is_wrong() -> None:
    (finding,) = below(runs(4.1))
    assert finding.severity == "error"
    assert finding.seen == "4.1 W"
    assert "12 W" in finding.possible
    assert "factor of 100 it would be 410 W" in finding.remedy


def test_no_machine_at_work_draws_four_watts() -> None:
    summary = table(
        {
            "generation": ["2", "3"],
            "mean_duration_s": [19745.6, 6670.7],
            "mean_energy_J": [81556.7, 25930.6],
            "mean_power_W": [4.13, 3.86],
        }
    )
    (finding,) = below(summary)
    assert finding.severity == "warning"
    assert finding.where == "t.csv: mean_power_W"


@pytest.mark.parametrize("watts", [40.0, 300.0])
def test_a_board_that_waits_most_of_the_time_draws_little(watts: float) -> None:
    assert not below(runs(watts))


def test_parts_net_energies_idle_phases_and_single_requests_may_be_small() -> None:
    small = runs(
        200.0,
        dram_energy_j=3.0 * T_S,
        net_energy_j=2.0 * T_S,
        idle_power_w=[3.0] * 6,
        energy_per_request_j=[0.5] * 6,
        latency_s=[2.0] * 6,
    )
    assert not below(small)


def test_rows_that_ran_on_the_processor_leave_the_board_alone() -> None:
    device = ["cpu"] * 3 + ["cuda"] * 3
    mixed = runs(np.r_[[3.0] * 3, [300.0] * 3], backend=device)
    assert not [finding for finding in below(mixed) if finding.severity == "error"]


def test_our_own_rows_are_not_judged_by_what_any_machine_draws() -> None:
    ours = table({"duration_s": T_S, "energy_j": 2.0 * T_S}, recomputed=True)
    assert not below(ours)
