"""Near misses of planted errors: what looks like one and is none stays unsaid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_tables import long_table, paper, serving, thesis
from planted_traces import runner_folder, runner_runs, smi_log, smi_trace
from tables import table

from joulebench.audit.catalogue import rules
from joulebench.audit.examine import examine
from joulebench.audit.gather import gather

Columns = Mapping[str, Sequence[Any]]


def said(rule: str, columns: Columns, name: str = "t.csv") -> list[str]:
    """Give where a rule finds something in a table."""
    subject = table(columns, name)
    checks = [each.table for each in rules() if each.name == rule and each.table is not None]
    with np.errstate(all="ignore"):
        return [finding.where for check in checks for finding in check(subject)]


def powered(watts: Sequence[float], seconds: Sequence[float]) -> Columns:
    """Give a serving table whose boards draw certain powers, a setting a row."""
    count = len(watts)
    energies = [round(w * s, 3) for w, s in zip(watts, seconds, strict=True)]
    batches = [2**k for k in range(count)]
    return {"batch_size": batches, "gpu_energy_j": energies, "duration_s": seconds}


S = (101.37, 71.21, 44.92, 30.63, 22.41, 15.18)


def test_one_power_behind_other_speeds_is_a_limit_and_nearly_one_power_is_none() -> None:
    one = [300.0, 299.6, 300.2, 299.9, 300.3, 299.8]
    assert said("power-limit-saturated", powered(one, S))
    assert not said("power-limit-saturated", powered([290, 294, 297, 300, 303, 306], S))
    assert not said("power-limit-saturated", powered([w + 0.01 for w in one], [60.1] * 6))
    seeds = {**powered(one, S), "batch_size": [8] * 6, "seed": list(range(6))}
    assert not said("power-limit-saturated", seeds)


def test_an_energy_of_one_power_to_the_last_digit_was_computed() -> None:
    assert said("constant-column", powered([250.0] * 6, S))
    coarse = {**powered([250.0] * 6, S), "gpu_energy_j": [25e3, 18e3, 11e3, 8e3, 6e3, 4e3]}
    assert not said("constant-column", coarse)
    assert not said("constant-column", powered([250.0, 250.1, 250.0, 249.9, 250.2, 250.0], S))


@pytest.mark.parametrize(
    ("columns", "short"),
    [
        ({"gpu_energy_j": [2.1, 2.2], "duration_s": [0.008, 0.009]}, True),
        ({"gpu_energy_j": [210.0, 220.0], "duration_s": [0.8, 0.9]}, False),
        ({"gpu_energy_per_request_j": [2.1, 2.2], "latency_s": [0.008, 0.009]}, False),
        ({"cpu_energy_j": [0.3, 0.4], "duration_s": [0.008, 0.009]}, False),
        ({"gpu_energy_mean_j": [2.1, 2.2], "gpu_energy_sem_j": [0.1, 0.1],
          "duration_mean_s": [0.008, 0.009]}, True),
        ({"gpu_energy_mean_j": [2.1, 2.2], "duration_mean_s": [0.008, 0.009]}, False),
    ],
)  # fmt: skip
def test_only_windows_that_were_read_one_by_one_may_be_too_short(
    columns: Columns, short: bool
) -> None:
    assert bool(said("window-below-resolution", columns)) == short


def test_stated_errors_resolve_what_lies_farther_apart() -> None:
    apart = {**paper(), "std (J)": [0.002 * e for e in paper()["Energy per query (J)"]]}
    assert not said("difference-below-spread", apart)
    unknown = {name: cells for name, cells in paper().items() if name != "n"}
    assert not said("difference-below-spread", unknown)


def test_splits_that_agree_nearly_are_two_splits() -> None:
    quality = thesis()["Accuracy (%)"]
    near = [round(q - 0.01, 2) for q in quality]
    assert said("selection-on-test", {"val_acc": quality, "test_acc": quality})
    assert not said("selection-on-test", {"val_acc": quality, "test_acc": near})
    assert not said("selection-on-test", {"val_acc": [0.9, 0.8, 0.7], "test_acc": [0.9, 0.8, 0.7]})
    assert not said("selection-on-test", {"val_f1": quality, "test_acc": quality})


@pytest.mark.parametrize(
    ("column", "shares", "wrong"),
    [
        ("mfu", [0.31, 0.45, 0.52], False),
        ("mfu", [31.0, 45.0, 52.0], False),
        ("mfu", [0.2, 0.9, 1.4], True),
        ("mfu", [0.1, 0.2, 1.4], False),
        ("MFU (%)", [31.0, 45.0, 131.0], True),
        ("gpu_util", [1.2, 1.3, 1.4], False),
    ],
)
def test_a_share_of_the_peak_is_at_most_one(column: str, shares: list[float], wrong: bool) -> None:
    assert bool(said("flops-above-peak", {column: shares})) == wrong


@pytest.mark.parametrize(
    ("column", "figures", "wrong"),
    [
        ("accuracy", [0.91, 1.0, 0.97], False),
        ("accuracy", [0.91, 1.02, 0.97], True),
        ("accuracy", [0.2, 0.4, 1.3], False),
        ("Accuracy (%)", [0.6, 0.9, 1.3], False),
    ],
)
def test_a_fraction_is_at_most_one(column: str, figures: list[float], wrong: bool) -> None:
    assert (
        any(where.endswith("range") for where in said("accuracy-scale", {column: figures})) == wrong
    )


def test_a_net_energy_may_be_below_zero_by_noise() -> None:
    gross, net = [100.0, 101.0, 99.0], [-1.0, 0.5, 0.2]
    assert not said("negative-energy", {"energy_j": gross, "net_energy_j": net})
    assert said("negative-energy", {"energy_j": gross, "net_energy_j": [-9.0, 0.5, 0.2]})
    assert not said("negative-energy", {"net_energy_j": [-9.0, 0.5, 0.2]})


def test_little_padding_is_not_worth_a_word() -> None:
    padded = [512000, 256000, 128000]
    joules = [2.0 * p for p in padded]
    columns: Columns = {"padded_tokens": padded, "energy_j": joules, "J/token": [2.0] * 3}
    assert not said("padding-counted", {**columns, "real_tokens": [0.9 * p for p in padded]})
    assert said("padding-counted", {**columns, "real_tokens": [0.4 * p for p in padded]})


def test_an_outlier_near_the_range_of_a_counter_has_not_wrapped() -> None:
    t = long_table()
    t["gpu_joules"][480] -= 61234.5
    assert not said("counter-wrap", t)


def test_durations_in_whole_seconds_bound_a_power_by_a_whole_second() -> None:
    runs: Columns = {"gpu": ["A100-SXM4-80GB"] * 2, "gpu_energy_j": [2000.0, 2100.0]}
    assert not said("power-above-limit", {**runs, "duration_s": [4, 5]})
    assert said("power-above-limit", {**runs, "duration_s": [4.0004, 5.0]})


def test_rows_of_one_setting_are_no_steps_of_a_sweep() -> None:
    t = serving()
    rows = [r for r in range(48) if t["batch_size"][r] == 8 and t["dtype"][r] == "fp16"]
    kept = {name: [cells[r] for r in rows] for name, cells in t.items() if name != "model"}
    assert not said("padding-counted", kept)


def test_a_power_off_the_others_pattern_tells_and_a_pattern_of_batches_does_not() -> None:
    t = paper()
    batched = [round(0.25 * e, 4) for e in t["Energy per query (J)"]]
    overlapping = {**t, "Energy per query (J)": batched}
    assert not said("energy-not-power-times-time", overlapping)


def test_a_board_at_part_load_is_not_idle(tmp_path: Path) -> None:
    t_s, watts = smi_trace(20.0)
    path = smi_log(tmp_path / "a.csv", t_s, watts)
    lines = path.read_text().splitlines()
    both = [lines[0]]
    for line, w in zip(lines[1:], watts, strict=True):
        both += [line, line.replace(", 0, ", ", 1, ").replace(f"{w:.2f} W", f"{0.6 * w:.2f} W")]
    path.write_text("\n".join(both) + "\n")
    found = examine(gather([path])).findings
    assert "scope-mismatch" not in {finding.rule for finding in found}


def test_a_total_that_is_odd_in_one_run_is_not_said_to_lack_a_part(tmp_path: Path) -> None:
    runs = runner_runs(repeats=2)
    odd = runs[3].name
    paths = runner_folder(
        tmp_path, runs, energy_joules=lambda r: (r.gpu_j + r.cpu_j) * (0.9 if r.name == odd else 1)
    )
    found = examine(gather(paths)).findings
    assert "scope-mismatch" not in {finding.rule for finding in found}
    assert "unexplained-difference" in {finding.rule for finding in found}
