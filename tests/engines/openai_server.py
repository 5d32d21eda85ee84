"""A small OpenAI-compatible server on loopback, that does what a prompt's first words say."""

# ruff: noqa: ARG002 (all ways are called alike)

from __future__ import annotations

import json
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Body = dict[str, Any]


class Server(ThreadingHTTPServer):
    """Answers like an echo: the words of a prompt, a word a token, a piece a token.

    A prompt that begins with ``do:WAY`` is answered in that way: see :class:`Answering`. Notes
    what it was asked, and how many requests were under way at most.
    """

    daemon_threads = False
    block_on_close = True
    request_queue_size = 256  # else a burst of connections waits for a second

    def __init__(
        self, port: int = 0, *, way: str = "", key: str = "", host: str = "127.0.0.1"
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Answering)
        self.host = f"[{host}]" if ":" in host else host
        self.way, self.key = way, key
        self.asked: list[Body] = []
        self.paths: list[str] = []
        self.recorded = b""
        self.headers_seen: list[dict[str, str]] = []
        self.busy_left = 2
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.sockets: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.server_port}"

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.sockets.append(connection)
        return connection, address


class Answering(BaseHTTPRequestHandler):
    """Answers one connection; the ways are methods called ``way_...``."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name it has)
        pass

    def do_GET(self) -> None:
        known: dict[str, Any] = {"/v1/models": {"data": [{"id": "echo"}]}, "/health": {}}
        known["/version"] = {"version": "1.2.3"}
        document = known.get(self.path)
        self._json(404 if document is None else 200, document or {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        with server.lock:
            server.asked.append(body)
            server.paths.append(self.path)
            server.headers_seen.append(dict(self.headers.items()))
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
        try:
            self._answer(body)
        finally:
            with server.lock:
                server.under_way -= 1

    def _answer(self, body: Body) -> None:
        sent = f"Bearer {self.server.key}"
        if self.server.key and self.headers.get("authorization") != sent:
            told = self.headers.get("authorization", "no key")
            return self._error(401, f"wrong key: {told}")
        prompt = body["prompt"] if "prompt" in body else body["messages"][0]["content"]
        way = self.server.way or "plain"
        if prompt.startswith("do:"):
            way, _, prompt = prompt.removeprefix("do:").partition(" ")
        getattr(self, f"way_{way}")(body, prompt)
        return None

    def way_plain(self, body: Body, prompt: str) -> None:
        words = answer_of(prompt, body)
        length = len(words) >= body["max_tokens"]
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(words)}
        if not body.get("stream"):
            return self._json(200, whole(body, " ".join(words), length) | {"usage": usage})
        self._begin()
        for place, word in enumerate(words):
            self._piece(body, word if place == 0 else f" {word}")
            time.sleep(0.0005)
        self._data(piece(body, "", "length" if length else "stop"))
        if (body.get("stream_options") or {}).get("include_usage"):
            self._data({"choices": [], "model": "echo-1", "usage": usage})
        self._raw(b"data: [DONE]\n\n")
        return self._finish()

    def way_slow(self, body: Body, prompt: str) -> None:
        """0.1 s before the first piece, 0.05 s between two, and a comment meanwhile."""
        self._begin()
        time.sleep(0.1)
        self._raw(b": still here\n\n")
        for word in prompt.split():
            self._piece(body, word)
            time.sleep(0.05)
        self._data(piece(body, "", "stop"))
        self._finish()

    def way_quick(self, body: Body, prompt: str) -> None:
        """Three pieces in one packet, neither usage nor [DONE], the last line without an end."""
        self._begin()
        text = b"".join(line(piece(body, word)) for word in ("a", "b", "c"))
        self._raw(text + line(piece(body, "", "length")).rstrip())
        self._finish()

    def way_usage_in_last(self, body: Body, prompt: str) -> None:
        """Usage in the piece that ends the answer, and no [DONE], as transformers serve does."""
        self._begin()
        self._data({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
        self._piece(body, "one two")
        usage = {"prompt_tokens": 7, "completion_tokens": 3}
        self._data(piece(body, "", "length") | {"usage": usage})
        self._finish()

    def way_thinks(self, body: Body, prompt: str) -> None:
        self._begin()
        self._data({"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]})
        self._piece(body, "yes")
        self._data(piece(body, "", "stop"))
        self._finish()

    def way_empty(self, body: Body, prompt: str) -> None:
        self._begin()
        self._data(
            piece(body, "", "stop") | {"usage": {"prompt_tokens": 2, "completion_tokens": 1}}
        )
        self._finish()

    def way_recorded(self, body: Body, prompt: str) -> None:
        """The bytes that a test gave, cut anywhere."""
        self._begin()
        for begin in range(0, len(self.server.recorded), 37):
            self._raw(self.server.recorded[begin : begin + 37])
        self._finish()

    def way_exits_once(self, body: Body, prompt: str) -> None:
        """The whole server ends in the middle of an answer; one that is started anew does not."""
        mark = Path(sys.argv[2])
        if mark.exists():
            return self.way_plain(body, prompt)
        mark.touch()
        self._begin()
        self._piece(body, "half")
        self.wfile.flush()
        os._exit(9)

    def way_dies(self, body: Body, prompt: str) -> None:
        self._begin()
        self._piece(body, "half")
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def way_breaks_off(self, body: Body, prompt: str) -> None:
        """An orderly end of the connection without an end of the answer."""
        self._begin()
        self._piece(body, "half")
        self._finish()

    def way_malformed(self, body: Body, prompt: str) -> None:
        self._begin()
        self._piece(body, "half")
        self._raw(b'data: {"choices": [{"delta": {"con\n\n')
        self._finish()

    def way_tells_error(self, body: Body, prompt: str) -> None:
        self._begin()
        self._data({"error": {"message": "CUDA out of memory"}})
        self._finish()

    def way_html(self, body: Body, prompt: str) -> None:
        self._send(200, b"<html>Log in first</html>", "text/html")

    def way_busy(self, body: Body, prompt: str) -> None:
        with self.server.lock:
            self.server.busy_left -= 1
            busy = self.server.busy_left >= 0
        if busy:
            return self._error(429, "slow down", {"Retry-After": "0.05"})
        return self.way_plain(body, prompt)

    def way_always_busy(self, body: Body, prompt: str) -> None:
        self._error(503, "no worker is free", {"Retry-After": "0"})

    def way_busy_for_long(self, body: Body, prompt: str) -> None:
        self._error(429, "come back tomorrow", {"Retry-After": "86400"})

    def way_no_quota(self, body: Body, prompt: str) -> None:
        document = {"error": {"message": "no money left", "code": "insufficient_quota"}}
        self._json(429, document)

    def way_no_model(self, body: Body, prompt: str) -> None:
        self._error(404, f"The model `{body['model']}` does not exist.")

    def way_fails(self, body: Body, prompt: str) -> None:
        self._error(500, "the engine\nis dead")

    def way_strict(self, body: Body, prompt: str) -> None:
        """Refuse the fields that are not OpenAI's own, all at once, with 422."""
        odd = sorted({"stream_options", "ignore_eos", "min_tokens"} & set(body))
        if odd:
            return self._json(422, {"detail": f"Unexpected fields in the request: {odd}"})
        return self.way_plain(body, prompt)

    def way_never(self, body: Body, prompt: str) -> None:
        self.server.stopping.wait(20)
        self.close_connection = True

    def way_drips(self, body: Body, prompt: str) -> None:
        """Never ends, always says something."""
        self._begin()
        with suppress(OSError):
            while not self.server.stopping.wait(0.02):
                self._piece(body, "x")
        self.close_connection = True

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _piece(self, body: Body, text: str) -> None:
        self._data(piece(body, text))

    def _data(self, document: Body) -> None:
        self._raw(line(document))

    def _raw(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _finish(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def _error(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self._json(status, {"error": {"message": message, "type": "x"}}, headers)

    def _json(self, status: int, document: Body, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(document).encode(), "application/json", headers)

    def _send(
        self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def line(document: Body) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def piece(body: Body, text: str, finish: str | None = None) -> Body:
    part = {"text": text} if "prompt" in body else {"delta": {"content": text} if text else {}}
    return {"model": "echo-1", "choices": [{"index": 0, "finish_reason": finish, **part}]}


def whole(body: Body, text: str, length: bool) -> Body:
    part = {"text": text} if "prompt" in body else {"message": {"content": text}}
    reason = "length" if length else "stop"
    return {"model": "echo-1", "choices": [{"index": 0, "finish_reason": reason, **part}]}


def answer_of(prompt: str, body: Body) -> list[str]:
    words: list[str] = prompt.split() or ["..."]
    if body["temperature"] > 0:
        random.Random(body["seed"]).shuffle(words)
    repeats = -(-max(int(body.get("min_tokens", 1)), 1) // len(words))
    length = min(max(len(words), int(body.get("min_tokens", 0))), int(body["max_tokens"]))
    return (words * repeats)[:length]


@contextmanager
def serving(*, way: str = "", key: str = "", host: str = "127.0.0.1") -> Iterator[Server]:
    """A server on a free port for as long as the block lasts."""
    server = Server(way=way, key=key, host=host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        for connection in server.sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
        thread.join()


if __name__ == "__main__":
    print("the server begins", flush=True)  # noqa: T201
    if sys.argv[2:] == ["fail"]:
        sys.exit("there is no GPU")
    time.sleep(0.2)
    Server(int(sys.argv[1])).serve_forever()
