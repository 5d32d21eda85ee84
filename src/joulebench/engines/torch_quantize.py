"""Makes the weights of a loaded model smaller: bitsandbytes, torchao, 2:4 sparsity."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

from joulebench.errors import Unavailable, UsageError

INT4_GROUP = 128
"""Weights of one scale in torchao's int4."""

INT8_OUTLIERS = 6.0
"""Size of an activation from which bitsandbytes multiplies it in 16 bits (Dettmers et al. 2022)."""

BLOCK = 64
"""Weights of one scale in the 4 bits of bitsandbytes."""

Replace = Callable[[Any, Any, str], Any]
"""Gives what takes a linear module's place, of the module, the device and the scheme."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a scheme is done.

    Args:
        package: What does it.
        replace: Does it to one linear module.
        divisor: What a module's inputs have to be a multiple of, to be done.
        needs: Says what is missing on a device; empty if nothing.
    """

    package: str
    replace: Replace
    divisor: Callable[[Any], int]
    needs: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Quantized:
    """What was made smaller.

    Args:
        scheme: How.
        package: What did it, and its version.
        done: How many linear modules.
        left: Names of those that stay as they were, without the output layer's.
    """

    scheme: str
    package: str
    done: int
    left: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """What a record says of it."""
        facts: dict[str, Any] = {
            "quantization": self.scheme,
            "quantization_package": self.package,
            "quantized_modules": self.done,
        }
        if self.left:
            facts["modules_left"] = list(self.left)
        if self.scheme == "2:4":
            facts["pruned"] = "by magnitude, without training: answers are those of pruned weights"
        return facts


def check_scheme(scheme: str, device: Any, dtype: str) -> None:
    """Refuse a scheme that this machine or device cannot do.

    Raises:
        Unavailable: Its package is not installed.
        UsageError: The device cannot; says what it needs.
    """
    way = WAYS[scheme]
    if importlib.util.find_spec(way.package) is None:
        raise Unavailable(
            f"quantization {scheme!r} needs {way.package}, which is not installed.",
            "Install it: pip install 'joulebench[quantized]'",
        )
    needs = way.needs(device)
    if needs:
        raise UsageError(
            f"engine 'transformers': quantization {scheme!r} needs {needs}, and the device is "
            f"{device}; take another scheme or device"
        )
    allowed = {
        "2:4": ("float16", "bfloat16", "auto"),
        "torchao-int4wo": ("bfloat16", "auto") if device.type != "cpu" else (dtype,),
    }.get(scheme, (dtype,))
    if dtype not in allowed:
        raise UsageError(
            f"engine 'transformers': quantization {scheme!r} needs dtype {' or '.join(allowed)} on "
            f"{device}, not {dtype}"
        )


def quantize(model: Any, scheme: str, device: Any) -> Quantized:
    """Make the linear modules of a model on the CPU smaller and put them on a device, one by one.

    The output layer stays as it is, as is usual: its errors would go straight into the answer.

    Raises:
        UsageError: No module could be done.
    """
    import torch

    way = WAYS[scheme]
    divisor, last = way.divisor(device), model.get_output_embeddings()
    linear = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not last
    ]
    fitting = [(name, module) for name, module in linear if module.in_features % divisor == 0]
    if not fitting:
        raise UsageError(
            f"engine 'transformers': quantization {scheme!r} does weights with a multiple of "
            f"{divisor} inputs, and this model has none; take another scheme"
        )
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages, about their own next versions
        for name, module in fitting:
            owner, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(owner), leaf, way.replace(module, device, scheme))
    left = tuple(name for name, module in linear if module.in_features % divisor)
    return Quantized(scheme, f"{way.package} {version(way.package)}", len(fitting), left)


def _bitsandbytes_int8(module: Any, device: Any, scheme: str) -> Any:
    bnb: Any = import_module("bitsandbytes")

    del scheme
    made = bnb.nn.Linear8bitLt(
        module.in_features,
        module.out_features,
        bias=module.bias is not None,
        has_fp16_weights=False,
        threshold=INT8_OUTLIERS,
        device="meta",
    )
    made.weight = bnb.nn.Int8Params(
        module.weight.data, requires_grad=False, has_fp16_weights=False
    ).to(device)
    made.bias = module.bias
    return made.eval()


