"""vLLM itself, on the CPU: in this process, in a study's trials, as a server (``make vllm``)."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from engine_cases import needs_torch, needs_vllm, requests

from joulebench.engines.openai import OpenAIEngine
from joulebench.engines.tiny import ensure_tiny_model
from joulebench.engines.vllm import VllmEngine
from joulebench.errors import UsageError
from joulebench.work import Request, Response, Sampling

pytestmark = [needs_vllm, needs_torch, pytest.mark.filterwarnings("ignore")]

FIXED = Sampling(max_tokens=6, min_tokens=6)
SMALL: dict[str, Any] = {"enforce_eager": True, "kv_cache_gib": 0.25, "threads": 1}


def started(model: str = "tiny_a", **options: Any) -> VllmEngine:
    engine = VllmEngine(model, **(SMALL | options))
    engine.load()
    return engine


@pytest.fixture(scope="module")
def engine() -> Iterator[VllmEngine]:
    """One that computes as exactly as torch does, and lets in two requests at a time."""
    two = {"max_num_seqs": 2}
    with closing(started(dtype="float32", max_model_len=10_240, extra=two)) as engine:
        yield engine


@pytest.fixture(scope="module")
def plain() -> tuple[Any, Any]:
    """Tokenizer and model of the same folder, by transformers alone."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = ensure_tiny_model("tiny_a")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    return AutoTokenizer.from_pretrained(folder), model


def ids_of(tokenizer: Any, prompt: str, answer: str = "") -> list[int]:
    chat = [{"role": "user", "content": prompt}]
    text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    ids: list[int] = tokenizer(text + answer, add_special_tokens=False)["input_ids"]
    return ids


def test_the_record_says_what_was_used(engine: VllmEngine) -> None:
    facts = json.loads(json.dumps(engine.facts()))
    # tiny_a has 4096 positions: more cannot be had.
    assert (facts["max_model_len"], facts["max_model_len_asked"]) == (4096, 10_240)
    assert (facts["dtype"], facts["device"], facts["prefix_caching"]) == ("float32", "cpu", False)
    assert (facts["parameters"], facts["random_weights"]) == (131_712, True)
    assert (facts["kv_cache_bytes"], facts["max_num_seqs"]) == (2**28, 2)
    assert facts["attention"]
    assert facts["version"]
    assert facts["peak_host_bytes"] > 2**28
    assert "peak_device_bytes" not in facts


def test_a_full_batch_has_others_wait(engine: VllmEngine) -> None:
    asked = [Request(f"r{i}", f"number {i}") for i in range(4)]
    answers = engine.generate(asked, FIXED)
    assert [answer.request_id for answer in answers] == ["r0", "r1", "r2", "r3"]
    assert len({answer.arrived_s for answer in answers}) == 1
    assert [answer.start_s == answer.arrived_s for answer in answers] == [True] * 2 + [False] * 2
    assert all(answer.start_s >= answers[0].stop_s for answer in answers[2:])
    for answer in answers:
        assert len(answer.token_s) == answer.tokens_out == 6
        assert list(answer.token_s) == sorted(answer.token_s)


def test_its_words_are_those_of_transformers(engine: VllmEngine, plain: tuple[Any, Any]) -> None:
    import torch

    tokenizer, model = plain
    for request, answer in zip(requests(), engine.generate(requests(), FIXED), strict=True):
        ids = torch.tensor([ids_of(tokenizer, request.prompt)])
        asked = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
        made = model.generate(ids, attention_mask=torch.ones_like(ids), **asked)
        assert answer.tokens_in == ids.shape[1]
        text = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
        # vLLM keeps the bytes of a last character to itself that is not whole.
        assert answer.text == text.rstrip("\N{REPLACEMENT CHARACTER}")


def test_likelihoods_are_those_of_transformers(engine: VllmEngine, plain: tuple[Any, Any]) -> None:
    import torch

    tokenizer, model = plain
    offered = [["yes", "no, it is not"], ["1"], ["entailment", "neither", "contradiction"]]
    for request, choices, told in zip(
        requests(), offered, engine.choice_logprobs(requests(), offered), strict=True
    ):
        prompt = ids_of(tokenizer, request.prompt)
        for choice, logprob in zip(choices, told, strict=True):
            whole = ids_of(tokenizer, request.prompt, f" {choice}")
            assert whole[: len(prompt)] == prompt
            with torch.no_grad():
                by_token = model(torch.tensor([whole])).logits[0].log_softmax(-1)
            places = range(len(prompt), len(whole))
            expected = sum(float(by_token[place - 1, whole[place]]) for place in places)
            assert math.isclose(logprob, expected, rel_tol=1e-3, abs_tol=1e-3)


