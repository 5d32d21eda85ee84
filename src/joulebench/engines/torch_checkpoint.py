"""Checkpoints whose weights were quantised before they were published."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from joulebench.engines.model_source import ModelSource
from joulebench.errors import Unavailable

_OURS = "pip install 'joulebench[quantized]'"

_KERNELS = {
    "gptq": (("gptqmodel", "pip install gptqmodel"), ("optimum", "pip install optimum")),
    "awq": (("gptqmodel", "pip install gptqmodel"),),
    "bitsandbytes": (("bitsandbytes", _OURS),),
    "torchao": (("torchao", _OURS),),
    "compressed-tensors": (("compressed_tensors", "pip install compressed-tensors"),),
    "hqq": (("hqq", "pip install hqq"),),
    "eetq": (("kernels", "pip install kernels"),),
    "aqlm": (("aqlm", "pip install 'aqlm[gpu,cpu]'"),),
    "quanto": (("optimum.quanto", "pip install optimum-quanto"),),
}
"""Packages that multiplying by weights of a method takes, and the lines that install them."""


def checkpoint_scheme(source: ModelSource) -> str | None:
    """Give how a checkpoint's weights are quantised: ``"gptq-int4"``; ``None`` if they are not."""
    found = _configuration(source)
    if not found:
        return None
    method = str(found.get("quant_method") or _unnamed(found)).lower()
    bits = found.get("bits") or found.get("w_bit")
    return f"{method}-int{bits}" if bits else method


def refuse_missing_kernels(source: ModelSource, scheme: str) -> None:
    """Refuse a checkpoint whose weights nothing here can multiply by.

    Raises:
        Unavailable: Names the package and the line that installs it.
    """
    method = scheme.partition("-int")[0]
    for package, line in (*_KERNELS.get(method, ()), ("accelerate", _OURS)):
        if not _is_there(package):
            raise Unavailable(
                f"model {source.name!r} is quantised ({scheme}), which needs {package}, and that "
                "is not installed.",
                f"Install it: {line}",
            )


def _is_there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of a package inside one that is not there
        return False


def _unnamed(found: dict[str, Any]) -> str:
    """Name the method of configurations from before methods had names."""
    named = found.get("load_in_4bit") or found.get("load_in_8bit")
    return "bitsandbytes" if named else "unknown"


def _configuration(source: ModelSource) -> dict[str, Any]:
    found = _written(source)
    return found if isinstance(found, dict) else {}


def _written(source: ModelSource) -> Any:
    if source.local:
        try:
            content = json.loads((Path(source.place) / "config.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None  # the library says what is wrong with it
        return content.get("quantization_config") if isinstance(content, dict) else None
    from transformers import AutoConfig

    try:
        return getattr(AutoConfig.from_pretrained(source.place), "quantization_config", None)
    except (OSError, ValueError):
        return None
