"""The published frontier study, against values recomputed without any of our code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulebench.importers.contract import ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.nlpfrontiers import NlpFrontiersImporter
from joulebench.record import Run, RunTable

LARGEST_OFF = 3.4e-6
"""The traces' clock is written with six decimals, the published joules are not made from it."""


@pytest.fixture(scope="module")
def source(reference: Path) -> Path:
    return reference / "nlpfrontiers"


@pytest.fixture(scope="module")
def expected(reference: Path) -> dict[str, Any]:
    path = reference / "nlpfrontiers_reference_dev.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def out(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("import") / "frontiers"
    write_study(NlpFrontiersImporter().read(source, ImportOptions("frontiers")), folder)
    return folder


@pytest.fixture(scope="module")
def runs(out: Path) -> dict[str, Run]:
    return {run.run_id: run for run in RunTable.load(out).runs}


@pytest.fixture(scope="module")
def points(runs: dict[str, Run]) -> dict[tuple[str, str, str], Run]:
    """Runs of the first form by task, sweep and label."""
    found = {}
    for run in runs.values():
        published = run.facts.get("published", {})
        if "label" in published.get("values", {}):
            sweep = Path(published["path"]).parent
            found[sweep.parent.name, sweep.name, str(published["values"]["label"])] = run
    return found


def joules(run: Run) -> float:
    value: float = run.energy["gpu0:power"]["measure"]["joules"]
    return value


def meter_run(runs: dict[str, Run], name: str) -> Run:
    folder, _, file = name.rpartition("/")
    phase = "training" if "train" in file else "inference"
    return runs[f"outputs.{folder.replace('/', '.')}.{phase}"]


def test_all_points_are_there(runs: dict[str, Run], expected: dict[str, Any]) -> None:
    assert {run.status for run in runs.values()} == {"done"}
    # One training left only its sum behind.
    assert len(runs) == len(expected["v1_points"]) + len(expected["v2_meters"]) + 1


def test_energies_of_the_first_form(
    points: dict[tuple[str, str, str], Run], expected: dict[str, Any]
) -> None:
    for point in expected["v1_points"]:
        run = points[point["task"], point["sweep"], point["label"]]
        assert joules(run) == pytest.approx(point["E_trapz"], rel=1e-12), run.run_id
        assert joules(run) == pytest.approx(point["E_pub"], rel=LARGEST_OFF), run.run_id
        assert run.facts["recorder"]["samples"] == point["n_samples"]
        assert run.windows[0].duration_s == pytest.approx(point["trace_span_s"], rel=1e-9)
        assert run.facts["stated_duration_s"] == pytest.approx(point["window_s"], rel=1e-9)


def test_counts_and_scores_of_the_first_form(
    points: dict[tuple[str, str, str], Run], expected: dict[str, Any]
) -> None:
    for point in expected["v1_points"]:
        run = points[point["task"], point["sweep"], point["label"]]
        assert run.work["requests"] == point["n"], run.run_id
        noted = {finding.rule for finding in run.findings}
        assert ("inferred-count" in noted) == (point["task"] == "squad")
        if point["acc_re"] is None:
            assert run.score is None
            continue
        assert run.score is not None
        assert run.score["n_correct"] == point["n_correct"]
        assert run.score["accuracy"] == point["acc_re"] == point["acc_pub"]


def test_energies_of_the_later_form(runs: dict[str, Run], expected: dict[str, Any]) -> None:
    for name, meter in expected["v2_meters"].items():
        run = meter_run(runs, name)
        assert joules(run) == pytest.approx(meter["E_pub"], rel=1e-14), name
        assert run.facts["stated_energy_j"] == meter["E_pub"]
        assert run.facts["stated_duration_s"] == meter["duration"]
        assert run.facts["recorder"]["samples"] == meter["n"]
        gaps = {finding.rule for finding in run.findings} & {"sampling-gap"}
        assert bool(gaps) == bool(meter["n_gap1"]), name


