"""What the options of the vllm engine may be, and what they ask of vLLM."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from joulebench.engines.model_source import ModelSource
from joulebench.errors import UsageError, unknown

DTYPES = ("auto", "bfloat16", "float16", "float32")
DUMMY = "dummy"
"""What vLLM calls weights that it draws itself."""

NONE = "none"
"""Level of a factor that leaves a setting as the checkpoint has it."""

DUMMY_WEIGHTS = "drawn by vLLM, evenly from -0.001 to 0.001 (load_format: dummy)"
"""What a record says of dummy weights."""

CPU_CACHE_GIB = 4.0
"""Key-value cache on a CPU where nothing else is said: vLLM would take most of the memory."""

SET_BY_OPTIONS = {
    "model": "model",
    "tokenizer": "model",
    "max_model_len": "max_model_len",
    "gpu_memory_utilization": "gpu_memory_utilization",
    "dtype": "dtype",
    "quantization": "quantization",
    "tensor_parallel_size": "tensor_parallel_size",
    "load_format": "load_format",
    "enforce_eager": "enforce_eager",
    "seed": "seed",
    "kv_cache_dtype": "kv_cache_dtype",
    "kv_cache_memory_bytes": "kv_cache_gib",
    "enable_prefix_caching": "prefix_caching",
}
"""Arguments of vLLM that an option of ours stands for, so that ``extra`` cannot undo it."""

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class VllmOptions:
    """The options of a study file, checked.

    Args:
        max_model_len: Longest sequence, tokens; the model's own limit where ``None``.
        gpu_memory_utilization: Part of the device's memory that vLLM may take; vLLM's own choice
            where ``None``.
        dtype: Of weights and activations; ``auto`` leaves it to vLLM.
        quantization: Method by vLLM's name; by the checkpoint where ``None`` or ``"none"``.
        tensor_parallel_size: Devices that share each layer.
        load_format: How weights come, by vLLM's name; ``None`` draws those of shapes.
        enforce_eager: Compile nothing and capture no graphs.
        seed: Of vLLM's own random numbers; those of answers come from the sampling.
        kv_cache_dtype: Of the key-value cache, by vLLM's name.
        kv_cache_gib: Size of the key-value cache on each device, GiB.
        prefix_caching: Keep the cache of prompts that begin alike.
        threads: CPU threads of torch.
        extra: Further arguments of vLLM's ``EngineArgs``.

    Raises:
        UsageError: A figure out of range, or an argument that an option stands for.
    """

    max_model_len: int | None = None
    gpu_memory_utilization: float | None = None
    dtype: str = "auto"
    quantization: str | None = None
    tensor_parallel_size: int = 1
    load_format: str | None = None
    enforce_eager: bool = False
    seed: int = 0
    kv_cache_dtype: str = "auto"
    kv_cache_gib: float | None = None
    prefix_caching: bool = False
    threads: int | None = None
    extra: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise unknown("engine 'vllm': dtype", self.dtype, DTYPES)
        if self.quantization == NONE:
            object.__setattr__(self, "quantization", None)
        for name in ("max_model_len", "tensor_parallel_size", "threads"):
            _refuse_unless_whole(name, getattr(self, name))
        _refuse_unless_between("gpu_memory_utilization", self.gpu_memory_utilization, 1.0)
        _refuse_unless_between("kv_cache_gib", self.kv_cache_gib, 1e5)
        if isinstance(self.seed, bool) or not 0 <= self.seed < 2**32:
            raise UsageError(f"engine 'vllm': seed = {self.seed!r} must be from 0 to 2^32 - 1")
        if self.extra is not None and not isinstance(self.extra, Mapping):
            raise UsageError(
                f"engine 'vllm': extra = {self.extra!r} must be arguments of vLLM with their values"
            )
        for name in self.extra or {}:
            if name in SET_BY_OPTIONS:
                raise UsageError(
                    f"engine 'vllm': extra.{name} would undo the option {SET_BY_OPTIONS[name]}; "
                    "set that instead"
                )

    def format_for(self, source: ModelSource) -> str:
        """Give how a model's weights come: a shape has none, so that vLLM draws them.

        Raises:
            UsageError: Another way is asked for with a shape.
        """
        if not source.shape:
            return self.load_format or "auto"
        if self.load_format not in (None, DUMMY):
            raise UsageError(
                f"engine 'vllm': model {source.name!r} is a shape and has no weights to load with "
                f"load_format = {self.load_format!r}; leave load_format out, or name a checkpoint"
            )
        return DUMMY

    def refuse_unknown_extra(self, known: Collection[str]) -> None:
        """Refuse an argument that this vLLM does not have.

        Args:
            known: Names of the arguments that it has.

        Raises:
            UsageError: Names the nearest.
        """
        for name in self.extra or {}:
            if name not in known:
                raise unknown("engine 'vllm': extra", name, set(known) - set(SET_BY_OPTIONS))

    def arguments(
        self, source: ModelSource, *, on_cpu: bool, cpu_cache_set: bool
    ) -> dict[str, Any]:
        """Give the arguments of vLLM's ``EngineArgs``, all but the longest sequence.

        Args:
            source: The model.
            on_cpu: Whether vLLM computes on the CPU.
            cpu_cache_set: Whether the environment says how large its cache is there.
        """
        cache_gib = self.kv_cache_gib
        if on_cpu and cache_gib is self.gpu_memory_utilization is None and not cpu_cache_set:
            cache_gib = CPU_CACHE_GIB
        asked: dict[str, Any] = {
            "gpu_memory_utilization": self.gpu_memory_utilization,
            "quantization": self.quantization,
            "kv_cache_memory_bytes": None if cache_gib is None else int(cache_gib * _GIB),
        }
        return {
            "model": source.place,
            "dtype": self.dtype,
            "tensor_parallel_size": self.tensor_parallel_size,
            "load_format": self.format_for(source),
            "enforce_eager": self.enforce_eager,
            "seed": self.seed,
            "kv_cache_dtype": self.kv_cache_dtype,
            "enable_prefix_caching": self.prefix_caching,
            # Counting for vLLM's own metrics takes up to a millisecond of every step.
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
            **{name: value for name, value in asked.items() if value is not None},
            **(self.extra or {}),
        }


def _refuse_unless_whole(name: str, value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise UsageError(f"engine 'vllm': {name} = {value!r} must be a whole number from 1")


def _refuse_unless_between(name: str, value: float | None, most: float) -> None:
    if value is not None and not (math.isfinite(value) and 0 < value <= most):
        raise UsageError(f"engine 'vllm': {name} = {value!r} must be above 0 and at most {most:g}")
