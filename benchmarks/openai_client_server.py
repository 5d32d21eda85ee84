"""A server that costs next to nothing: canned answers in OpenAI's form, from sockets alone.

Run as ``python openai_client_server.py``; it prints its port, and ends when its standard input
does. A request for the model ``paced`` is answered with a token every ``PERIOD_S`` seconds, all
requests at the same times, as servers that batch do; any other as fast as the connection takes it.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

PERIOD_S = 0.01

TEXT = " token"

_HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: canned\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ASKED = re.compile(rb'"max_tokens": *(\d+)')
_PACED = re.compile(rb'"model": *"paced"')


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _line(choices: list[dict[str, Any]], **more: Any) -> bytes:
    document = {
        "id": "chatcmpl-0123456789abcdef0123456789abcdef",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "canned",
        "choices": choices,
        **more,
    }
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


def _choice(delta: dict[str, str], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


ROLE = _chunk(_line([_choice({"role": "assistant", "content": ""}, None)]))
TOKEN = _chunk(_line([_choice({"content": TEXT}, None)]))


def _last(tokens: int) -> bytes:
    usage = {"prompt_tokens": 9, "total_tokens": 9 + tokens, "completion_tokens": tokens}
    end = _line([_choice({"content": TEXT}, "length")])
    return _chunk(end) + _chunk(_line([], usage=usage)) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Canned(asyncio.Protocol):
    """One connection; its answers are written a token a turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._left = 0
        self._tokens = 0
        self._paced = self._full = self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        """Stop writing."""
        self._transport = None

    def pause_writing(self) -> None:
        """Wait until the other side has read."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on."""
        self._full = False
        if self._waits:
            self._waits = False
            self._write()

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is there."""
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or len(body) < (int(length[1]) if length else 0):
            return
        self._data = b""
        assert self._transport is not None
        if head.startswith(b"GET"):
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            return
        asked = _ASKED.search(body)
        self._tokens = self._left = int(asked[1]) if asked else 1
        self._paced = _PACED.search(body) is not None
        self._transport.write(_HEAD + ROLE)
        self._next()

    def _next(self) -> None:
        if self._paced:
            now_s = self._loop.time()
            self._loop.call_at((now_s // PERIOD_S + 1) * PERIOD_S, self._write)
        else:
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        if self._transport is None:
            return
        if self._full:
            self._waits = True
            return
        self._left -= 1
        self._transport.write(TOKEN if self._left else _last(self._tokens))
        if self._left:
            self._next()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Canned(loop), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