def test_evaluation_within_training(runs: dict[str, Run], expected: dict[str, Any]) -> None:
    for name, share in expected["training_eval_share"].items():
        run = runs[f"outputs.{name}.training"]
        assert run.facts["evaluation_s"] == pytest.approx(share["eval_runtime_sum_s"], rel=1e-12)
        assert run.facts["evaluations"] == share["evals"]
        assert joules(run) == pytest.approx(share["E_train"], rel=1e-14)


def test_levels(runs: dict[str, Run]) -> None:
    last = runs["outputs.token_pruning_sweep_bert_full.token_pruning_keep_ratio_0_30.inference"]
    assert last.levels == {
        "task": "squad_v2",
        "sweep": "token_pruning_sweep_bert_full",
        "phase": "inference",
        "model": "bert_full",
        "max_sequence_length": "384",
        "precision": "",
        "num_encoder_layers": "",
        "token_pruning_keep_ratio": "0.3",
    }
    nested = runs["v1.outputs.sst2.phase_2_combination.precision_fp16.max_sequence_length_16"]
    assert [level for level in nested.levels.values() if level] == [
        "sst2", "phase_2_combination", "inference", "bert-base-uncased", "16", "fp16",
    ]  # fmt: skip
    assert {run.levels["task"] for run in runs.values()} == {"sst2", "qqp", "squad", "squad_v2"}


def test_questions_are_the_denominator_everywhere(runs: dict[str, Run]) -> None:
    later = [run for run in runs.values() if run.levels["task"] == "squad_v2"]
    inference = [run for run in later if run.levels["phase"] == "inference"]
    assert {run.work["requests"] for run in inference} == {11873}
    windows = {run.facts["meter"].get("number_of_inference_examples") for run in inference}
    assert windows == {None, 12134}


def test_short_windows_are_doubted_enough(points: dict[tuple[str, str, str], Run]) -> None:
    """At full load the board stands at its limit of 72 W; a run of under 1 s may have drawn it."""
    for run in points.values():
        seconds = run.windows[0].duration_s
        if seconds >= 1:
            continue
        energy = run.energy["gpu0:power"]["measure"]
        doubt_j = float(np.hypot(energy["noise"], np.hypot.reduce(list(energy["biases"].values()))))
        assert 72.0 * seconds <= energy["joules"] + 1.96 * doubt_j, run.run_id


def test_second_import_does_nothing(source: Path, out: Path) -> None:
    again = NlpFrontiersImporter().read(source, ImportOptions("frontiers"))
    assert write_study(again, out).unchanged
    assert {table.name for table in again.tables} >= {"pareto.csv", "pareto_layers.csv"}
    assert len(again.tables) == 14


@pytest.mark.parametrize(
    ("part", "count"),
    [
        ("v1/outputs/sst2", 33),
        ("v1/outputs/sst2/phase_2_layers", 6),
        ("v1/outputs/sst2/phase_2_layers/num_layers_4", 1),
        ("outputs/distilbert_baseline_squad_v2", 2),
        ("outputs/precision_sweep_distilbert/precision_bf16", 1),
    ],
)
def test_any_part_of_the_tree(source: Path, runs: dict[str, Run], part: str, count: int) -> None:
    imported = NlpFrontiersImporter().read(source / part, ImportOptions("part"))
    read = [imported.run(place).run for place in range(imported.count)]
    assert len(read) == count
    whole = {joules(run) for run in runs.values()}
    assert {joules(run) for run in read} <= whole


def test_recognised(source: Path) -> None:
    sighting = NlpFrontiersImporter().recognise(source)
    assert sighting is not None
    assert sighting.seen == "46 power_trace.csv and 20 energy_*.json with samples"
    assert NlpFrontiersImporter().recognise(source.parent / "greenlab") is None
    assert NlpFrontiersImporter().recognise(source.parent / "flopmetrics") is None
