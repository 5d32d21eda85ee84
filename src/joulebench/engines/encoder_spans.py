"""Finds the words of a text that answer a question, from the scores of their first and last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joulebench.work import Encoding

LONGEST = 30
"""Most tokens of an answer, as in the reference implementations for SQuAD."""


def best_spans(
    starts: Any,
    ends: Any,
    encodings: Sequence[Any],
    asked: Sequence[Encoding],
    null_threshold: float,
) -> list[str]:
    """Give the best answer of each pair of a batch; empty where none scores best.

    The score of words is that of the first as a start plus that of the last as an end; that of no
    answer is the same sum for the pair's first token (Devlin et al. 2019, arXiv:1810.04805).

    Args:
        starts: Scores of starts, shape (pairs, tokens).
        ends: Scores of ends.
        encodings: The tokenizer's, with the sequence and the place of each token.
        asked: What was encoded.
        null_threshold: By how much no answer has to score above the best words to be given.
    """
    return [
        _best(starts[row], ends[row], encodings[row], encoding, null_threshold)
        for row, encoding in enumerate(asked)
    ]


def _best(start: Any, end: Any, tokens: Any, asked: Encoding, null_threshold: float) -> str:
    import torch

    inside = torch.tensor([sequence == 1 for sequence in tokens.sequence_ids])
    places = inside.nonzero().flatten()
    if len(places) == 0:
        return ""
    first, last = int(places[0]), int(places[-1]) + 1
    score = start[first:last, None] + end[None, first:last]
    allowed = torch.ones_like(score, dtype=torch.bool).triu().tril(LONGEST - 1)
    score = score.masked_fill(~allowed, -torch.inf)
    best = int(score.argmax())
    if asked.nothing and float(start[0] + end[0]) - float(score.max()) > null_threshold:
        return ""
    begin, stop = divmod(best, last - first)
    text = asked.texts[1]
    return text[tokens.offsets[first + begin][0] : tokens.offsets[first + stop][1]]
