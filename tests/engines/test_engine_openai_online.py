"""The openai engine under loads whose requests overlap, against a server on loopback."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest
from openai_server import Server, serving

from joulebench.clock import RealClock
from joulebench.engines.openai import OpenAIEngine
from joulebench.engines.openai_online import UnderWay
from joulebench.errors import UsageError
from joulebench.work import GenerationFailed, Load, Request, Response, Sampling
from joulebench.workloads import serving as served_as
from joulebench.workloads.load_drive import Drive, asked

WORDS = Sampling(max_tokens=8)
SLOW = Request("slow", "do:slow one two three")
"""0.1 s to the first of three pieces, 0.05 s between two."""


@contextmanager
def asking(concurrency: int = 64) -> Iterator[tuple[OpenAIEngine, Server]]:
    with serving() as server:
        engine = OpenAIEngine("echo", url=server.url, concurrency=concurrency)
        engine.import_libraries()
        engine.load()
        try:
            yield engine, server
        finally:
            engine.close()


def test_sixteen_users_are_served_at_a_time() -> None:
    load = Load(kind="closed", concurrency=16, requests=64, latency_slo_s=60.0)
    with asking(concurrency=2) as (engine, server):
        drive = Drive(engine, WORDS, load, RealClock())
        drive.run(asked([SLOW], load.requests))
    assert 8 < server.most_under_way <= 16  # what the load says, whatever holds for batches
    answers = drive.answered
    assert len({answer.request_id for answer in answers}) == 64
    assert all(answer.text == "onetwothree" for answer in answers)
    assert all(a.arrived_s <= a.start_s < a.first_token_s < a.stop_s for a in answers)
    assert min(a.stop_s - a.start_s for a in answers) > 0.19
    told = served_as.serving(answers, load)
    assert told is not None
    assert told["itl_s"]["p50"] > 0.02
    assert told["good"] == 64
    assert "steady" in told


def test_arrivals_at_a_server_do_not_wait_for_answers() -> None:
    load = Load(kind="open", rate_per_s=100.0, arrivals="constant", requests=20)
    with asking() as (engine, server):
        drive = Drive(engine, WORDS, load, RealClock())
        drive.run(asked([SLOW], load.requests))
    arrived_s = sorted(answer.arrived_s for answer in drive.answered)
    gaps_s = [b - a for a, b in itertools.pairwise(arrived_s)]
    assert gaps_s == pytest.approx([0.01] * 19)
    assert server.most_under_way > 3  # 0.2 s each
    assert len(drive.late_s) == 20


def test_a_failure_keeps_what_was_under_way() -> None:
    prompts = [SLOW, Request("bad", "do:fails"), Request("other", "do:slow one two")]
    load = Load(kind="closed", concurrency=3)
    with asking() as (engine, _):
        drive = Drive(engine, WORDS, load, RealClock())
        with pytest.raises(GenerationFailed, match="HTTP 500"):
            drive.run(prompts)
        assert {answer.request_id for answer in drive.answered} == {"slow", "other"}
        # It can be asked again afterwards.
        assert [a.text for a in engine.generate([Request("x", "yes")], WORDS)] == ["yes"]


def test_collect_waits_no_longer_than_asked() -> None:
    with asking() as (engine, _):
        assert engine.collect(math.inf) == []
        engine.submit(SLOW, WORDS)
        assert engine.collect(0.0) == []
        assert [answer.request_id for answer in engine.collect(math.inf)] == ["slow"]


def test_all_answers_that_are_there_are_given_at_once() -> None:
    under_way = UnderWay()
    for name in ("a", "b"):
        done: Future[Response] = Future()
        under_way.add(done)
        done.set_result(Response(name, "", 1, 1, 0.0, 1.0, 1.0))
    under_way.add(Future())
    answers, failed = under_way.collect(math.inf)
    assert ([answer.request_id for answer in answers], failed) == (["a", "b"], None)


def test_closing_does_not_wait_for_answers() -> None:
    with asking() as (engine, _):
        engine.submit(Request("never", "do:drips"), WORDS)
        assert engine.collect(0.05) == []
        begin_s = time.monotonic()
        engine.close()
        assert time.monotonic() - begin_s < 60
        assert engine.collect(0.0) == []


def test_a_sampling_that_contradicts_itself_is_refused_at_once() -> None:
    with asking() as (engine, _), pytest.raises(UsageError, match="max_tokens"):
        engine.submit(SLOW, Sampling(max_tokens=0))
