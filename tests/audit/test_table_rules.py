"""All rules on one table together: clean tables, odd tables, and tables of published studies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import table

from joulebench.audit.evidence import Evidence
from joulebench.audit.read_table import read_table
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding

MODULES = (
    "table_data_accuracy",
    "table_data_cells",
    "table_data_dates",
    "table_energy_absent",
    "table_energy_derived",
    "table_energy_power",
    "table_energy_sums",
    "table_energy_wrap",
    "table_units_outliers",
    "table_units_summary",
)


def rules() -> Iterator[Rule]:
    for name in MODULES:
        yield from import_module(f"joulebench.audit.{name}").RULES


def findings(subject: AuditTable) -> list[Finding]:
    alone = Evidence(tables=[subject])
    with np.errstate(all="ignore"):  # as the audit does
        found = [f for rule in rules() if rule.table is not None for f in rule.table(subject)]
        together = [rule.evidence for rule in rules() if rule.evidence is not None]
        return found + [finding for check in together for finding in check(alone)]


def clean(rows: int, seed: int) -> Mapping[str, Iterable[Any]]:
    """Runs as a careful author publishes them: every column agrees with the others."""
    rng = np.random.default_rng(seed)
    model = rng.integers(0, 3, rows)
    seconds = (np.array([60, 120, 240])[model] * rng.normal(1, 0.03, rows)).round(3)
    gpu = (seconds * rng.normal(310, 6, rows)).round(2)
    cpu = (seconds * rng.normal(55, 2, rows)).round(2)
    dram = (0.1 * cpu).round(2)
    tokens = np.array([4000, 6000, 9000])[model] + rng.integers(-200, 200, rows)
    right = rng.binomial(1500, np.array([0.6, 0.75, 0.9])[model])
    stamps = 1_760_000_000 + np.cumsum(seconds + 30)
    return {
        "run_id": [f"run_{place}" for place in range(rows)],
        "gpu_name": ["NVIDIA A100-SXM4-80GB"] * rows,
        "n_gpus": [1] * rows,
        "model": np.array(["1B", "3B", "8B"])[model],
        "started_at": stamps.round(3),
        "duration_s": seconds,
        "gpu_energy_j": gpu,
        "cpu_energy_j": cpu,
        "dram_energy_j": dram,
        "energy_j": (gpu + cpu + dram).round(2),
        "avg_gpu_power_w": (gpu / seconds).round(1),
        "energy_per_token_j": ((gpu + cpu + dram) / tokens).round(4),
        "tokens_out": tokens,
        "tokens_per_second": (tokens / seconds).round(2),
        "accuracy": right / 1500,
        "n_graded": [1500] * rows,
        "n_correct": right,
        "idle_energy_j": (40 * seconds).round(2),
        "load_energy_j": [0] * rows,
        "emissions_kg": ((gpu + cpu + dram) / 3.6e6 * 0.3).round(9),
    }


@pytest.mark.parametrize(("rows", "seed"), [(3, 0), (30, 1), (90, 2), (900, 3)])
def test_clean_runs_raise_nothing(rows: int, seed: int) -> None:
    assert not [f for f in findings(table(clean(rows, seed))) if f.severity != "note"]


def test_summaries_and_tables_of_tests_raise_nothing() -> None:
    summary = table(
        {
            "generation": ["2", "3", "3.1", "3.2"],
            "n_runs": [180, 180, 180, 360],
            "mean_energy": [81556.687, 76065.623, 70402.652, 25930.612],
            "median_energy": [81303.949, 81262.231, 64709.833, 23180.267],
            "var_energy": [30218639.504, 457806558.108, 371556032.916, 131056930.084],
            "sd_energy": [5497.148, 21396.415, 19275.789, 11448.01],
            "min_energy": [73748.556, 49513.379, 49710.889, 10135.028],
            "mean_accuracy": [0.968, 0.94, 0.956, 0.93],
            "rho_energy_acc": [0.121, -0.044, 0.404, 0.331],
        }
    )
    tests = table(
        {
            "Term": ["generation", "task", "generation:task"],
            "F": [30.994, 2.236, 0.691],
            "Df": [3, 5, 15],
            "Pr(>F)": [0, 0.178, 0.738],
            "energy_eta_sq_ratio": [0.9, -0.1, 0.2],
        }
    )
    assert not findings(summary)
    assert not findings(tests)


ODD_CELLS = st.sampled_from(
    ["", "0", "-0", "nan", "inf", "-5", "1e308", "1e-320", "1,5", "12,345", "x", "3.0", "#REF!"]
)
NAMES = (
    "run_id", "gpu", "n_gpus", "model", "started_at", "ended_at", "duration_s", "latency_ms",
    "gpu_energy_j", "cpu_energy_kwh", "energy_j", "power_w", "energy_per_token_j", "tokens_out",
    "accuracy", "f1", "n_graded", "n_correct", "flops", "gflops_per_joule_forward",
    "mean_energy_j", "energy_per_correct_j", "power_limit_w", "number_of_feature_windows",
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_table_makes_a_rule_stumble(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=8))
    rows = data.draw(st.integers(0, 6))
    column = st.lists(ODD_CELLS, min_size=rows, max_size=rows)
    findings(table({name: data.draw(column) for name in names}))


def published(reference: Path, pattern: str) -> list[AuditTable]:
    return [read_table(path) for path in sorted(reference.glob(pattern))]


def test_the_counter_wraps_of_a_published_run_table_are_found(reference: Path) -> None:
    (raw,) = published(reference, "greenlab/run_tables/*_Raw.csv")
    wraps = [finding for finding in findings(raw) if finding.rule == "counter-wrap"]
    assert [finding.where for finding in wraps] == [f"{raw.name}: energy"]
    assert "29 of 900 rows are off by the whole range of a counter (262,144 J)" in wraps[0].message
    assert {finding.rule for finding in findings(raw)} == {"counter-wrap"}


def test_the_decimal_commas_of_a_published_run_table_are_found(reference: Path) -> None:
    (edited,) = published(reference, "greenlab/run_tables/*_Edited.csv")
    rules_broken = {finding.rule: finding.severity for finding in findings(edited)}
    assert rules_broken == {"decimal-comma": "warning", "few-graded": "warning"}


def test_published_means_of_four_watts_are_found_and_the_other_tables_are_quiet(
    reference: Path,
) -> None:
    broken = {
        subject.name: {finding.rule for finding in found}
        for subject in published(reference, "greenlab/published_tables/**/*.csv")
        if (found := findings(subject))
    }
    assert broken == {"RQ3.2_Descriptive_Summary.csv": {"power-below-idle"}}


def test_with_the_board_known_four_watts_are_wrong(reference: Path) -> None:
    (path,) = reference.glob("greenlab/published_tables/**/RQ3.2_Descriptive_Summary.csv")
    named = read_table(path, devices=("RTX 4090",))
    assert ("power-below-idle", "error") in {(f.rule, f.severity) for f in findings(named)}


def test_published_frontiers_are_consistent_in_themselves(reference: Path) -> None:
    frontiers = published(reference, "nlpfrontiers/**/pareto*.csv")
    assert len(frontiers) >= 10
    assert not [finding for subject in frontiers for finding in findings(subject)]


def test_published_profiles_draw_more_than_their_boards_may(reference: Path) -> None:
    profiles = published(reference, "flopmetrics/**/*energy_results.jsonl")
    above = {
        subject.name.partition("_llama")[0]
        for subject in profiles
        for finding in findings(subject)
        if finding.rule == "power-above-limit"
    }
    assert above == {"a100-40g_fp16", "a100-80g_fp16"}
