"""Sound designs pass: no error and no warning, whatever the seed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from design_samples import Columns, changed, measured, on_evidence, on_table
from tables import table

from joulebench.audit.rule import Rule

MODULES = (
    "design_effects", "design_units", "design_crossing", "design_order", "design_repeats",
    "design_joined", "design_copies", "design_labels", "design_exchanged", "design_devices",
    "design_selection", "design_frontier", "answers",
)  # fmt: skip

DESIGNS: tuple[dict[str, Any], ...] = (
    {"precision": ["fp32", "fp16"], "batch_size": [1, 2, 4, 8]},
    {"model": ["a-1b", "b-3b"], "task": ["boolq", "copa", "rte"]},
    {"gpu": ["A100", "H100"], "sequence_length": [128, 256, 512], "precision": ["fp32", "int8"]},
    {"num_layers": [2, 4, 6, 8, 12]},
)


def rules() -> list[Rule]:
    modules = (import_module(f"joulebench.audit.{name}") for name in MODULES)
    return [rule for module in modules for rule in module.RULES]


@pytest.mark.parametrize("design", DESIGNS, ids="-".join)
def test_a_randomised_design_with_repeats_passes(design: dict[str, Any]) -> None:
    wrong = []
    for seed in range(50):
        columns = measured(design, seed=seed)
        found = on_table(rules(), columns) + on_evidence(rules(), [table(columns)])
        wrong += [finding for finding in found if finding.severity != "note"]
    # At most one in a hundred random orders is called confounded.
    assert {finding.rule for finding in wrong} <= {"order-confounded"}
    assert len(wrong) <= 3


def test_random_orders_are_confounded_in_one_case_of_a_hundred_at_most() -> None:
    order = [rule for rule in rules() if rule.name == "order-confounded"]
    alarms = 0
    for seed in range(400):
        columns = measured(DESIGNS[seed % 3], seed=1000 + seed, repetitions=3)
        alarms += bool(on_table(order, columns))
    # 1 % of 400 is 4, with a standard deviation of 2.
    assert alarms <= 10


def test_two_tables_of_other_studies_are_not_joined() -> None:
    one, two = (_with_accuracy(measured(DESIGNS[0], seed=seed), seed) for seed in (1, 2))
    tables = [table(one, name="one.csv"), table(two, name="two.csv")]
    assert not [f for f in on_evidence(rules(), tables) if f.severity != "note"]


def _with_accuracy(columns: Columns, seed: int) -> Columns:
    rng = np.random.default_rng(seed)
    return columns | {"accuracy": rng.uniform(0.6, 0.9, len(columns["order"])).tolist()}


def test_a_table_of_one_row_or_none_passes() -> None:
    columns = measured({"batch_size": [8]}, repetitions=1)
    assert not on_table(rules(), columns)
    assert not on_table(rules(), {name: [] for name in columns})


def test_cells_that_are_absent_do_no_harm() -> None:
    columns = measured(DESIGNS[0], seed=3)
    holes = dict.fromkeys(range(0, len(columns["order"]), 3))
    for name in columns:
        found = on_table(rules(), changed(columns, **{name: holes}))
        assert not [finding for finding in found if finding.severity == "error"]
