"""Finding out which precision a name speaks of."""

from __future__ import annotations

import re

_NAMES = {
    "fp64": "fp64", "float64": "fp64", "f64": "fp64", "double": "fp64",
    "fp32": "fp32", "float32": "fp32", "f32": "fp32", "single": "fp32",
    "tf32": "tf32",
    "fp16": "fp16", "float16": "fp16", "f16": "fp16", "half": "fp16",
    "bf16": "bf16", "bfloat16": "bf16",
    "fp8": "fp8", "float8": "fp8", "e4m3": "fp8", "e5m2": "fp8", "e4m3fn": "fp8",
    "int8": "int8", "w8a8": "int8",
}  # fmt: skip


def find_precision(text: str) -> str | None:
    """Find the precision that a name speaks of: ``"torch.bfloat16"``, ``"FP32_Forward_Value"``.

    Returns:
        One of :data:`~joulebench.flops.device_spec.PRECISIONS`; ``None`` where the name speaks of
        none, or of several.
    """
    words = re.split(r"[^a-z0-9]+", text.casefold())
    found = {_NAMES[word] for word in words if word in _NAMES}
    return found.pop() if len(found) == 1 else None
