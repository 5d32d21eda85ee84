"""Any server that speaks OpenAI's protocol: vLLM, SGLang, llama.cpp, Ollama, TGI, a remote API."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joulebench.engines.openai_address import endpoint_root, is_here, origin
from joulebench.engines.openai_body import Form
from joulebench.engines.openai_client import Client, Patience, api_key
from joulebench.engines.openai_online import UnderWay
from joulebench.engines.openai_options import (
    checked_fields,
    checked_number,
    checked_seconds,
    checked_url,
)
from joulebench.engines.openai_reply import ReplyError
from joulebench.engines.sampling import check_sampling
from joulebench.engines.server_process import (
    Serve,
    ServerProcess,
    free_port,
    read_serve,
    refuse_missing_program,
)
from joulebench.errors import UsageError, unknown
from joulebench.work import GenerationFailed, Request, Response, Sampling

ENDPOINTS = ("chat", "completions")


class OpenAIEngine:
    """Asks a server; the requests of a batch are sent together.

    Args:
        model: Name that the server knows the model by; with ``serve`` also a tiny model's name or a
            folder, which ``{model}`` in the command then stands for.
        url: Address of the server, with or without ``/v1``; not needed with ``serve``.
        api_key_env: Environment variable that holds the key.
        endpoint: ``chat`` or ``completions``.
        stream: Have answers sent as they are generated, so that their tokens have times.
        timeout_s: Longest that one request may take, s.
        concurrency: Most requests of a batch that are under way at a time; a load that is closed
            or open says itself how many are.
        retries: How often a request that a busy server turned away is made again.
        extra: Fields added to each request; ``None`` leaves a field out.
        serve: How a local server is started: ``command``, ``ready``, ``timeout_s``.
        remote: Whether the server runs where the meters of the study do not see it; by its address
            where ``None``.
        served_as: Name that the server knows the model by, where it is not ``model``.

    Raises:
        UsageError: An option that does not exist or cannot be.
    """

    def __init__(  # noqa: PLR0913 (the options of a study file)
        self,
        model: str | Mapping[str, Any],
        *,
        url: str = "",
        api_key_env: str | None = None,
        endpoint: str = "chat",
        stream: bool = True,
        timeout_s: float = 600.0,
        concurrency: int = 64,
        retries: int = 5,
        extra: Mapping[str, Any] | None = None,
        serve: Mapping[str, Any] | None = None,
        remote: bool | None = None,
        served_as: str | None = None,
    ) -> None:
        if not isinstance(model, str) or not model:
            raise UsageError(f"engine 'openai': model {model!r}: name what the server serves")
        if endpoint not in ENDPOINTS:
            raise unknown("engine 'openai': endpoint", endpoint, ENDPOINTS)
        self.model = model
        self.api_key_env = api_key_env
        self.patience = Patience(
            checked_seconds(timeout_s), checked_number("retries", retries, 0, 100)
        )
        self.concurrency = checked_number("concurrency", concurrency, 1, 4096)
        self.extra = checked_fields(extra)
        self.serve: Serve | None = None if serve is None else read_serve(serve)
        self.url = self._asked_url = checked_url(url, self.serve)
        self.remote = remote
        self._name = served_as or model
        self._chat, self._stream = endpoint == "chat", stream
        self._random_weights = False
        self._place = model
        self._log: Path | None = None
        self._server: ServerProcess | None = None
        self._client: Client | None = None
        self._under_way = UnderWay()
        self._seen: dict[str, Any] = {}
        self._counts: Counter[str] = Counter()

    def use_log(self, path: Path) -> None:
        """Have a server that is started write its output there."""
        self._log = path

    def import_libraries(self) -> None:
        """Import the HTTP client, and see that key, program and model are there.

        Raises:
            UsageError: One of them is not.
        """
        import httpx  # noqa: F401

        api_key(self.api_key_env)
        if self.serve is not None:
            refuse_missing_program(self.serve)
            if any("{model}" in str(word) for word in self.serve.command):
                self._find_model()

    def load(self) -> None:
        """Start the server if it is ours, wait until it answers, and have it load its model.

        Many servers load a model with the first request that names it. One token is asked for
        therefore, unless the server is remote: its tokens cost money.

        Raises:
            UsageError: The server does not start, cannot be reached, or refuses the model.
        """
        self.close()
        try:
            self._connect()
            if not self._seen["remote"]:
                self._ready().run(self._one(Request("load", "Hello"), Sampling(max_tokens=1)))
        except BaseException:
            self.close()
            raise

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Ask for all answers together, at most ``concurrency`` of them at a time.

        May be called by several threads at a time. The start of a response is when it was asked
        for the last time, a busy server's refusals left out.

        Raises:
            UsageError: A sampling that contradicts itself.
            GenerationFailed: A request that brought no answer; holds the answers to others.
        """
        check_sampling(sampling)
        if not requests:
            return []
        answers, error = self._ready().run(self._all(requests, sampling))
        if error is not None:
            raise GenerationFailed(self._why(error), answers) from error
        return answers

    def submit(self, request: Request, sampling: Sampling) -> None:
        """Ask for an answer beside the others that are under way, however many these are.

        Raises:
            UsageError: A sampling that contradicts itself.
        """
        check_sampling(sampling)
        self._under_way.add(self._ready().start(self._one(request, sampling)))

    def collect(self, timeout_s: float) -> list[Response]:
        """Give the answers that are there, waiting for the first one at most so long, s.

        Raises:
            GenerationFailed: A request that brought no answer; holds the answers to others.
        """
        answers, error = self._under_way.collect(timeout_s)
        if isinstance(error, UsageError):
            raise GenerationFailed(self._why(error), answers) from error
        if error is not None:
            raise error
        return answers

    def facts(self) -> dict[str, Any]:
        """Give address, settings, who counted the tokens, retries and what the server tells."""
        client = self._client
        counts = {name: self._counts[name] for name in _COUNTED}
        retried = {
            "retries": client.retries if client else 0,
            "retry_wait_s": round(client.retry_wait_s, 3) if client else 0.0,
        }
        return {
            "kind": "openai",
            "model": self.model,
            "url": self.url,
            "endpoint": "chat" if self._chat else "completions",
            "stream": self._stream,
            "concurrency": self.concurrency,
            **({"extra": dict(self.extra)} if self.extra else {}),
            **({"served_as": self._name} if self._name != self.model else {}),
            **({"fields_dropped": list(client.dropped)} if client and client.dropped else {}),
            **({"serve": list(self.serve.command)} if self.serve else {}),
            **({"random_weights": True} if self._random_weights else {}),
            **self._seen,
            **counts,
            **retried,
        }

    def close(self) -> None:
        """Close the connections, and stop the server if it was started here."""
        self._under_way = UnderWay()
        client, self._client = self._client, None
        if client is not None:
            client.close()
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def _find_model(self) -> None:
        """Find what ``{model}`` in the command stands for: a tiny model, a folder, a file."""
        from joulebench.engines.model_source import find_model

        if Path(self.model).expanduser().is_file():  # llama.cpp serves a file
            self._place = str(Path(self.model).expanduser())
            return
        source = find_model(self.model)
        self._random_weights = source.random_weights
        self._place = source.place
        if source.local and self._name == self.model:
            self._name = source.place

    def _connect(self) -> None:
        port = free_port() if self.serve else 0
        self.url = self._asked_url.replace("{port}", str(port))
        root = endpoint_root(self.url)
        here = self.serve is not None or is_here(root)
        self._seen = {"remote": not here if self.remote is None else self.remote}
        self._client = client = Client(
            root, api_key(self.api_key_env), self.patience, proxies=not here
        )
        if self.serve is not None:
            self._start(self.serve, port, client)
        else:
            _refuse_silent(client, root)
        if here:
            self._seen |= _version(client)

    def _start(self, serve: Serve, port: int, client: Client) -> None:
        self.import_libraries()
        words = [
            str(word).replace("{port}", str(port)).replace("{model}", self._place)
            for word in serve.command
        ]
        start_s = time.monotonic()
        self._server = server = ServerProcess(words, self._log)
        server.wait_until(lambda: 200 <= client.get(serve.ready)[0] < 300, serve.timeout_s)
        self._seen["server_ready_s"] = round(time.monotonic() - start_s, 3)

    def _ready(self) -> Client:
        if self._client is None:
            raise RuntimeError("load() has not been called")
        return self._client

    async def _all(
        self, requests: Sequence[Request], sampling: Sampling
    ) -> tuple[list[Response], UsageError | None]:
        """Ask for all; after a failure those under way are waited for, and no other is begun."""
        found: dict[int, Response] = {}
        failures: list[UsageError] = []
        places = iter(range(len(requests)))

        async def ask_on() -> None:
            for place in places:
                try:
                    found[place] = await self._one(requests[place], sampling)
                except UsageError as error:
                    failures.append(error)
                if failures:
                    return

        async with asyncio.TaskGroup() as users:
            for _ in range(min(self.concurrency, len(requests))):
                users.create_task(ask_on())
        return [found[place] for place in sorted(found)], failures[0] if failures else None

    async def _one(self, request: Request, sampling: Sampling) -> Response:
        form = Form(self._name, self._chat, self._stream, self.extra)
        reply = await self._ready().answer(form.path, form.body(request, sampling))
        try:
            response = reply.response(request.request_id)
        except ReplyError as error:
            raise UsageError(f"engine 'openai': the server {self.url}: {error}") from error
        self._counts[f"counted_by_{response.tokens_from}"] += 1
        self._counts["outputs_short"] += response.tokens_out < sampling.min_tokens
        self._counts["untimed"] += math.isnan(response.first_token_s)
        if reply.model:
            self._seen["model_told"] = reply.model
        return response

    def _why(self, error: UsageError) -> str:
        """Say why, with the end of the server's log where it was started here."""
        server = self._server
        if server is None:
            return str(error)
        state = "it still runs" if server.alive else "it has ended"
        return f"{error} ({state}; {server.told()})"


_COUNTED = ("counted_by_usage", "counted_by_chunks", "outputs_short", "untimed")


def _refuse_silent(client: Client, root: str) -> None:
    """Refuse a server that cannot be reached; one without a list of models is none such."""
    path = root.removeprefix(origin(root)) + "/models"
    status, why = client.get(path, timeout_s=10.0)
    if status == 0:
        raise UsageError(
            f"engine 'openai': no server answers at {root}: {why}; start it, check engine.url, or "
            "have it started with engine.serve"
        )


def _version(client: Client) -> dict[str, Any]:
    """Ask a server on this machine for its version; few tell it."""
    status, document = client.get("/version")
    told = document.get("version") if status == 200 and isinstance(document, dict) else None
    return {"server_version": told} if isinstance(told, str) else {}
