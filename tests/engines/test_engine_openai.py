"""The openai engine against a server that does whatever servers do."""

from __future__ import annotations

import itertools
import json
import math
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from engine_cases import requests
from openai_server import Server, serving

from joulebench.engines.openai import OpenAIEngine
from joulebench.engines.openai_address import endpoint_root, is_here
from joulebench.errors import UsageError
from joulebench.work import GenerationFailed, Request, Response, Sampling

SAMPLING = Sampling(max_tokens=8)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@contextmanager
def asking(url: str, **options: Any) -> Iterator[OpenAIEngine]:
    engine = OpenAIEngine("echo", url=url, **{"timeout_s": 20.0, **options})
    with closing(engine):
        engine.import_libraries()
        engine.load()
        yield engine


def ask(server: Server, prompt: str, sampling: Sampling = SAMPLING, **options: Any) -> Response:
    with asking(server.url, **options) as engine:
        (response,) = engine.generate([Request("r", prompt)], sampling)
    return response


def refusal(server: Server, prompt: str, **options: Any) -> str:
    with asking(server.url, **options) as engine, pytest.raises(GenerationFailed) as error:
        engine.generate([Request("r", prompt)], SAMPLING)
    message = str(error.value)
    assert "\n" not in message
    assert server.url in message
    return message


def test_pieces_have_the_times_at_which_they_came(server: Server) -> None:
    response = ask(server, "do:slow a b c d")
    assert response.first_token_s - response.start_s >= 0.1
    gaps = [late - early for early, late in itertools.pairwise(response.token_s)]
    assert len(gaps) == 3
    assert min(gaps) > 0.02
    assert response.token_s[0] == response.first_token_s
    assert response.token_s[-1] == response.stop_s


def test_without_usage_the_pieces_are_counted_and_the_record_says_so(server: Server) -> None:
    response = ask(server, "do:quick")
    assert (response.text, response.tokens_out, response.finish_reason) == ("abc", 3, "length")
    told = response.to_dict()
    assert (told["tokens_from"], told["tokens_in"]) == ("chunks", None)


def test_usage_in_the_piece_that_ends_the_answer_is_read(server: Server) -> None:
    response = ask(server, "do:usage_in_last")
    assert (response.text, response.tokens_in, response.tokens_out) == ("one two", 7, 3)
    assert response.tokens_from == "usage"


def test_usage_is_asked_for_and_comes_last(server: Server) -> None:
    response = ask(server, "one two three")
    assert server.asked[-1]["stream_options"] == {"include_usage": True}
    assert (response.tokens_in, response.tokens_out, response.tokens_from) == (3, 3, "usage")


def test_the_facts_say_who_counted(server: Server) -> None:
    with asking(server.url) as engine:
        engine.generate([Request("a", "x y"), Request("b", "do:quick")], SAMPLING)
        facts = engine.facts()
    # One more by usage: the token that load() asks for.
    assert (facts["counted_by_usage"], facts["counted_by_chunks"]) == (2, 1)
    assert (facts["server_version"], facts["model_told"], facts["remote"]) == (
        "1.2.3",
        "echo-1",
        False,
    )


def test_thoughts_are_counted_but_are_no_answer(server: Server) -> None:
    response = ask(server, "do:thinks")
    assert (response.text, response.tokens_out) == ("yes", 2)


def test_an_answer_without_text_ends_when_the_server_says_so(server: Server) -> None:
    response = ask(server, "do:empty")
    assert (response.text, response.tokens_out) == ("", 1)
    assert response.start_s < response.first_token_s == response.stop_s


@pytest.mark.parametrize("endpoint", ["chat", "completions"])
def test_without_a_stream_no_token_has_a_time(server: Server, endpoint: str) -> None:
    response = ask(server, "one two", stream=False, endpoint=endpoint)
    assert (response.text, response.tokens_out, response.token_s) == ("one two", 2, ())
    assert math.isnan(response.first_token_s)
    assert response.to_dict()["first_token_s"] is None
    assert "stream" not in server.asked[-1]


def test_a_plain_completion_is_asked_for_and_read(server: Server) -> None:
    response = ask(server, "one two", endpoint="completions")
    assert response.text == "one two"
    assert server.asked[-1]["prompt"] == "one two"
    assert "messages" not in server.asked[-1]


