from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from joulebench.errors import UsageError
from joulebench.work import Request, Response, Sampling
from joulebench.workloads.generate import GenerateWorkload, phases
from joulebench.workloads.registry import build_workload
from joulebench.workloads.warmup import MOST_EXTRA, warm_until_stable
from joulebench.workloads.workload import Workload, WorkResult

ECHO: dict[str, Any] = {
    "workload": "generate",
    "model": "echo",
    "task": "boolq",
    "tasks": {"items": 5},
    "engine": {"kind": "echo", "token_s": 0.0003},
    "sampling": {"max_tokens": 6, "min_tokens": 6, "seed": 3},
}
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="torch is not installed (pip install 'joulebench[transformers]')",
)


def ran(plan: dict[str, Any]) -> WorkResult:
    workload: Workload = build_workload(plan)
    workload.import_libraries()
    workload.load()
    workload.warm_up()
    result = workload.run()
    workload.grade(result)
    workload.close()
    return result


def test_every_prompt_is_answered_once_and_counted() -> None:
    result = ran(ECHO)
    assert [r.request_id for r in result.responses] == [f"boolq-{i:04d}" for i in range(5)]
    assert [r.request_id for r in result.requests] == [r.request_id for r in result.responses]
    words = sum(len(request.prompt.split()) for request in result.requests)
    assert result.work == {"requests": 5, "tokens_in": words, "tokens_out": 30}


def test_windows_are_ordered_and_inside_the_run() -> None:
    workload = build_workload(ECHO)
    workload.load()
    before_s = time.monotonic()
    windows = workload.run().windows
    after_s = time.monotonic()
    assert [w.name for w in windows] == ["prefill", "decode"] * 5
    edges = [edge for w in windows for edge in (w.start_s, w.stop_s)]
    assert edges == sorted(edges)
    assert before_s <= edges[0]
    assert edges[-1] <= after_s


def test_a_batch_has_one_window_of_each_kind() -> None:
    result = ran(ECHO | {"load": {"kind": "batch", "batch_size": 2}})
    assert [w.name for w in result.windows] == ["prefill", "decode"] * 3
    assert len(result.responses) == 5


def test_batch_windows_reach_to_the_last_of_the_batch() -> None:
    batch = [Response("a", "", 1, 2, 0.0, 1.0, 2.0), Response("b", "", 1, 5, 0.0, 1.0, 5.0)]
    assert [(w.name, w.start_s, w.stop_s) for w in phases(batch)] == [
        ("prefill", 0.0, 1.0),
        ("decode", 1.0, 5.0),
    ]


def test_one_token_answers_have_no_decode_window() -> None:
    result = ran(ECHO | {"sampling": {"max_tokens": 1}})
    assert {w.name for w in result.windows} == {"prefill"}


def test_facts_are_json_and_hold_what_decides_the_run() -> None:
    facts = json.loads(json.dumps(ran(ECHO).facts))
    assert facts["sampling"] == {
        "max_tokens": 6,
        "min_tokens": 6,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 3,
    }
    assert facts["engine"]["simulated"] is True
    assert facts["task"] == "boolq"
    assert facts["load"] == {"kind": "sequential", "batch_size": 1}
    assert facts["warmup"]["requests"] >= 2


def test_answers_are_scored() -> None:
    result = ran(ECHO | {"tasks": {}, "engine": {"kind": "echo", "answer": "Yes."}, "sampling": {}})
    assert result.score is not None
    told = {name: result.score[name] for name in ("accuracy", "n_graded", "n_correct", "scorer")}
    assert told == {"accuracy": 0.5, "n_graded": 12, "n_correct": 6, "scorer": "rules"}


def test_no_gradable_answer_is_no_score_rather_than_zero() -> None:
    result = ran(ECHO | {"engine": {"kind": "echo", "answer": "Perhaps."}, "sampling": {}})
    assert result.score is None
    assert result.facts["no_score"] == "no answer could be graded"


