"""The published profiles and counters, against values that were recomputed without our code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulebench.importers.contract import ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.flopmetrics import FlopMetricsImporter
from joulebench.record import Run, RunTable

PASSES = ("forward", "backward")


@pytest.fixture(scope="module")
def values(reference: Path) -> dict[str, Any]:
    text = (reference / "flopmetrics_reference_dev.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture(scope="module")
def table(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> RunTable:
    out = tmp_path_factory.mktemp("import") / "flops"
    source = reference / "flopmetrics"
    write_study(FlopMetricsImporter().read(source, ImportOptions("flops", out=out)), out)
    return RunTable.load(out)


def held_against(run: Run, expected: dict[str, Any]) -> None:
    for name in PASSES:
        known, energy = expected[name], run.energy["gpu0:power"][name]
        (window,) = [w for w in run.windows if w.name == name]
        assert energy["joules"] == known["E_mean"]
        assert energy["noise"] == known["E_sem"]
        assert window.duration_s == pytest.approx(known["gpu_ms"] / 1e3)
        assert run.work["flops_by_window"][name] == known["F"]


def test_profiles_are_those_recomputed(table: RunTable, values: dict[str, Any]) -> None:
    runs = {run.run_id: run for run in table.runs}
    for expected in values["architecture_optimized"]:
        run = runs[Path(expected["file"]).stem]
        assert run.levels == {
            "gpu": expected["label"], "precision": expected["precision"],
            "config": expected["config"], "batch_size": expected["B"],
            "input_length": expected["S"],
        }  # fmt: skip
        held_against(run, expected)


def test_baselines_are_those_recomputed(table: RunTable, values: dict[str, Any]) -> None:
    baseline = {
        (run.levels["gpu"], run.levels["precision"]): run
        for run in table.runs
        if run.levels.keys() == {"gpu", "precision"}
    }
    assert len(baseline) == len(values["architecture_baseline"])
    for expected in values["architecture_baseline"]:
        held_against(baseline[expected["gpu"], expected["precision"]], expected)


def test_every_configuration_of_the_counters_is_a_run(
    table: RunTable, values: dict[str, Any], reference: Path
) -> None:
    raw = [each for run in table.runs for each in run.facts.get("raw_files", [])]
    assert len(raw) == len(list(reference.rglob("hyper_surface_n*.csv"))) + 3
    compared = 0
    for folder, expected in values["hyper_surface"].items():
        columns = expected["columns"]
        rows = {tuple(map(int, row[:3])): dict(zip(columns, row, strict=True))
                for row in expected["rows"]}  # fmt: skip
        for run in table.runs:
            told = run.facts.get("published", {})
            row = rows.get(tuple(run.levels.get(letter, 0) for letter in "ndm"))
            if folder in str(told.get("table")) and row is not None:
                compared += 1
                assert told["values"]["ncu_total_flops_fwd"] == row["ncu_total_flops_fwd"]
    assert compared >= 100
    assert {run.status for run in table.runs} == {"done"}


def test_what_the_labels_get_wrong_is_said(table: RunTable) -> None:
    findings = table.study["findings"]
    assert [f["seen"] for f in findings if f["rule"] == "label-inconsistent"] == ["L40S", "L40S"]
    assert [f["seen"] for f in findings if f["rule"] == "record-copied"] == ["18 copies"]
