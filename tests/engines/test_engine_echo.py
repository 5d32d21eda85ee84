from __future__ import annotations

import pytest
from engine_cases import loaded, requests

from joulebench.errors import UsageError
from joulebench.work import Sampling


def test_it_says_the_prompt_back() -> None:
    (answer,) = loaded("echo").generate(requests()[1:2], Sampling(max_tokens=64))
    assert answer.text == requests()[1].prompt
    assert answer.tokens_out == answer.tokens_in == len(answer.text.split())
    assert answer.finish_reason == "stop"


def test_it_repeats_itself_up_to_the_fewest_tokens() -> None:
    (answer,) = loaded("echo").generate(requests()[:1], Sampling(max_tokens=9, min_tokens=5))
    assert answer.text == "Hello Hello Hello Hello Hello"


def test_a_given_answer_replaces_the_prompt() -> None:
    (answer,) = loaded("echo", answer="Yes.").generate(requests()[:1], Sampling())
    assert answer.text == "Yes."


def test_tokens_take_the_time_asked_for() -> None:
    engine = loaded("echo", token_s=0.005, prefill_s=0.02)
    (answer,) = engine.generate(requests()[:1], Sampling(max_tokens=5, min_tokens=5))
    assert answer.first_token_s - answer.start_s >= 0.025
    assert answer.stop_s - answer.start_s >= 0.045


def test_a_short_answer_of_a_batch_stops_before_a_long_one() -> None:
    short, long, _ = loaded("echo", token_s=0.002).generate(requests(), Sampling())
    assert short.stop_s < long.stop_s


def test_facts_say_that_it_is_simulated() -> None:
    assert loaded("echo").facts()["simulated"] is True


@pytest.mark.parametrize("wrong", [-0.1, float("inf"), float("nan"), "1", True])
def test_an_impossible_time_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError, match="token_s"):
        loaded("echo", token_s=wrong)
