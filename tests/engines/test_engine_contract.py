"""What every engine must do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from engine_cases import (
    echo,
    needs_torch,
    needs_vllm,
    openai,
    random_words,
    requests,
    tiny,
    vllm,
)

from joulebench.errors import UsageError
from joulebench.work import Engine, Sampling

FIXED = Sampling(max_tokens=6, min_tokens=6)
DRAWN = Sampling(max_tokens=12, min_tokens=12, temperature=0.8, top_p=0.95, seed=1)


@pytest.fixture(
    params=[
        "echo",
        "random",
        "openai",
        pytest.param("transformers", marks=needs_torch),
        pytest.param("vllm", marks=[needs_vllm, pytest.mark.filterwarnings("ignore")]),
    ]
)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "openai":
        with openai() as engine:
            yield engine
    else:
        yield {"echo": echo, "random": random_words, "vllm": vllm}.get(request.param, tiny)()


def test_answers_come_in_the_order_of_the_requests(engine: Engine) -> None:
    answers = engine.generate(requests(), FIXED)
    assert [answer.request_id for answer in answers] == ["r0", "r1", "r2"]


def test_fixed_length_is_kept(engine: Engine) -> None:
    for answer in engine.generate(requests(), FIXED):
        assert (answer.tokens_out, answer.finish_reason) == (6, "length")


def test_stamps_are_ordered_and_inside_the_call(engine: Engine) -> None:
    before_s = time.monotonic()
    answers = engine.generate(requests(), FIXED)
    after_s = time.monotonic()
    for answer in answers:
        assert before_s <= answer.start_s <= answer.first_token_s <= answer.stop_s <= after_s
        # What a busy machine reads from a connection at once has come at once.
        assert answer.first_token_s < answer.stop_s or len(set(answer.token_s)) == 1


def test_one_token_ends_when_it_begins(engine: Engine) -> None:
    (answer,) = engine.generate(requests()[:1], Sampling(max_tokens=1))
    assert answer.tokens_out == 1
    assert answer.first_token_s == answer.stop_s


def test_longer_prompts_have_more_tokens(engine: Engine) -> None:
    short, long, _ = engine.generate(requests(), FIXED)
    assert 0 < short.tokens_in < long.tokens_in


def test_greedy_is_deterministic(engine: Engine) -> None:
    one, other = (engine.generate(requests(), FIXED) for _ in range(2))
    assert [a.text for a in one] == [a.text for a in other]


def test_a_seed_decides_the_text(engine: Engine) -> None:
    one, again = (engine.generate(requests(), DRAWN) for _ in range(2))
    other = engine.generate(requests(), replace(DRAWN, seed=2))
    assert [a.text for a in one] == [a.text for a in again]
    assert all(a.text != b.text for a, b in zip(one[1:], other[1:], strict=True))


def test_a_seed_holds_whatever_ran_before(engine: Engine) -> None:
    alone = engine.generate(requests()[1:2], DRAWN)
    engine.generate(requests()[:1], DRAWN)
    assert engine.generate(requests()[1:2], DRAWN)[0].text == alone[0].text


def test_no_request_no_answer(engine: Engine) -> None:
    assert engine.generate([], FIXED) == []


def test_facts_are_json_and_name_the_kind(engine: Engine) -> None:
    facts = json.loads(json.dumps(engine.facts()))
    assert facts["kind"] in ("echo", "openai", "random", "transformers", "vllm")


@pytest.mark.parametrize(
    ("sampling", "named"),
    [
        (Sampling(max_tokens=0), "max_tokens"),
        (Sampling(max_tokens=4, min_tokens=5), "min_tokens"),
        (Sampling(temperature=-1.0), "temperature"),
        (Sampling(temperature=float("nan")), "temperature"),
        (Sampling(top_p=0.0), "top_p"),
    ],
)
def test_contradictory_sampling_is_refused(engine: Engine, sampling: Sampling, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        engine.generate(requests(), sampling)
