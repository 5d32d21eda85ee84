"""Generation with Hugging Face transformers, prefill and decode told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from joulebench.engines.model_source import ModelSource, find_model
from joulebench.engines.sampling import check_sampling
from joulebench.engines.shapes_weights import SEED
from joulebench.engines.torch_choices import choice_logprobs
from joulebench.engines.torch_compile import compile_model, graphs_compiled
from joulebench.engines.torch_continuous import ContinuousBatches, cpu_cache_tokens
from joulebench.engines.torch_memory import PeakMemory, in_memory
from joulebench.engines.torch_model import (
    Loaded,
    device_name,
    free_memory,
    import_torch_libraries,
    load_model,
    load_tokenizer,
    pick_device,
    synchroniser,
)
from joulebench.engines.torch_options import TorchOptions
from joulebench.engines.torch_static import StaticBatches
from joulebench.engines.torch_text import TorchText
from joulebench.engines.torch_weights import touch_weights, weight_bytes
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
        attention: ``eager``, ``sdpa``, ``flash_attention_2``...; by default the library's choice.
        compile: Whether the model goes through ``torch.compile``, when it is first run.
        batching: ``static``, or ``continuous``: requests join and leave one running batch, and
            the engine offers ``submit`` and ``collect`` besides.
        quantization: ``int8``, ``nf4``, ``fp4``, ``torchao-...`` or ``2:4``; see
            :data:`joulebench.engines.torch_options.SCHEMES`.

    Raises:
        UsageError: An option that does not exist or a figure out of range.
    """

    def __init__(  # noqa: PLR0913 (the options of a study file)
        self,
        model: str | Mapping[str, Any],
        *,
        threads: int | None = None,
        dtype: str = "float32",
        device: str = "auto",
        max_model_len: int | None = None,
        attention: str | None = None,
        compile: bool = False,  # noqa: A002 (the option's name)
        batching: str = "static",
        quantization: str | None = None,
    ) -> None:
        self.model_name = model
        self.options = TorchOptions(
            threads=threads,
            dtype=dtype,
            device=device,
            max_model_len=max_model_len,
            attention=attention,
            compiled=compile,
            batching=batching,
            quantization=quantization,
        )
        if self.options.batching == "continuous":
            # Only then: a load would otherwise take the engine for one that can.
            self.submit = self._submit
            self.collect = self._collect
        self._source: ModelSource | None = None
        self._model: Any = None
        self._loaded: Loaded | None = None
        self._weight_bytes = 0
        self._text: TorchText | None = None
        self._way: StaticBatches | ContinuousBatches | None = None
        self._device: Any = None
        self._synchronise: Callable[[], None] = _nothing
        self._peak = PeakMemory()

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
        if self.options.threads is not None:
            torch.set_num_threads(self.options.threads)
        self._device = pick_device(self.options.device)
        self._synchronise = synchroniser(self._device)
        tokenizer = load_tokenizer(self._found)
        self._loaded = load_model(self._found, self.options, self._device)
        self._model = self._loaded.model
        touch_weights(self._model)
        self._weight_bytes = weight_bytes(self._model)
        self._adopt(tokenizer)
        self._synchronise()

    def begin_measuring(self) -> None:
        """Forget the memory's peaks so far: those of the measured work are asked for."""
        self._peak.begin(self._device)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Generate responses for requests that arrive together.

        Start is taken before the chat template is applied, so the time to the first token holds
        template, tokenizer and prefill. Output tokens hold the end token, never padding.

        Raises:
            UsageError: A sampling that contradicts itself or does not fit the context.
            GenerationFailed: The memory was too little.
        """
        check_sampling(sampling)
        if not requests:
            return []
        with in_memory(self._device, f"generating for {len(requests)} request(s)"):
            return self._batches.generate(requests, sampling)

    def choice_logprobs(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Give the log-likelihood of each choice as the answer to each request, in nats.

        Raises:
            UsageError: A request without choices, or one that does not fit the context.
            GenerationFailed: The memory was too little.
        """
        self._stop_thread()  # two threads must not use the model at a time
        with in_memory(self._device, "weighing choices"):
            return choice_logprobs(self._model, self._words, requests, choices)

    def facts(self) -> dict[str, Any]:
        """Give versions, model, device, memory and what the context made the engine give up."""
        import torch
        import transformers

        text = self._text
        facts: dict[str, Any] = {
            "kind": "transformers",
            "model": self.model_name,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "threads": torch.get_num_threads(),
            "dtype": self.options.dtype,
            "batching": self.options.batching,
            "prompts_truncated": text.truncated if text else 0,
            "outputs_capped": text.capped if text else 0,
        }
        if self.options.compiled:
            facts |= {"compile": True, "graphs_compiled": graphs_compiled()}
        facts |= self._peak.facts(self._device)
        return facts | self._model_facts() if self._model is not None else facts

    def close(self) -> None:
        """Free the model and give its memory back to the device."""
        self._stop_thread()
        self._model = self._loaded = self._way = None
        free_memory(self._device)

    def _submit(self, request: Request, sampling: Sampling) -> None:
        """Take a request and come back at once."""
        check_sampling(sampling)
        self._running.submit(request, sampling)

    def _collect(self, timeout_s: float) -> list[Response]:
        """Give the answers that are there, waiting for the first one at most ``timeout_s``."""
        return self._running.collect(timeout_s)

    def _stop_thread(self) -> None:
        if isinstance(self._way, ContinuousBatches):
            self._way.stop()

    @property
    def _found(self) -> ModelSource:
        if self._source is None:
            raise RuntimeError("import_libraries() has not been called")
        return self._source

    @property
    def _words(self) -> TorchText:
        if self._text is None:
            raise RuntimeError("load() has not been called")
        return self._text

    @property
    def _batches(self) -> StaticBatches | ContinuousBatches:
        if self._way is None:
            raise RuntimeError("load() has not been called")
        return self._way

    @property
    def _running(self) -> ContinuousBatches:
        if not isinstance(self._way, ContinuousBatches):
            raise RuntimeError("load() has not been called")
        return self._way

    def _adopt(self, tokenizer: Any) -> None:
        """Keep the checkpoint's end tokens and drop its sampling defaults: the study decides."""
        from transformers import GenerationConfig

        ends = self._model.generation_config.eos_token_id
        self._text = TorchText(tokenizer, ends, self._context())
        self._model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call, unused-ignore]
        if self.options.compiled:
            compile_model(self._model)
        if self.options.batching == "continuous":
            self._way = ContinuousBatches(self._model, self._text, self._device)
        else:
            self._way = StaticBatches(self._model, self._text, self._device, self._synchronise)

    def _context(self) -> int:
        own = getattr(self._model.config, "max_position_embeddings", None) or 2**31
        limits = [own, self.options.max_model_len or own]
        if self.options.batching == "continuous" and self._device.type == "cpu":
            limits.append(cpu_cache_tokens(self._model))
        return min(limits)

    def _model_facts(self) -> dict[str, Any]:
        revision = getattr(self._model.config, "_commit_hash", None)
        loaded = self._loaded
        return {
            "dtype": str(self._model.dtype).removeprefix("torch."),
            "device": device_name(self._device),
            "parameters": loaded.parameters if loaded else 0,
            "weight_bytes": self._weight_bytes,
            **(loaded.facts if loaded else {}),
            **self._found.facts,
            "max_model_len": self._words.context,
            "attention": self._model.config._attn_implementation,
            "chat_template": self._words.has_template,
            **({"weights_seed": SEED} if self._found.shape else {}),
            **({"revision": revision} if revision else {}),
        }


def _nothing() -> None:
    """Wait for no device: none is in use before the model is loaded."""
