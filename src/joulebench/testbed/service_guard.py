"""What stands before every route: limits, the token, and no door for web pages of others."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from joulebench.testbed.service_settings import BODY_S, MOST_REQUESTS, RETRY_S, ServiceSettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_FREE = ("/healthz",)
"""Paths that need no token."""

_MOST_CODES = 64


@dataclass(eq=False)
class Refusal(Exception):
    """A request that is not let through.

    Args:
        status: HTTP status.
        error: One line.
        headers: Besides the usual.
    """

    status: int
    error: str
    headers: dict[str, str] = field(default_factory=dict)


class Guard:
    """Lets requests through that are allowed, with bodies that are short enough.

    Args:
        app: What is behind it.
        settings: Of the service.
    """

    def __init__(self, app: App, settings: ServiceSettings) -> None:
        self.answered: Counter[int] = Counter()
        self._app = app
        self._settings = settings
        self._token = hashlib.sha256(settings.token.encode()).digest()
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._serve(scope, receive, self._counted(send))
        finally:
            self._under_way -= 1

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        try:
            self._refuse_crowd()
            self._refuse_strangers(headers)
            self._refuse_without_token(str(scope["path"]), headers)
            body = await self._body(headers, receive)
        except Refusal as refusal:
            await _answer(send, refusal)
            return
        await self._app(scope, _replayed(body, receive), send)

    def _refuse_crowd(self) -> None:
        if self._under_way > MOST_REQUESTS:
            raise Refusal(
                503,
                f"{MOST_REQUESTS} requests are under way already; ask again in {RETRY_S:g} s",
                {"Retry-After": f"{RETRY_S:.0f}"},
            )

    def _refuse_strangers(self, headers: dict[str, list[str]]) -> None:
        """Refuse what a web page in a browser on this machine could send, where no token is asked.

        A page whose name was made to point here sends its own name as Host; one that posts here
        from elsewhere sends its Origin.
        """
        if not self._settings.open:
            return
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not _is_loopback(f"http://{hosts[0]}"):
            raise Refusal(
                400, "header Host: this testbed needs no token and so answers to localhost only"
            )
        if any(not _is_loopback(origin) for origin in headers.get("origin", [])):
            raise Refusal(400, "header Origin: this testbed takes nothing from web pages")

    def _refuse_without_token(self, path: str, headers: dict[str, list[str]]) -> None:
        if self._settings.open or path in _FREE:
            return
        given = headers.get("authorization", [])
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        digest = hashlib.sha256(token.strip().encode("latin-1")).digest()
        # Digests have one length, so that the comparison takes as long for every token.
        same = hmac.compare_digest(digest, self._token)
        if not same or scheme.casefold() != "bearer":
            raise Refusal(
                401,
                "no valid token; send the header Authorization: Bearer TOKEN, with what is in the "
                "testbed's --token-file",
                {"WWW-Authenticate": "Bearer"},
            )

    async def _body(self, headers: dict[str, list[str]], receive: Receive) -> bytes:
        """Read a body as far as it may go."""
        most = self._settings.most_body
        for length in headers.get("content-length", []):
            if not length.isdigit() or len(length) > 18 or int(length) > most:
                raise _too_long(most)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal(400, "the connection ended before the body did")
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise _too_long(most)
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            close = {"Connection": "close"}
            raise Refusal(
                408, f"the body did not come within {BODY_S:g} s; send it again", close
            ) from None

    def _counted(self, send: Send) -> Send:
        async def counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and len(self.answered) < _MOST_CODES:
                self.answered[int(message["status"])] += 1
            await send(message)

        return counted


def _too_long(most: int) -> Refusal:
    return Refusal(
        413,
        f"the body is longer than {most} bytes; send fewer plans at a time, or start the testbed "
        "with a higher --max-body",
        {"Connection": "close"},
    )


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Give a body that has been read once more, then what comes after it."""
    waiting = [body]

    async def replayed() -> MutableMapping[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replayed


async def _answer(send: Send, refusal: Refusal) -> None:
    body = json.dumps({"error": refusal.error}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    await send(
        {
            "type": "http.response.start",
            "status": refusal.status,
            "headers": [
                (name.lower().encode(), value.encode())
                for name, value in (headers | refusal.headers).items()
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
