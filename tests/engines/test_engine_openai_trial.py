"""Trials with the openai engine: what is recorded of local, remote and failing servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai_server import serving
from test_engine_openai_serve import WORDS

from joulebench.emissions import REMOTE
from joulebench.engines.openai import OpenAIEngine
from joulebench.meters.registry import resolve
from joulebench.plugins import construct
from joulebench.record import Run, dumps
from joulebench.run_row import row
from joulebench.study_plan import plan
from joulebench.study_read import parse
from joulebench.testbed.protocol import run_trial
from joulebench.work import Engine

PROMPTS = ("one two three", "four five", "six")


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build the engine of this source tree, whatever is installed."""

    def build(config: Mapping[str, Any], model: str) -> Engine:
        options = {name: value for name, value in config.items() if name != "kind"}
        engine: Engine = construct(OpenAIEngine, "engine 'openai'", options, model=model)
        return engine

    monkeypatch.setattr("joulebench.workloads.registry.build_engine", build)


@pytest.fixture
def trial(tmp_path: Path) -> Callable[..., Run]:
    """Runs a trial in this process, the recorder in its own."""

    def run(*prompts: str, load: dict[str, Any] | None = None, **engine: Any) -> Run:
        for room in ("traces", "responses", "logs"):
            (tmp_path / room).mkdir(exist_ok=True)
        file = tmp_path / "prompts.jsonl"
        file.write_text("".join(f"{json.dumps({'prompt': each})}\n" for each in prompts))
        study = {
            "study": "s",
            "model": "echo",
            "task": "prompts",
            "engine": {"kind": "openai", **engine},
            "tasks": {"prompts": str(file)},
            "load": load or {"kind": "sequential"},
            "sampling": {"max_tokens": 6},
            "protocol": {"idle_s": 0.3, "idle_after_s": 0.3, "warmup_prompts": 0},
        }
        specs = [spec.to_dict() for spec in resolve(["estimate"])]
        facts = {"host": "h", "testbed": "local", "process": "fresh"}
        planned = plan(parse(study, "s"))[0] | {"meters": specs}
        done = run_trial(planned, tmp_path, lambda _message: None, facts=facts, root_pid=0)
        dumps(done.to_dict())  # what is recorded is JSON, without a NaN
        return done

    return run


def answers(folder: Path, run: Run) -> list[dict[str, Any]]:
    lines = (folder / "responses" / f"{run.run_id}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_server_here_has_an_energy(trial: Callable[..., Run], tmp_path: Path) -> None:
    with serving() as server:
        done = trial(*PROMPTS, url=server.url)
    assert (done.status, done.error) == ("done", None)
    assert row(done)["energy_j"] > 0
    assert done.work == {"requests": 3, "tokens_in": 6, "tokens_out": 6}
    assert {"prefill_energy_j", "decode_energy_j"} & set(row(done))
    assert [each["text"] for each in answers(tmp_path, done)] == list(PROMPTS)
    # The token that load() asks for belongs to no window that is measured.
    assert done.facts["engine"]["counted_by_usage"] == 3


def test_of_a_remote_model_no_energy_is_claimed(trial: Callable[..., Run], tmp_path: Path) -> None:
    with serving() as server:
        done = trial(*PROMPTS, url=server.url, remote=True)
    assert (done.status, done.error) == ("done", None)
    record = done.to_dict()
    assert record["emissions"] is None
    assert record["energy"] == {}
    assert done.facts["no_energy"] == done.facts["no_emissions"] == REMOTE
    assert done.facts["client_energy"]["joules"] > 0
    assert not {"energy_j", "energy_per_token_j", "cpu_energy_j"} & set(row(done))
    assert row(done)["tokens_out"] == 6
    assert not {"no-energy", "below-resolution"} & {finding.rule for finding in done.findings}
    assert not any(name.startswith("energy") for name in answers(tmp_path, done)[0])


def test_pieces_alone_count_no_prompt(trial: Callable[..., Run], tmp_path: Path) -> None:
    with serving() as server:
        done = trial("one two", "do:quick", url=server.url)
    assert done.work == {"requests": 2, "tokens_out": 5}
    assert done.facts["engine"]["counted_by_chunks"] == 1
    assert [each["tokens_in"] for each in answers(tmp_path, done)] == [2, None]


def test_without_a_stream_there_is_no_prefill(trial: Callable[..., Run]) -> None:
    with serving() as server:
        done = trial(*PROMPTS, url=server.url, stream=False)
    assert (done.status, done.error) == ("done", None)
    assert not {"prefill_energy_j", "decode_energy_j"} & set(row(done))
    assert done.facts["engine"]["untimed"] == 3


def test_answers_before_a_failure_are_kept(trial: Callable[..., Run], tmp_path: Path) -> None:
    with serving() as server:
        done = trial("one", "two", "do:dies", "four", url=server.url)
    assert done.status == "failed"
    assert "died in the middle" in str(done.error)
    assert [each["text"] for each in answers(tmp_path, done)] == ["one", "two"]
    assert "responses" in done.facts["files"]
    assert done.facts["engine"]["counted_by_usage"] == 3
    assert done.work == {}


def test_answers_beside_a_failure_in_a_batch_are_kept(
    trial: Callable[..., Run], tmp_path: Path
) -> None:
    batch = {"kind": "batch", "batch_size": 2}
    with serving() as server:
        done = trial("one", "two", "do:slow three", "do:fails", load=batch, url=server.url)
    assert done.status == "failed"
    assert "HTTP 500" in str(done.error)
    assert [each["text"] for each in answers(tmp_path, done)] == ["one", "two", "three"]


@pytest.mark.parametrize("last", ["three", "do:dies"])
def test_its_own_server_is_gone_afterwards_and_its_log_kept(
    trial: Callable[..., Run], tmp_path: Path, last: str
) -> None:
    mark = f"mark-{tmp_path.name}"
    done = trial("one", last, serve={"command": [*WORDS, mark], "timeout_s": 30})
    assert done.status == ("done" if last == "three" else "failed"), done.error
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not any(mark in line for line in lines)
    log = tmp_path / "logs" / f"{done.run_id}.server.txt"
    assert log.read_text().startswith("the server begins")
    load = next(window for window in done.windows if window.name == "load")
    assert load.duration_s > done.facts["engine"]["server_ready_s"] > 0.2
    if last != "three":
        assert str(log) in str(done.error)
