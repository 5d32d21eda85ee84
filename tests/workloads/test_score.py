"""Scores by rules and by choice, and the energy of each answer and each correct answer."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulebench.answer_energy import per_answer, per_correct, wilson_95
from joulebench.engines.echo import EchoEngine
from joulebench.errors import UsageError
from joulebench.joules import Energy
from joulebench.record import Run
from joulebench.run_row import COLUMNS, row
from joulebench.stats import wilson_interval
from joulebench.tasks.forms import FORMS
from joulebench.tasks.registry import build_task
from joulebench.work import Load, Request, Response, Sampling
from joulebench.workloads.generate import GenerateWorkload
from joulebench.workloads.registry import build_workload
from joulebench.workloads.score import RulesScorer
from joulebench.workloads.score_choice import ChoiceScorer
from joulebench.workloads.workload import WorkResult

Grades = Sequence[bool | None]


class GradedTask:
    """A task that grades as it is told."""

    name = "told"

    def __init__(self, grades: Grades) -> None:
        self.grades = dict(enumerate(grades))

    def requests(self) -> list[Request]:
        return [Request(f"told-{i:04d}", f"prompt {i}") for i in self.grades]

    def grade(self, request: Request, text: str) -> bool | None:
        del text
        return self.grades[int(request.request_id.split("-")[1])]


def result_of(task: Any) -> WorkResult:
    requests = task.requests()
    responses = [Response(each.request_id, "yes", 1, 1, 0.0, 0.5, 1.0) for each in requests]
    return WorkResult(responses=responses, requests=requests, facts={"engine": {}})


def scored(grades: Grades) -> WorkResult:
    task = GradedTask(grades)
    result = result_of(task)
    RulesScorer(task).grade(result, None)  # type: ignore[arg-type]
    return result


# By rules


@pytest.mark.parametrize(("correct", "n"), [(0, 12), (5, 12), (12, 12), (43, 80), (1, 1)])
def test_the_interval_is_that_of_the_statistics(correct: int, n: int) -> None:
    expected = wilson_interval(correct, n)
    assert wilson_95(correct, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_what_cannot_be_graded_is_missing_and_counted() -> None:
    result = scored([True, True, False, None])
    low, high = wilson_95(2, 3)
    assert result.score == {
        "accuracy": 2 / 3,
        "n_graded": 3,
        "n_correct": 2,
        "n_asked": 4,
        "accuracy_low": low,
        "accuracy_high": high,
        "scorer": "rules",
    }
    assert result.marks == [{"grade": grade} for grade in (True, True, False, None)]


def test_a_prompt_that_is_asked_again_is_no_further_item() -> None:
    task = GradedTask([True, False])
    result = result_of(task)
    result.requests = [*result.requests] * 10
    result.responses = [*result.responses] * 10
    RulesScorer(task).grade(result, None)  # type: ignore[arg-type]
    assert result.score is not None
    assert result.score["n_graded"] == 20
    interval = result.score["accuracy_low"], result.score["accuracy_high"]
    assert interval == pytest.approx(wilson_95(1, 2))


def test_nothing_graded_is_no_score() -> None:
    result = scored([None, None])
    assert result.score is None
    assert result.facts["no_score"] == "no answer could be graded"


# By choice


class Prefers(EchoEngine):
    """An engine that holds some words for likelier."""

    def __init__(self, **nats: float) -> None:
        super().__init__()
        self.nats = nats
        self.asked: list[int] = []

    def choice_logprobs(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        self.asked.append(len(requests))
        return [[self.nats.get(text, -9.0) for text in texts] for texts in choices]


def chosen(engine: Prefers, task: Any, together: int = 1) -> WorkResult:
    scorer = ChoiceScorer(task)
    load = Load("batch", together)
    work = GenerateWorkload(scorer.engine_for(engine), task, load, Sampling(), 0, scorer)
    result = work.run()
    work.grade(result)
    json.dumps([result.score, result.marks], allow_nan=False)
    return result


def test_the_likeliest_choice_is_the_answer() -> None:
    engine = Prefers(yes=-1.0, no=-2.0)
    result = chosen(engine, build_task("boolq", {}), together=5)
    assert result.score is not None
    assert (result.score["scorer"], result.score["n_graded"]) == ("choice", 12)
    assert result.score["accuracy"] == 0.5
    assert result.score["metrics"] == {"choice_accuracy": 0.5, "choice_accuracy_by_length": 0.5}
    assert engine.asked == [5, 5, 2]
    assert result.work == {"requests": 12, "tokens_out": 0}
    assert result.facts["engine"]["weighs_choices"] is True
    assert json.loads(result.responses[0].text) == {"likeliest": 1, "logprobs": [-2.0, -1.0]}
    assert result.marks[0] == {
        "grade": True,
        "grade_by_length": True,
        "chosen": "yes",
        "chosen_by_length": "yes",
        "choices": ["no", "yes"],
        "logprobs": [-2.0, -1.0],
    }


def test_a_long_choice_is_fairer_by_its_length() -> None:
    engine = Prefers(neutral=-3.0, contradiction=-3.3, entailment=-5.0)
    result = chosen(engine, build_task("cb", {"prompt": "short"}))
    assert {mark["chosen"] for mark in result.marks} == {"neutral"}
    assert {mark["chosen_by_length"] for mark in result.marks} == {"contradiction"}
    grades = [mark["grade"] for mark in result.marks]
    assert grades != [mark["grade_by_length"] for mark in result.marks]
    assert (result.score or {})["accuracy"] == sum(grades) / len(grades)


@pytest.mark.parametrize("nats", [{"yes": -1.0, "no": -1.0}, {"yes": math.nan, "no": -1.0}])
def test_a_tie_or_no_number_is_missing(nats: dict[str, float]) -> None:
    result = chosen(Prefers(**nats), build_task("boolq", {}))
    assert result.marks[0]["grade"] is None
    assert result.marks[0]["chosen"] is None


def test_impossible_choices_may_lose() -> None:
    result = chosen(Prefers(yes=-1.0, no=-math.inf), build_task("boolq", {}))
    assert (result.score or {})["accuracy"] == 0.5
    assert result.marks[0]["logprobs"] == [None, -1.0]


def test_every_form_says_what_may_be_answered_and_what_is_right() -> None:
    for name in FORMS:
        for variant in ("short", "explain"):
            task = build_task(name, {"prompt": variant})
            for request in task.requests():
                choices = task.choices(request)  # type: ignore[attr-defined]
                assert choices.right
                assert set(choices.right) <= set(choices.texts) or not choices.texts
                # What is right is graded as right by the rules, the label apart from any other.
                assert task.grade(request, choices.right[0]) is True, (name, variant)
                for text in choices.texts:
                    if text not in choices.right:
                        assert task.grade(request, text) is False, (name, variant, text)


@pytest.mark.parametrize(
    ("task", "says"), [("boolq", "tells how likely"), ("squad", "answers to choose from")]
)
def test_choice_needs_an_engine_and_a_task_for_it(task: str, says: str) -> None:
    plan = {"workload": "generate", "model": "m", "task": task, "engine": {"kind": "echo"}}
    with pytest.raises(UsageError, match=f"tasks.score: kind: choice needs .*{says}") as error:
        build_workload(plan | {"tasks": {"score": {"kind": "choice"}}})
    assert "\n" not in str(error.value)


def test_a_request_without_choices_is_asked_nothing_and_missing(tmp_path: Path) -> None:
    lines = [{"prompt": "Metal?", "label": "no", "choices": ["no", "yes"]},
             {"prompt": "Say it.", "label": "no"}]  # fmt: skip
    file = tmp_path / "prompts.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    engine = Prefers(no=-1.0)
    result = chosen(engine, build_task("prompts", {"prompts": str(file)}))
    assert engine.asked == [1]
    assert [mark["grade"] for mark in result.marks] == [True, None]
    assert json.loads(result.responses[1].text) == {"likeliest": None, "logprobs": []}


# Energy of each answer

ENERGY = Energy(120.0, 3.0, {"gain of gpu0:power": 4.0})


def run_of(grades: Grades) -> Run:
    score = scored(grades).score
    work = {"requests": len(grades), "tokens_out": 10}
    return Run(run_id="r", study="s", trial={}, work=work, score=score, facts={"task": "boolq"})


def test_energy_of_each_answer_has_the_doubts_of_the_energy() -> None:
    each = per_answer(run_of([True] * 12), ENERGY)
    assert each is not None
    assert (each.joules, each.noise) == (10.0, 0.25)
    assert each.bias == pytest.approx(1 / 3)


def test_energy_of_each_correct_answer_has_the_doubt_of_so_few_items_besides() -> None:
    each = per_correct(run_of([True] * 6 + [False] * 6), ENERGY)
    assert each is not None
    assert (each.joules, each.noise) == (20.0, 0.5)
    low, high = wilson_95(6, 12)
    doubt = 20.0 * math.log(high / low) / (2 * 1.959963984540054)
    assert each.biases == {
        "gain of gpu0:power": pytest.approx(2 / 3), "items of boolq": pytest.approx(doubt)
    }  # fmt: skip
    assert each.bias == pytest.approx(math.hypot(2 / 3, doubt))
    # All correct: the share is still not known to be 1.
    certain = per_correct(run_of([True] * 12), ENERGY)
    assert certain is not None
    assert certain.biases["items of boolq"] > 0


def test_answers_that_were_not_graded_used_energy_too() -> None:
    each = per_correct(run_of([True] * 3 + [False] * 3 + [None] * 6), ENERGY)
    assert each is not None
    assert each.joules == 20.0


@pytest.mark.parametrize("grades", [[False] * 4, [None] * 4])
def test_without_a_correct_answer_there_is_no_energy_of_one(grades: Grades) -> None:
    assert per_correct(run_of(grades), ENERGY) is None


def test_scores_that_state_no_interval_get_wilsons() -> None:
    run = run_of([True] * 6 + [False] * 6)
    own = per_correct(run, ENERGY)
    plain = {"accuracy": 0.5, "n_graded": 12, "n_correct": 6, "scorer": "imported"}
    imported = per_correct(replace(run, score=plain), ENERGY)
    assert own is not None
    assert imported is not None
    assert imported.bias == pytest.approx(own.bias)
    assert per_correct(replace(run, score={"accuracy": 0.5, "scorer": "x"}), ENERGY) is None


def test_the_delta_method_covers_repeated_samples_of_items() -> None:
    """Of 2000 samples of 80 items, the interval on the log scale holds the truth in about 95 %."""
    import random

    rng, truth, held = random.Random(5), 100.0 / 0.6, 0
    exact = Energy(100.0 * 80, 0.0)
    for _ in range(2000):
        run = run_of([rng.random() < 0.6 for _ in range(80)])
        each = per_correct(run, exact)
        assert each is not None
        held += abs(math.log(each.joules / truth)) <= 1.96 * each.bias / each.joules
    assert 0.93 <= held / 2000 <= 0.97


def test_the_row_has_the_interval_and_no_energy_without_a_sensor() -> None:
    cells = row(run_of([True] * 6 + [False] * 6))
    assert (cells["accuracy"], cells["n_correct"]) == (0.5, 6)
    assert (cells["accuracy_low"], cells["accuracy_high"]) == wilson_95(6, 12)
    assert "energy_per_answer_j" not in cells
    names = [f"energy_per_{each}_{kind}j" for each in ("answer", "correct")
             for kind in ("", "noise_", "bias_")]  # fmt: skip
    assert {*names, "judge_energy_j", "accuracy_low", "accuracy_high"} <= set(COLUMNS)
