"""Factors that must cost work and changed nothing."""

from __future__ import annotations

import numpy as np
import pytest
from design_samples import Columns, changed, measured, on_table

from joulebench.audit.design_effects import RULES

DESIGN: Columns = {"precision": ["fp32", "fp16"], "batch_size": [1, 2, 4, 8], "num_layers": [6, 12]}


def ignored(columns: Columns, factor: str) -> Columns:
    """Give columns as if the software had ignored a factor: costs of its first level throughout."""
    keys = [name for name in DESIGN if name != factor]
    first = columns[factor][0]
    rng = np.random.default_rng(5)
    base: dict[tuple[object, ...], int] = {}
    for row, level in enumerate(columns[factor]):
        if level == first:
            base.setdefault(tuple(columns[key][row] for key in keys), row)
    source = [
        base[tuple(columns[key][row] for key in keys)] for row in range(len(columns["order"]))
    ]
    copy = dict(columns)
    for name in ("energy_j", "duration_s"):
        noise = np.exp(rng.normal(0, 0.01, len(source)))
        copy[name] = [columns[name][s] * n for s, n in zip(source, noise, strict=True)]
    copy["peak_gpu_memory_mb"] = [columns["peak_gpu_memory_mb"][s] for s in source]
    return copy


@pytest.mark.parametrize("factor", list(DESIGN))
def test_an_ignored_factor_is_found_whatever_it_is(factor: str) -> None:
    (finding,) = on_table(RULES, ignored(measured(DESIGN), factor))
    assert finding.severity == "warning"
    assert finding.where == f"t.csv: {factor}"
    assert "energy_j" in finding.message


def test_two_precisions_with_equal_memory_and_energies_are_found_without_repeats() -> None:
    columns: Columns = {
        "precision": ["fp32", "fp16"],
        "energy_j": [216.8, 214.1],
        "duration_s": [3.01, 3.02],
        "peak_gpu_memory_mb": [692.2392578125, 692.2392578125],
    }
    (finding,) = on_table(RULES, columns)
    assert "equal to the last digit" in finding.message
    assert not on_table(RULES, changed(columns, peak_gpu_memory_mb={1: 795.1513671875}))
    assert not on_table(RULES, changed(columns, energy_j={1: 180.0}))
    assert not on_table(RULES, changed(columns, precision={0: "bf16"})), "of one width"


def test_energies_that_are_equal_to_the_last_digit_are_wrong() -> None:
    columns = measured(DESIGN, repetitions=1)
    pair = {columns["precision"].index("fp16"): columns["energy_j"][0]}
    (finding,) = on_table(RULES, changed(columns, energy_j=pair))
    assert finding.severity == "error"
    assert finding.where == "t.csv: energy_j by precision"
    assert "1 of 8 pairs" in finding.message


def test_rounded_energies_may_be_equal() -> None:
    columns = measured({"model": ["a", "b", "c", "d"]}, repetitions=1)
    assert not on_table(RULES, columns | {"energy_j": [61.0, 79.0, 79.0, 103.0]})


def test_no_repeats_and_no_memory_show_nothing() -> None:
    columns: Columns = {
        "precision": ["fp32", "fp16"],
        "energy_j": [216.8, 216.9],
        "duration_s": [3.0, 3.0],
    }
    assert not on_table(RULES, columns)


def test_a_small_effect_is_an_effect() -> None:
    """Energy per token that falls by 15 % from batch 1 to 8: small, but there."""
    for seed in range(20):
        columns = measured({"batch_size": [1, 8]}, repetitions=6, seed=seed)
        for name in ("energy_j", "duration_s"):
            first = np.mean(columns[name][::2])
            columns[name] = [
                value if batch == 1 else value * 1.15 * first / np.mean(columns[name][1::2])
                for value, batch in zip(columns[name], columns["batch_size"], strict=True)
            ]
        columns["peak_gpu_memory_mb"] = [900.125] * len(columns["order"])
        assert not on_table(RULES, columns)


def test_energy_per_token_need_not_change_with_length() -> None:
    columns = measured({"sequence_length": [128, 256, 512]}, repetitions=6)
    rng = np.random.default_rng(2)
    per_token = (0.3 * np.exp(rng.normal(0, 0.01, len(columns["order"])))).tolist()
    table: Columns = {
        "sequence_length": columns["sequence_length"],
        "repetition": columns["repetition"],
        "energy_per_token_j": per_token,
    }
    assert not on_table(RULES, table)


def test_batches_of_one_whole_need_not_cost_more() -> None:
    columns = measured({"batch_size": [16, 32, 64]}, repetitions=6)
    rng = np.random.default_rng(2)
    columns["energy_j"] = (50 * np.exp(rng.normal(0, 0.01, len(columns["order"])))).tolist()
    columns["duration_s"] = [energy / 300 for energy in columns["energy_j"]]
    assert not on_table(RULES, columns), "memory grows with the batch"
    del columns["peak_gpu_memory_mb"]
    assert not on_table(RULES, columns), "nothing says that it did not"
    columns["memory_used_mb"] = [73511] * len(columns["order"])
    assert not on_table(RULES, columns), "a server sets all of it aside beforehand"


def test_a_precision_that_fell_back_to_another_is_found_among_others() -> None:
    factors: Columns = {"precision": ["fp32", "fp16", "fp8"], "num_layers": [2, 6, 12]}
    columns = measured(factors, repetitions=1)
    rows = list(zip(columns["precision"], columns["num_layers"], strict=True))
    for row, (name, layers) in enumerate(rows):
        if name == "fp8":
            other = rows.index(("fp16", layers))
            columns["peak_gpu_memory_mb"][row] = columns["peak_gpu_memory_mb"][other]
            columns["energy_j"][row] = columns["energy_j"][other] * 1.013
            columns["duration_s"][row] = columns["duration_s"][other] * 0.996
    (finding,) = on_table(RULES, columns)
    assert "set to fp16, fp8" in finding.message


def test_a_task_need_not_change_anything() -> None:
    columns = measured({"task": ["a", "b"]}, repetitions=6)
    columns["energy_j"] = [50.0 + row / 7 for row in columns["repetition"]]
    assert not on_table(RULES, columns)
