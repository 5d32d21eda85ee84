"""Static batching: a batch begins and ends together, through ``model.generate``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from joulebench.engines.prompt_tokens import pad_left
from joulebench.engines.sampling import call_seed
from joulebench.engines.step_clock import StepClock
from joulebench.engines.torch_compile import refusal
from joulebench.engines.torch_text import TorchText
from joulebench.work import Request, Response, Sampling


class StaticBatches:
    """Generates left-padded batches, each of which ends with its longest answer.

    Args:
        model: Of transformers.
        text: Its tokenizer.
        device: Where it is.
        synchronise: Waits until the device has finished what it was given.
    """

    def __init__(
        self, model: Any, text: TorchText, device: Any, synchronise: Callable[[], None]
    ) -> None:
        self._model = model
        self._text = text
        self._device = device
        self._synchronise = synchronise

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Generate for requests that arrive together.

        Raises:
            UsageError: A sampling that does not fit the context, or a model that cannot be
                compiled.
        """
        import torch

        clock = StepClock(self._synchronise)
        self._synchronise()
        start_s = time.monotonic()
        text = self._text
        fit = text.fit(requests, sampling)
        ids, mask = pad_left(fit.prompts, text.pad_id, self._device)
        if sampling.temperature > 0:
            torch.manual_seed(call_seed(sampling, requests))
        rows = self._rows(ids, mask, clock, self._configuration(sampling, fit.max_tokens))
        return [
            text.response(request, len(prompt), row, text.end_ids, start_s, clock.stamps_s)
            for request, prompt, row in zip(requests, fit.prompts, rows, strict=True)
        ]

    def _rows(self, ids: Any, mask: Any, clock: StepClock, config: Any) -> list[list[int]]:
        """Run the generation loop, and give the generated ids of each sequence."""
        try:
            output = self._model.generate(
                inputs=ids,
                attention_mask=mask,
                generation_config=config,
                stopping_criteria=[clock],
            )
        except Exception as cause:
            line = refusal(cause)
            if line is None:
                raise
            raise line from cause
        rows: list[list[int]] = output[:, ids.shape[1] :].tolist()
        return rows

    def _configuration(self, sampling: Sampling, max_tokens: int) -> Any:
        from transformers import GenerationConfig

        drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        return GenerationConfig(  # type: ignore[no-untyped-call, unused-ignore]
            max_new_tokens=max_tokens,
            min_new_tokens=sampling.min_tokens or None,
            do_sample=sampling.temperature > 0,
            eos_token_id=sorted(self._text.end_ids) or None,
            pad_token_id=self._text.pad_id,
            **(drawn if sampling.temperature > 0 else {}),
        )
