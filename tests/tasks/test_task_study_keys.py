"""How a study file names prompts, seeds and the tasks beyond SuperGLUE's first six."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from joulebench.errors import UsageError
from joulebench.study_plan import plan
from joulebench.study_read import dump, load, parse
from joulebench.workloads.generate import GenerateWorkload
from joulebench.workloads.registry import build_workload

ECHO: dict[str, Any] = {"study": "s", "model": "m", "engine": {"kind": "echo"}}


def ids(raw: dict[str, Any]) -> list[list[str]]:
    """Give the ids of the requests of each trial."""
    found = []
    for each in plan(parse(raw, "s.yaml")):
        workload = build_workload(each)
        assert isinstance(workload, GenerateWorkload)
        found.append([request.request_id for request in workload.task.requests()])
    return found


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(f'{{"prompt": "{n}?", "label": {n}}}\n' for n in range(100)))
    return file


def test_a_file_of_prompts_is_the_task_and_all_of_it(prompts: Path) -> None:
    (asked,) = ids({**ECHO, "tasks": {"prompts": str(prompts)}})
    assert asked == [f"prompts-{n:04d}" for n in range(100)]
    (asked,) = ids({**ECHO, "tasks": {"prompts": str(prompts), "items": 2}})
    assert asked == ["prompts-0000", "prompts-0001"]


def test_prompts_may_stand_beside_other_tasks(prompts: Path) -> None:
    order = {"kind": "sequential"}
    factors = {"task": ["boolq", "prompts"]}
    raw = {**ECHO, "factors": factors, "order": order, "tasks": {"prompts": str(prompts)}}
    boolq, own = ids(raw)
    assert (len(boolq), boolq[0]) == (12, "boolq-0000")
    assert (len(own), own[0]) == (100, "prompts-0000")


def test_the_resolved_study_reads_back_the_same(prompts: Path) -> None:
    study = parse({**ECHO, "tasks": {"prompts": str(prompts)}}, "s.yaml")
    assert study.tasks.items is None
    assert parse(dump(study), "again") == study


def test_studies_without_prompts_and_seed_are_as_they_were() -> None:
    resolved = dump(parse({**ECHO, "task": "rte"}, "s.yaml"))
    assert resolved["tasks"] == {"data": "demo", "items": 12, "prompt": "short"}


def test_prompts_are_placed_beside_the_study_file(prompts: Path) -> None:
    path = prompts.parent / "s.yaml"
    path.write_text(yaml.safe_dump({**ECHO, "tasks": {"prompts": prompts.name}}))
    assert load(str(path)).tasks.prompts == str(prompts)


def test_a_seed_draws_the_same_items_in_every_trial() -> None:
    raw = {**ECHO, "task": "rte", "repetitions": 2, "tasks": {"items": 5, "seed": 1}}
    one, other = ids(raw)
    assert one == other
    assert len(set(one)) == 5
    assert one != [f"rte-{n:04d}" for n in range(5)]


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ({"seed": -1}, "tasks.seed: must be greater than or equal to 0"),
        ({"seed": "a"}, "tasks.seed: must be a valid integer"),
        ({"items": None}, "items must be a whole number from 1"),
        ({"prompts": 3}, "tasks.prompts: must be a valid string"),
    ],
)
def test_bad_keys_are_refused(tasks: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as error:
        parse({**ECHO, "task": "rte", "tasks": tasks}, "s.yaml")
    assert says in str(error.value)


@pytest.mark.parametrize(
    "task", ["multirc", "record", "axb", "axg", "sst2", "qqp", "squad", "squad2"]
)
def test_the_demo_of_each_task_can_be_planned_without_a_word_on_items(task: str) -> None:
    (asked,) = ids({**ECHO, "task": task})
    assert len(asked) == (31 if task == "multirc" else 12)


def test_metrics_are_part_of_the_score() -> None:
    raw = {**ECHO, "task": "multirc", "engine": {"kind": "echo", "answer": "Yes."}}
    workload = build_workload(plan(parse(raw, "s.yaml"))[0])
    workload.load()
    result = workload.run()
    workload.grade(result)
    score = result.score
    assert score is not None
    assert score["n_graded"] == 31
    assert score["metrics"]["questions_graded"] == 12.0
    assert score["metrics"]["exact_match"] == 0.0  # each question has a wrong answer
    assert score["metrics"]["f1a"] == 2 * score["n_correct"] / (score["n_correct"] + 31)
    plain = build_workload(plan(parse({**raw, "task": "rte"}, "s.yaml"))[0])
    plain.load()
    ungraded = plain.run()
    plain.grade(ungraded)
    assert "n_correct" in (ungraded.score or {})
    assert "metrics" not in (ungraded.score or {})
