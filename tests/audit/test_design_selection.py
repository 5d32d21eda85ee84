"""Choices made on the data that are reported, and points that are no frontier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from design_samples import Columns, changed, digest_of, on_evidence, on_table
from tables import table

from joulebench.audit.design_frontier import RULES as FRONTIER
from joulebench.audit.design_frontier import dominated
from joulebench.audit.design_selection import RULES
from joulebench.audit.digest import RunDigest

QUALITY = {"f1": 75.9695, "best_f1": 75.978, "best_f1_thresh": 0.06432}


def test_the_best_over_thresholds_is_an_upper_bound() -> None:
    columns: Columns = {"model": ["a", "b"], "energy_j": [1.0, 2.0], "best_f1": [70.1, 75.2],
               "best_f1_thresh": [0.06, 0.04]}  # fmt: skip
    (finding,) = on_table(RULES, columns)
    assert finding.severity == "warning"
    (finding,) = on_table(RULES, columns | {"f1": [69.0, 75.0]})
    assert finding.severity == "note"
    assert not on_table(RULES, {"model": ["a"], "f1": [69.0], "best_epoch": [2]})


def run(threshold: float, **published: float) -> RunDigest:
    values = {**QUALITY, **published}
    return digest_of("r", settings={"no_answer_threshold": threshold}, published={"values": values})


def test_a_threshold_that_is_the_best_of_the_reported_data() -> None:
    (finding,) = on_evidence(RULES, digests=[run(0.06458)])
    assert finding.severity == "warning"
    assert "within 0.4 %" in finding.message


@pytest.mark.parametrize("threshold", [0.5, 0.0, 0.08, 0.0632])
def test_other_thresholds_pass(threshold: float) -> None:
    assert not on_evidence(RULES, digests=[run(threshold)])
    usual = run(0.5, best_f1_thresh=0.5001)
    assert not on_evidence(RULES, digests=[usual])


TRAINED = {
    "best_model_directory": "runs/best",
    "num_train_epochs": 2,
    "eval_accuracy": 0.9300458715,
}


def test_a_best_epoch_that_was_chosen_by_what_is_reported() -> None:
    reported = {"values": {"accuracy": 0.9300458715}}
    (finding,) = on_evidence(RULES, digests=[digest_of("r", settings=TRAINED, published=reported)])
    assert finding.where == "made-up: accuracy"
    for settings in ({"num_train_epochs": 1}, {"eval_accuracy": 0.93104}):
        one = digest_of("r", settings=TRAINED | settings, published=reported)
        assert not on_evidence(RULES, digests=[one])
    last = {key: value for key, value in TRAINED.items() if key != "best_model_directory"}
    one = digest_of("r", settings=last, published=reported)
    assert not on_evidence(RULES, digests=[one])


def test_evaluation_inside_training() -> None:
    slow = digest_of("train", evaluation_s=2264.0, stated_duration_s=8763.8)
    (finding,) = on_evidence(RULES, digests=[slow, digest_of("infer")])
    assert finding.rule == "evaluation-in-training"
    assert finding.seen == "26 %"
    short = digest_of("train", evaluation_s=100.0, stated_duration_s=8763.8)
    assert not on_evidence(RULES, digests=[short])


def test_dominated_points_of_a_frontier() -> None:
    columns: Columns = {"label": ["a", "b", "c", "d"], "energy_j": [4.0, 3.0, 2.0, 2.0],
               "accuracy": [0.9, 0.9, 0.7, 0.8]}  # fmt: skip
    (finding,) = on_table(FRONTIER, table(columns, "pareto.csv"))
    assert finding.severity == "note"
    assert "(line 2, line 4)" in finding.message
    assert not on_table(FRONTIER, table(columns, "results.csv"))
    marked = columns | {"is_pareto": ["no", "yes", "no", "yes"]}
    assert not on_table(FRONTIER, table(marked, "pareto.csv"))
    front = changed(columns, accuracy={0: 0.95, 2: 0.8})
    assert not on_table(FRONTIER, table(front, "pareto.csv")), "equal points do not dominate"


def test_dominance_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(8)
    for _ in range(200):
        cost, quality = rng.integers(0, 5, 9).astype(float), rng.integers(0, 5, 9).astype(float)
        cost[rng.integers(0, 9)] = np.nan
        expected = [
            i
            for i in range(9)
            if any(
                cost[j] <= cost[i]
                and quality[j] >= quality[i]
                and (cost[j] < cost[i] or quality[j] > quality[i])
                for j in range(9)
            )
        ]
        assert dominated(cost, quality).tolist() == expected
    assert not len(dominated(np.array([]), np.array([])))


def test_the_folder_of_a_frontier_names_it_too(tmp_path: Path) -> None:
    columns: Columns = {"label": ["a", "b"], "energy_j": [4.0, 3.0], "accuracy": [0.9, 0.9]}
    path = tmp_path / "sweep" / "pareto.csv"
    assert on_table(FRONTIER, table(columns, "sweep/pareto.csv", path=path))
