"""Streams as servers in use send them, however they are cut, over both kinds of connection."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from openai_recorded import RECORDED, Recorded
from openai_server import Server, serving

from joulebench.engines.openai import OpenAIEngine
from joulebench.engines.openai_alike import Alike
from joulebench.engines.openai_chunks import BadChunks, Chunks
from joulebench.engines.openai_reply import Reply, ReplyError
from joulebench.errors import UsageError
from joulebench.work import GenerationFailed, Request, Response, Sampling

SAMPLING = Sampling(max_tokens=8)


@pytest.fixture(params=["wire", "httpx"])
def connection(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Our own connections to this machine, or httpx's, which other machines are asked with."""
    if request.param == "httpx":
        monkeypatch.setattr("joulebench.engines.openai_client._wire", lambda: None)
    return str(request.param)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@contextmanager
def asking(url: str, **options: Any) -> Iterator[OpenAIEngine]:
    with closing(OpenAIEngine("echo", url=url, **{"timeout_s": 20.0, **options})) as engine:
        engine.import_libraries()
        engine.load()
        yield engine


def ask(url: str, prompt: str, **options: Any) -> Response:
    with asking(url, **options) as engine:
        (response,) = engine.generate([Request("r", prompt)], SAMPLING)
    return response


def check(response: Response, recorded: Recorded) -> None:
    assert response.text == recorded.text
    assert (response.finish_reason, len(response.token_s)) == (recorded.finish, recorded.pieces)
    if recorded.tokens is None:
        assert (response.tokens_from, response.tokens_out) == ("chunks", recorded.pieces)
    else:
        assert (response.tokens_from, response.tokens_in, response.tokens_out) == (
            "usage",
            *recorded.tokens,
        )


@pytest.mark.parametrize("name", RECORDED)
def test_servers_in_use_are_understood(server: Server, connection: str, name: str) -> None:
    server.recorded = RECORDED[name].data
    check(ask(server.url, "do:recorded"), RECORDED[name])


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_stream_may_be_cut_anywhere(name: str, size: int, end: bytes) -> None:
    data = RECORDED[name].data.replace(b"\n", end)
    reply = Reply(0.0, streamed=True)
    for place in range(0, len(data), size):
        reply.feed(data[place : place + size], 1.0 + place)
    reply.close(1e6)
    check(reply.response("r"), RECORDED[name])


# Pieces that are alike


def piece(text: str, /, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None, **more}
    return b"data: " + json.dumps({"id": "x", "choices": [choice]}, ensure_ascii=False).encode()


def test_a_piece_like_the_one_before_is_read_without_being_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reply = Reply(0.0, streamed=True)
    reply.feed(piece("a") + b"\n\n", 1.0)
    monkeypatch.setattr("joulebench.engines.openai_reply.parsed", lambda _: pytest.fail("parsed"))
    reply.feed(piece(" b") + b"\n\n" + piece(" ¢ and more") + b"\n\n", 2.0)
    assert reply.text == ["a", " b", " ¢ and more"]
    assert reply.token_s == [1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    "line",
    [
        piece('a"b'),
        piece("a\\b"),
        piece("a\nb"),
        piece(""),
        piece("a", finish_reason="stop"),
        piece("a").replace(b'"x"', b'"y"'),
        piece("a")[:-1],
        piece("a").replace(b'"a"', b'"\xff"'),
        piece("a").replace(b'"a"', b'"\x01"'),
        piece("a").replace(b'"a"', b'""'),
    ],
)
def test_what_is_not_certainly_alike_is_left_to_the_parser(line: bytes) -> None:
    alike = Alike()
    alike.learn(piece("first"), "first")
    assert alike.text(piece("second")) == "second"
    assert alike.text(line) is None


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (piece("a", text="a"), "a"),  # both names
        (piece("a").replace(b'"content"', b'"words"'), "a"),
        (piece('a"'), 'a"'),
        (piece("b"), "a"),
    ],
)
def test_what_is_not_clear_is_not_learnt(line: bytes, text: str) -> None:
    alike = Alike()
    alike.learn(line, text)
    assert alike.text(line) is None


def test_texts_are_the_same_as_a_parser_reads() -> None:
    draw = random.Random(5)
    letters = 'ab "\\\n\té¢😀\u2028\x7f{}:,'
    texts = ["".join(draw.choices(letters, k=draw.randint(0, 5))) for _ in range(500)]
    plain, ours = Reply(0.0, streamed=True), Reply(0.0, streamed=True)
    plain._alike.learn = lambda *_: None  # type: ignore[method-assign]
    for reply in (plain, ours):
        for text in texts:
            reply.feed(piece(text) + b"\n\n", 1.0)
    assert ours.text == plain.text == [text for text in texts if text]
    assert len(ours.token_s) == len(plain.token_s)


