"""What a report says of answers, of who graded them, and of their energy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from served_study import JUDGE, SCORE, Served, make_served

from joulebench.record import RunTable
from joulebench.report import build_report
from joulebench.report.answers import CellAnswers, cell_answers
from joulebench.report.answers_rows import (
    answer_notes,
    answer_rows,
    judge_heads,
    judge_notes,
    judge_rows,
)
from joulebench.report.cells import cells
from joulebench.report.evidence import Evidence
from joulebench.stats import quotient, wilson_interval

ONE = Served(sizes=(4,), models=("tiny_a",), score=SCORE)


def found(folder: Path, served: Served) -> list[CellAnswers]:
    make_served(folder, served)
    return cell_answers(Evidence.of(folder))


def test_the_accuracy_s_interval_is_over_items_and_not_over_answers(tmp_path: Path) -> None:
    cell = found(tmp_path, replace(ONE, repetitions=6))[0]
    assert (cell.asked, cell.graded, cell.missing) == (6 * 84, 6 * 80, 6 * 4)
    assert cell.estimates["accuracy"] == wilson_interval(60, 80)
    assert "over items" in " ".join(answer_notes([cell]))


def test_prompts_that_a_load_asks_again_are_no_further_items(tmp_path: Path) -> None:
    cell = found(tmp_path, replace(ONE, prompts=20))[0]
    n = RunTable.load(tmp_path).runs[0].work["requests"]
    accuracy = cell.estimates["accuracy"]
    assert accuracy.n == pytest.approx(80 * 20 / n, abs=1)
    assert accuracy.value == pytest.approx(0.75)
    assert accuracy.half_width > wilson_interval(60, 80).half_width * 1.5


def test_energy_per_answer_and_per_correct_answer_have_both_uncertainties(tmp_path: Path) -> None:
    cell = found(tmp_path, ONE)[0]
    runs = RunTable.load(tmp_path).runs
    joules = sum(run.energy["gpu0:power"]["measure"]["joules"] for run in runs)
    answers = sum(run.work["requests"] for run in runs)
    each, right = cell.estimates["per_answer_j"], cell.estimates["per_correct_j"]
    assert each.value == pytest.approx(joules / answers)
    assert right.value == pytest.approx(joules / answers / 0.75)
    expected = quotient(each, wilson_interval(60, 80))
    assert (right.low, right.high) == pytest.approx((expected.low, expected.high))
    shares = [e.half_width / e.value for e in (each, wilson_interval(60, 80), right)]
    assert shares[2] > max(shares[:2])


def test_the_table_of_cells_says_the_same(tmp_path: Path) -> None:
    make_served(tmp_path, replace(ONE, prompts=20))
    evidence = Evidence.of(tmp_path)
    cell, answers = cells(evidence)[0], cell_answers(evidence)[0]
    for name in ("accuracy", "per_correct_j"):
        assert cell.estimates[name] == answers.estimates[name]


def test_a_judge_s_energy_is_apart_and_a_share_of_what_was_measured(tmp_path: Path) -> None:
    cell = found(tmp_path, replace(ONE, judge=JUDGE))[0]
    runs = RunTable.load(tmp_path).runs
    judged = [run.energy["gpu0:power"]["judge"]["joules"] for run in runs]
    measured = [run.energy["gpu0:power"]["measure"]["joules"] for run in runs]
    judge = cell.judge
    assert judge is not None
    assert judge.energy is not None
    assert judge.share is not None
    assert judge.energy.value == pytest.approx(sum(judged) / 3)
    assert judge.share.value == pytest.approx(sum(judged) / sum(measured))
    assert judge.share.bias < 1e-9, "a gain that both share cancels"
    assert cell.estimates["per_answer_j"].value == pytest.approx(
        sum(measured) / sum(run.work["requests"] for run in runs)
    )


def test_a_judge_s_work_is_added_up_and_its_agreement_is_not_made_surer(tmp_path: Path) -> None:
    cells = found(tmp_path, replace(ONE, judge=JUDGE))
    judge = cells[0].judge
    assert judge is not None
    assert (judge.requests, judge.malformed, judge.missing) == (720, 6, 3)
    assert judge.cost == pytest.approx(0.06)
    rules = judge.agreement["rules"]
    assert rules.kappa is not None
    assert rules.n == 3 * 79
    assert rules.agreed == pytest.approx(71 / 79)
    assert (rules.kappa.low, rules.kappa.high) == pytest.approx((0.65, 0.93))
    row = judge_rows(cells, [])[0]
    assert row["judge"] == "judge-7b, prompt 2, 3 votes"
    assert row["cost"] == "0.0600 USD"
    assert row["agreement"] == ["89.9 % of 237", "0.79 (0.65 to 0.93)", "87.5 % of 120",
                                "0.74 (0.50 to 0.95)"]  # fmt: skip
    assert [head["title"] for head in judge_heads(cells)] == [
        "Agrees with rules", "κ, rules", "Agrees with people", "κ, people"]  # fmt: skip


@pytest.mark.parametrize("kappa", [{"kappa": None, "low": None, "high": None}, {}])
def test_a_kappa_that_nobody_can_know_is_absent(tmp_path: Path, kappa: dict[str, Any]) -> None:
    agreement = {"rules": {"n": 5, "agreed": 5, **kappa}, "human": {"n": 0, "agreed": 0}}
    cells = found(tmp_path, replace(ONE, judge={**JUDGE, "agreement": agreement}))
    assert judge_rows(cells, [])[0]["agreement"] == ["100.0 % of 15", "–"]
    assert "κ is absent where one of the two" in " ".join(judge_notes(cells))


def test_random_weights_have_no_accuracy_and_the_report_says_why(tmp_path: Path) -> None:
    served = replace(ONE, engine={"random_weights": True}, judge=JUDGE)
    cells = found(tmp_path, served)
    assert set(cells[0].estimates) == {"per_answer_j"}
    row = answer_rows(cells, [])[0]
    assert (row["accuracy"][0], row["graded"], row["missing"]) == ("–", "–", "–")
    assert "the model's weights are random" in " ".join(answer_notes(cells))
    page = build_report(tmp_path).read_text(encoding="utf-8")
    assert "Accuracy</button>" not in page
    assert "the model&#39;s weights are random" in page
    assert "judge-7b" in page, "what was judged is kept"


def test_a_judge_of_random_weights_gives_no_accuracy(tmp_path: Path) -> None:
    served = replace(ONE, score=None, judge={**JUDGE, "random_weights": True},
                     facts={"no_score": "the judge's weights are random"})  # fmt: skip
    cells = found(tmp_path, served)
    assert "accuracy" not in cells[0].estimates
    assert "random weights" in " ".join(judge_notes(cells))
    assert "the judge's weights are random" in " ".join(answer_notes(cells))


def test_without_a_sensor_there_is_an_accuracy_and_no_energy(tmp_path: Path) -> None:
    cells = found(tmp_path, replace(ONE, energy=False, judge=JUDGE))
    assert set(cells[0].estimates) == {"accuracy"}
    assert "not known" in " ".join(judge_notes(cells))
    page = build_report(tmp_path).read_text(encoding="utf-8")
    assert 'id="answers"' in page


def test_a_cost_limit_that_ended_the_judging_is_said(tmp_path: Path) -> None:
    cells = found(tmp_path, replace(ONE, judge={**JUDGE, "stopped_by_cost": True}))
    assert "(cost limit)" in judge_rows(cells, [])[0]["missing"]
    assert "The cost limit ended the judging of 3 runs." in judge_notes(cells)


def test_nothing_graded_is_no_section(tmp_path: Path) -> None:
    make_served(tmp_path, replace(ONE, score=None))
    assert 'id="answers"' not in build_report(tmp_path).read_text(encoding="utf-8")


def test_the_table_on_disk_has_it_unrounded(tmp_path: Path) -> None:
    make_served(tmp_path, replace(ONE, judge=JUDGE))
    build_report(tmp_path)
    row = pd.read_csv(tmp_path / "report/tables/answers.csv").iloc[0]
    assert row["accuracy"] == 0.75
    assert row["accuracy_low"] == wilson_interval(60, 80).low
    assert row["judge_rules_kappa_low"] == pytest.approx(0.65)
    assert row["judge_cost"] == pytest.approx(0.06)
    assert row["judge_share"] > 0
