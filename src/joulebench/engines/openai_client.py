"""The connection to an OpenAI-compatible server: asks, and asks again where it is busy."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from joulebench.engines.openai_address import origin
from joulebench.engines.openai_body import DISPENSABLE
from joulebench.engines.openai_loop import Loop
from joulebench.engines.openai_reply import Reply, ReplyError, parsed, said, shown
from joulebench.errors import UsageError

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

LARGEST_BYTES = 64 << 20
"""Longest answer that is read."""

LONGEST_PAUSE_S = 60.0
"""Longest wait that a server may ask for before a retry, s."""

_FIRST_PAUSE_S = 0.5
_CONNECT_S = 10.0
_AFTER_END_S = 1.0
"""How long the end of a connection is waited for once the answer is whole, s."""
_BUSY = (429, 503)
_REFUSED = (400, 422)


class AskFailed(UsageError):
    """A request that brought no answer; one line that says why and what to do."""


class _Again(Exception):
    """A request that may be made again: the server was busy, or never saw it."""

    def __init__(self, why: str, pause_s: float | None = None, most: int = 100) -> None:
        super().__init__(why)
        self.pause_s = pause_s
        self.most = most


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer is waited for.

    Args:
        timeout_s: Longest that one request may take, s.
        retries: How often a request that a busy server turned away is made again.
    """

    timeout_s: float = 600.0
    retries: int = 5


def api_key(variable: str | None) -> str:
    """Read the key from the environment variable that a study names; empty where it names none.

    Raises:
        UsageError: It is not set.
    """
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise UsageError(
            f"engine 'openai': the environment variable {variable} (api_key_env) is not set; set "
            "it to the key itself, in the shell or the service that runs this"
        )
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"engine 'openai': the key in {variable} has characters that no key has")
    return key


