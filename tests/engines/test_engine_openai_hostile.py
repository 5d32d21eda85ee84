"""Servers that send too much, too late, packed, or what is no answer at all."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulebench.engines.openai import OpenAIEngine
from joulebench.engines.openai_chunks import Chunks
from joulebench.engines.openai_reply import Reply
from joulebench.work import GenerationFailed, Request, Response, Sampling

Script = Callable[[socket.socket, int], None]
"""Answers a request, given its number from 1, over a connection that stays open."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
NO_LIST = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"


def piece(text: str, end: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": end}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
ANSWER = piece("a") + piece("b") + piece("", "stop") + DONE


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class _Scripted:
    """Keeps its connections open between requests, and closes all at its end."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.count = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                self.connections.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self.threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            while line := lines.readline():
                length = 0
                while head := lines.readline().strip().lower():
                    if head.startswith(b"content-length:"):
                        length = int(head.partition(b":")[2])
                lines.read(length)
                if line.startswith(b"GET"):
                    connection.sendall(NO_LIST)
                else:
                    self.count += 1
                    self.script(connection, self.count)

    def close(self) -> None:
        for each in (self.listener, *self.connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self.threads:
            thread.join(10)


@contextmanager
def asking(script: Script | bytes, **options: Any) -> Iterator[OpenAIEngine]:
    def send(connection: socket.socket, number: int) -> None:
        del number
        connection.sendall(script if isinstance(script, bytes) else b"")

    with closing(_Scripted(send if isinstance(script, bytes) else script)) as server:
        given: dict[str, Any] = {"timeout_s": 20.0, "retries": 0, "remote": True, **options}
        with closing(OpenAIEngine("m", url=server.url, **given)) as engine:
            engine.load()
            yield engine


def ask(engine: OpenAIEngine) -> Response:
    return engine.generate([Request("r", "hello")], Sampling(max_tokens=8))[0]


def refusal(script: Script | bytes, **options: Any) -> str:
    with asking(script, **options) as engine, pytest.raises(GenerationFailed) as error:
        ask(engine)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + chunk(ANSWER) + END + b"junk",
        CHUNKED + chunk(ANSWER) + END + b"HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"Content-Length: %d\r\n\r\n%sjunk" % (len(ANSWER), ANSWER),
        CHUNKED + chunk(ANSWER + piece("after")) + END,
        CHUNKED + chunk(b"\xef\xbb\xbf" + ANSWER) + END,
    ],
    ids=["behind-the-chunks", "a-second-answer", "behind-the-length", "after-done", "bom"],
)
def test_what_does_not_belong_to_an_answer_is_left_out(answer: bytes) -> None:
    with asking(answer) as engine:
        assert [ask(engine).text for _ in range(3)] == ["ab"] * 3
        assert engine.facts()["retries"] == 0


def test_what_comes_unasked_is_not_taken_for_the_next_answer() -> None:
    said = threading.Event()

    def script(connection: socket.socket, number: int) -> None:
        connection.sendall(CHUNKED + chunk(ANSWER) + END)
        if number == 1:
            time.sleep(0.05)
            connection.sendall(b"HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n")
            said.set()

    with asking(script) as engine:
        first = ask(engine).text
        assert said.wait(10)
        time.sleep(0.1)
        assert (first, ask(engine).text) == ("ab", "ab")


@pytest.mark.parametrize("beats", [0, 400], ids=["silent", "comments"])
def test_a_stream_that_stays_open_after_its_end_is_left(beats: int) -> None:
    over = threading.Event()

    def script(connection: socket.socket, number: int) -> None:
        del number
        connection.sendall(CHUNKED + chunk(ANSWER))
        for _ in range(beats):
            if over.wait(0.05):
                return
            connection.sendall(chunk(b": still here\n\n"))
        over.wait(20)

    with asking(script) as engine:
        began_s = time.monotonic()
        text = ask(engine).text
        took_s = time.monotonic() - began_s
        over.set()
    assert text == "ab"
    assert took_s < 15  # far below the 20 s that an answer may take


def test_what_brings_no_data_does_not_go_on_for_ever() -> None:
    def script(connection: socket.socket, number: int) -> None:
        del number
        connection.sendall(CHUNKED + chunk(piece("a")) + b"0\r\n")
        for _ in range(60):  # each within the time that a silence may last
            connection.sendall(b"Trailer: x\r\n")
            time.sleep(0.05)

    assert "not complete after 0.4 s" in refusal(script, timeout_s=0.4)


@pytest.mark.parametrize("status", [b"200 OK", b"400 Bad"])
def test_a_body_that_is_packed_though_not_asked_for_is_unpacked(status: bytes) -> None:
    body = ANSWER if status.startswith(b"2") else b'{"error": "no such field"}'
    packed = gzip.compress(body)
    head = HEAD.replace(b"200 OK", status) + b"Content-Encoding: gzip\r\n"
    answer = head + b"Content-Length: %d\r\n\r\n%s" % (len(packed), packed)
    if status.startswith(b"2"):
        with asking(answer) as engine:
            assert ask(engine).text == "ab"
    else:
        assert "no such field" in refusal(answer)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + END, "not asked for"),
        (HEAD + b"Transfer-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", "not asked for"),
        (HEAD + b"X: a\r\n Content-Length: 0\r\n\r\n" + ANSWER, "no header"),
        (HEAD + b"Content-Length : 0\r\n\r\n" + ANSWER, "no header"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 101 Changed\r\n\r\n", "another protocol"),
        (CHUNKED + b"0x1\r\na\r\n" + END, "without a size"),
        (CHUNKED + b"1\r\na\n\r" + END, "longer than told"),
        (CHUNKED + b"0\r\n" + b"x: y\r\n" * 5000, "trailers that are too long"),
        (CHUNKED + chunk(b"data: " + b"[" * 200_000 + b"\n\n") + END, "no JSON"),
        (CHUNKED + chunk(b"x" * (1 << 20)) * 17 + END, "16 MiB"),
        (b"HTTP/1.1 307 No\r\nLocation: http://a/v1\r\nContent-Length: 0\r\n\r\n", "see http://a/"),
    ],
)
def test_what_cannot_be_trusted_is_told_in_one_line(answer: bytes, says: str) -> None:
    assert says in refusal(answer)


def test_a_list_of_models_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joulebench.engines.openai_client.LARGEST_BYTES", 1 << 20)
    monkeypatch.setattr(f"{__name__}.NO_LIST", CHUNKED + chunk(b" " * (1 << 16)) * 32)
    with asking(CHUNKED + chunk(ANSWER) + END) as engine:
        assert ask(engine).text == "ab"


def test_bytes_behind_the_last_chunk_are_told_apart_however_they_are_cut() -> None:
    data = chunk(b"body") + END + b"x"
    for cut in range(len(data) + 1):
        chunks = Chunks()
        assert chunks.feed(data[:cut]) + chunks.feed(data[cut:]) == b"body"
        assert (chunks.ended, chunks.over) == (True, True)


# What is read without being parsed is what would have been parsed

_texts = st.text(max_size=4) | st.sampled_from(["a", "é", "\U0001f600", '"', "\\", "\u00a0", "{}"])
_fields = st.fixed_dictionaries(
    {},
    optional={
        "content": _texts,
        "text": _texts,
        "reasoning_content": _texts,
        "role": st.just("assistant"),
        "tool_calls": st.just([{"function": {"arguments": '"content":"x"'}}]),
    },
)
_logprobs = st.builds(lambda text: {"content": [{"token": text, "logprob": -0.5}]}, _texts)
_choices = st.fixed_dictionaries(
    {"index": st.just(0)},
    optional={
        "delta": _fields,
        "text": _texts,
        "logprobs": st.none() | _logprobs,
        "finish_reason": st.sampled_from([None, None, None, "stop", "length"]),
    },
)
_documents: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"choices": st.lists(_choices, min_size=1, max_size=1)},
    optional={
        "id": st.sampled_from(["1", "2"]),
        "usage": st.none()
        | st.builds(lambda n: {"prompt_tokens": 1, "completion_tokens": n}, st.integers(0, 3)),
        "content": st.just("outside"),
    },
)


@st.composite
def _streams(draw: st.DrawFn) -> list[bytes]:
    """Draw lines of a few forms, each several times with something else in one of its places."""
    lines = []
    for document in draw(st.lists(_documents, min_size=1, max_size=2)):
        ascii_, blanks = draw(st.booleans()), draw(st.sampled_from([(",", ":"), (", ", ": ")]))
        (choice,) = document["choices"]
        for _ in range(draw(st.integers(2, 6))):
            place = choice.get("delta", choice)
            place[draw(st.sampled_from(["content", "content", "text"]))] = draw(_texts)
            if draw(st.integers(0, 3)) == 0:
                choice["finish_reason"] = draw(st.sampled_from([None, "stop"]))
                document["usage"] = {"prompt_tokens": 1, "completion_tokens": draw(st.integers(0))}
            line = json.dumps(document, ensure_ascii=ascii_, separators=blanks)
            lines.append(b"data: " + line.encode("utf-8", "surrogatepass"))
    return lines


@settings(max_examples=250, deadline=None, derandomize=True)
@given(_streams())
def test_pieces_are_read_as_json_would_be(lines: list[bytes]) -> None:
    reply, parsed = Reply(0.0, streamed=True), Reply(0.0, streamed=True)
    for place, line in enumerate(lines):
        reply.feed(line + b"\n", float(place))
        parsed.take(json.loads(line[6:]), float(place))
    assert (reply.text, reply.token_s) == (parsed.text, parsed.token_s)
    assert (reply.finish_reason, reply.usage) == (parsed.finish_reason, parsed.usage)


def test_a_text_that_stands_twice_in_a_piece_is_parsed() -> None:
    line = 'data: {"choices":[{"delta":{"content":"%s"},"text":"%s","logprobs":{"content":[]}}]}\n'
    reply = Reply(0.0, streamed=True)
    for told, other in (("a", "a"), ("a", "b")):
        reply.feed((line % (told, other)).encode(), 1.0)
    assert reply.text == ["a", "a"]
