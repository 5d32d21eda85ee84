"""How likely vLLM holds given answers: prompts with choices behind them, and their tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.engines.prompt_tokens import without_middle
from joulebench.errors import UsageError
from joulebench.work import Request


@dataclass(frozen=True, slots=True)
class Offer:
    """The choices of one request, in tokens that fit the context.

    Args:
        prompt: Ids that all choices have before them.
        choices: Ids of each choice.
        truncated: Whether the prompt lost tokens from its middle.
    """

    prompt: list[int]
    choices: list[list[int]]
    truncated: bool


def offer(
    request: Request, prompt: Sequence[int], whole: Sequence[list[int]], context: int
) -> Offer:
    """Tell prompt and choices apart, and fit them to the context.

    A tokenizer may join the prompt's end with a choice: what all have in common is the prompt.

    Args:
        request: What is asked.
        prompt: Ids of the prompt alone.
        whole: Ids of the prompt with each choice behind it.
        context: Longest sequence, tokens; vLLM generates one besides.

    Raises:
        UsageError: No choices, one without tokens, or one that does not fit the context.
    """
    shared = min((_common(prompt, ids) for ids in whole), default=0)
    choices = [list(ids[shared:]) for ids in whole]
    if not choices or not all(choices):
        raise UsageError(f"request {request.request_id!r}: give choices, none of them empty")
    longest = max(len(ids) for ids in choices)
    room = context - longest - 1
    if room < 2:
        raise UsageError(
            f"request {request.request_id!r}: a choice of {longest} tokens leaves no room for the "
            f"prompt in a context of {context}"
        )
    return Offer(without_middle(list(prompt[:shared]), room), choices, shared > room)


def choice_logprob(told: Sequence[Mapping[int, Any] | None] | None, choice: Sequence[int]) -> float:
    """Add up what vLLM says of a choice's tokens, nats.

    Args:
        told: For each token of prompt and choice, by id, how likely it was (``logprob``).
        choice: The choice's ids, the last of them all.

    Raises:
        UsageError: This vLLM tells none.
    """
    if told is None or len(told) <= len(choice):
        raise UsageError("engine 'vllm': this vLLM tells no likelihood of a prompt's tokens")
    last = zip(choice, told[-len(choice) :], strict=True)
    return sum(float(by_id[token].logprob) for token, by_id in last if by_id is not None)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Give how many ids two sequences have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
