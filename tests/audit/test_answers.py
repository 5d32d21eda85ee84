"""Repetitions that repeat the text, and items asked twice."""

from __future__ import annotations

import numpy as np
import pytest
from design_samples import digest_of, measured, on_evidence, on_table

from joulebench.audit.answers import RULES
from joulebench.audit.digest import RunDigest

PROMPTS = [f"p{place}" for place in range(20)]


def answered(run_id: str, version: int, model: str = "a", **facts: object) -> RunDigest:
    responses = [(prompt, f"{prompt}-{version}") for prompt in PROMPTS]
    return digest_of(run_id, responses, {"model": model}, **facts)


def test_repetitions_of_one_text() -> None:
    runs = [answered("r1", 1), answered("r2", 1), answered("r3", 1)]
    (finding,) = on_evidence(RULES, digests=runs)
    assert (finding.rule, finding.severity) == ("identical-responses", "note")
    assert "3 of 3 repeated runs" in finding.message


def test_one_text_although_answers_are_sampled() -> None:
    sampling = {"temperature": 0.7, "seed": 1}
    runs = [answered("r1", 1, sampling=sampling), answered("r2", 1, sampling=sampling)]
    (finding,) = on_evidence(RULES, digests=runs)
    assert finding.severity == "warning"
    greedy = [answered(f"r{n}", 1, sampling={"temperature": 0.0}) for n in (1, 2)]
    assert on_evidence(RULES, digests=greedy)[0].severity == "note"


def test_some_models_repeat_their_text_and_others_do_not() -> None:
    runs = [answered("r1", 1), answered("r2", 1), answered("r3", 2, "b"), answered("r4", 3, "b")]
    (finding,) = on_evidence(RULES, digests=runs)
    assert finding.severity == "warning"
    assert "2 of 4 repeated runs" in finding.message


def test_other_texts_pass() -> None:
    assert not on_evidence(RULES, digests=[answered("r1", 1), answered("r2", 2)])


def test_other_models_or_prompts_are_no_repetitions() -> None:
    assert not on_evidence(RULES, digests=[answered("r1", 1), answered("r2", 1, "b")])
    other = digest_of("r3", [("q", "p0-1")], {"model": "a"})
    assert not on_evidence(RULES, digests=[answered("r1", 1), other])


def test_runs_without_answers_pass() -> None:
    empty = [digest_of(f"r{n}", [("p", "")], {"model": "a"}) for n in (1, 2)]
    assert not on_evidence(RULES, digests=[*empty, digest_of("r4"), digest_of("r5")])


def test_a_prompt_that_was_asked_twice() -> None:
    twice = digest_of("r1", [("p", "x"), ("q", "y"), ("p", "z")])
    (finding,) = on_evidence(RULES, digests=[twice])
    assert (finding.rule, finding.severity) == ("repeated-items", "warning")
    assert finding.seen == "1 of 3"
    rare = digest_of("r2", [*((prompt, "x") for prompt in PROMPTS), ("p0", "y")])
    assert on_evidence(RULES, digests=[rare])[0].severity == "note"
    assert not on_evidence(RULES, digests=[digest_of("r3", [("", "x"), ("", "y")])])


def test_token_counts_that_repeat_tell_the_same_text() -> None:
    columns = measured({"model": ["a", "b"], "task": ["x", "y", "z"]})
    cells = dict.fromkeys(zip(columns["model"], columns["task"], strict=True))
    counts = dict(zip(cells, [14123, 11756, 12220, 9341, 10007, 8123], strict=True))
    columns["tokens_out"] = [
        counts[cell] for cell in zip(columns["model"], columns["task"], strict=True)
    ]
    (finding,) = on_table(RULES, columns)
    assert (finding.rule, finding.severity) == ("identical-responses", "note")
    assert "6 of 6 repeated combinations" in finding.message
    rng = np.random.default_rng(1)
    varied = [count + int(rng.integers(-300, 300)) for count in columns["tokens_out"]]
    assert not on_table(RULES, columns | {"tokens_out": varied})


@pytest.mark.parametrize("lengths", [[768] * 6, [64, 128, 256, 512, 1024, 2048]])
def test_lengths_that_were_fixed_pass(lengths: list[int]) -> None:
    columns = measured({"model": ["a", "b"], "task": ["x", "y", "z"]})
    columns["tokens_out"] = [12 * lengths[row % 6] for row in range(30)]
    assert not on_table(RULES, columns)
