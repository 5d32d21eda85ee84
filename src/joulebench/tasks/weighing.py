"""Has an engine weigh the answers that are offered, instead of generating one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from joulebench.errors import UsageError
from joulebench.work import Engine, Request, Response, Sampling

_NOT_OFFERED = ("submit", "collect", "use_clock")


class WeighingEngine:
    """An engine whose work is to tell how likely each answer to a question is.

    A response's text is JSON with the log-likelihood of each answer, in nats, and the number of
    the likeliest, which is null where none is offered. No token is generated, and how many were
    read is not told.

    Args:
        engine: Does the work.
        offers: Gives, for a request, each prompt with the answers that may stand behind it.
        asker: What needs it, for the message.

    Raises:
        UsageError: The engine has no log-likelihoods.
    """

    def __init__(
        self,
        engine: Engine,
        offers: Callable[[Request], Sequence[tuple[str, Sequence[str]]]],
        asker: str,
    ) -> None:
        if not callable(getattr(engine, "choice_logprobs", None)):
            raise UsageError(
                f"{asker} needs an engine that tells how likely an answer is, and "
                f"{_kind(engine)} does not; use engine: {{kind: transformers}}"
            )
        self._engine: Any = engine
        self._offers = offers

    def __getattr__(self, name: str) -> Any:
        """Give what the engine offers besides, but for what belongs to generating."""
        if name in _NOT_OFFERED or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._engine, name)

    def import_libraries(self) -> None:
        """Import the engine's libraries."""
        self._engine.import_libraries()

    def load(self) -> None:
        """Load the engine's model."""
        self._engine.load()

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Weigh the answers of requests that arrive together; the sampling is without effect."""
        del sampling
        offers = [list(self._offers(request)) for request in requests]
        asked = [
            Request(request.request_id, prompt, request.item)
            for request, parts in zip(requests, offers, strict=True)
            for prompt, _ in parts
        ]
        start_s = time.monotonic()
        answers = [answers for parts in offers for _, answers in parts]
        told = self._engine.choice_logprobs(asked, answers) if asked else []
        stop_s = time.monotonic()
        rest = iter(told)
        found = [[each for _ in parts for each in next(rest)] for parts in offers]
        return [
            _response(request, logprobs, start_s, stop_s)
            for request, logprobs in zip(requests, found, strict=True)
        ]

    def facts(self) -> dict[str, Any]:
        """Give the engine's facts, and that it weighs answers."""
        return {**self._engine.facts(), "weighs_choices": True}

    def close(self) -> None:
        """Free the engine's model."""
        self._engine.close()


def logprobs_of(text: str) -> list[float]:
    """Give the log-likelihoods out of a response's text, nats."""
    return [float(each) for each in json.loads(text)["logprobs"]]


def _response(
    request: Request, logprobs: Sequence[float], start_s: float, stop_s: float
) -> Response:
    likeliest = max(range(len(logprobs)), key=lambda n: logprobs[n], default=None)
    text = json.dumps({"likeliest": likeliest, "logprobs": list(logprobs)})
    return Response(request.request_id, text, 0, 0, start_s, stop_s, stop_s, tokens_from="nobody")


def _kind(engine: Engine) -> str:
    """Name an engine as a study file does, one without facts by its class."""
    try:
        return f"engine {engine.facts()['kind']!r}"
    except Exception:
        return type(engine).__name__
