"""What the transformers engine asks of torch and transformers to get a model onto a device."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from joulebench.engines.model_source import ModelSource
from joulebench.engines.shapes_weights import draw_model
from joulebench.errors import Unavailable, UsageError

DTYPES = ("auto", "bfloat16", "float16", "float32")


def import_torch_libraries(source: ModelSource) -> None:
    """Import torch, transformers and the code of the model's architecture; run no operation.

    Raises:
        Unavailable: torch or transformers is not installed.
    """
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise Unavailable(
                f"the transformers engine needs {package}, which is not installed.",
                "Install it: pip install 'joulebench[transformers]'",
            )
    import jinja2.sandbox  # noqa: F401 (the chat template needs it)
    import torch  # noqa: F401
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    del AutoTokenizer, GenerationConfig
    if source.local:
        config = _or_usage_error(source, AutoConfig.from_pretrained, local_files_only=True)
        # Looking the class up imports its module, which would otherwise fall into the load window.
        AutoModelForCausalLM._model_mapping.get(type(config), None)


def load_tokenizer(source: ModelSource) -> Any:
    """Load the tokenizer of a model.

    Raises:
        UsageError: It is missing or cannot be read.
    """
    from transformers import AutoTokenizer

    return _or_usage_error(
        source,
        AutoTokenizer.from_pretrained,
        local_files_only=source.local,
        padding_side="left",
    )


def load_model(source: ModelSource, dtype: str, device: Any) -> Any:
    """Load a model's weights onto a device, ready for inference; those of a shape are drawn there.

    Raises:
        UsageError: They are missing, damaged, of an architecture that is not known, or too large.
    """
    from transformers import AutoModelForCausalLM

    if source.shape:
        return draw_model(source, dtype, device)
    with _no_progress_bar():
        model = _or_usage_error(
            source, AutoModelForCausalLM.from_pretrained, local_files_only=source.local, dtype=dtype
        )
    return model.to(device).eval()


def touch_weights(model: Any) -> int:
    """Read one byte in every page of every weight, since files are mapped and read lazily.

    Returns:
        Number of bytes of the weights whose pages are now in memory.
    """
    import torch

    touched = 0
    for weight in itertools.chain(model.parameters(), model.buffers()):
        data = weight.detach()
        if data.dim() > 0 and data.numel() > 0 and data.is_contiguous():
            bytes_ = data.view(torch.uint8).flatten()
            # The last byte as well: a weight need not begin at the edge of a page.
            (bytes_[:: mmap.PAGESIZE].sum() + bytes_[-1]).item()
            touched += data.nbytes
    return touched


def pick_device(choice: str) -> Any:
    """Turn a device's name into a torch device; ``auto`` prefers an accelerator.

    Raises:
        UsageError: No such device on this machine.
    """
    import torch

    if choice == "auto":
        return torch.device(_best_device())
    try:
        device = torch.device(choice)
        present = device.type == "cpu" or torch.get_device_module(device).is_available()
    except (RuntimeError, AttributeError) as cause:
        raise UsageError(
            f"engine 'transformers': device {choice!r}: use cpu, cuda or mps"
        ) from cause
    if not present or (device.index or 0) >= max(torch.get_device_module(device).device_count(), 1):
        raise UsageError(
            f"engine 'transformers': device {choice!r} is not on this machine; use 'auto' or 'cpu'"
        )
    return device


def synchroniser(device: Any) -> Callable[[], None]:
    """Give what waits until a device has finished all that it was given; cheap on the CPU."""
    import torch

    wait: Callable[..., None] = torch.get_device_module(device).synchronize
    return functools.partial(wait, device) if device.type in ("cuda", "xpu") else wait


def device_name(device: Any) -> str:
    """Name a device for the reader: ``cpu``, or ``cuda:0 (NVIDIA ...)``."""
    if device.type != "cuda":
        return str(device)
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Keep the library's bar off the terminal, where our own progress is shown."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]


def _or_usage_error(source: ModelSource, load: Any, **options: Any) -> Any:
    """Load a part of a model, turning a library's complaint into one line."""
    from safetensors import SafetensorError

    try:
        return load(source.place, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as cause:
        line = next((text.strip() for text in str(cause).splitlines() if text.strip()), "no reason")
        raise UsageError(
            f"model {source.name!r} cannot be loaded from {source.place}: {line} "
            "Check 'model:', and for a hub name the network and your access to it."
        ) from cause
