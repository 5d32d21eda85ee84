"""An engine that says the prompt back: no model, no dependency, the same answer every time."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from joulebench.clock import Clock, RealClock
from joulebench.engines.sampling import call_seed, check_sampling
from joulebench.errors import UsageError
from joulebench.work import Request, Response, Sampling


class EchoEngine:
    """Repeats the words of each prompt, for tests, teaching and dry runs of a study.

    A token is a word. A batch takes as long as its longest member, as on a device. It can work on a
    clock that is computed, since it does nothing but wait: see :meth:`use_clock`.

    Args:
        model: Any name; it only appears in the facts.
        token_s: Time per generated token, s.
        prefill_s: Time to the first token, s.
        load_s: Time that loading takes, s.
        answer: Said instead of the prompt's words.

    Raises:
        UsageError: A negative or non-numeric time.
    """

    def __init__(
        self,
        model: str | Mapping[str, Any] = "echo",
        *,
        token_s: float = 0.0,
        prefill_s: float = 0.0,
        load_s: float = 0.0,
        answer: str | None = None,
    ) -> None:
        self.model = model
        self.token_s = _seconds("token_s", token_s)
        self.prefill_s = _seconds("prefill_s", prefill_s)
        self.load_s = _seconds("load_s", load_s)
        self.answer = answer
        self._clock: Clock = RealClock()

    def use_clock(self, clock: Clock) -> None:
        """Work on this clock from now on."""
        self._clock = clock

    def import_libraries(self) -> None:
        """Import nothing: the engine needs the standard library alone."""

    def load(self) -> None:
        """Load nothing, since there is no model, and take the time asked for."""
        self._clock.wait(self.load_s)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Say each prompt's words back, shuffled by the seed where the temperature is above 0.

        Raises:
            UsageError: A sampling that contradicts itself.
        """
        check_sampling(sampling)
        outputs = [self._words(request, sampling) for request in requests]
        start_s = self._clock.now_s()
        stamps = self._stamps(start_s, max((len(words) for words in outputs), default=0))
        return [
            _response(request, words, start_s, stamps, sampling)
            for request, words in zip(requests, outputs, strict=True)
        ]

    def facts(self) -> dict[str, Any]:
        """Give the engine's settings, marked as simulated."""
        return {
            "kind": "echo",
            "model": self.model,
            "simulated": True,
            "token_s": self.token_s,
            "prefill_s": self.prefill_s,
            "load_s": self.load_s,
        }

    def close(self) -> None:
        """Free nothing."""

    def _words(self, request: Request, sampling: Sampling) -> list[str]:
        words = (self.answer or request.prompt).split() or ["..."]
        if sampling.temperature > 0:
            random.Random(call_seed(sampling, [request])).shuffle(words)  # noqa: S311 (no secret)
        repeats = -(-max(sampling.min_tokens, 1) // len(words))
        return (words * max(repeats, 1))[: _length(words, sampling)]

    def _stamps(self, start_s: float, steps: int) -> list[float]:
        """Wait for each token in turn and note when it was there."""
        stamps = []
        for step in range(steps):
            due_s = start_s + self.prefill_s + self.token_s * (step + 1)
            self._clock.wait(due_s - self._clock.now_s())
            stamps.append(self._clock.now_s())
        return stamps


def _length(words: Sequence[str], sampling: Sampling) -> int:
    return min(max(len(words), sampling.min_tokens), sampling.max_tokens)


def _response(
    request: Request,
    words: Sequence[str],
    start_s: float,
    stamps: Sequence[float],
    sampling: Sampling,
) -> Response:
    return Response(
        request_id=request.request_id,
        text=" ".join(words),
        tokens_in=len(request.prompt.split()),
        tokens_out=len(words),
        start_s=start_s,
        first_token_s=stamps[0],
        stop_s=stamps[len(words) - 1],
        finish_reason="length" if len(words) == sampling.max_tokens else "stop",
    )


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 3600:
        raise UsageError(f"engine 'echo': {name} = {value!r} must be seconds from 0 to 3600")
    return float(value)