class Client:
    """Asks one server; may be used by several threads at a time.

    What it asks is done by a thread of its own, that waits for all answers.

    Args:
        root: Address that ``/chat/completions`` is appended to.
        key: Sent as a bearer token; empty for none.
        patience: How long an answer is waited for.
        proxies: Whether those of the environment are used.
    """

    def __init__(self, root: str, key: str, patience: Patience, *, proxies: bool) -> None:
        import httpx

        self.root = root
        self.patience = patience
        self.retries = 0
        self.retry_wait_s = 0.0
        self.dropped: list[str] = []
        self._key = key
        self._client = httpx.AsyncClient(
            headers={"Accept-Encoding": "identity"}
            | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=httpx.Timeout(patience.timeout_s, connect=min(_CONNECT_S, patience.timeout_s)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            trust_env=proxies,
            transport=None if proxies or not root.startswith("http:") else _wire(),
        )
        self._loop = Loop()

    def close(self) -> None:
        """Close the connections; what is under way ends without an answer."""
        self._loop.close(self._client.aclose)

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin a coroutine that awaits :meth:`answer`; what comes of it is in the future."""
        return self._loop.start(work)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work of a coroutine that awaits :meth:`answer`."""
        return self._loop.run(work)

    def get(self, path: str, timeout_s: float = 5.0) -> tuple[int, Any]:
        """Give status and document at a path of the server; ``(0, reason)`` without an answer."""
        return self.run(self._get(path, timeout_s))

    async def _get(self, path: str, timeout_s: float) -> tuple[int, Any]:
        import httpx

        status, url = 0, origin(self.root) + path
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._client.stream("GET", url, timeout=timeout_s) as answer,
            ):
                status = answer.status_code
                return status, parsed(await self._whole(answer))
        except ReplyError:
            return status, None
        except (httpx.HTTPError, TimeoutError) as error:
            return 0, self._clean(_reason(error))

    async def answer(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Make one request and give its answer, complete.

        A server that is busy (429, 503) is asked again after the time that it tells; a field that
        it refuses and that can be done without is left out from then on.

        Raises:
            AskFailed: No answer, half an answer, or a refusal.
        """
        for attempt in range(self.patience.retries + 1):
            try:
                return await self._once(path, self._without_refused(body))
            except _Again as why:
                if attempt >= min(self.patience.retries, why.most):
                    raise self._failed(f"{why}; tried {attempt + 1} times") from why
                await self._pause(why, attempt)
        raise AssertionError("unreachable")

    def _without_refused(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if name not in self.dropped}

    async def _pause(self, why: _Again, attempt: int) -> None:
        pause_s = _FIRST_PAUSE_S * 2**attempt if why.pause_s is None else why.pause_s
        longest_s = min(LONGEST_PAUSE_S, self.patience.timeout_s)
        if pause_s > longest_s and why.pause_s is not None:
            raise self._failed(f"{why}; it asks to wait {pause_s:g} s: try later") from why
        pause_s = min(pause_s, longest_s)
        await asyncio.sleep(pause_s)
        self.retries += 1
        self.retry_wait_s += pause_s

    async def _once(self, path: str, body: Mapping[str, Any]) -> Reply:
        import httpx

        start_s = time.monotonic()
        begun = False
        try:
            async with (
                asyncio.timeout_at(start_s + self.patience.timeout_s),  # the loop's clock is this
                self._client.stream("POST", self.root + path, json=body) as answer,
            ):
                begun = True
                if answer.status_code != 200:
                    return await self._refused(path, body, answer)
                return await self._read(answer, start_s)
        except ReplyError as error:
            raise self._failed(f"{error}; see the server's log") from error
        except (httpx.TimeoutException, TimeoutError) as error:
            what = "its answer was not complete after" if begun else "it did not answer in"
            raise self._failed(
                f"{what} {self.patience.timeout_s:g} s ({type(error).__name__}); raise "
                "engine.timeout_s or lower engine.concurrency"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if not begun and isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError):
                # Once more: a connection that was kept open may have been closed meanwhile.
                raise _Again(f"it cannot be reached: {_reason(error)}", most=1) from error
            raise self._failed(
                f"the connection died in the middle of an answer: {_reason(error)}; see the "
                "server's log, it may have crashed or run out of memory"
            ) from error

    async def _read(self, answer: httpx.Response, start_s: float) -> Reply:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().casefold()
        if kind == "text/event-stream":
            return await self._streamed(answer, start_s)
        reply = Reply(start_s, streamed=False)
        document = parsed(await self._whole(answer))
        reply.take(document, time.monotonic())
        if not (isinstance(document, dict) and document.get("choices")):
            raise ReplyError(f"it sent no choices: {shown(str(document))!r}")
        return reply

    async def _streamed(self, answer: httpx.Response, start_s: float) -> Reply:
        import httpx

        reply, size = Reply(start_s, streamed=True), 0
        try:
            async with asyncio.timeout(None) as limit:
                async for data in _pieces(answer):
                    now_s = time.monotonic()
                    reply.feed(data, now_s)
                    size += len(data)
                    _refuse_endless(size)
                    if reply.ended and limit.when() is None:
                        limit.reschedule(now_s + _AFTER_END_S)
        except (httpx.HTTPError, TimeoutError):
            if not reply.ended:  # what happens to the connection after [DONE] does not matter
                raise
        reply.close(time.monotonic())
        return reply

    async def _whole(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        async for data in _pieces(answer):
            body += data
            _refuse_endless(len(body))
        return bytes(body)

    async def _refused(self, path: str, body: Mapping[str, Any], answer: httpx.Response) -> Reply:
        """Deal with a status other than 200: ask without what it refuses, or say what to do."""
        text = await self._whole(answer)
        try:
            why = said(parsed(text))
        except ReplyError:
            why = shown(text.decode("utf-8", "replace"))
        status = answer.status_code
        if status in _BUSY and "insufficient_quota" not in text.decode("utf-8", "replace"):
            raise _Again(f"it is busy (HTTP {status}: {why})", _retry_after_s(answer))
        before = list(self.dropped)
        if status in _REFUSED and self._drop(body, text.decode("utf-8", "replace")):
            try:
                return await self._once(path, self._without_refused(body))
            except AskFailed:
                self.dropped = before  # it was not for these fields that it refused
                raise
        if answer.has_redirect_location:
            place = shown(answer.headers["location"])
            raise self._failed(f"HTTP {status}: it is elsewhere, see {place}; mend engine.url")
        raise self._failed(f"HTTP {status}: {why}; {_remedy(status, why, body)}")

    def _drop(self, body: Mapping[str, Any], text: str) -> bool:
        """Leave out from now on what a server refuses, if it can be done without."""
        present = [name for name in DISPENSABLE if name in body]
        named = [name for name in present if name in text] or present
        if not named:
            return False
        self.dropped += [name for name in named if name not in self.dropped]
        return True

    def _failed(self, why: str) -> AskFailed:
        return AskFailed(self._clean(f"engine 'openai': the server {self.root}: {why}"))

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "[hidden]") if self._key else text


def _wire() -> httpx.AsyncBaseTransport:
    from joulebench.engines.openai_wire import Wire

    return Wire()


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Read how long a server asks to wait, s; a date or nothing gives none."""
    try:
        pause_s = float(answer.headers.get("retry-after", ""))
    except ValueError:
        return None
    return pause_s if 0 <= pause_s < 1e9 else None


def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    """Give the body as it comes; one that is packed, though nobody asked for it, unpacked."""
    packed = answer.headers.get("content-encoding", "identity").casefold() != "identity"
    return answer.aiter_bytes() if packed else answer.aiter_raw()


def _refuse_endless(size: int) -> None:
    if size > LARGEST_BYTES:
        raise ReplyError(f"its answer is longer than {LARGEST_BYTES >> 20} MiB")


def _remedy(status: int, why: str, body: Mapping[str, Any]) -> str:
    if status in (401, 403):
        return "name the environment variable that holds its key with engine.api_key_env"
    if status == 404 or (status in _REFUSED and "model" in why.casefold()):
        return (
            f"does it serve a model called {body.get('model')!r}? Check 'model:' (or "
            "engine.served_as), engine.url and engine.endpoint"
        )
    if "min_tokens" in body and ("min_tokens" in why or status in _REFUSED):
        return (
            "if it cannot keep to a fewest number of tokens, set sampling.min_tokens to 0, or "
            "engine.extra: {min_tokens: null} and its own field for it"
        )
    if status in _REFUSED:
        return "engine.extra: {FIELD: null} leaves out a field that it refuses"
    if status == 429:
        return "its quota is used up: raise it, or use another key"
    return "see the server's log"


def _reason(error: Exception) -> str:
    text = shown(str(error))
    return f"{text} ({type(error).__name__})" if text else type(error).__name__
