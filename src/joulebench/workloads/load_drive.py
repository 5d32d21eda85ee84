"""Puts requests to an engine as a load says: in batches, by users who wait, or as they come."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import cast

from joulebench.clock import Clock
from joulebench.errors import UsageError
from joulebench.work import (
    Engine,
    GenerationFailed,
    Load,
    Online,
    Request,
    Response,
    Sampling,
)
from joulebench.workloads.load_arrivals import due_times

OVERLAPPING = ("closed", "open")
"""Kinds of load under which requests overlap, so that no stretch belongs to one of them."""


def asked(prompts: Sequence[Request], count: int | None) -> list[Request]:
    """Give so many requests, the prompts taken again from the first one on.

    Args:
        prompts: In their order, each with an id of its own.
        count: How many; each prompt once if ``None``.

    Returns:
        Those of the second round have ids that end in ``-2``, and so on.
    """
    if count is None or not prompts:
        return list(prompts)
    return list(islice(_rounds(prompts), count))


def prompt_id(request_id: str, prompts: Collection[str]) -> str:
    """Give the id of the prompt that a request puts, whichever round it is of.

    Args:
        request_id: Of a request that :func:`asked` gave.
        prompts: Ids of the prompts.
    """
    if request_id in prompts:
        return request_id
    prompt, _, number = request_id.rpartition("-")
    return prompt if number.isdecimal() and prompt in prompts else request_id


def _rounds(prompts: Sequence[Request]) -> Iterator[Request]:
    yield from prompts
    number = 2
    while True:
        for prompt in prompts:
            yield replace(prompt, request_id=f"{prompt.request_id}-{number}")
        number += 1


def is_online(engine: object) -> bool:
    """Say whether an engine takes requests while others are under way."""
    return hasattr(engine, "submit") and hasattr(engine, "collect")


class Queued:
    """Stands before an engine that works through what it is given: what comes meanwhile waits.

    The engine works in this thread. A thread of its own would change no start, since it takes the
    next requests when it is done with the last ones; it would only take time from the engine.

    Args:
        engine: Generates.
        at_once: Most waiting requests that it is given together.
    """

    def __init__(self, engine: Engine, at_once: int) -> None:
        self._engine = engine
        self._at_once = at_once
        self._waiting: deque[tuple[Request, Sampling]] = deque()

    def submit(self, request: Request, sampling: Sampling) -> None:
        """Put a request at the end of the queue."""
        self._waiting.append((request, sampling))

    def collect(self, timeout_s: float) -> list[Response]:  # noqa: ARG002 (the engine takes longer)
        """Generate for the first ones of the queue, however long it takes.

        Raises:
            GenerationFailed: An engine that keeps an answer back, so that none would come.
        """
        together = [self._waiting.popleft() for _ in range(min(self._at_once, len(self._waiting)))]
        if not together:
            return []
        answers = self._engine.generate([request for request, _ in together], together[0][1])
        if len(answers) < len(together):
            raise GenerationFailed(
                f"the engine gave {len(answers)} answers to {len(together)} requests; tell whoever "
                "made it, and use another one",
                answers,
            )
        return answers


class Drive:
    """One measured stretch of requests, and what came of it so far.

    Args:
        engine: Generates.
        sampling: How tokens are drawn; its seed draws the arrivals too.
        load: How requests arrive.
        clock: What the work takes place on.
    """

    def __init__(self, engine: Engine, sampling: Sampling, load: Load, clock: Clock) -> None:
        self._engine = engine
        self._sampling = sampling
        self._load = load
        self._clock = clock
        self._works_here = not is_online(engine)
        self._online: Online = (
            Queued(engine, load.batch_size) if self._works_here else cast(Online, engine)
        )
        self._arrived_s: dict[str, float] = {}
        self._under_way = 0
        self._returned_s = -math.inf
        self.together: list[list[Response]] = []
        self.late_s: list[float] = []

    @property
    def answered(self) -> list[Response]:
        """All answers so far, in the order in which they came."""
        return [response for group in self.together for response in group]

    def run(self, requests: Sequence[Request]) -> None:
        """Put requests to the engine until all are answered.

        Raises:
            GenerationFailed: A request that brought no answer; what was answered is kept.
            UsageError: A trace of arrivals that cannot be used, or a request that was refused.
        """
        if self._load.kind == "closed":
            self._closed(requests)
        elif self._load.kind == "open":
            self._open(requests, due_times(self._load, len(requests), self._sampling.seed))
        else:
            self._in_turn(requests)

    def _in_turn(self, requests: Sequence[Request]) -> None:
        size = self._load.batch_size if self._load.kind == "batch" else 1
        for first in range(0, len(requests), size):
            batch = requests[first : first + size]
            try:
                self.together.append(self._engine.generate(batch, self._sampling))
            except GenerationFailed as error:
                self.together.append(error.responses)
                raise

    def _closed(self, requests: Sequence[Request]) -> None:
        """Have each of so many users ask anew as soon as answered."""
        waiting = iter(requests)
        for request in islice(waiting, self._load.concurrency):
            self._submit(request, self._clock.now_s())
        while self._under_way:
            for request in islice(waiting, self._collect(math.inf)):
                self._submit(request, self._clock.now_s())

    def _open(self, requests: Sequence[Request], after_s: Sequence[float]) -> None:
        """Put each request when it is due, whatever is under way."""
        begin_s = self._clock.now_s()
        due_s = [begin_s + each for each in after_s]
        place = 0
        while place < len(requests) or self._under_way:
            while place < len(requests) and due_s[place] <= self._clock.now_s():
                self._note_lateness(due_s[place])
                self._submit(requests[place], due_s[place])
                place += 1
            left_s = due_s[place] - self._clock.now_s() if place < len(requests) else math.inf
            if self._under_way:
                self._collect(max(0.0, left_s))
            elif place < len(requests):
                self._clock.wait(left_s)

    def _note_lateness(self, due_s: float) -> None:
        """Note how long after it was due a request is put.

        An engine that worked in this thread would have made it wait anyhow.
        """
        free_s = self._returned_s if self._works_here else -math.inf
        self.late_s.append(self._clock.now_s() - max(due_s, free_s))

    def _submit(self, request: Request, arrived_s: float) -> None:
        try:
            self._online.submit(request, self._sampling)
        except UsageError as error:
            if isinstance(error, GenerationFailed):
                self.together.append(self._with_arrivals(error.responses))
            self._collect_rest()
            raise
        self._arrived_s[request.request_id] = arrived_s
        self._under_way += 1

    def _collect_rest(self) -> None:
        """Take what is under way when a request is refused, as far as the engine still gives it."""
        with suppress(UsageError):  # the refusal is the one to tell
            while self._under_way and self._collect(math.inf):
                pass

    def _collect(self, timeout_s: float) -> int:
        """Take what is answered; give how many there were."""
        try:
            responses = self._online.collect(timeout_s)
        except GenerationFailed as error:
            self.together.append(self._with_arrivals(error.responses))
            raise
        self._returned_s = self._clock.now_s()
        if responses:
            self.together.append(self._with_arrivals(responses))
            self._under_way -= len(responses)
        return len(responses)

    def _with_arrivals(self, responses: Sequence[Response]) -> list[Response]:
        return [
            replace(each, arrived_s=self._arrived_s.pop(each.request_id, math.nan))
            for each in responses
        ]
