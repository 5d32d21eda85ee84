"""The vllm engine without vllm: options, fitting, what its steps mean, what it says of failures."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from joulebench.engines.model_source import ModelSource
from joulebench.engines.vllm import VllmEngine
from joulebench.engines.vllm_choice import choice_logprob, offer
from joulebench.engines.vllm_complaint import complaint
from joulebench.engines.vllm_course import Course, Courses, fitted, sampling_arguments
from joulebench.engines.vllm_options import VllmOptions
from joulebench.errors import Unavailable, UsageError
from joulebench.plugins import construct
from joulebench.work import GenerationFailed, Request, Sampling

SOURCE = ModelSource(name="m", place="/models/m", local=True)
SHAPE = ModelSource(
    name="shape:mini-15m", place="/shapes/m", local=True, marker={"shape": "mini-15m"}
)


@dataclass
class Said:
    """What vLLM says of one sequence in one step."""

    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str | None = None


@dataclass
class Output:
    """What vLLM gives of one request in one step."""

    request_id: str
    outputs: list[Said]


@dataclass
class Likely:
    """How likely vLLM holds a token."""

    logprob: float


def build(**options: Any) -> VllmEngine:
    engine: VllmEngine = construct(VllmEngine, "engine 'vllm'", options, model="tiny_a")
    return engine


def output(outer_id: str, *tokens: int, text: str = "", end: str | None = None) -> Output:
    return Output(outer_id, [Said(list(tokens), text, end)])


def courses_of(*names: str, taken_s: float = 10.0) -> Courses:
    """Requests whose ids within vLLM end in ``x``."""
    courses = Courses()
    for name in names:
        asked = fitted(Request(f"r{name}", ""), [1, 2, 3], 100, Sampling(max_tokens=8))
        courses.take(name, Course(asked, inner_id=f"{name}x", taken_s=taken_s))
    return courses


class Scripted:
    """Answers likelihoods of prompts, and notes what it has not yet been rid of."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.waiting: list[str] = []

    def add_request(self, outer_id: str, prompt: Any, params: Any) -> None:
        del prompt, params
        self.waiting.append(outer_id)

    def abort_request(self, outer_ids: list[str]) -> None:
        self.waiting = [each for each in self.waiting if each not in outer_ids]

    def step(self) -> list[Any]:
        if not self.steps:
            raise ValueError("the step went wrong")
        self.steps -= 1
        likely = SimpleNamespace(prompt_logprobs=[None, {1: Likely(-1.0)}, {2: Likely(-0.5)}])
        return [SimpleNamespace(request_id=self.waiting.pop(0), finished=True, **vars(likely))]


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_failure_leaves_no_choice_to_be_weighed_later(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joulebench.engines.vllm_package.sampling_params", dict)
    engine, inner = build(), Scripted(steps)
    engine._engine, engine._source = inner, SOURCE
    engine._text = cast("Any", Spelled())
    asked = [Request("r0", "ab"), Request("r1", "ab")]
    if steps < 2:
        with pytest.raises(GenerationFailed, match="the step went wrong"):
            engine.choice_logprobs(asked, [["c"], ["c"]])
    else:
        assert engine.choice_logprobs(asked, [["c"], ["c"]]) == [[-0.5], [-0.5]]
    assert inner.waiting == []
    with pytest.raises(UsageError, match="give choices"):
        engine.choice_logprobs(asked, [["c"], []])
    assert inner.waiting == []


class Spelled:
    """A tokenizer that knows one prompt and one choice."""

    context = 100

    def asked(self, prompt: str) -> str:
        return prompt

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [[0, 1, 2] if text.endswith(" c") else [0, 1] for text in texts]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_model_length": 5}, "did you mean 'max_model_len'"),
        ({"prefix_cache": True}, "did you mean 'prefix_caching'"),
        ({"dtype": "bfloat"}, "did you mean 'bfloat16'"),
        ({"max_model_len": 0}, "max_model_len = 0"),
        ({"tensor_parallel_size": 0}, "tensor_parallel_size = 0"),
        ({"threads": -1}, "threads = -1"),
        ({"gpu_memory_utilization": 1.2}, "gpu_memory_utilization = 1.2"),
        ({"gpu_memory_utilization": float("nan")}, "gpu_memory_utilization = nan"),
        ({"kv_cache_gib": 0.0}, "kv_cache_gib = 0.0"),
        ({"seed": -1}, "seed = -1"),
        ({"enforce_eager": "yes"}, "enforce_eager = 'yes' must be true or false"),
        ({"extra": [1]}, "extra = "),
        ({"extra": {"enable_prefix_caching": True}}, "the option prefix_caching"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named.replace("[", r"\[")):
        build(**options)


def test_an_argument_that_this_vllm_lacks_is_refused_with_the_nearest() -> None:
    options = VllmOptions(extra={"max_num_seq": 4})
    with pytest.raises(UsageError, match=r"extra 'max_num_seq'.*did you mean 'max_num_seqs'"):
        options.refuse_unknown_extra({"max_num_seqs", "seed"})
    VllmOptions(extra={"max_num_seqs": 4}).refuse_unknown_extra({"max_num_seqs"})


def test_what_vllm_is_asked_for() -> None:
    asked = VllmOptions(extra={"max_num_seqs": 4}, enforce_eager=True, seed=3, quantization="none")
    arguments = asked.arguments(SOURCE, on_cpu=False, cpu_cache_set=False)
    assert arguments["model"] == "/models/m"
    assert (arguments["load_format"], arguments["dtype"]) == ("auto", "auto")
    assert (arguments["max_num_seqs"], arguments["seed"]) == (4, 3)
    # Prompts that were asked before must cost what they cost the first time.
    assert arguments["enable_prefix_caching"] is False
    assert not {"quantization", "gpu_memory_utilization", "kv_cache_memory_bytes"} & set(arguments)


@pytest.mark.parametrize(
    ("options", "cpu_cache_set", "gib"),
    [
        ({}, False, 4.0),
        ({}, True, None),
        ({"kv_cache_gib": 0.5}, False, 0.5),
        ({"gpu_memory_utilization": 0.5}, False, None),
    ],
)
def test_a_cpu_keeps_memory_for_others(
    options: dict[str, float], cpu_cache_set: bool, gib: float | None
) -> None:
    asked = VllmOptions(**options)  # type: ignore[arg-type]
    arguments = asked.arguments(SOURCE, on_cpu=True, cpu_cache_set=cpu_cache_set)
    size = None if gib is None else int(gib * 2**30)
    assert arguments.get("kv_cache_memory_bytes") == size


def test_weights_of_a_shape_are_drawn() -> None:
    assert VllmOptions().format_for(SHAPE) == "dummy"
    assert VllmOptions(load_format="dummy").format_for(SOURCE) == "dummy"
    with pytest.raises(UsageError, match="has no weights to load with load_format = 'auto'"):
        VllmOptions(load_format="auto").format_for(SHAPE)


def test_each_request_is_fitted_by_itself() -> None:
    sampling = Sampling(max_tokens=10, min_tokens=4)
    short = fitted(Request("a", ""), list(range(5)), 20, sampling)
    tight = fitted(Request("b", ""), list(range(14)), 20, sampling)
    long = fitted(Request("c", ""), list(range(30)), 20, sampling)
    assert [(a.max_tokens, a.truncated, a.capped) for a in (short, tight, long)] == [
        (10, False, False),
        (6, False, True),
        (4, True, True),
    ]
    assert (len(long.prompt), long.prompt[0], long.prompt[-1]) == (16, 0, 29)


def test_sampling_in_vllms_words() -> None:
    greedy = Sampling(max_tokens=8, min_tokens=8, top_p=0.5, seed=1)
    drawn = Sampling(max_tokens=8, temperature=0.7, top_p=0.5, seed=1)
    one, other = (fitted(Request(name, ""), [1, 2], 60, greedy) for name in "ab")
    assert sampling_arguments(one, greedy) == {
        "max_tokens": 8,
        "min_tokens": 8,
        "temperature": 0.0,
    }
    first, second = sampling_arguments(one, drawn), sampling_arguments(other, drawn)
    assert (first["temperature"], first["top_p"]) == (0.7, 0.5)
    assert first["seed"] != second["seed"]
    assert first == sampling_arguments(one, drawn)


def test_steps_make_times_and_tokens() -> None:
    courses = courses_of("1")
    assert courses.step([output("1", 7, text="a")], {"1x"}, 10.1, 11.0) == ([], [])
    courses.step([output("1", 8, 9, text="bc")], {"1x"}, 11.0, 11.5)
    (answer,), given_up = courses.step([output("1", 2, end="stop")], set(), 11.5, 12.0)
    assert given_up == []
    assert (answer.request_id, answer.text, answer.finish_reason) == ("r1", "abc", "stop")
    assert (answer.tokens_in, answer.tokens_out) == (3, 4)
    assert answer.token_s == (11.0, 11.5, 12.0)
    assert (answer.start_s, answer.first_token_s, answer.stop_s) == (10.0, 11.0, 12.0)
    assert len(courses) == 0


def test_a_request_that_had_to_wait_begins_when_it_is_let_in() -> None:
    courses = courses_of("1", "2")
    courses.step([output("1", 7)], {"1x"}, 10.1, 11.0)
    assert courses.unbegun()
    (first,), _ = courses.step([output("1", 7, end="length")], set(), 11.0, 12.0)
    courses.step([], {"2x"}, 12.0, 13.0)  # a long prompt takes several steps
    assert not courses.unbegun()
    (second,), _ = courses.step([output("2", 7, end="length")], {"2x"}, 13.0, 14.0)
    assert (first.start_s, first.arrived_s) == (10.0, 10.0)
    assert (second.start_s, second.arrived_s, second.first_token_s) == (12.0, 10.0, 14.0)


def test_without_a_view_of_the_batch_its_first_token_tells_that_it_had_begun() -> None:
    courses = courses_of("1")
    courses.step([], (), 10.1, 11.0)
    (answer,), _ = courses.step([output("1", 7, end="length")], (), 11.0, 12.0)
    assert (answer.start_s, answer.arrived_s) == (11.0, 10.0)


@pytest.mark.parametrize("end", ["abort", "error"])
def test_a_request_that_vllm_gives_up_is_no_answer(end: str) -> None:
    courses = courses_of("1", "2")
    answers, given_up = courses.step(
        [output("1", 7, end=end), output("2", 7, end="stop"), output("9", 7)], set(), 10.1, 11.0
    )
    assert ([answer.request_id for answer in answers], given_up) == (["r2"], ["r1"])
    assert courses.forget() == []


def test_a_choice_is_what_differs_from_the_prompt() -> None:
    request = Request("a", "")
    plain = offer(request, [1, 2, 3], [[1, 2, 3, 8, 9], [1, 2, 3, 7]], 50)
    assert (plain.prompt, plain.choices, plain.truncated) == ([1, 2, 3], [[8, 9], [7]], False)
    joined = offer(request, [1, 2, 3], [[1, 2, 3, 8], [1, 2, 7]], 50)
    assert (joined.prompt, joined.choices) == ([1, 2], [[3, 8], [7]])
    long = offer(request, list(range(30)), [[*range(30), 98, 99]], 20)
    assert (len(long.prompt), long.prompt[-1], long.truncated) == (17, 29, True)
    for whole in ([], [[1, 2, 3]]):
        with pytest.raises(UsageError, match="give choices, none of them empty"):
            offer(request, [1, 2, 3], whole, 50)
    with pytest.raises(UsageError, match="a choice of 3 tokens leaves no room"):
        offer(request, [1, 2], [[1, 2, 7, 8, 9]], 5)


def test_the_last_tokens_alone_are_added_up() -> None:
    told = [None, {2: Likely(-9.0)}, {8: Likely(-1.0), 5: Likely(-0.1)}, {9: Likely(-2.0)}]
    assert choice_logprob(told, [8, 9]) == -3.0
    with pytest.raises(UsageError, match="tells no likelihood"):
        choice_logprob(None, [1])


@pytest.mark.parametrize(
    ("cause", "line"),
    [
        (
            ValueError(
                "1 validation error for ModelConfig\n  Value error, Unknown quantization method: "
                "foo. Must be one of ['awq']. [type=value_error, input_value=1]\n    For further"
            ),
            "Unknown quantization method: foo. Must be one of ['awq']. Check 'model:'",
        ),
        (
            OSError("You are trying to access a gated repo.\nMake sure"),
            "access a gated repo. Check",
        ),
        (RuntimeError(""), "RuntimeError. Check"),
    ],
)
def test_a_failure_is_told_in_one_line(cause: Exception, line: str) -> None:
    told = complaint(SOURCE, cause)
    assert line in told
    assert "\n" not in told


@pytest.mark.parametrize(
    "cause",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        ValueError("No available memory for the cache blocks. Try increasing"),
    ],
)
def test_memory_that_does_not_suffice_is_told_with_the_peak(cause: Exception) -> None:
    told = complaint(SOURCE, cause)
    assert "memory does not suffice for model 'm'" in told
    assert "(most so far on cpu: " in told
    assert " GB). Lower gpu_memory_utilization" in told


def test_without_vllm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(Unavailable, match=r"pip install 'joulebench\[vllm\]'"):
        build().import_libraries()


def test_the_peak_of_memory_is_that_since_the_measured_work_began() -> None:
    import torch

    engine = build()
    engine._source = SOURCE
    much = torch.ones(64 * 2**20, dtype=torch.uint8)
    assert much.sum()
    before = engine._peak.facts(None)
    assert before["peak_host_since"] == "start of the process"
    del much
    engine.begin_measuring()
    after = engine._peak.facts(None)
    if after["peak_host_since"] == "measure":  # else the system does not let it begin anew
        assert after["peak_host_bytes"] < before["peak_host_bytes"] - 32 * 2**20


def test_facts_before_anything_is_loaded() -> None:
    facts = json.loads(json.dumps(build(max_model_len=10_240).facts()))
    assert (facts["kind"], facts["model"], facts["max_model_len_asked"]) == (
        "vllm",
        "tiny_a",
        10_240,
    )
