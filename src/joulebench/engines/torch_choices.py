"""How likely given answers are: sums of the log-likelihoods of their tokens."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.engines.prompt_tokens import without_middle
from joulebench.engines.torch_text import TorchText
from joulebench.errors import UsageError
from joulebench.work import Request

MOST_TOKENS = 8192
"""Most tokens, padding included, that go through the model together."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A prompt with one choice behind it.

    Args:
        request: Index of the request.
        choice: Index of the choice.
        ids: Token ids of both.
        first: Where the choice begins in them.
    """

    request: int
    choice: int
    ids: list[int]
    first: int


def choice_logprobs(
    model: Any, text: TorchText, requests: Sequence[Request], choices: Sequence[Sequence[str]]
) -> list[list[float]]:
    """Give the log-likelihood of each choice as the answer to each request, in nats.

    Args:
        model: Of transformers, ready for inference.
        text: Its tokenizer.
        requests: What is asked.
        choices: The answers to choose from, for each request.

    Raises:
        UsageError: A request without choices, an empty choice, or one longer than the context.
    """
    if len(requests) != len(choices):
        raise UsageError(f"{len(choices)} lists of choices for {len(requests)} requests")
    rows = [row for i, pair in enumerate(zip(requests, choices, strict=True))
            for row in _rows(text, i, *pair)]  # fmt: skip
    found = [[0.0] * len(given) for given in choices]
    for batch in _batches(sorted(rows, key=lambda row: len(row.ids))):
        for row, total in zip(batch, _sums(model, text.pad_id, batch), strict=True):
            found[row.request][row.choice] = total
    return found


def _rows(text: TorchText, index: int, request: Request, choices: Sequence[str]) -> Iterator[_Row]:
    if not choices or not all(choices):
        raise UsageError(f"request {request.request_id!r}: give choices, none of them empty")
    asked = text.asked(request.prompt)
    prompt, *whole = text.ids([asked, *(f"{asked} {choice}" for choice in choices)])
    # A tokenizer may join the prompt's end with the choice: what all have in common is the prompt.
    shared = min(_common(prompt, ids) for ids in whole)
    longest = max(len(ids) - shared for ids in whole)
    room = text.context - longest
    if room < 2:
        raise UsageError(
            f"request {request.request_id!r}: a choice of {longest} tokens leaves no room for the "
            f"prompt in a context of {text.context}"
        )
    kept = without_middle(prompt[:shared], room)
    text.truncated += shared > room
    for choice, ids in enumerate(whole):
        yield _Row(index, choice, kept + ids[shared:], len(kept))


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Give how many ids two sequences have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _batches(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Put rows of like length together, so that little of a batch is padding."""
    batch: list[_Row] = []
    for row in rows:
        if batch and len(row.ids) * (len(batch) + 1) > MOST_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _sums(model: Any, pad_id: int, batch: Sequence[_Row]) -> list[float]:
    """Give the sums of a batch, padded on the right: what comes later changes nothing before."""
    import torch

    width, device = max(len(row.ids) for row in batch), model.device
    ids = torch.tensor([row.ids + [pad_id] * (width - len(row.ids)) for row in batch])
    mask = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in batch])
    before = min(row.first for row in batch) - 1
    keep = {"logits_to_keep": width - before} if _keeps_some(model) else {}
    with torch.inference_mode():
        logits = model(
            input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False, **keep
        ).logits[:, before - width :]
        chances = logits[:, :-1].float().log_softmax(dim=-1)
        wanted = ids[:, before + 1 :].to(device).unsqueeze(-1)
        each = chances.gather(-1, wanted).squeeze(-1).double().cpu()
    return [
        float(line[row.first - 1 - before : len(row.ids) - 1 - before].sum())
        for row, line in zip(batch, each, strict=True)
    ]


def _keeps_some(model: Any) -> bool:
    """Say whether a model can leave out the logits of positions that nobody asks for."""
    return "logits_to_keep" in inspect.signature(type(model).forward).parameters
