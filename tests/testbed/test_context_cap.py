"""Prompts and outputs that a context has shortened are said in the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from joulebench.engines.echo import EchoEngine
from joulebench.study_plan import plan
from joulebench.study_read import parse
from joulebench.testbed.context_cap import context_findings
from joulebench.testbed.protocol import run_trial
from joulebench.testbed.sensors import sensors


def test_what_fits_needs_no_word() -> None:
    engine = {"prompts_truncated": 0, "outputs_capped": 0, "max_model_len": 64}
    assert context_findings({"engine": engine}, 5) == []
    assert context_findings({}, 0) == []
    assert context_findings({"engine": "echo"}, 1) == []


def test_both_counts_are_said_with_the_context() -> None:
    engine = {"prompts_truncated": 3, "outputs_capped": 1, "max_model_len": 64}
    prompt, output = context_findings({"engine": engine}, 5)
    assert (prompt.rule, prompt.severity) == ("prompt-truncated", "warning")
    assert "3 of 5 prompts were longer than the context of 64 tokens" in prompt.message
    assert (output.rule, output.severity) == ("output-capped", "warning")
    assert "1 of 5 outputs" in output.message


def test_a_trial_whose_prompts_were_shortened_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = {"n": 0}
    facts, generate = EchoEngine.facts, EchoEngine.generate

    def counting(engine: EchoEngine, *args: Any) -> Any:
        counted["n"] += 1
        return generate(engine, *args)

    def with_count(engine: EchoEngine) -> dict[str, Any]:
        return facts(engine) | {"prompts_truncated": counted["n"], "max_model_len": 64}

    monkeypatch.setattr(EchoEngine, "generate", counting)
    monkeypatch.setattr(EchoEngine, "facts", with_count)
    raw = {
        "study": "s",
        "model": "m",
        "task": "copa",
        "engine": {"kind": "echo", "token_s": 0.04, "prefill_s": 0.3},
        "tasks": {"items": 3},
        "protocol": {"clock": "virtual"},
        "meters": [{"simulated": {"board": "counter"}}],
    }
    (trial,) = plan(parse(raw, "s"))
    trial["meters"] = sensors(trial["meters"]).specs
    for room in ("traces", "responses", "logs"):
        (tmp_path / room).mkdir()
    run = run_trial(
        trial,
        tmp_path,
        lambda _: None,
        facts={"host": "here", "testbed": "local"},
        root_pid=1,
    )
    (finding,) = (f for f in run.findings if f.rule == "prompt-truncated")
    assert finding.message.startswith("3 of 3 prompts")
    assert run.facts["engine"]["prompts_truncated"] == 3
