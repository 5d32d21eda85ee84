"""Repeats, and what they resolve."""

from __future__ import annotations

import numpy as np
from design_samples import Columns, measured, on_evidence, on_table
from tables import table

from joulebench.audit import design_joined
from joulebench.audit.design_repeats import RULES

LENGTHS = {"max_sequence_length": [64, 96, 128]}


def test_one_run_a_combination() -> None:
    (finding,) = on_table(RULES, measured(LENGTHS, repetitions=1))
    assert finding.rule == "no-repeats"
    assert "each of the 3 combinations of max_sequence_length has one value" in finding.message


def test_one_repeated_among_many_is_no_repetition() -> None:
    columns = measured({"max_sequence_length": list(range(16, 176, 8))}, repetitions=1)
    columns["max_sequence_length"] = [*columns["max_sequence_length"][:-1], 16]
    (finding, *_) = on_table(RULES, columns, "no-repeats")
    assert "18 of the 19 combinations" in finding.message


def test_repeats_and_summaries_of_repeats_pass() -> None:
    assert not on_table(RULES, measured(LENGTHS, repetitions=2), "no-repeats")
    once = measured(LENGTHS, repetitions=1)
    assert not on_table(RULES, once | {"energy_sem_j": [0.1, 0.1, 0.1]}, "no-repeats")
    assert not on_table(RULES, once | {"n_runs": [5, 5, 5]}, "no-repeats")
    assert on_table(RULES, once | {"n_runs": [1, 1, 1]}, "no-repeats")


def test_counts_that_no_sensor_took_need_no_repeats() -> None:
    counted: Columns = {"n": [1, 2], "d": [64, 128], "flops": [10**9, 2 * 10**9]}
    assert not on_table(RULES, counted)


def test_the_error_of_our_own_reading_is_no_spread_of_repeats() -> None:
    once = measured(LENGTHS, repetitions=1) | {"energy_noise_j": [0.1, 0.1, 0.1]}
    assert on_table(RULES, table(once, "study", recomputed=True), "no-repeats")


def test_neighbours_that_repeats_do_not_tell_apart() -> None:
    columns = measured({"model": ["a", "b", "c"]}, repetitions=5, spread=0.1)
    columns["energy_j"] = [
        energy / 1.28 if model == "b" else energy
        for energy, model in zip(columns["energy_j"], columns["model"], strict=True)
    ]
    (finding,) = on_table(RULES, columns)
    assert (finding.rule, finding.severity) == ("difference-below-spread", "note")
    assert "1 of 2 pairs" in finding.message


def test_tasks_are_not_compared_with_each_other() -> None:
    columns = measured({"model": ["a", "b"], "task": ["x", "y"]}, repetitions=5)
    columns["energy_j"] = [
        e / (1.3 if t == "y" else 1.0)
        for e, t in zip(columns["energy_j"], columns["task"], strict=True)
    ]
    assert not on_table(RULES, columns)


def test_the_note_is_as_rare_as_stated_where_cells_are_apart() -> None:
    found = [on_table(RULES, measured(LENGTHS, repetitions=4, seed=seed)) for seed in range(100)]
    assert not any(found)


def sweeps(factor_b: float = 1.04, quality: str = "0.930045871559633") -> list[Columns]:
    """Give three sweeps over other factors of one model, which share its unchanged state."""
    precision: Columns = {
        "precision": ["fp32", "fp16"],
        "max_sequence_length": [128, 128],
        "accuracy": [quality, quality],
        "energy_per_example_j": [0.2167, 0.0485],
        "peak_gpu_memory_mb": [692.2392578125, 795.1513671875],
    }
    length: Columns = {
        "max_sequence_length": [128, 120, 64],
        "accuracy": [quality, "0.929845871559633", "0.918845871559633"],
        "energy_per_example_j": [0.2167 * factor_b, 0.2167, 0.1043],
        "peak_gpu_memory_mb": [692.2392578125, 670.25, 560.17626953125],
    }
    layers: Columns = {
        "num_encoder_layers": [12, 6],
        "max_sequence_length": [128, 128],
        "accuracy": [quality, "0.680045871559633"],
        "energy_per_example_j": [0.2167 * 0.97, 0.1087],
        "peak_gpu_memory_mb": [692.2392578125, 530.8857421875],
    }
    return [precision, length, layers]


def joined(columns: list[Columns]) -> list[str]:
    tables = [table(each, f"{place}.csv") for place, each in enumerate(columns)]
    found = on_evidence(design_joined.RULES, tables)
    assert all(finding.severity == "warning" for finding in found)
    return [finding.where for finding in found]


def test_one_configuration_in_several_tables_tells_the_spread() -> None:
    assert joined(sweeps()) == ["1.csv: energy_per_example_j"]
    tables = [table(each, f"{place}.csv") for place, each in enumerate(sweeps())]
    (finding,) = on_evidence(design_joined.RULES, tables)
    assert "that 3 tables share" in finding.message
    assert "differs by 7.2 %" in finding.message
    assert "120 and 128 (4 %)" in finding.message


def test_neighbours_farther_apart_than_that_pass() -> None:
    columns = sweeps()
    columns[1]["energy_per_example_j"][1] = 0.16
    assert not joined(columns)


def test_other_models_are_not_taken_for_repeats() -> None:
    others = sweeps()
    for place, each in enumerate(others):
        each["accuracy"] = [f"0.9{place}{row}0458715" for row in range(len(each["accuracy"]))]
    assert not joined(others)
    assert not joined([each | {"accuracy": [1.0] * len(each["accuracy"])} for each in sweeps()])


def test_far_energies_are_no_repeats_whatever_the_quality() -> None:
    assert not joined(sweeps(factor_b=1.6))


def test_of_several_rows_memory_decides() -> None:
    """Half precision answers alike, at another memory: it is not the configuration of a table that
    names no precision.
    """
    columns = sweeps()
    columns[0]["energy_per_example_j"] = [0.2167, 0.21]
    (where,) = joined(columns)[:1]
    assert where.startswith(("0.csv", "1.csv"))
    for each in columns:
        del each["peak_gpu_memory_mb"]
    columns[2]["max_sequence_length"] = [384, 384]
    assert not joined(columns)


def test_joining_is_fast_enough_for_many_tables() -> None:
    rng = np.random.default_rng(0)
    many = [
        table(
            {
                "batch_size": list(range(1, 101)),
                "accuracy": rng.uniform(0.5, 0.9, 100).tolist(),
                "energy_j": rng.uniform(1, 9, 100).tolist(),
            },
            f"{place}.csv",
        )
        for place in range(20)
    ]
    assert not on_evidence(design_joined.RULES, many)
