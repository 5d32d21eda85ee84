"""Measurements that never change, and rows that are copies."""

from __future__ import annotations

import pytest
from design_samples import Columns, changed, measured, on_table

from joulebench.audit.design_copies import RULES

FACTORS = {"model": ["a", "b"], "task": ["x", "y", "z"]}


def runs() -> Columns:
    columns = measured(FACTORS)
    return columns | {"run_id": [f"run-{row}" for row in range(len(columns["order"]))]}


def test_an_accuracy_that_never_changes() -> None:
    (finding,) = on_table(RULES, runs() | {"accuracy": [1.0] * 30})
    assert (finding.rule, finding.severity) == ("constant-column", "note")
    assert "accuracy is 1 in all 30 rows" in finding.message
    assert not on_table(RULES, runs() | {"accuracy": [1.0] * 29 + [0.98]})


def test_an_energy_that_never_changes_was_not_measured() -> None:
    (finding,) = on_table(RULES, runs() | {"gpu_energy_j": [63.1482] * 30})
    assert (finding.rule, finding.severity) == ("constant-column", "warning")
    (finding,) = on_table(RULES, runs() | {"cpu_power_w": [42.5] * 30})
    assert finding.severity == "note"


@pytest.mark.parametrize("column", ["tokens_out", "memory_mb", "gpu_clock_mhz", "n_graded"])
def test_what_may_rightly_be_constant(column: str) -> None:
    assert not on_table(RULES, runs() | {column: [768.0] * 30})


def test_a_peak_of_memory_that_never_changes_was_set_aside_or_not_reset() -> None:
    (finding,) = on_table(RULES, runs() | {"peak_memory_mb": [768.0] * 30})
    assert (finding.rule, finding.severity) == ("constant-column", "note")
    assert "set aside" in finding.message


def test_what_is_zero_throughout_is_absent_not_constant() -> None:
    assert not on_table(RULES, runs() | {"dram_energy_j": [0.0] * 30})


def copied(source: int, target: int) -> Columns:
    columns = runs()
    names = ("energy_j", "duration_s", "peak_gpu_memory_mb")
    return changed(columns, **{name: {target: columns[name][source]} for name in names})


def test_a_run_with_the_values_of_another() -> None:
    (finding,) = on_table(RULES, copied(3, 9))
    assert (finding.rule, finding.severity) == ("duplicate-rows", "error")
    assert "run-3" in finding.message
    assert "run-9" in finding.message


def test_a_run_that_shares_one_value_only_passes() -> None:
    columns = runs()
    assert not on_table(RULES, changed(columns, energy_j={9: columns["energy_j"][3]}))


def test_a_row_that_is_listed_twice() -> None:
    columns = {name: [*values, values[4]] for name, values in runs().items()}
    (finding,) = on_table(RULES, columns)
    assert (finding.rule, finding.severity) == ("duplicate-rows", "warning")
    assert finding.seen == "1 row(s) too many"


def test_rounded_values_may_come_again() -> None:
    columns = runs()
    columns["energy_j"] = [round(value, 1) for value in columns["energy_j"]]
    columns["duration_s"] = [round(value, 1) for value in columns["duration_s"]]
    columns = changed(columns, energy_j={9: columns["energy_j"][3]})
    assert not on_table(RULES, changed(columns, duration_s={9: columns["duration_s"][3]}))


def test_parts_of_a_run_repeat_its_energy() -> None:
    """One row a prompt, each with the energy of its run."""
    columns = runs()
    rows = [row for row in range(30) for _ in range(4)]
    long = {name: [values[row] for row in rows] for name, values in columns.items()}
    long["prompt"] = list(range(120))
    assert not on_table(RULES, long)
    long["run_id"] = [f"prompt-{row}" for row in range(120)]
    assert not on_table(RULES, long)


def test_clean_tables_pass() -> None:
    assert not on_table(RULES, runs())
