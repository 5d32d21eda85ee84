"""Labels that belong to another row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from design_samples import Columns, changed, digest_of, measured, on_evidence, on_table
from tables import table

from joulebench.audit import design_devices, design_exchanged
from joulebench.audit.design_labels import RULES

GRID: Columns = {"precision": ["fp32", "fp16"], "max_sequence_length": [16, 32, 64, 128]}


def grid() -> Columns:
    columns = measured(GRID, repetitions=1, spread=0.01)
    columns["label"] = [
        f"{a}-{b}"
        for a, b in zip(columns["precision"], columns["max_sequence_length"], strict=True)
    ]
    return columns


def exchanged(columns: Columns, one: int, two: int, names: Sequence[str]) -> Columns:
    swapped = {name: {one: columns[name][two], two: columns[name][one]} for name in names}
    return changed(columns, **swapped)


COSTS = ("energy_j", "duration_s", "peak_gpu_memory_mb")


def test_a_label_that_names_another_level() -> None:
    (finding,) = on_table(RULES, changed(grid(), label={2: "fp16-64"}))
    assert finding.severity == "error"
    assert finding.where == "t.csv: label against precision"
    assert "'fp16-64'" in finding.message
    (finding,) = on_table(RULES, changed(grid(), max_sequence_length={2: 32}))
    assert finding.where == "t.csv: label against max_sequence_length"


@pytest.mark.parametrize(
    "label", ["baseline", "fp32_64_retry", "keep 64 of fp32", "max_sequence_length_64"]
)
def test_labels_that_say_less_or_more_pass(label: str) -> None:
    assert not on_table(RULES, changed(grid(), label={2: label}))


def test_labels_of_another_kind_pass() -> None:
    columns = grid() | {"label": [f"run {16 * (row + 1)}" for row in range(8)]}
    assert not on_table(RULES, columns)
    ratios: Columns = {
        "label": ["keep_0_60", "keep_0_80", "keep_1_00", "keep_0_60_b", "keep_0_80_b"],
        "keep_ratio": [0.6, 0.8, 1.0, 0.6, 0.8],
        "energy_j": [3.0, 4.0, 8.0, 3.1, 4.1],
    }
    assert not on_table(RULES, ratios)
    assert on_table(RULES, changed(ratios, keep_ratio={0: 0.8}))


def test_two_runs_whose_levels_were_exchanged() -> None:
    columns = measured(GRID, repetitions=6)
    lengths, precision = columns["max_sequence_length"], columns["precision"]
    one = next(r for r in range(48) if (precision[r], lengths[r]) == ("fp32", 16))
    two = next(r for r in range(48) if (precision[r], lengths[r]) == ("fp32", 128))
    wrong = exchanged(columns, one, two, COSTS)
    (finding,) = on_table(RULES, wrong)
    assert finding.severity == "error"
    assert finding.where == "t.csv: values of another cell"
    assert finding.seen.startswith("2 row(s)")


def test_one_run_that_moved_to_another_level() -> None:
    columns = measured({"max_sequence_length": [16, 64, 256]}, repetitions=6)
    first = columns["max_sequence_length"].index(16)
    (finding,) = on_table(RULES, changed(columns, max_sequence_length={first: 256}))
    assert finding.severity == "warning"


def test_outliers_are_not_mislabelled() -> None:
    """A first run that compiled, or that met another process, lies far out: but nobody lacks it."""
    columns = measured({"max_sequence_length": [16, 64, 256]}, repetitions=6)
    row = columns["max_sequence_length"].index(16)
    there = columns["max_sequence_length"].index(64)
    slow = {name: {row: columns[name][there]} for name in COSTS}
    assert not on_table(RULES, changed(columns, **slow))
    assert not on_table(RULES, changed(columns, energy_j={row: 9e9}, duration_s={row: 9e9}))


def test_long_tails_are_not_mislabelled() -> None:
    """Requests of three models whose times have heavy tails: some look like those of another."""
    rng = np.random.default_rng(3)
    times = np.repeat([1.0, 2.0, 4.0], 2000) * np.exp(0.1 * rng.standard_t(2, 6000))
    columns = {
        "model": np.repeat(["a", "b", "c"], 2000).tolist(),
        "energy_j": (200 * times * np.exp(rng.normal(0, 0.02, 6000))).tolist(),
        "latency_s": times.tolist(),
        "tokens_out": np.round(50 * times).tolist(),
    }
    assert not on_table(RULES, columns)


def test_rows_of_a_sweep_that_were_exchanged() -> None:
    columns = grid()
    (finding,) = on_table(design_exchanged.RULES, exchanged(columns, 1, 6, COSTS))
    assert finding.severity == "error"
    assert "line 3" in finding.message
    assert "line 8" in finding.message
    assert not on_table(design_exchanged.RULES, columns)


def test_costs_that_rise_and_fall_by_themselves_pass() -> None:
    """Shorter windows with more overlap cost more again: memory still falls."""
    columns: Columns = {
        "max_sequence_length": [384, 320, 256, 192, 160, 128],
        "energy_j": [0.667, 0.630, 0.556, 0.479, 0.552, 0.622],
        "duration_s": [9.3, 8.8, 7.7, 6.7, 7.7, 8.6],
        "peak_gpu_memory_mb": [625.1, 592.9, 558.9, 525.4, 508.7, 492.1],
    }
    assert not on_table(design_exchanged.RULES, columns)
    noisy: Columns = {
        "batch_size": [1, 2, 4, 8, 16],
        "energy_j": [10.0, 20.0, 40.2, 40.1, 80.0],
        "duration_s": [1.0, 2.0, 4.02, 4.01, 8.0],
    }
    assert not on_table(design_exchanged.RULES, noisy), "neighbours that noise may exchange"


def test_a_file_named_after_another_device() -> None:
    columns: Columns = {
        "gpu": ["L40S", "L40S"],
        "precision": ["fp32", "fp16"],
        "energy_j": [9.0, 5.0],
    }
    (finding,) = on_table(design_devices.RULES, table(columns, "l40_results.csv"))
    assert finding.rule == "mislabelled-row"
    assert not on_table(design_devices.RULES, table(columns, "l40s_results.csv"))
    assert not on_table(design_devices.RULES, table(columns, "results.csv"))
    both = changed(columns, gpu={1: "L40"})
    assert not on_table(design_devices.RULES, table(both, "l40_results.csv"))


def test_one_figure_under_two_devices() -> None:
    published = {"values": {"time_us": 14728.89591, "energy_j": 2.1234567891}}
    runs = [digest_of("l40-run", levels={"gpu": "l40"}, published=published)]
    columns: Columns = {
        "GPU": ["A100", "L40S"],
        "ms": [9.87654321, 14.72889591],
        "j": [1.5, 2.1234567891],
    }
    (finding,) = on_evidence(design_devices.RULES, [table(columns)], runs)
    assert finding.seen == "l40 and l40s"
    assert finding.message.startswith("2 figures")
    one = changed(columns, j={1: 2.1239999991})
    assert not on_evidence(design_devices.RULES, [table(one)], runs), "one may be chance"
    right = changed(columns, GPU={1: "L40"})
    assert not on_evidence(design_devices.RULES, [table(right)], runs)


def test_counts_may_be_equal_on_two_devices() -> None:
    columns: Columns = {"gpu": ["A100", "H100"], "flops": [5062411866112, 5062411866112],
               "forward_flops": [1012482366, 1012482366], "energy_j": [5.0, 4.0]}  # fmt: skip
    assert not on_evidence(design_devices.RULES, [table(columns)])
