"""An engine that says the prompt back: no model, no dependency, the same answer every time."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
        slots: Most requests served at a time where they come while others are under way, the next
            ones in the order in which they came; all of them if ``None``.

    Raises:
        UsageError: A negative or non-numeric time.
    """

    kind = "echo"
    """What the engine is called in a study file and in its facts."""

    def __init__(
        self,
        model: str | Mapping[str, Any] = "echo",
        *,
        token_s: float = 0.0,
        prefill_s: float = 0.0,
        load_s: float = 0.0,
        answer: str | None = None,
        slots: int | None = None,
    ) -> None:
        self.model = model
        self.token_s = _seconds(self.kind, "token_s", token_s)
        self.prefill_s = _seconds(self.kind, "prefill_s", prefill_s)
        self.load_s = _seconds(self.kind, "load_s", load_s)
        self.answer = answer
        self.slots = _slots(slots)
        self._clock: Clock = RealClock()
        self._busy_until_s: list[float] = []
        self._under_way: list[tuple[float, int, Response]] = []
        self._taken = 0

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
            "kind": self.kind,
            "model": self.model,
            "simulated": True,
            "token_s": self.token_s,
            "prefill_s": self.prefill_s,
            "load_s": self.load_s,
            **({"slots": self.slots} if self.slots is not None else {}),
        }

    def submit(self, request: Request, sampling: Sampling) -> None:
        """Take a request, whose answer's times follow from when a slot is free for it.

        Raises:
            UsageError: A sampling that contradicts itself.
        """
        check_sampling(sampling)
        words = self._words(request, sampling)
        start_s = self._free_s()
        stamps = [
            start_s + self.prefill_s + self.token_s * place for place in range(1, len(words) + 1)
        ]
        response = _response(request, words, start_s, stamps, sampling)
        timed = replace(response, token_s=tuple(stamps))
        if self.slots is not None:
            heapq.heappush(self._busy_until_s, timed.stop_s)
        heapq.heappush(self._under_way, (timed.stop_s, self._taken, timed))
        self._taken += 1

    def collect(self, timeout_s: float) -> list[Response]:
        """Give the answers that are there, waiting for the first one at most so long, s."""
        next_s = self._under_way[0][0] if self._under_way else math.inf
        pause_s = min(next_s - self._clock.now_s(), timeout_s)
        if pause_s < math.inf:
            self._clock.wait(pause_s)
        now_s = self._clock.now_s()
        answers = []
        while self._under_way and self._under_way[0][0] <= now_s:
            answers.append(heapq.heappop(self._under_way)[2])
        return answers

    def _free_s(self) -> float:
        """Give when work on one more request can begin, s."""
        now_s = self._clock.now_s()
        if self.slots is None or len(self._busy_until_s) < self.slots:
            return now_s
        return max(now_s, heapq.heappop(self._busy_until_s))

    def close(self) -> None:
        """Forget what is under way."""
        self._under_way, self._busy_until_s = [], []

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


def _seconds(kind: str, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 3600:
        raise UsageError(f"engine {kind!r}: {name} = {value!r} must be seconds from 0 to 3600")
    return float(value)


def _slots(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise UsageError(f"engine 'echo': slots = {value!r} must be a whole number from 1")
