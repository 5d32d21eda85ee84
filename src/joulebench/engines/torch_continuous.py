"""Continuous batching: requests join and leave one running batch, through transformers' own."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.engines.sampling import call_seed
from joulebench.engines.shapes_memory import host_memory
from joulebench.engines.torch_memory import out_of_memory
from joulebench.engines.torch_text import TorchText
from joulebench.errors import UsageError
from joulebench.work import GenerationFailed, Request, Response, Sampling

PAGE = 256
"""Tokens of a page of the cache of keys and values."""

CPU_CACHE_TOKENS = 16384
"""Most tokens, of all requests together, whose keys and values are kept on the CPU."""

CPU_STEP_TOKENS = 512
"""Most tokens that one step reads on the CPU; a longer prompt is read in several."""

_STOP_S = 60.0
_LOOK_S = 1.0
_NOBODY_ENDS = -1


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request under way.

    Args:
        request: What was asked.
        tokens_in: Tokens of its prompt.
        ends: Ids that end its answer.
        start_s: When it was taken.
    """

    request: Request
    tokens_in: int
    ends: frozenset[int]
    start_s: float


class ContinuousBatches:
    """Gives requests to transformers' manager of a running batch, which works in its own thread.

    Args:
        model: Of transformers.
        text: Its tokenizer.
        device: Where it is.
    """

    def __init__(self, model: Any, text: TorchText, device: Any) -> None:
        self._model = model
        self._text = text
        self._device = device
        self._manager: Any = None
        self._drawn: tuple[float, float] | None = None
        self._under_way: dict[str, _Asked] = {}
        # Its stamps are of perf_counter, which need not begin where monotonic does.
        self._offset_s = time.monotonic() - time.perf_counter()

    @property
    def attention(self) -> str:
        """Name the way of attention that the running batch uses."""
        return str(self._model.config._attn_implementation)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Generate for requests that arrive together.

        Raises:
            UsageError: A sampling that this way of batching cannot do.
            GenerationFailed: A request that brought no answer.
        """
        import torch

        start_s = time.monotonic()
        self._ready(sampling)
        # All are there before the first step: the same batches, so the same draws, each time.
        with self._manager.pause():
            if sampling.temperature > 0:
                torch.manual_seed(call_seed(sampling, requests))
            self._take(requests, sampling, start_s)
        answered: dict[str, Response] = {}
        while len(answered) < len(requests):
            answered |= {r.request_id: r for r in self.collect(math.inf)}
        return [answered[request.request_id] for request in requests]

    def submit(self, request: Request, sampling: Sampling) -> None:
        """Take a request and come back at once.

        Raises:
            UsageError: A sampling that this way of batching cannot do.
        """
        start_s = time.monotonic()
        if not self._under_way:
            self._ready(sampling)
        self._take([request], sampling, start_s)

    def collect(self, timeout_s: float) -> list[Response]:
        """Give the answers that are there, waiting for the first at most so long.

        Raises:
            GenerationFailed: A request that brought no answer; holds the answers to others.
        """
        if not self._under_way:
            return []
        outputs = [self._first(timeout_s)]
        while outputs[-1] is not None:
            outputs.append(self._manager.get_result(timeout=0) if self._waits() else None)
        ended = [output for output in outputs if output is not None and output.is_finished()]
        if not ended and not self._manager.is_running():
            self._fail("the running batch ended", [])
        good = [self._response(output) for output in ended if output.error is None]
        for output in ended:
            if output.error is not None:
                self._fail(str(output.error), good)
        return good

    def stop(self) -> None:
        """End the running batch and its thread; what is under way is lost."""
        manager, self._manager = self._manager, None
        self._under_way.clear()
        if manager is None:
            return
        if manager.is_running():
            manager.stop(block=True, timeout=_STOP_S, hard_stop=True)
        manager.destroy()

    def _first(self, timeout_s: float) -> Any:
        """Wait for an answer, perhaps for ever, but not for a thread that has ended."""
        until_s = time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, until_s - time.monotonic())
            output = self._manager.get_result(timeout=min(left_s, _LOOK_S))
            if output is not None or left_s <= _LOOK_S or not self._manager.is_running():
                return output

    def _waits(self) -> bool:
        return not self._manager.output_router.output_queue.empty()

    def _ready(self, sampling: Sampling) -> None:
        """Start the running batch, or start it again for another way of drawing."""
        if 0 < sampling.min_tokens < sampling.max_tokens:
            raise UsageError(
                "engine 'transformers': batching: continuous takes min_tokens 0 or equal to "
                f"max_tokens (a fixed length), not {sampling.min_tokens} of {sampling.max_tokens}"
            )
        drawn = (sampling.temperature, sampling.top_p if sampling.temperature > 0 else 1.0)
        if self._manager is not None and self._manager.is_running() and drawn == self._drawn:
            return
        self.stop()
        self._drawn = drawn
        self._start(sampling)

    def _start(self, sampling: Sampling) -> None:
        from transformers import ContinuousBatchingConfig, GenerationConfig

        drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        config = GenerationConfig(  # type: ignore[no-untyped-call, unused-ignore]
            do_sample=sampling.temperature > 0,
            eos_token_id=_NOBODY_ENDS,
            pad_token_id=self._text.pad_id,
            **(drawn if sampling.temperature > 0 else {}),
        )
        self._manager = self._model.init_continuous_batching(
            generation_config=config,
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=PAGE, seed=sampling.seed % 2**32, **self._room()
            ),
        )
        self._manager.start()

    def _room(self) -> dict[str, Any]:
        """Give the size of the cache on the CPU; on a GPU the library takes what is free.

        Attention is the one that the study asked for, not one that happens to be installed.
        """
        room: dict[str, Any] = {"auto_switch_to_flash": False}
        if self._device.type == "cpu":
            room |= {
                "num_blocks": cpu_cache_tokens(self._model) // PAGE,
                "max_batch_tokens": CPU_STEP_TOKENS,
            }
        return room

    def _take(self, requests: Sequence[Request], sampling: Sampling, start_s: float) -> None:
        fixed = sampling.min_tokens == sampling.max_tokens
        # A fixed length goes on past an end token; the batch of others must not change it.
        ends = frozenset[int]() if fixed else self._text.end_ids
        for request in requests:
            fit = self._text.fit([request], sampling)
            prompt = fit.prompts[0]
            self._under_way[request.request_id] = _Asked(request, len(prompt), ends, start_s)
            self._manager.add_request(
                prompt,
                request_id=request.request_id,
                max_new_tokens=fit.max_tokens,
                record_timestamps=True,
                eos_token_id=sorted(ends) or _NOBODY_ENDS,
            )

    def _response(self, output: Any) -> Response:
        asked = self._under_way.pop(output.request_id)
        row = output.generated_tokens
        stamps_s = [at_s + self._offset_s for at_s in output.timestamps or []]
        # A request that was put back for lack of room has lost the stamps of its first tokens.
        missing = len(row) - len(stamps_s)
        known_s = [math.nan] * missing + stamps_s if missing > 0 else stamps_s
        return self._text.response(
            asked.request, asked.tokens_in, row, asked.ends, asked.start_s, known_s
        )

    def _fail(self, why: str, good: Sequence[Response]) -> None:
        lines = why.strip().splitlines()
        reason = lines[0] if lines else "no reason"
        self.stop()
        if "memory" in reason.lower():
            raise GenerationFailed(out_of_memory(self._device, "generating"), good)
        raise GenerationFailed(
            f"engine 'transformers': continuous batching broke off: {reason}; try batching: static",
            good,
        )


def cpu_cache_tokens(model: Any) -> int:
    """Give how many tokens the cache of keys and values holds on the CPU.

    A quarter of the memory that is free is taken for it, at most, and one page at least.
    """
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    per_token = 2 * config.num_hidden_layers * heads * width * model.dtype.itemsize
    fitting = host_memory() // 4 // per_token
    return int(max(min(CPU_CACHE_TOKENS, fitting) // PAGE, 1) * PAGE)
