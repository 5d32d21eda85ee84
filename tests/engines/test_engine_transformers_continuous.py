from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from engine_cases import loaded, needs_torch, requests, tiny

from joulebench.engines.transformers import TransformersEngine
from joulebench.errors import UsageError
from joulebench.work import GenerationFailed, Request, Response, Sampling

pytestmark = needs_torch

FIXED = Sampling(max_tokens=6, min_tokens=6)
DRAWN = Sampling(max_tokens=12, min_tokens=12, temperature=0.8, top_p=0.95, seed=1)


@pytest.fixture(scope="module")
def engine() -> Iterator[TransformersEngine]:
    found = loaded("transformers", batching="continuous")
    assert isinstance(found, TransformersEngine)
    yield found
    found.close()
    assert not [t for t in threading.enumerate() if "_run_generation_loop" in t.name]


def test_texts_are_those_of_a_static_batch(engine: TransformersEngine) -> None:
    sampling = Sampling(max_tokens=24, min_tokens=24)
    theirs = tiny().generate(requests(), sampling)
    ours = engine.generate(requests(), sampling)
    assert [a.tokens_in for a in ours] == [a.tokens_in for a in theirs]
    assert [a.text for a in ours] == [a.text for a in theirs]


def test_each_token_has_its_time(engine: TransformersEngine) -> None:
    before_s = time.monotonic()
    answers = engine.generate(requests(), FIXED)
    after_s = time.monotonic()
    for answer in answers:
        assert (answer.tokens_out, answer.finish_reason) == (6, "length")
        assert len(answer.token_s) == 6
        stamps_s = [before_s, answer.start_s, *answer.token_s, after_s]
        assert stamps_s == sorted(stamps_s)
        assert answer.first_token_s == answer.token_s[0] < answer.token_s[-1] == answer.stop_s


def test_a_seed_decides_the_text(engine: TransformersEngine) -> None:
    one = engine.generate(requests(), DRAWN)
    engine.generate(requests()[:1], DRAWN)
    again = engine.generate(requests(), DRAWN)
    other = engine.generate(requests(), replace(DRAWN, seed=2))
    assert [a.text for a in one] == [a.text for a in again]
    assert [a.text for a in one] != [a.text for a in other]


def test_an_end_token_ends_one_request_alone(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = frozenset(range(0, 1024, 8)) - {engine._words.pad_id}
    monkeypatch.setattr(engine._words, "end_ids", ends)
    answers = engine.generate(requests(), Sampling(max_tokens=40))
    assert len({answer.tokens_out for answer in answers}) > 1
    for answer in answers:
        assert answer.finish_reason == ("stop" if answer.tokens_out < 40 else "length")
    fixed = engine.generate(requests(), Sampling(max_tokens=40, min_tokens=40))
    assert [answer.tokens_out for answer in fixed] == [40, 40, 40]


def test_a_request_joins_while_others_are_under_way(engine: TransformersEngine) -> None:
    long, short = Sampling(max_tokens=60, min_tokens=60), Sampling(max_tokens=3, min_tokens=3)
    before_s = time.monotonic()
    engine.submit(Request("long", "Tell me all."), long)
    assert time.monotonic() - before_s < 30
    engine.submit(Request("short", "Hi"), short)
    answers = collected(engine, 2)
    assert [answer.request_id for answer in answers] == ["short", "long"]
    assert [answer.tokens_out for answer in answers] == [3, 60]
    assert answers[1].start_s < answers[0].stop_s < answers[1].stop_s
    assert engine.collect(0.01) == []


def collected(engine: TransformersEngine, count: int) -> list[Response]:
    answers: list[Response] = []
    for _ in range(count):
        answers += engine.collect(math.inf)
        if len(answers) == count:
            break
    return answers


def test_a_static_engine_offers_no_submit() -> None:
    assert not hasattr(tiny(), "submit")


def test_fewest_tokens_that_are_no_fixed_length_are_refused(engine: TransformersEngine) -> None:
    with pytest.raises(UsageError, match="min_tokens 0 or equal to max_tokens"):
        engine.generate(requests(), Sampling(max_tokens=8, min_tokens=3))


def test_a_batch_that_breaks_off_fails_in_one_line(engine: TransformersEngine) -> None:
    """And the next request starts another batch."""
    engine.generate(requests(), FIXED)
    processor = engine._running._manager.batch_processor

    def broken(*_: object) -> None:
        raise RuntimeError("the device is gone\nand more")

    processor._generation_step = broken
    with pytest.raises(GenerationFailed) as error:
        engine.generate(requests(), FIXED)
    assert str(error.value) == (
        "engine 'transformers': continuous batching broke off: the device is gone; try batching: "
        "static"
    )
    assert len(engine.generate(requests(), FIXED)) == 3


def test_eager_attention_is_kept_and_given_back() -> None:
    found = loaded("transformers", batching="continuous", attention="eager")
    assert isinstance(found, TransformersEngine)
    try:
        ours = found.generate(requests(), FIXED)
        assert [a.text for a in ours] == [a.text for a in tiny().generate(requests(), FIXED)]
        weighed = found.choice_logprobs(requests()[:1], [["yes", "no"]])
    finally:
        found.close()
    static = tiny()
    assert isinstance(static, TransformersEngine)
    assert weighed[0] == pytest.approx(static.choice_logprobs(requests()[:1], [["yes", "no"]])[0])