def test_fields_that_a_server_refuses_and_that_can_be_missed_are_left_out(server: Server) -> None:
    with asking(server.url) as engine:
        asked = Sampling(max_tokens=3, min_tokens=3)
        with pytest.raises(GenerationFailed, match=r"engine\.extra: \{min_tokens: null\}"):
            engine.generate([Request("r", "do:strict a b c")], asked)
        assert "fields_dropped" not in engine.facts()  # it was not for these that it refused
    with asking(server.url, extra={"min_tokens": None}) as engine:
        (response,) = engine.generate([Request("r", "do:strict a b")], asked)
        facts = engine.facts()
    assert sorted(facts["fields_dropped"]) == ["ignore_eos", "stream_options"]
    assert (response.tokens_out, response.tokens_from) == (2, "chunks")
    assert facts["outputs_short"] == 1  # asked for three, got two: never silent


def test_extra_fields_are_sent_and_null_leaves_one_out(server: Server) -> None:
    ask(server, "one", extra={"top_k": 5, "stream_options": None, "chat_template_kwargs": {"a": 1}})
    asked = server.asked[-1]
    assert (asked["top_k"], asked["chat_template_kwargs"]) == (5, {"a": 1})
    assert "stream_options" not in asked


def test_seeds_fit_into_31_bits_and_differ_by_prompt(server: Server) -> None:
    with asking(server.url) as engine:
        engine.generate(requests(), Sampling(max_tokens=2, temperature=0.5, seed=3))
    seeds = {asked["seed"] for asked in server.asked[-3:]}
    assert len(seeds) == 3
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_no_more_requests_are_under_way_than_allowed() -> None:
    many = [Request(f"r{i}", "do:slow a") for i in range(7)]
    with serving() as server, asking(server.url, concurrency=3) as engine:
        answers = engine.generate(many, SAMPLING)
        assert server.most_under_way == 3
    assert [answer.request_id for answer in answers] == [f"r{i}" for i in range(7)]


