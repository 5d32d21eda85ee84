"""Prompts as tokens: fitted to the context, padded to one length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.errors import UsageError
from joulebench.work import Sampling


@dataclass(frozen=True, slots=True)
class Fit:
    """Prompts that fit the context.

    Args:
        prompts: Token ids of each prompt.
        max_tokens: Most output tokens that the context leaves for all of them.
        truncated: How many prompts lost tokens from their middle.
    """

    prompts: list[list[int]]
    max_tokens: int
    truncated: int


def fit_context(prompts: Sequence[list[int]], context: int, sampling: Sampling) -> Fit:
    """Make prompts and their output fit a context, counting what had to give.

    A prompt that leaves no room for the fewest output tokens loses tokens from its middle,
    since both ends of it matter: chat header and instruction, question and generation header
    (Bai et al. 2023, LongBench). Output that would overrun the context is capped.

    Args:
        prompts: Token ids.
        context: Longest sequence, tokens.
        sampling: Its ``min_tokens`` (at least 1) are kept free for the output.

    Raises:
        UsageError: The output alone does not fit the context.
    """
    room = context - max(sampling.min_tokens, 1)
    if room < 2:
        raise UsageError(
            f"sampling: min_tokens = {sampling.min_tokens} leaves no room for a prompt in a "
            f"context of {context} tokens; ask for fewer"
        )
    fitted = [without_middle(ids, room) for ids in prompts]
    longest = max(len(ids) for ids in fitted)
    return Fit(
        prompts=fitted,
        max_tokens=min(sampling.max_tokens, context - longest),
        truncated=sum(len(ids) > room for ids in prompts),
    )


def without_middle(ids: list[int], room: int) -> list[int]:
    """Give token ids that fit so much room, both ends kept and what is too much left out."""
    if len(ids) <= room:
        return ids
    head = room // 2
    return ids[:head] + ids[len(ids) - (room - head) :]


def pad_left(prompts: Sequence[list[int]], pad_id: int, device: Any) -> tuple[Any, Any]:
    """Lay prompts side by side, padded on the left so that decoding continues each of them.

    Returns:
        Token ids and attention mask, both of shape (prompts, longest), on ``device``.
    """
    import torch

    width = max(len(ids) for ids in prompts)
    ids = torch.tensor([[pad_id] * (width - len(row)) + row for row in prompts])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts])
    return ids.to(device), mask.to(device)


def count_output(row: Sequence[int], end_ids: frozenset[int]) -> tuple[int, str]:
    """Count the tokens that a sequence really generated, its end token included.

    Args:
        row: Generated ids, with padding after the end token.
        end_ids: Ids that end a sequence.

    Returns:
        Number of tokens, and ``"stop"`` if an end token came, else ``"length"``.
    """
    for position, token in enumerate(row):
        if token in end_ids:
            return position + 1, "stop"
    return len(row), "length"
