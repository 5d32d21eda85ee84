"""What the vllm engine says in one line where vLLM could not load a model or go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from joulebench.engines.model_source import ModelSource
from joulebench.engines.torch_memory import host_peak
from joulebench.errors import UsageError

_OUT_OF_MEMORY = (
    "out of memory",
    "less than desired",
    "less than requested memory",
    "no available memory",
    "kv cache is needed",
    "not enough memory",
)
"""What vllm says where memory does not suffice."""


@contextmanager
def one_line(source: ModelSource) -> Iterator[None]:
    """Turn vllm's complaint about a model or about memory into one line.

    Raises:
        UsageError: With the line.
    """
    try:
        yield
    except UsageError:
        raise
    except (OSError, ValueError, RuntimeError, MemoryError, KeyError, AssertionError) as cause:
        raise UsageError(complaint(source, cause)) from cause


def complaint(source: ModelSource, cause: BaseException) -> str:
    """Say in one line why vllm could not load a model or could not go on."""
    line = first_line(cause)
    if out_of_memory(cause):
        return (
            f"vllm: memory does not suffice for model {source.name!r}: {line.partition('. ')[0]} "
            f"({_peak()}). Lower gpu_memory_utilization, max_model_len or kv_cache_gib, or take a "
            "smaller model"
        )
    return (
        f"model {source.name!r} cannot be run by vllm from {source.place}: {line}. Check 'model:' "
        "and the engine's options, and for a hub name the network and your access to it"
    )


def out_of_memory(cause: BaseException) -> bool:
    """Say whether memory did not suffice."""
    text = str(cause).casefold()
    named = isinstance(cause, MemoryError) or type(cause).__name__ == "OutOfMemoryError"
    return named or any(words in text for words in _OUT_OF_MEMORY)


def _peak() -> str:
    """Name the device, and the most memory that was taken so far."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return f"most so far on cuda: {torch.cuda.max_memory_allocated() / 1e9:.2f} GB"
    peak = host_peak()
    return "on cpu" if peak is None else f"most so far on cpu: {peak / 1e9:.2f} GB"


def first_line(cause: BaseException) -> str:
    """Give the line of a message that says what is wrong, without a full stop."""
    lines = [text.strip() for text in str(cause).splitlines() if text.strip()]
    said = [text.removeprefix("Value error, ") for text in lines if text.startswith("Value error,")]
    line = (said or lines or [type(cause).__name__])[0]
    return line.partition(" [type=")[0].rstrip(". ")