def test_several_threads_may_generate_at_a_time(server: Server) -> None:
    found: list[Response] = []
    with asking(server.url) as engine:
        threads = [
            threading.Thread(
                target=lambda n=n: found.extend(
                    engine.generate([Request(f"t{n}", f"word{n} x")], SAMPLING)
                )
            )
            for n in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert engine.facts()["counted_by_usage"] == 7
    assert {each.request_id: each.text for each in found} == {
        f"t{n}": f"word{n} x" for n in range(6)
    }


def test_a_busy_server_is_asked_again_and_the_facts_say_so() -> None:
    with serving() as server, asking(server.url) as engine:
        (response,) = engine.generate([Request("r", "do:busy a b")], SAMPLING)
        facts = engine.facts()
        assert len(server.asked) == 4  # one of load(), two refused, one answered
    assert response.text == "a b"
    assert (facts["retries"], facts["retry_wait_s"]) == (2, 0.1)


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("do:dies", "connection died in the middle of an answer"),
        ("do:breaks_off", "neither a finish_reason nor [DONE]"),
        ("do:malformed", "a line that is no JSON"),
        ("do:tells_error", "CUDA out of memory"),
        ("do:html", "Log in first"),
        ("do:always_busy", "no worker is free); tried 3 times"),
        ("do:busy_for_long", "asks to wait 86400 s"),
        ("do:no_quota", "quota is used up"),
        ("do:no_model", "does it serve a model called 'echo'?"),
        ("do:fails", "HTTP 500: the engine is dead"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(server: Server, prompt: str, says: str) -> None:
    assert says in refusal(server, prompt, retries=2)


@pytest.mark.parametrize("way", ["never", "drips"])
def test_an_answer_that_never_ends_is_given_up(server: Server, way: str) -> None:
    assert "raise engine.timeout_s" in refusal(server, f"do:{way}", timeout_s=0.3)


def test_answers_to_others_of_a_batch_are_kept(server: Server) -> None:
    batch = [Request("a", "one"), Request("b", "do:dies"), Request("c", "two")]
    with asking(server.url) as engine, pytest.raises(GenerationFailed) as error:
        engine.generate(batch, SAMPLING)
    # Those that were under way are waited for.
    assert {each.request_id for each in error.value.responses} >= {"a"}
    assert {each.request_id for each in error.value.responses} <= {"a", "c"}


def test_the_key_is_sent_and_told_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-very-secret")
    with serving(key="sk-very-secret") as server:
        with asking(server.url, api_key_env="A_KEY") as engine:
            assert engine.generate([Request("r", "one")], SAMPLING)[0].text == "one"
            assert "very-secret" not in json.dumps(engine.facts())
        assert server.headers_seen[-1]["Authorization"] == "Bearer sk-very-secret"
    with serving(key="another") as server, pytest.raises(UsageError) as error:
        OpenAIEngine("echo", url=server.url, api_key_env="A_KEY").load()
    assert "wrong key: Bearer [hidden]" in str(error.value)
    assert "api_key_env" in str(error.value)


def test_a_key_that_is_not_set_is_missed_before_anything_runs() -> None:
    engine = OpenAIEngine("echo", url="http://localhost:1", api_key_env="NO_SUCH_KEY_HERE")
    with pytest.raises(UsageError, match="NO_SUCH_KEY_HERE"):
        engine.import_libraries()


def test_a_server_that_is_not_there_is_told() -> None:
    with serving() as server:
        url = server.url
    with pytest.raises(UsageError, match=r"no server answers at .*/v1: .*engine\.serve"):
        OpenAIEngine("echo", url=url).load()


def test_a_model_that_is_refused_is_told_before_anything_is_measured() -> None:
    with serving(way="no_model") as server, pytest.raises(UsageError, match="does not exist"):
        OpenAIEngine("ecko", url=server.url).load()


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("http://h:80", "http://h:80/v1"),
        ("http://h/v1/", "http://h/v1"),
        ("https://h/api", "https://h/api/v1"),
        ("https://h/v1beta/openai", "https://h/v1beta/openai"),
        ("https://h/api/paas/v4", "https://h/api/paas/v4"),
    ],
)
def test_addresses_come_with_or_without_a_version(url: str, root: str) -> None:
    assert endpoint_root(url) == root


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.3.2.1", True),
        ("http://[::1]:8000", True),
        ("http://192.0.2.7", False),
        ("http://a.name.that.is.none.invalid", False),
    ],
)
def test_where_an_address_leads(url: str, here: bool) -> None:
    assert is_here(url) is here


def test_the_study_may_say_where_the_server_really_is(server: Server) -> None:
    with asking(server.url, remote=True) as engine:
        assert engine.facts()["remote"] is True


def test_a_remote_server_is_asked_for_no_token_that_the_study_does_not_ask_for() -> None:
    with serving() as server, asking(server.url, remote=True):
        assert server.asked == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "give the server's address with url"),
        ({"url": "localhost:8000"}, "no address of a server"),
        ({"url": "http://me:secret@h"}, "api_key_env"),
        ({"url": "http://h:99999"}, "no address of a server"),
        ({"url": "http://h", "endpoint": "chats"}, "did you mean 'chat'"),
        ({"url": "http://h", "timeout_s": 0}, "timeout_s = 0"),
        ({"url": "http://h", "concurrency": 0}, "concurrency = 0"),
        ({"url": "http://h", "retries": -1}, "retries = -1"),
        ({"url": "http://h", "extra": [1]}, "extra = [1]"),
        ({"url": "http://h", "extra": {"stream": True}}, "extra.stream would undo"),
        ({"url": "http://h", "extra": {"n": 2}}, "extra.n: one answer is measured"),
        ({"url": "http://h:{port}"}, "{port} in url"),
        ({"serve": {"comand": ["x"]}}, "did you mean 'command'"),
        ({"serve": {"command": "vllm serve"}}, "serve.command must be a list"),
        ({"serve": {"command": ["x"], "ready": "health"}}, "serve.ready = 'health'"),
        ({"serve": {"command": ["x"], "timeout_s": 0}}, "serve.timeout_s = 0"),
        ({"serve": {"command": ["x"]}, "url": "http://192.0.2.7"}, "runs on this machine"),
    ],
)
def test_wrong_options_say_what_to_write(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as error:
        OpenAIEngine("echo", **options)
    assert says in str(error.value)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)
