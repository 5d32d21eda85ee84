"""What the rules on design find in published studies."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from test_design_clean import rules

from joulebench.audit.examine import examine
from joulebench.audit.gather import gather
from joulebench.finding import Finding

Audit = Callable[..., list[Finding]]


@pytest.fixture
def audit(reference: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    """Apply the rules on design, and no others, to parts of the reference data."""
    monkeypatch.setattr(import_module("joulebench.audit.examine"), "rules", lambda: tuple(rules()))
    names = {rule.name for rule in rules()} | {"not-checked"}

    def found(*parts: str) -> list[Finding]:
        examined = examine(gather([reference / part for part in parts]))
        return [finding for finding in examined.findings if finding.rule in names]

    return found


def of(found: list[Finding], rule: str, severity: str = "") -> list[Finding]:
    return [f for f in found if f.rule == rule and severity in ("", f.severity)]


def test_generations_of_language_models(audit: Audit) -> None:
    found = audit("greenlab")
    assert not [f for f in found if f.severity == "error" or f.rule == "not-checked"]
    units = [f for f in of(found, "pseudoreplication") if f.where.endswith("generation")]
    assert {f.seen for f in units} == {"1 degrees of freedom"}
    assert all("only 5 models" in f.message for f in units)
    aliased = of(found, "empty-cells", "warning")
    assert {f.seen for f in aliased} == {"5 of 16 cells, rank 5"}
    (saturated, _) = of(found, "saturated-model", "note")
    assert "24 parameters leave 6" in saturated.message
    (same, *_) = of(found, "identical-responses", "warning")
    assert same.seen == "47 runs"
    assert of(found, "constant-column")
    assert of(found, "repeated-items", "note")


def test_its_mixed_model_has_six_degrees_of_freedom(audit: Audit) -> None:
    tests = "greenlab/published_tables/Statistical_Tests"
    found = audit(
        f"{tests}/RQ2/RQ2_Omnibus_ART_Mixed_Model.csv",
        f"{tests}/RQ3.2/RQ3.2_Omnibus_ART_Mixed_Model.csv",
        "greenlab/run_tables/GL_Final_Run_Table_Edited.csv",
    )
    (finding,) = of(found, "saturated-model", "warning")
    assert finding.seen == "6"
    assert "24 parameters of generation * task on 30 groups" in finding.message


def test_frontiers_of_small_models(audit: Audit) -> None:
    found = audit("nlpfrontiers")
    assert not [f for f in found if f.severity == "error" or f.rule == "not-checked"]
    once = of(found, "no-repeats")
    assert len([f for f in once if "pareto" in f.where]) == 11
    close = of(found, "difference-below-spread", "warning")
    assert any("bf16 and fp16" in f.message for f in close)
    chosen = {f.where.rpartition(": ")[2] for f in of(found, "selection-on-test", "warning")}
    assert chosen == {"accuracy", "no_answer_probability_threshold"}
    (trained,) = of(found, "evaluation-in-training")
    assert trained.seen == "25 to 26 %"
    dominated = {f.where: f.seen for f in of(found, "frontier-not-dominant")}
    lengths = "v1/outputs/sst2/phase_2_sequence_length/pareto_max_sequence_length.csv"
    assert dominated[f"{lengths}: energy_per_example_j against accuracy"] == "3 dominated"
    layers = "v1/outputs/sst2/phase_2_layers/pareto_layers.csv"
    assert dominated[f"{layers}: energy_per_example_j against accuracy"] == "1 dominated"


def test_efficiencies_of_accelerators(audit: Audit) -> None:
    folder = "flopmetrics/experiments/architecture/results_baseline"
    found = audit(folder, f"{folder}/gpu_time_combined.csv")
    assert not [f for f in found if f.severity == "error" or f.rule == "not-checked"]
    (device,) = of(found, "mislabelled-row")
    assert device.seen == "l40 and l40s"
    assert not of(audit("flopmetrics"), "order-confounded"), "nothing says when these were run"
