"""What the transformers engine asks of torch and transformers to get a model onto a device."""

from __future__ import annotations

import functools
import gc
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from joulebench.engines.model_source import ModelSource
from joulebench.engines.shapes_weights import draw_model
from joulebench.engines.torch_checkpoint import checkpoint_scheme, refuse_missing_kernels
from joulebench.engines.torch_hub import refusal
from joulebench.engines.torch_memory import in_memory, is_out_of_memory
from joulebench.engines.torch_options import TorchOptions
from joulebench.engines.torch_quantize import Quantized, check_scheme, quantize
from joulebench.engines.torch_quiet import torchao_quiet
from joulebench.errors import Unavailable, UsageError


@torchao_quiet()
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


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready for inference.

    Args:
        model: Of transformers, on its device.
        parameters: How many weights it has.
        facts: How they are stored, where that is not simply in a type.
    """

    model: Any
    parameters: int
    facts: dict[str, Any]


def load_model(source: ModelSource, options: TorchOptions, device: Any) -> Loaded:
    """Load a model's weights onto a device; those of a shape are drawn.

    Weights that are to be quantised are loaded or drawn in the host's memory first, and go to the
    device one by one.

    Raises:
        UsageError: They are missing, damaged, of an architecture that is not known, or too large.
        Unavailable: A package that they need is not installed.
    """
    own = checkpoint_scheme(source)
    if own is not None:
        return _load_quantised(source, options, device, own)
    scheme = options.quantization
    if scheme is None:
        model = _load_plain(source, options, device)
        return Loaded(model, _count(model), {})
    import torch

    check_scheme(scheme, device, options.dtype)
    model = _load_plain(source, options, torch.device("cpu"))
    parameters = _count(model)
    with in_memory(device, "loading"):
        done: Quantized = quantize(model, scheme, device)
        return Loaded(model.to(device), parameters, done.facts())


def _load_plain(source: ModelSource, options: TorchOptions, device: Any) -> Any:
    attention = {"attn_implementation": options.attention} if options.attention else {}
    with in_memory(device, "loading"):
        if source.shape:
            return _complaint(source, draw_model, source, options.dtype, device, **attention)
        return _from_files(source, dtype=options.dtype, **attention).to(device).eval()


def _load_quantised(source: ModelSource, options: TorchOptions, device: Any, own: str) -> Loaded:
    """Load a checkpoint whose weights are quantised already, straight onto the device."""
    if options.quantization is not None:
        raise UsageError(
            f"model {source.name!r} is quantised already ({own}); leave engine.quantization out, "
            "or take the checkpoint that is not"
        )
    refuse_missing_kernels(source, own)
    attention = {"attn_implementation": options.attention} if options.attention else {}
    with in_memory(device, "loading"):
        model = _from_files(
            source, dtype=options.dtype, device_map={"": str(device)}, **attention
        ).eval()
    return Loaded(
        model, model.num_parameters(), {"quantization": own, "quantized_by": "checkpoint"}
    )


def _from_files(source: ModelSource, **options: Any) -> Any:
    from transformers import AutoModelForCausalLM

    with no_progress_bar():
        return _or_usage_error(
            source, AutoModelForCausalLM.from_pretrained, local_files_only=source.local, **options
        )


def _count(model: Any) -> int:
    return sum(weight.numel() for weight in model.parameters())


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


def free_memory(device: Any) -> None:
    """Give the memory of models that nothing holds any more back to their device.

    Args:
        device: Of torch; ``None`` where none was in use.
    """
    gc.collect()
    if device is not None and device.type == "cuda":
        import torch

        torch.cuda.empty_cache()


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
def no_progress_bar() -> Iterator[None]:
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
    """Load a part of a model from its place, turning a library's complaint into one line."""
    return _complaint(source, load, source.place, **options)


@torchao_quiet()  # a model from the hub is not imported before
def _complaint(source: ModelSource, load: Any, *given: Any, **options: Any) -> Any:
    from safetensors import SafetensorError

    try:
        return load(*given, **options)
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as cause:
        if isinstance(cause, UsageError) or is_out_of_memory(cause):
            raise
        raise refusal(source, cause) from cause
