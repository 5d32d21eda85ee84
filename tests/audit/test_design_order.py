"""Levels that were run one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from design_samples import Columns, digest_of, measured, on_evidence, on_table, unit_of
from tables import table

from joulebench.audit.design_order import RULES
from joulebench.audit.evidence import Evidence
from joulebench.audit.table import AuditTable

FACTORS: Columns = {"precision": ["fp32", "fp16"], "batch_size": [1, 2, 4]}


def in_blocks_of(columns: Columns, factor: str) -> Columns:
    """Give the order of a loop over a factor, with everything else inside it at random."""
    rng = np.random.default_rng(1)
    places = np.lexsort((rng.random(len(columns["order"])), columns[factor]))
    order = np.empty(len(places), dtype=int)
    order[places] = np.arange(1, len(places) + 1)
    return columns | {"order": order.tolist()}


@pytest.mark.parametrize("factor", list(FACTORS))
def test_a_loop_over_a_factor_is_found(factor: str) -> None:
    (finding,) = on_table(RULES, in_blocks_of(measured(FACTORS), factor))
    assert finding.where == f"t.csv: {factor}"


def test_other_factors_inside_the_loop_pass() -> None:
    columns = measured(FACTORS)
    order = {
        "order": [
            1 + 1000 * b + 10 * rep + p
            for b, rep, p in zip(
                columns["batch_size"],
                columns["repetition"],
                [FACTORS["precision"].index(name) for name in columns["precision"]],
                strict=True,
            )
        ]
    }
    (finding,) = on_table(RULES, columns | order)
    assert finding.where == "t.csv: batch_size"


def test_a_sweep_that_ran_upwards_once_is_found() -> None:
    columns = measured({"sequence_length": [16, 32, 64, 128, 256, 512, 1024]}, repetitions=1)
    (finding,) = on_table(RULES, columns | {"order": list(range(7))})
    assert finding.severity == "warning"
    assert "no cell was repeated" in finding.message


def test_an_effect_far_beyond_any_drift_is_a_note() -> None:
    far = in_blocks_of(measured({"batch_size": [1, 8]}, repetitions=10), "batch_size")
    (finding,) = on_table(RULES, far)
    assert finding.severity == "note"
    near = in_blocks_of(measured({"model": ["a", "b"]}, repetitions=10, spread=0.2), "model")
    (finding,) = on_table(RULES, near)
    assert finding.severity == "warning"


def test_blocks_with_every_cell_pass() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        columns = measured(FACTORS)
        blocks = [rng.permutation(6) + 6 * block + 1 for block in range(5)]
        assert not on_table(RULES, columns | {"order": np.concatenate(blocks).tolist()})


def test_stamps_tell_the_order_too() -> None:
    columns = in_blocks_of(measured(FACTORS), "precision")
    stamps = [f"2026-03-01T10:{minute:02d}:00Z" for minute in columns.pop("order")]
    assert on_table(RULES, columns | {"started_at": stamps})
    rng = np.random.default_rng(1)
    assert not on_table(RULES, columns | {"started_at": rng.permutation(stamps).tolist()})


def test_the_order_of_rows_is_not_that_of_time() -> None:
    columns = measured(FACTORS)
    del columns["order"]
    assert not on_table(RULES, columns)


def test_other_machines_have_other_times() -> None:
    columns = measured({"gpu": ["A100", "H100"]}, repetitions=10)
    assert not on_table(RULES, in_blocks_of(columns, "gpu"))


def test_our_own_rows_count_where_runs_were_stamped() -> None:
    ours = table(in_blocks_of(measured(FACTORS), "precision"), "study", recomputed=True)
    assert not on_table(RULES, ours)
    assert _found(ours, "2026-03-01T10:00:00Z")
    assert not _found(ours, "")
    assert not on_evidence(RULES, [ours])


def _found(ours: AuditTable, started_at: str) -> bool:
    digest = digest_of("run")
    digest.run.started_at = started_at
    evidence = Evidence([unit_of("study", [digest])], [ours])
    return bool([f for rule in RULES if rule.evidence for f in rule.evidence(evidence)])
