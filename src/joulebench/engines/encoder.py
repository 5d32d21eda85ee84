"""Encoders: one forward pass gives a label, or the words of a text that answer a question."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from joulebench.engines.encoder_labels import Labels
from joulebench.engines.encoder_model import (
    CLASSIFIER,
    HEADS,
    SPAN,
    LoadedEncoder,
    import_encoder_libraries,
    load_encoder,
)
from joulebench.engines.encoder_spans import best_spans
from joulebench.engines.model_source import ModelSource, find_model
from joulebench.engines.torch_memory import PeakMemory, in_memory
from joulebench.engines.torch_model import device_name, free_memory, pick_device, synchroniser
from joulebench.engines.torch_options import DTYPES
from joulebench.errors import UsageError, unknown
from joulebench.work import Encoding, Request, Response, Sampling


class EncoderEngine:
    """Runs a sequence classifier or a question answerer of transformers.

    It generates nothing: an answer has no tokens, and is there when its batch has passed. It is
    given the texts of an item (:class:`joulebench.work.Encoding`), never the prompt.

    Args:
        model: A folder written by ``save_pretrained``, or a hub name.
        threads: CPU threads of torch; by default torch's own choice, which the facts report.
        dtype: ``float32``, ``bfloat16``, ``float16``, or ``auto`` for the checkpoint's own.
        device: ``auto`` (an accelerator if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        max_model_len: Longest input, tokens; by default the model's own limit.
        labels: What the checkpoint's labels are called in the task, by the checkpoint's name or
            number of each: ``{LABEL_0: negative, LABEL_1: positive}``.
        null_threshold: By how much "no answer" has to score above the best words to be given,
            where a question may have none.
        head: ``classifier`` or ``span``; ``auto`` for what the checkpoint was saved with.

    Raises:
        UsageError: An option that does not exist or a figure out of range.
    """

    encoded = True

    def __init__(
        self,
        model: str | Mapping[str, Any],
        *,
        threads: int | None = None,
        dtype: str = "float32",
        device: str = "auto",
        max_model_len: int | None = None,
        labels: Mapping[str, str] | None = None,
        null_threshold: float = 0.0,
        head: str = "auto",
    ) -> None:
        if dtype not in DTYPES:
            raise unknown("engine 'encoder': dtype", dtype, DTYPES)
        if head not in ("auto", *HEADS):
            raise unknown("engine 'encoder': head", head, ("auto", *HEADS))
        self.model_name = model
        self.threads = _positive("threads", threads)
        self.dtype = dtype
        self.device_choice = device
        self.max_model_len = _positive("max_model_len", max_model_len)
        self.labels = Labels(labels)
        self.null_threshold = float(null_threshold)
        if not math.isfinite(self.null_threshold):
            raise UsageError(f"engine 'encoder': null_threshold = {null_threshold!r} is no number")
        self.head = head
        self.truncated = 0
        self._source: ModelSource | None = None
        self._loaded: LoadedEncoder | None = None
        self._synchronise: Callable[[], None] = _nothing
        self._peak = PeakMemory()

    def import_libraries(self) -> None:
        """Import torch, transformers and the model's own code.

        Raises:
            UsageError: There is no such model.
            Unavailable: torch or transformers is not installed.
        """
        if self._source is None:
            source = find_model(self.model_name)
            import_encoder_libraries(source)
            self._source = source

    def load(self) -> None:
        """Load tokenizer and weights, read every page of every weight, synchronise.

        Raises:
            UsageError: The model cannot be loaded or has no head that answers, or the device does
                not exist.
        """
        import torch

        self.import_libraries()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        device = pick_device(self.device_choice)
        self._synchronise = synchroniser(device)
        self._loaded = load_encoder(self._found, self.head, self.dtype, device)
        if not self._loaded.untrained:
            self.labels.check_given(self._loaded.names)
        self._synchronise()

    def begin_measuring(self) -> None:
        """Forget the memory's peaks so far: those of the measured work are asked for."""
        self._peak.begin(self._ready.device)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Answer requests that arrive together, as one batch padded to its longest member.

        Start is taken before the tokenizer; the answers are there when the whole batch is. The
        sampling is without effect.

        Raises:
            UsageError: A request without texts, or one that the model's head cannot answer.
            GenerationFailed: The memory was too little.
        """
        del sampling
        if not requests:
            return []
        asked = [self._encoding(request) for request in requests]
        self._synchronise()
        start_s = time.monotonic()
        batch = self._tokens(asked)
        counts = batch["attention_mask"].sum(dim=1).tolist()
        with in_memory(self._ready.device, f"answering {len(requests)} request(s)", "encoder"):
            texts = self._answers(batch, asked)
            self._synchronise()
        stop_s = time.monotonic()
        self.truncated += sum(bool(row.overflowing) for row in batch.encodings)
        return [
            Response(request.request_id, text, count, 0, start_s, stop_s, stop_s)
            for request, text, count in zip(requests, texts, counts, strict=True)
        ]

    def facts(self) -> dict[str, Any]:
        """Give versions, model, head, device and how many inputs were too long."""
        import torch
        import transformers

        facts: dict[str, Any] = {
            "kind": "encoder",
            "model": self.model_name,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "threads": torch.get_num_threads(),
            "dtype": self.dtype,
            "prompts_truncated": self.truncated,
        }
        loaded = self._loaded
        if loaded is None:
            return facts
        return facts | self._model_facts(loaded) | self._peak.facts(loaded.device)

    def close(self) -> None:
        """Free the model and give its memory back to the device."""
        device = None if self._loaded is None else self._loaded.device
        self._loaded = None
        free_memory(device)

    @property
    def _found(self) -> ModelSource:
        if self._source is None:
            raise RuntimeError("import_libraries() has not been called")
        return self._source

    @property
    def _ready(self) -> LoadedEncoder:
        if self._loaded is None:
            raise RuntimeError("load() has not been called")
        return self._loaded

    def _encoding(self, request: Request) -> Encoding:
        """Give what a request asks, if the model's head can answer it."""
        encoding, loaded = request.encoding, self._ready
        if encoding is None:
            raise UsageError(
                f"engine 'encoder': {request.request_id} is a prompt, and an encoder takes the "
                "texts of an item; use a task such as sst2, or an engine that generates"
            )
        if bool(encoding.labels) is not (loaded.head == CLASSIFIER):
            wanted, given = ("labels", "words")[:: 1 if encoding.labels else -1]
            raise UsageError(
                f"engine 'encoder': {request.request_id} asks for {wanted}, and the head of model "
                f"{self.model_name!r} gives {given}; use another checkpoint or task"
            )
        if encoding.labels and not loaded.untrained:
            self.labels.check_asked(loaded.names, encoding.labels)
        return encoding

    def _tokens(self, asked: Sequence[Encoding]) -> Any:
        """Encode texts or pairs; of a pair to be read for words, the question is never cut."""
        pairs = len(asked[0].texts) > 1
        try:
            return self._ready.tokenizer(
                [encoding.texts[0] for encoding in asked],
                [encoding.texts[1] for encoding in asked] if pairs else None,
                truncation="only_second" if self._ready.head == SPAN else "longest_first",
                max_length=self._longest,
                padding=True,
                return_tensors="pt",
            )
        except Exception as cause:  # the library tokenizers has no kinds of errors
            if "Truncation error" not in str(cause):
                raise
            raise UsageError(
                f"engine 'encoder': a question leaves no room for its text in {self._longest} "
                "tokens; raise engine.max_model_len, or use a model with a longer input"
            ) from cause

    def _answers(self, batch: Any, asked: Sequence[Encoding]) -> list[str]:
        import torch

        loaded = self._ready
        with torch.inference_mode():
            output = loaded.model(**{name: part.to(loaded.device) for name, part in batch.items()})
        if loaded.head == CLASSIFIER:
            best = output.logits.argmax(dim=-1).tolist()
            return [self._said(n, encoding) for n, encoding in zip(best, asked, strict=True)]
        starts, ends = output.start_logits.float().cpu(), output.end_logits.float().cpu()
        return best_spans(starts, ends, batch.encodings, asked, self.null_threshold)

    def _said(self, number: int, encoding: Encoding) -> str:
        return self.labels.called(self._ready.names, number, encoding.labels)

    @property
    def _longest(self) -> int:
        own = self._ready.context
        return min(own, self.max_model_len or own)

    def _model_facts(self, loaded: LoadedEncoder) -> dict[str, Any]:
        revision = getattr(loaded.model.config, "_commit_hash", None)
        return {
            "dtype": str(loaded.model.dtype).removeprefix("torch."),
            "device": device_name(loaded.device),
            "parameters": sum(weight.numel() for weight in loaded.model.parameters()),
            **self._found.facts,
            "random_weights": self._found.random_weights or loaded.untrained > 0,
            "max_model_len": self._longest,
            "attention": loaded.model.config._attn_implementation,
            "head": loaded.head,
            **({"labels": self.labels.facts(loaded.names)} if loaded.head == CLASSIFIER else {}),
            **({"null_threshold": self.null_threshold} if loaded.head == SPAN else {}),
            **({"untrained_weights": loaded.untrained} if loaded.untrained else {}),
            **({"revision": revision} if revision else {}),
        }


def _nothing() -> None:
    """Wait for no device: none is in use before the model is loaded."""


def _positive(name: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"engine 'encoder': {name} = {value!r} must be a whole number from 1")
    return value