def _bitsandbytes_4bit(module: Any, device: Any, scheme: str) -> Any:
    bnb: Any = import_module("bitsandbytes")

    made = bnb.nn.Linear4bit(
        module.in_features,
        module.out_features,
        bias=module.bias is not None,
        compute_dtype=module.weight.dtype,
        quant_type=scheme,
        device="meta",
    )
    made.weight = bnb.nn.Params4bit(
        module.weight.data, requires_grad=False, quant_type=scheme, blocksize=BLOCK, module=made
    ).to(device)
    made.bias = module.bias
    return made.eval()


def _torchao(module: Any, device: Any, scheme: str) -> Any:
    quantization: Any = import_module("torchao.quantization")
    quantization.quantize_(module, _torchao_config(scheme, device), device=device)
    return module


def _torchao_config(scheme: str, device: Any) -> Any:
    ao: Any = import_module("torchao.quantization")

    if scheme == "torchao-int8wo":
        return ao.Int8WeightOnlyConfig()
    if scheme == "torchao-int8dq":
        return ao.Int8DynamicActivationInt8WeightConfig()
    if scheme == "torchao-fp8":
        return ao.Float8DynamicActivationFloat8WeightConfig()
    if device.type != "cpu":
        packed = {"int4_packing_format": "tile_packed_to_4d"}
        return ao.Int4WeightOnlyConfig(group_size=INT4_GROUP, set_inductor_config=False, **packed)
    of_cpu: Any = import_module("torchao.prototype.quantization.int4")
    return of_cpu.PrototypeInt4WeightOnlyConfig(group_size=INT4_GROUP, set_inductor_config=False)


def _sparse(module: Any, device: Any, scheme: str) -> Any:
    import torch
    from torch.sparse import to_sparse_semi_structured

    del scheme
    module.to(device)
    pruned = prune_2_4(module.weight.data)
    module.weight = torch.nn.Parameter(to_sparse_semi_structured(pruned), requires_grad=False)
    return module


def prune_2_4(weight: Any) -> Any:
    """Give a weight with the two smallest of each four numbers in a row set to zero.

    Args:
        weight: Of shape (outputs, inputs), the inputs a multiple of 4.
    """
    import torch

    groups = weight.reshape(weight.shape[0], -1, 4)
    keep = groups.abs().topk(2, dim=-1).indices
    mask = torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, keep, value=True)
    return (groups * mask).reshape(weight.shape).contiguous()


def _nothing(device: Any) -> str:
    del device
    return ""


def _needs_int4_kernel(device: Any) -> str:
    if device.type == "cpu":
        return ""
    return "" if _capability(device) >= (8, 0) else "a CPU, or an NVIDIA GPU from Ampere on"


def _needs_fp8(device: Any) -> str:
    newer = _capability(device) >= (8, 9)
    return "" if newer else "an NVIDIA GPU from Ada or Hopper on (compute capability 8.9)"


def _needs_sparse(device: Any) -> str:
    newer = _capability(device) >= (8, 0)
    return "" if newer else "an NVIDIA GPU from Ampere on (compute capability 8.0)"


def _needs_cpu_or_cuda(device: Any) -> str:
    return "" if device.type in ("cpu", "cuda", "xpu") else "a CPU or an NVIDIA GPU"


def _capability(device: Any) -> tuple[int, int]:
    """Give a GPU's compute capability; (0, 0) for what is none."""
    import torch

    return torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)


def _any(device: Any) -> int:
    del device
    return 1


def _block(device: Any) -> int:
    """The CPU's kernels take whole blocks of a row; a GPU's run over the ends of rows."""
    return BLOCK if device.type == "cpu" else 1


def _int4_group(device: Any) -> int:
    del device
    return INT4_GROUP


def _sixty_four(device: Any) -> int:
    """What the kernels for sparse weights take."""
    del device
    return 64


WAYS = {
    "2:4": Way("torch", _sparse, _sixty_four, _needs_sparse),
    "fp4": Way("bitsandbytes", _bitsandbytes_4bit, _block, _needs_cpu_or_cuda),
    "int8": Way("bitsandbytes", _bitsandbytes_int8, _any, _needs_cpu_or_cuda),
    "nf4": Way("bitsandbytes", _bitsandbytes_4bit, _block, _needs_cpu_or_cuda),
    "torchao-fp8": Way("torchao", _torchao, _sixty_four, _needs_fp8),
    "torchao-int4wo": Way("torchao", _torchao, _int4_group, _needs_int4_kernel),
    "torchao-int8dq": Way("torchao", _torchao, _any, _nothing),
    "torchao-int8wo": Way("torchao", _torchao, _any, _nothing),
}
"""How each of :data:`joulebench.engines.torch_options.SCHEMES` is done."""
