"""torch.compile for the transformers engine, and how often it compiled."""

from __future__ import annotations

from typing import Any

from joulebench.errors import UsageError

BACKEND = "inductor"
"""What the graphs are compiled by."""


def compile_model(model: Any) -> None:
    """Have a model's forward pass compiled when it is first run.

    Lengths are left open: else each further token would be compiled for. A batch of one and one of
    several are compiled apart.
    """
    import torch

    model.forward = torch.compile(model.forward, dynamic=True, backend=BACKEND)


def graphs_compiled() -> int:
    """Give how many graphs this process has compiled so far."""
    from torch._dynamo.utils import counters

    return int(counters["stats"].get("unique_graphs", 0))


def refusal(error: BaseException) -> UsageError | None:
    """Give the line for an error of the compiler; ``None`` if it is none."""
    from torch._dynamo.exc import TorchDynamoException

    kinds = {kind.__name__ for kind in type(error).__mro__}
    if not isinstance(error, TorchDynamoException) and "InductorError" not in kinds:
        return None
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return UsageError(
        f"engine 'transformers': compile: true: the compiler gave up: {' '.join(lines[:1])}; on "
        "the CPU it needs a C++ compiler (g++), on a GPU triton; or leave compile out"
    )
