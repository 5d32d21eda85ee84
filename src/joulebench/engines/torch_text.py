"""Between texts and token ids: chat template, context, end of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joulebench.engines.prompt_tokens import Fit, count_output, fit_context
from joulebench.work import Request, Response, Sampling


class TorchText:
    """A model's tokenizer, and what it had to give up for the context.

    Args:
        tokenizer: Of the model.
        own_ends: Ids that end an answer by the model's own configuration, if it names any.
        context: Longest sequence, tokens.
    """

    def __init__(self, tokenizer: Any, own_ends: int | Sequence[int] | None, context: int) -> None:
        self.tokenizer = tokenizer
        self.context = context
        ends = own_ends if own_ends is not None else tokenizer.eos_token_id
        self.end_ids = frozenset([ends] if isinstance(ends, int) else ends or [])
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.bos_token
        self.pad_id = int(tokenizer.pad_token_id)
        self.truncated = 0
        self.capped = 0

    @property
    def has_template(self) -> bool:
        """Whether prompts are put into a chat template."""
        return self.tokenizer.chat_template is not None

    def asked(self, prompt: str) -> str:
        """Give the text that the model reads: the prompt in its chat template, if it has one."""
        if not self.has_template:
            return prompt
        chat = [{"role": "user", "content": prompt}]
        text = self.tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        return str(text)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the token ids of texts that :meth:`asked` gave."""
        special = not self.has_template
        encoded = self.tokenizer(list(texts), add_special_tokens=special, verbose=False)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def fit(self, requests: Sequence[Request], sampling: Sampling) -> Fit:
        """Give the prompts' tokens as they fit the context, and count what had to give.

        Raises:
            UsageError: The output alone does not fit the context.
        """
        ids = self.ids([self.asked(request.prompt) for request in requests])
        fit = fit_context(ids, self.context, sampling)
        self.truncated += fit.truncated
        self.capped += len(fit.prompts) if fit.max_tokens < sampling.max_tokens else 0
        return fit

    def response(
        self,
        request: Request,
        tokens_in: int,
        row: Sequence[int],
        ends: frozenset[int],
        start_s: float,
        stamps_s: Sequence[float],
    ) -> Response:
        """Give the answer that a row of generated ids is.

        Args:
            request: What was asked.
            tokens_in: Tokens of its prompt.
            row: Generated ids, perhaps with padding behind the end.
            ends: Ids that end an answer.
            start_s: When work on it began.
            stamps_s: When each token of the row was there.
        """
        tokens, reason = count_output(row, ends)
        return Response(
            request_id=request.request_id,
            text=self.tokenizer.decode(list(row[:tokens]), skip_special_tokens=True),
            tokens_in=tokens_in,
            tokens_out=tokens,
            start_s=start_s,
            first_token_s=stamps_s[0],
            stop_s=stamps_s[tokens - 1],
            finish_reason=reason,
            token_s=tuple(stamps_s[:tokens]),
        )