def test_no_warm_up_where_none_is_asked_for() -> None:
    assert "warmup" not in ran(ECHO | {"protocol": {"warmup_prompts": 0}}).facts


def echoes(latencies_s: Sequence[float], seen: list[str]) -> Any:
    rest = list(latencies_s)

    def generate(batch: Sequence[Request]) -> list[Response]:
        seen.append(batch[0].request_id)
        stop_s = rest.pop(0)
        return [Response(r.request_id, "", 1, 1, 0.0, 0.0, stop_s) for r in batch]

    return generate


BATCHES = [[Request(name, name)] for name in ("a", "b", "c")]


def test_warm_up_repeats_the_last_prompt_until_two_latencies_agree() -> None:
    seen: list[str] = []
    warmup = warm_until_stable(echoes([3.0, 2.0, 1.0, 1.05], seen), BATCHES, 2)
    assert seen == ["a", "b", "b", "b"]
    assert (warmup.requests, warmup.stable) == (4, True)
    assert warmup.latencies_s == (3.0, 2.0, 1.0, 1.05)


def test_different_prompts_are_not_compared() -> None:
    """Equal latencies of two prompts say nothing: one may be longer and slower at once."""
    seen: list[str] = []
    warm_until_stable(echoes([1.0, 1.0, 1.0], seen), BATCHES, 2)
    assert seen == ["a", "b", "b"]


def test_warm_up_gives_up_after_a_few_more_and_says_so() -> None:
    latencies_s = [2.0**-n for n in range(20)]
    seen: list[str] = []
    warmup = warm_until_stable(echoes(latencies_s, seen), BATCHES, 1)
    assert warmup.stable is False
    assert len(seen) == 1 + MOST_EXTRA


def test_warm_up_goes_round_where_prompts_are_few() -> None:
    seen: list[str] = []
    warm_until_stable(echoes([1.0] * 9, seen), BATCHES[:2], 5)
    assert seen == ["a", "b", "a", "b", "a", "a"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"workload": "generat"}, "did you mean 'generate'"),
        ({"task": None}, "say which task"),
        ({"load": {"kind": "batched"}}, "did you mean 'batch'"),
        ({"load": {"kind": "batch", "batch_size": 0}}, "batch_size = 0"),
        ({"load": {"kind": "batch", "size": 2}}, "option 'size' is not known"),
        ({"sampling": {"maxtokens": 3}}, "did you mean 'max_tokens'"),
        ({"sampling": {"max_tokens": "3"}}, "max_tokens = '3' must be of type int"),
        ({"sampling": {"seed": True}}, "seed = True must be of type int"),
        ({"protocol": {"warmup_prompts": -1}}, "warmup_prompts = -1"),
        ({"engine": {}}, "say which with 'kind'"),
    ],
)
def test_wrong_plans_say_what_to_write(change: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as error:
        build_workload(ECHO | change)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@needs_torch
@pytest.mark.parametrize("load", [{"kind": "sequential"}, {"kind": "batch", "batch_size": 3}])
def test_a_tiny_model_runs_a_task_and_gets_no_score(load: dict[str, Any]) -> None:
    plan = ECHO | {
        "model": "tiny_a",
        "engine": {"kind": "transformers", "threads": 1, "device": "cpu"},
        "load": load,
    }
    result = ran(plan)
    assert result.work["tokens_out"] == 30
    assert result.score is None
    assert result.facts["no_score"] == "the model's weights are random"
    assert result.facts["engine"]["random_weights"] is True


@needs_torch
def test_truncated_prompts_of_the_warm_up_are_not_counted() -> None:
    engine = {"kind": "transformers", "threads": 1, "device": "cpu", "max_model_len": 64}
    result = ran(ECHO | {"model": "tiny_a", "engine": engine})
    assert result.facts["engine"]["prompts_truncated"] == 5


def test_a_workload_can_be_made_from_values() -> None:
    plan = build_workload(ECHO)
    assert isinstance(plan, GenerateWorkload)
    assert plan.sampling == Sampling(max_tokens=6, min_tokens=6, seed=3)
