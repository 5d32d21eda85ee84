"""The course of requests through vLLM: when each was taken, began, and brought its tokens."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joulebench.engines.prompt_tokens import fit_context
from joulebench.engines.sampling import call_seed
from joulebench.work import Request, Response, Sampling


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt in tokens that fits the context.

    Args:
        request: What is asked.
        prompt: Token ids.
        max_tokens: Most output tokens that are asked for and fit.
        truncated: Whether the prompt lost tokens from its middle.
        capped: Whether fewer output tokens fit than were asked for.
    """

    request: Request
    prompt: list[int]
    max_tokens: int
    truncated: bool
    capped: bool


def fitted(request: Request, prompt: list[int], context: int, sampling: Sampling) -> Asked:
    """Fit one prompt and its output to the context.

    Args:
        request: What is asked.
        prompt: Its token ids.
        context: Longest sequence, tokens.
        sampling: How many tokens are asked for.

    Raises:
        UsageError: The output alone does not fit the context.
    """
    fit = fit_context([prompt], context, sampling)
    capped = fit.max_tokens < sampling.max_tokens
    return Asked(request, fit.prompts[0], fit.max_tokens, bool(fit.truncated), capped)


def sampling_arguments(asked: Asked, sampling: Sampling) -> dict[str, Any]:
    """Give the arguments of vLLM's ``SamplingParams`` for one request.

    Greedy decoding draws nothing, so that it has neither nucleus nor seed.
    """
    drawn = {"top_p": sampling.top_p, "seed": call_seed(sampling, [asked.request])}
    return {
        "max_tokens": asked.max_tokens,
        "min_tokens": min(sampling.min_tokens, asked.max_tokens),
        "temperature": sampling.temperature,
        **(drawn if sampling.temperature > 0 else {}),
    }


@dataclass(slots=True)
class Course:
    """One request on its way.

    Args:
        asked: The prompt.
        inner_id: What vLLM calls it within.
        taken_s: When it was given, before its prompt was made into tokens.
        waited: Whether vLLM let steps go by before it began with it.
        began_s: When the step began that it was first part of; ``None`` until then.
        token_s: When its tokens came.
        tokens: How many there are, the end token included.
        text: What they say.
    """

    asked: Asked
    inner_id: str
    taken_s: float
    waited: bool = False
    began_s: float | None = None
    token_s: list[float] = field(default_factory=list)
    tokens: int = 0
    text: str = ""

    def response(self, finish_reason: str) -> Response:
        """Give the answer, now that it is whole.

        Work began when the request was taken, or, where vLLM had it wait for others, with the step
        that it was first part of.
        """
        waited = self.waited and self.began_s is not None
        return Response(
            request_id=self.asked.request.request_id,
            text=self.text,
            tokens_in=len(self.asked.prompt),
            tokens_out=self.tokens,
            start_s=self.began_s if waited and self.began_s is not None else self.taken_s,
            first_token_s=self.token_s[0],
            stop_s=self.token_s[-1],
            finish_reason="length" if finish_reason == "length" else "stop",
            token_s=tuple(self.token_s),
            arrived_s=self.taken_s,
        )


class Courses:
    """The requests that vLLM has, and what each of its steps means for them."""

    def __init__(self) -> None:
        self._open: dict[str, Course] = {}

    def __len__(self) -> int:
        """Count the requests under way."""
        return len(self._open)

    def take(self, outer_id: str, course: Course) -> None:
        """Take a request that vLLM calls by an id in what it gives."""
        self._open[outer_id] = course

    def forget(self) -> list[str]:
        """Forget all requests; gives their ids as vLLM gives them."""
        outer_ids = list(self._open)
        self._open.clear()
        return outer_ids

    def unbegun(self) -> bool:
        """Say whether some request is not known to have begun."""
        return any(course.began_s is None for course in self._open.values())

    def step(
        self,
        outputs: Sequence[Any],
        running: Collection[str],
        began_s: float,
        now_s: float,
    ) -> tuple[list[Response], list[str]]:
        """Take note of one step.

        Args:
            outputs: vLLM's outputs of it: ``request_id``, and ``outputs[0]`` with ``token_ids`` and
                ``text`` that are new and a ``finish_reason``.
            running: What vLLM calls the requests, within, that are part of the batch after it.
            began_s: When the step began.
            now_s: When its tokens were there.

        Returns:
            The answers that are whole, and the ids of requests that vLLM gave up.
        """
        answers: list[Response] = []
        given_up: list[str] = []
        spoken = {str(output.request_id): output.outputs[0] for output in outputs}
        self._begin(running, spoken, began_s)
        for outer_id, said in spoken.items():
            course = self._open.get(outer_id)
            if course is None:
                continue
            if said.token_ids:
                course.tokens += len(said.token_ids)
                course.token_s.append(now_s)
            course.text += said.text
            if said.finish_reason is None:
                continue
            del self._open[outer_id]
            if said.finish_reason in ("stop", "length") and course.tokens:
                answers.append(course.response(said.finish_reason))
            else:
                given_up.append(course.asked.request.request_id)
        return answers, given_up

    def _begin(self, running: Collection[str], spoken: Mapping[str, Any], began_s: float) -> None:
        for outer_id, course in self._open.items():
            if course.began_s is not None:
                continue
            if course.inner_id in running or outer_id in spoken:
                course.began_s = began_s
            else:
                course.waited = True
