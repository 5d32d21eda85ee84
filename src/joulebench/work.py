"""The work side of a trial: what is asked, how it is asked, and what comes back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from joulebench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Encoding:
    """What an encoder is given instead of a prompt.

    Args:
        texts: One text, or two.
        labels: Names that its answer may have; empty if it is to be words of the second text.
        nothing: Whether the second text may hold no answer, which then is empty.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...] = ()
    nothing: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to ask a model.

    Args:
        request_id: Unique in its run, for example ``"boolq-0003"``.
        prompt: The text, before any chat template.
        item: The data-set item it was made from, for the scorer; empty if there is none.
        encoding: What an encoder is given; its texts, a line each, are then the prompt.
    """

    request_id: str
    prompt: str
    item: Mapping[str, Any] = field(default_factory=dict)
    encoding: Encoding | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn.

    Args:
        max_tokens: Most output tokens of a response.
        min_tokens: Fewest; equal to ``max_tokens`` for a fixed length.
        temperature: 0 is greedy.
        top_p: Nucleus.
        seed: Differs by repetition and is recorded.
    """

    max_tokens: int = 64
    min_tokens: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """How requests arrive.

    Args:
        kind: ``"sequential"``, ``"batch"``, ``"closed"`` (so many users, each of whom asks again
            as soon as answered) or ``"open"`` (requests come whether or not others are answered).
        batch_size: Requests generated together when ``kind`` is ``"batch"``.
        concurrency: Requests under way at a time when ``kind`` is ``"closed"``.
        rate_per_s: Mean arrivals a second when ``kind`` is ``"open"`` and arrivals are no trace.
        arrivals: ``"poisson"``, ``"constant"`` or ``"trace"``.
        trace: File of arrival times, s from the first, one a line, when arrivals are a trace.
        requests: How many requests in all, the prompts taken again from the first one on; each
            prompt once if ``None``.
        ttft_slo_s: Longest time to the first token that counts as good, s.
        itl_slo_s: Longest mean time between tokens that counts as good, s.
        latency_slo_s: Longest time to the last token that counts as good, s.
    """

    kind: str = "sequential"
    batch_size: int = 1
    concurrency: int = 1
    rate_per_s: float | None = None
    arrivals: str = "poisson"
    trace: str = ""
    requests: int | None = None
    ttft_slo_s: float | None = None
    itl_slo_s: float | None = None
    latency_slo_s: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give kind and batch size, and what else was asked for, as a JSON-ready dict."""
        asked = asdict(self)
        usual = asdict(Load())
        always = ("kind", "batch_size")
        return {k: v for k, v in asked.items() if k in always or v != usual[k]}


@dataclass(frozen=True, slots=True)
class Response:
    """What came back for one request, in monotonic time of the machine that generated it.

    Args:
        request_id: The request it answers.
        text: Generated text without special tokens.
        tokens_in: Prompt tokens, padding not counted.
        tokens_out: Generated tokens, padding not counted.
        start_s: When work on it began.
        first_token_s: When its first token was there (end of prefill), the device synchronised;
            NaN where nobody noted it.
        stop_s: When its last token was there, the device synchronised.
        finish_reason: ``"stop"`` or ``"length"``.
        token_s: When its tokens came, where the engine notes it; a server that sends several at
            once has fewer times than tokens.
        tokens_from: Who counted the tokens, where it was not the engine itself: ``"usage"`` (the
            server) or ``"chunks"`` (pieces of the answer; the prompt's are then not known);
            ``"nobody"`` where the prompt's were not counted and none were generated.
        arrived_s: When it was due, whether or not work on it could begin; NaN where requests wait
            for one another, so that none is late.
    """

    request_id: str
    text: str
    tokens_in: int
    tokens_out: int
    start_s: float
    first_token_s: float
    stop_s: float
    finish_reason: str = "stop"
    token_s: tuple[float, ...] = ()
    tokens_from: str = ""
    arrived_s: float = math.nan

    @property
    def knows_tokens_in(self) -> bool:
        """Whether the prompt's tokens were counted."""
        return self.tokens_from not in ("chunks", "nobody")

    def to_dict(self) -> dict[str, Any]:
        """Give the response as a JSON-ready dict: what is not known is null or left out."""
        told = {k: v for k, v in asdict(self).items() if v or k not in ("token_s", "tokens_from")}
        if not self.knows_tokens_in:
            told["tokens_in"] = None
        if math.isnan(self.arrived_s):
            del told["arrived_s"]
        return told | ({"first_token_s": None} if math.isnan(self.first_token_s) else {})


class GenerationFailed(UsageError):
    """An engine that could not go on; says in one line why and what to do.

    Args:
        message: The line.
        responses: What was answered of the requests that were given together.
    """

    def __init__(self, message: str, responses: Sequence[Response] = ()) -> None:
        super().__init__(message)
        self.responses = list(responses)


class Engine(Protocol):
    """Turns requests into responses.

    One whose work is nothing but waiting may offer ``use_clock(clock)`` besides: it then works on
    that :class:`joulebench.clock.Clock` from there on. One that starts a program may offer
    ``use_log(path)``: the program's output goes there. One that is ``encoded = True`` generates
    nothing: it takes requests that have an :class:`Encoding`, and answers have no tokens. One that
    notes the peak of its memory may offer ``begin_measuring()``: the peaks are those from there on.
    """

    def import_libraries(self) -> None:
        """Import what is heavy; no tensor operation and no device, so that a fork may follow."""

    def load(self) -> None:
        """Make the model ready: every weight page touched, the device synchronised."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Generate responses for requests that arrive together, as one batch."""

    def facts(self) -> dict[str, Any]:
        """Give what a reader must know: versions, dtype, threads, parameters, random weights."""

    def close(self) -> None:
        """Free the model."""


class Online(Protocol):
    """What an engine offers besides that takes requests while others are under way."""

    def submit(self, request: Request, sampling: Sampling) -> None:
        """Take a request and come back at once; its ``start_s`` is when it was taken."""

    def collect(self, timeout_s: float) -> list[Response]:
        """Give the answers that are there, waiting for the first one at most ``timeout_s``.

        An engine that works in this thread works here, and may come back somewhat late.

        Raises:
            GenerationFailed: A request that brought no answer; holds the answers to others.
        """


class Choosing(Protocol):
    """What an engine offers besides that can tell how likely a given answer is."""

    def choice_logprobs(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Give the log-likelihood of each choice as the answer to each request, in nats.

        A choice is put behind the request's prompt (and the chat template's header of the answer)
        with one blank between; the sum is over the choice's own tokens.
        """


class Task(Protocol):
    """What is asked and how it is scored.

    One whose benchmark measures more than accuracy may offer ``metrics(answers)``: it is given a
    request, its answer and its grade each, and gives figures by name, which the score holds. One
    whose answers are not plainly generated may offer ``engine_for(engine)``: what its requests are
    put to. One of which there is more to know may offer ``facts()``, for the record. One whose
    answers can be listed may offer ``choices(request)``: what may be answered and what is right
    (:class:`joulebench.tasks.form.Choices`), for a judge and for multiple choice.
    """

    name: str

    def requests(self) -> list[Request]:
        """Give the prompts, in a fixed order."""

    def grade(self, request: Request, text: str) -> bool | None:
        """Say whether an answer is correct; ``None`` if it cannot be graded."""