# Chunks


def framed(body: bytes, sizes: list[int]) -> bytes:
    data, place = b"", 0
    for size in sizes:
        part = body[place : place + size]
        place += len(part)
        data += b"%x;a=b\r\n%s\r\n" % (len(part), part) if part else b""
    return data + b"0\r\nTrailer: x\r\n\r\n"


def test_chunks_may_be_cut_anywhere() -> None:
    draw = random.Random(3)
    body = bytes(draw.randrange(256) for _ in range(200))
    for _ in range(200):
        data = framed(body, [draw.randint(1, 80) for _ in range(199)])
        chunks, got = Chunks(), b""
        while data:
            assert not chunks.ended
            size = draw.choice([1, 2, 3, 50, 1000])
            got += chunks.feed(data[:size])
            data = data[size:]
        assert (got, chunks.ended) == (body, True)


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\nabc",
        b"-1\r\n",
        b"1_0\r\n",
        b"\r\n",
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n\r",
        b"1" * 40 + b"\r\n",
        b"1" * 20_000,
    ],
)
def test_what_is_no_chunk_is_refused(data: bytes) -> None:
    with pytest.raises(BadChunks):
        Chunks().feed(data)


# Connections


@contextmanager
def raw_server(answer: bytes) -> Iterator[str]:
    """Refuses a GET, answers any other request as it is told, and closes the connection."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while not over.is_set():
                with suppress(OSError), listener.accept()[0] as connection:
                    connection.settimeout(5)
                    asked = connection.recv(1 << 16)
                    connection.sendall(NOTHING if asked.startswith(b"GET") else answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            with suppress(OSError):
                socket.create_connection(listener.getsockname(), 1).close()
            thread.join(10)


EVENT = piece("hello", finish_reason="stop") + b"\n\n"
NOTHING = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
DONE = b"data: [DONE]\n\n"
HALF = piece("half") + b"\n\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Connection: close\r\n\r\n" + EVENT,
        HEAD + b"Content-Length: %d\r\n\r\n" % len(EVENT) + EVENT,
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"\r\n" + EVENT,
        HEAD.replace(b"1.1", b"1.0").replace(b"\r\n", b"\n") + b"\n" + EVENT,
        CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT),
        HEAD
        + b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(EVENT + DONE), EVENT + DONE),
    ],
    ids=["close", "length", "continue", "http-1.0", "chunked", "ends-after-done"],
)
def test_bodies_of_every_kind_are_read(connection: str, answer: bytes) -> None:
    with raw_server(answer) as url:
        response = ask(url, "hello", remote=True)
    assert response.text == "hello"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "cannot be reached"),
        (HEAD + b"no header\r\n\r\n", "cannot be reached"),
        (HEAD + b"x: " + b"y" * 200_000 + b"\r\n\r\n", "cannot be reached"),
        (HEAD + b"Content-Length: 900\r\n\r\n" + EVENT, "died in the middle"),
        (CHUNKED + b"zz\r\n", "died in the middle"),
        (CHUNKED + b"%x\r\n%s\r\n" % (len(HALF), HALF), "died in the middle"),
        (HEAD + b"Content-Length: many\r\n\r\n" + EVENT, "cannot be reached"),
        (b"", "cannot be reached"),
    ],
    ids=[
        "no-http",
        "no-header",
        "long-header",
        "short",
        "bad-chunk",
        "cut",
        "bad-length",
        "nothing",
    ],
)
def test_what_is_no_http_is_told_in_one_line(answer: bytes, says: str) -> None:
    with (
        raw_server(answer) as url,
        asking(url, remote=True) as engine,
        pytest.raises(GenerationFailed) as error,
    ):
        engine.generate([Request("r", "hello")], SAMPLING)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_connection_is_used_again_and_one_that_was_closed_is_not(server: Server) -> None:
    before = len(server.sockets)
    with asking(server.url) as engine:
        for _ in range(5):
            engine.generate([Request("r", "one two")], SAMPLING)
        assert len(server.sockets) - before == 1
        with pytest.raises(GenerationFailed):
            engine.generate([Request("r", "do:dies")], SAMPLING)
        assert engine.generate([Request("r", "again")], SAMPLING)[0].text == "again"
        assert len(server.sockets) - before == 2


def test_what_is_left_of_an_answer_that_was_given_up_is_not_the_next_one(server: Server) -> None:
    with asking(server.url, timeout_s=0.4) as engine:
        with pytest.raises(GenerationFailed):
            engine.generate([Request("r", "do:drips")], SAMPLING)
        assert engine.generate([Request("r", "again")], SAMPLING)[0].text == "again"
        assert engine.facts()["retries"] == 0


def test_one_that_the_server_closed_meanwhile_is_no_failure(server: Server) -> None:
    with asking(server.url) as engine:
        for _ in range(3):
            server.sockets[-1].shutdown(socket.SHUT_RDWR)
            assert engine.generate([Request("r", "again")], SAMPLING)[0].text == "again"


def test_what_is_under_way_when_the_engine_is_closed_ends(server: Server) -> None:
    failed: list[BaseException] = []

    def generate(engine: OpenAIEngine) -> None:
        try:
            engine.generate([Request("r", "do:never")], SAMPLING)
        except BaseException as error:
            failed.append(error)

    with asking(server.url) as engine:
        thread = threading.Thread(target=generate, args=(engine,))
        before = server.under_way
        thread.start()
        while server.under_way == before:
            thread.join(0.01)
    thread.join(10)
    assert not thread.is_alive()
    assert failed


def test_a_server_behind_a_path_is_asked_there(server: Server, connection: str) -> None:
    ask(f"{server.url}/proxy/api", "one")
    assert set(server.paths[-2:]) == {"/proxy/api/v1/chat/completions"}


def test_the_loopback_of_ipv6_is_this_machine(connection: str) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving(host="::1") as server, asking(server.url) as engine:
        assert server.url.startswith("http://[::1]:")
        (response,) = engine.generate([Request("r", "one two")], SAMPLING)
        assert engine.facts()["remote"] is False
    assert response.text == "one two"


def test_a_first_token_may_come_later_than_a_connection(
    server: Server, connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joulebench.engines.openai_client._CONNECT_S", 0.05)
    response = ask(server.url, "do:slow a b")
    assert response.first_token_s - response.start_s >= 0.1
    assert response.tokens_out == 2


def test_a_server_that_is_silent_for_too_long_is_given_up(server: Server, connection: str) -> None:
    with asking(server.url, timeout_s=0.3) as engine, pytest.raises(GenerationFailed) as error:
        engine.generate([Request("r", "do:never")], SAMPLING)
    assert "raise engine.timeout_s" in str(error.value)


@pytest.mark.parametrize("usage", ["null", "{}", '{"prompt_tokens":null}', '{"prompt_tokens":3}'])
def test_usage_that_tells_nothing_leaves_the_pieces_to_count(server: Server, usage: str) -> None:
    lines = (piece("a"), piece("b"), piece("", finish_reason="length")[:-1] + b',"usage":%b}')
    server.recorded = b"".join(each + b"\n\n" for each in lines) % usage.encode()
    response = ask(server.url, "do:recorded")
    assert (response.tokens_from, response.tokens_out) == ("chunks", 2)


def test_usage_of_each_piece_is_what_the_last_one_says(server: Server) -> None:
    def told(text: str, count: int) -> bytes:
        usage = b',"usage":{"prompt_tokens":9,"completion_tokens":%d}}\n\n' % count
        return piece(text, finish_reason="stop" if count == 3 else None)[:-1] + usage

    server.recorded = told("a", 1) + told("b", 2) + told("c", 3)
    response = ask(server.url, "do:recorded")
    assert (response.tokens_in, response.tokens_out, response.text) == (9, 3, "abc")


def test_a_reply_that_breaks_off_after_alike_pieces_is_told() -> None:
    reply = Reply(0.0, streamed=True)
    for _ in range(3):
        reply.feed(piece("a") + b"\n\n", 1.0)
    with pytest.raises(ReplyError, match="broke off"):
        reply.close(2.0)


def test_half_a_character_is_none_and_two_halves_are_one(server: Server) -> None:
    pieces = (rb"\ud83d", rb"\ude00", rb"a\ud800", rb"b")
    lines = [b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % each for each in pieces]
    server.recorded = b"".join(lines) + b"data: [DONE]\n\n"
    assert ask(server.url, "do:recorded").text == "\U0001f600a\ufffdb"


def test_no_connection_is_told(connection: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UsageError, match="no server answers"):
        OpenAIEngine("echo", url=f"http://127.0.0.1:{port}").load()
