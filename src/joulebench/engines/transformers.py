"""Generation with Hugging Face transformers, prefill and decode told apart."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from joulebench.engines.model_source import ModelSource, find_model
from joulebench.engines.prompt_tokens import Fit, count_output, fit_context, pad_left
from joulebench.engines.sampling import call_seed, check_sampling
from joulebench.engines.shapes_weights import SEED
from joulebench.engines.step_clock import StepClock
from joulebench.engines.torch_model import (
    DTYPES,
    device_name,
    import_torch_libraries,
    load_model,
    load_tokenizer,
    pick_device,
    synchroniser,
    touch_weights,
)
from joulebench.errors import UsageError, unknown
from joulebench.work import Request, Response, Sampling


class TransformersEngine:
    """Runs a causal language model with ``model.generate`` on the CPU or one accelerator.

    Args:
        model: ``tiny_a``, ``tiny_b``, ``shape:NAME``, a folder written by ``save_pretrained``, or a
            hub name.
        threads: CPU threads of torch; by default torch's own choice, which the facts report.
        dtype: ``float32``, ``bfloat16``, ``float16``, or ``auto`` for the checkpoint's own.
        device: ``auto`` (an accelerator if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        max_model_len: Longest sequence, tokens; by default the model's own limit.

    Raises:
        UsageError: An option that does not exist or a figure out of range.
    """

    def __init__(
        self,
        model: str | Mapping[str, Any],
        *,
        threads: int | None = None,
        dtype: str = "float32",
        device: str = "auto",
        max_model_len: int | None = None,
    ) -> None:
        if dtype not in DTYPES:
            raise unknown("engine 'transformers': dtype", dtype, DTYPES)
        self.model_name = model
        self.threads = _positive("threads", threads)
        self.dtype = dtype
        self.device_choice = device
        self.max_model_len = _positive("max_model_len", max_model_len)
        self.truncated = 0
        self.capped = 0
        self._source: ModelSource | None = None
        self._model: Any = None
        self._tokenizer: Any = None
        self._device: Any = None
        self._synchronise: Callable[[], None] = _nothing
        self._end_ids: frozenset[int] = frozenset()

    def import_libraries(self) -> None:
        """Import torch, transformers and the model's own code, and find (or build) the model.

        Raises:
            UsageError: There is no such model.
            Unavailable: torch or transformers is not installed.
        """
        if self._source is None:
            source = find_model(self.model_name)
            import_torch_libraries(source)
            self._source = source

    def load(self) -> None:
        """Load tokenizer and weights, read every page of every weight, synchronise.

        Raises:
            UsageError: The model cannot be loaded, or the device does not exist.
        """
        import torch

        self.import_libraries()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        self._device = pick_device(self.device_choice)
        self._synchronise = synchroniser(self._device)
        self._tokenizer = load_tokenizer(self._found)
        self._model = load_model(self._found, self.dtype, self._device)
        touch_weights(self._model)
        self._adopt_token_ids()
        self._synchronise()

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Generate responses for requests that arrive together, as one left-padded batch.

        Start is taken before the chat template is applied, so the time to the first token holds
        template, tokenizer and prefill. Output tokens hold the end token, never padding.

        Raises:
            UsageError: A sampling that contradicts itself or does not fit the context.
        """
        import torch

        check_sampling(sampling)
        if not requests:
            return []
        clock = StepClock(self._synchronise)
        self._synchronise()
        start_s = time.monotonic()
        fit = self._fit(requests, sampling)
        ids, mask = pad_left(fit.prompts, self._pad_id, self._device)
        if sampling.temperature > 0:
            torch.manual_seed(call_seed(sampling, requests))
        output = self._model.generate(
            inputs=ids,
            attention_mask=mask,
            generation_config=self._generation_config(sampling, fit.max_tokens),
            stopping_criteria=[clock],
        )
        rows = output[:, ids.shape[1] :].tolist()
        self._count(fit, sampling)
        return [
            self._response(request, prompt, row, start_s, clock.stamps_s)
            for request, prompt, row in zip(requests, fit.prompts, rows, strict=True)
        ]

    def facts(self) -> dict[str, Any]:
        """Give versions, model, device and what the context made the engine give up."""
        import torch
        import transformers

        facts: dict[str, Any] = {
            "kind": "transformers",
            "model": self.model_name,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "threads": torch.get_num_threads(),
            "dtype": self.dtype,
            "prompts_truncated": self.truncated,
            "outputs_capped": self.capped,
        }
        return facts | self._model_facts() if self._model is not None else facts

    def close(self) -> None:
        """Free the model and give its memory back to the device."""
        self._model = self._tokenizer = None
        gc.collect()
        if self._device is not None and self._device.type == "cuda":
            import torch

            torch.cuda.empty_cache()

    @property
    def _found(self) -> ModelSource:
        if self._source is None:
            raise RuntimeError("import_libraries() has not been called")
        return self._source

    @property
    def _pad_id(self) -> int:
        return int(self._tokenizer.pad_token_id)

    @property
    def _context(self) -> int:
        own = getattr(self._model.config, "max_position_embeddings", None) or 2**31
        return min(own, self.max_model_len or own)

    def _adopt_token_ids(self) -> None:
        """Keep the checkpoint's end tokens and drop its sampling defaults: the study decides."""
        from transformers import GenerationConfig

        own = self._model.generation_config.eos_token_id
        end = own if own is not None else self._tokenizer.eos_token_id
        self._end_ids = frozenset([end] if isinstance(end, int) else end or [])
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token or self._tokenizer.bos_token
        self._model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call, unused-ignore]

    def _generation_config(self, sampling: Sampling, max_tokens: int) -> Any:
        from transformers import GenerationConfig

        drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        return GenerationConfig(  # type: ignore[no-untyped-call, unused-ignore]
            max_new_tokens=max_tokens,
            min_new_tokens=sampling.min_tokens or None,
            do_sample=sampling.temperature > 0,
            eos_token_id=sorted(self._end_ids) or None,
            pad_token_id=self._pad_id,
            **(drawn if sampling.temperature > 0 else {}),
        )

    def _fit(self, requests: Sequence[Request], sampling: Sampling) -> Fit:
        texts = [self._with_template(request.prompt) for request in requests]
        special = self._tokenizer.chat_template is None
        ids = self._tokenizer(texts, add_special_tokens=special, verbose=False)["input_ids"]
        return fit_context(ids, self._context, sampling)

    def _with_template(self, prompt: str) -> str:
        if self._tokenizer.chat_template is None:
            return prompt
        chat = [{"role": "user", "content": prompt}]
        text = self._tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        return str(text)

    def _count(self, fit: Fit, sampling: Sampling) -> None:
        self.truncated += fit.truncated
        self.capped += len(fit.prompts) if fit.max_tokens < sampling.max_tokens else 0

    def _response(
        self,
        request: Request,
        prompt: Sequence[int],
        row: Sequence[int],
        start_s: float,
        stamps_s: Sequence[float],
    ) -> Response:
        tokens, reason = count_output(row, self._end_ids)
        return Response(
            request_id=request.request_id,
            text=self._tokenizer.decode(row[:tokens], skip_special_tokens=True),
            tokens_in=len(prompt),
            tokens_out=tokens,
            start_s=start_s,
            first_token_s=stamps_s[0],
            stop_s=stamps_s[tokens - 1],
            finish_reason=reason,
        )

    def _model_facts(self) -> dict[str, Any]:
        revision = getattr(self._model.config, "_commit_hash", None)
        return {
            "dtype": str(self._model.dtype).removeprefix("torch."),
            "device": device_name(self._device),
            "parameters": sum(weight.numel() for weight in self._model.parameters()),
            **self._found.facts,
            "max_model_len": self._context,
            "attention": self._model.config._attn_implementation,
            "chat_template": self._tokenizer.chat_template is not None,
            **({"weights_seed": SEED} if self._found.shape else {}),
            **({"revision": revision} if revision else {}),
        }


def _nothing() -> None:
    """Wait for no device: none is in use before the model is loaded."""


def _positive(name: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"engine 'transformers': {name} = {value!r} must be a whole number from 1")
    return value
