"""A judge for tests: a server on loopback that replies as a function says."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[str, dict[str, Any]], str | int]
"""From prompt and body to the text of the reply, or the status of a refusal."""

_ANSWER = re.compile(r"\[(\w+) answer begins\]\n(.*)\n\[\1 answer ends\]", re.DOTALL)
_RIGHT = re.compile(r"^The right answer: (.*)$", re.MULTILINE)


def answer_in(prompt: str) -> str:
    """The answer that a judge is shown."""
    found = _ANSWER.search(prompt)
    assert found is not None, prompt
    return found[2]


def right_in(prompt: str) -> str:
    """The right answer that a judge is told."""
    found = _RIGHT.search(prompt)
    assert found is not None, prompt
    return found[1]


def verdict(word: str, why: str = "so it is") -> str:
    return json.dumps({"verdict": word, "why": why})


def fair(prompt: str, body: dict[str, Any] | None = None) -> str:
    """A judge that knows: correct where the answer holds the right answer."""
    del body
    right = right_in(prompt).casefold() in answer_in(prompt).casefold()
    return verdict("correct" if right else "incorrect")


class JudgeServer(ThreadingHTTPServer):
    """Speaks as much of OpenAI's protocol as the engine needs, without a stream."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, reply: Reply) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.reply = reply
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answering(BaseHTTPRequestHandler):
    server: JudgeServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name it has)
        pass

    def do_GET(self) -> None:
        self._send(200 if self.path == "/v1/models" else 404, {"data": [{"id": "judge"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt = body["messages"][0]["content"]
        if prompt == "Hello":  # the one token that load() asks for
            self._text("x", prompt)
            return
        self.server.asked.append(body)
        said = self.server.reply(prompt, body)
        if isinstance(said, int):
            self._send(said, {"error": {"message": "response_format is not supported"}})
        else:
            self._text(said, prompt)

    def _text(self, said: str, prompt: str) -> None:
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(said.split())}
        choice = {"index": 0, "finish_reason": "stop", "message": {"content": said}}
        self._send(200, {"model": "judge-1", "choices": [choice], "usage": usage})

    def _send(self, status: int, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def judging(reply: Reply = fair) -> Iterator[JudgeServer]:
    """A judge on a free port for as long as the block lasts."""
    server = JudgeServer(reply)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