def test_a_prompt_that_is_too_long_loses_its_middle(engine: VllmEngine) -> None:
    before = engine.facts()
    (answer,) = engine.generate([Request("long", "word " * 6000)], Sampling(8, 2))
    after = engine.facts()
    assert (answer.tokens_in, answer.tokens_out) == (4094, 2)
    for counted in ("prompts_truncated", "outputs_capped"):
        assert after[counted] == before[counted] + 1


def test_requests_come_while_others_are_under_way(engine: VllmEngine) -> None:
    long, short = Request("long", "Hello"), Request("short", "Hello there")
    engine.submit(long, Sampling(max_tokens=40, min_tokens=40))
    assert engine.collect(0.0) == []  # one step, and back
    engine.submit(short, FIXED)
    answers: list[Response] = []
    stop_s = time.monotonic() + 60
    while len(answers) < 2 and time.monotonic() < stop_s:
        answers += engine.collect(0.5)
    first, second = answers
    assert (first.request_id, second.request_id) == ("short", "long")
    assert second.start_s < first.start_s < first.stop_s < second.stop_s
    assert engine.collect(0.0) == []


def test_a_shape_has_weights_that_vllm_draws() -> None:
    with closing(started("shape:tiny_a")) as engine:
        facts = engine.facts()
        answers = engine.generate(requests(), FIXED)
    assert (facts["load_format"], facts["random_weights"]) == ("dummy", True)
    assert (facts["shape"], facts["max_model_len"]) == ("tiny_a", 4096)
    assert "max_model_len_asked" not in facts
    assert [answer.tokens_out for answer in answers] == [6, 6, 6]


@pytest.mark.parametrize(
    ("model", "options", "line"),
    [
        ("tiny_a", {"kv_cache_gib": 90_000.0}, "memory does not suffice for model 'tiny_a'"),
        ("tiny_a", {"quantization": "awk"}, "model 'tiny_a' cannot be run by vllm"),
        ("tiny_a", {"load_format": "carrier-pigeon"}, "model 'tiny_a' cannot be run by vllm"),
        ("tiny_a", {"extra": {"max_num_seq": 3}}, "did you mean 'max_num_seqs'"),
        ("./nowhere", {}, "there is no such folder"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(model: str, options: dict[str, Any], line: str) -> None:
    engine = VllmEngine(model, **(SMALL | options))
    with closing(engine), pytest.raises(UsageError) as told:
        engine.load()
    json.dumps(engine.facts())
    assert line in str(told.value)
    assert "\n" not in str(told.value)


def test_a_study_of_two_trials(tmp_path: Path) -> None:
    study = {
        "study": "small",
        "factors": {"max_tokens": [4, 32]},
        "repetitions": 1,
        "model": "tiny_a",
        "task": "boolq",
        "engine": {"kind": "vllm", **SMALL},
        "tasks": {"data": "demo", "items": 4},
        "load": {"kind": "batch", "batch_size": 2},
        "protocol": {"idle_s": 0.2, "idle_after_s": 0.2, "warmup_prompts": 1},
        "meters": [{"simulated": {"board": "a100", "watts": 250}}],
    }
    (tmp_path / "study.yaml").write_text(json.dumps(study))
    command = [sys.executable, "-m", "joulebench", "run", "study.yaml", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "out" / "runs.jsonl").read_text().splitlines()
    runs = [json.loads(line) for line in lines]
    assert [run["status"] for run in runs] == ["done", "done"]
    for run in runs:
        # Its libraries are imported once and have started no thread: trials can be forked.
        assert run["facts"]["process"] == "fork server"
        assert run["facts"]["engine"]["kind"] == "vllm"
        assert run["work"]["requests"] == 4
    table = (tmp_path / "out" / "run_table.csv").read_text().partition("\n")[0].split(",")
    assert {"prefill_energy_j", "decode_energy_j", "ttft_p50_s"} <= set(table)


def test_its_server_says_the_same(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", "{model}",
        "--host", "127.0.0.1", "--port", "{port}", "--dtype", "float32", "--enforce-eager",
        "--kv-cache-memory-bytes", str(2**28), "--no-enable-prefix-caching",
    ]  # fmt: skip
    serve = {"command": command, "ready": "/health", "timeout_s": 240}
    os.environ["VLLM_NO_USAGE_STATS"] = "1"
    with closing(OpenAIEngine("tiny_a", serve=serve)) as server:
        server.use_log(tmp_path / "server.txt")
        server.load()
        from_server = server.generate(requests(), FIXED)
        facts = server.facts()
    with closing(started(dtype="float32")) as engine:
        from_engine = engine.generate(requests(), FIXED)
    assert facts["random_weights"] is True
    assert facts["server_version"] == engine.facts()["version"]
    told = [(answer.text, answer.tokens_in, answer.tokens_out) for answer in from_server]
    assert told == [(a.text, a.tokens_in, a.tokens_out) for a in from_engine]
