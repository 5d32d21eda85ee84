from __future__ import annotations

from statistics import fmean, stdev

import pytest

from joulebench.clock import VirtualClock
from joulebench.engines.random_words import RandomEngine
from joulebench.errors import UsageError
from joulebench.work import Request, Sampling

LONG = Sampling(max_tokens=1000)
MANY = [Request(f"r{n}", f"Question {n}?") for n in range(400)]


def test_lengths_scatter_about_their_mean() -> None:
    lengths = [answer.tokens_out for answer in RandomEngine(length=40).generate(MANY, LONG)]
    assert fmean(lengths) == pytest.approx(40, abs=4)
    assert stdev(lengths) == pytest.approx(20, abs=4)
    assert min(lengths) >= 1


def test_a_length_is_held_by_the_sampling() -> None:
    answers = RandomEngine(length=40).generate(MANY, Sampling(max_tokens=50, min_tokens=30))
    assert {30, 50} <= {answer.tokens_out for answer in answers} <= set(range(30, 51))
    assert all((a.finish_reason == "length") is (a.tokens_out == 50) for a in answers)


def test_a_text_has_as_many_words_as_tokens() -> None:
    for answer in RandomEngine().generate(MANY[:20], LONG):
        assert len(answer.text.split()) == answer.tokens_out


def test_a_seed_draws_the_length_as_well() -> None:
    one, other = (
        [a.tokens_out for a in RandomEngine().generate(MANY, Sampling(1000, 0, 1.0, 1.0, seed))]
        for seed in (1, 2)
    )
    assert one != other


def test_it_works_on_computed_time() -> None:
    engine, clock = RandomEngine(token_s=60.0, prefill_s=10.0, length=5), VirtualClock()
    engine.use_clock(clock)
    (answer,) = engine.generate(MANY[:1], LONG)
    assert answer.stop_s - answer.start_s == pytest.approx(10 + 60 * answer.tokens_out)


def test_facts_say_that_it_is_simulated() -> None:
    facts = RandomEngine(length=7).facts()
    assert (facts["kind"], facts["simulated"], facts["length"]) == ("random", True, 7.0)
    assert "answer" not in facts


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "3", True])
def test_an_impossible_length_is_refused(wrong: float) -> None:
    with pytest.raises(UsageError, match="engine 'random': length = "):
        RandomEngine(length=wrong)


def test_an_impossible_time_names_this_engine() -> None:
    with pytest.raises(UsageError, match="engine 'random': token_s"):
        RandomEngine(token_s=-1)
