"""Draws the weights of a shape where they are to be, in the type they are to have."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from joulebench.engines.model_source import ModelSource
from joulebench.engines.shapes import Shape, shape_named
from joulebench.engines.shapes_memory import free_memory
from joulebench.errors import UsageError

SEED = 20261120
"""Seed of the weights."""


def draw_model(
    source: ModelSource, dtype: str, device: Any, seed: int = SEED, **options: Any
) -> Any:
    """Build a model of a shape with random weights.

    It is laid out without memory first, then each weight is drawn in its place: no copy in another
    type, none on another device. Each has a generator of its own, seeded from its name, so that
    the weights depend on seed, type and kind of device alone.

    Args:
        source: The model, found by :func:`joulebench.engines.model_source.find_model`.
        dtype: A torch type by name, or ``"auto"`` for the one it was published in.
        device: A torch device.
        seed: Of the weights.
        options: Passed to transformers' ``from_config``, such as ``attn_implementation``.

    Raises:
        UsageError: The weights do not fit into the device's free memory.
    """
    import torch

    shape = shape_named(source.shape)
    kept = getattr(torch, shape.dtype if dtype == "auto" else dtype)
    check_memory(source.name, shape, kept, device)
    model = _laid_out(source, kept, options)
    with torch.no_grad():
        _draw_all(model, shape, device, seed)
    # Its table is no weight: it follows from the configuration, in float32 whatever they are.
    rotary = model.model.rotary_emb
    model.model.rotary_emb = type(rotary)(config=model.config).to(device)
    return model.eval()


def check_memory(name: str, shape: Shape, dtype: Any, device: Any) -> None:
    """Refuse a shape whose weights alone do not fit into the memory that is free now.

    Args:
        name: Of the model, as the study has it.
        shape: Its architecture.
        dtype: The weights' torch type.
        device: Where they are to be.

    Raises:
        UsageError: They do not fit; says how much they need and how much there is.
    """
    need, free = shape.parameters * dtype.itemsize, free_memory(device)
    if free is not None and need > free:
        raise UsageError(
            f"model {name!r}: its {shape.parameters:,} weights need {need / 1e9:.2f} GB in "
            f"{str(dtype).removeprefix('torch.')}, and {device} has {free / 1e9:.2f} GB free; take "
            "a smaller shape, a dtype of fewer bytes, or another device"
        )


def _laid_out(source: ModelSource, dtype: Any, options: dict[str, Any]) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(source.place, local_files_only=True)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call, unused-ignore]
            config, dtype=dtype, **options
        )
    model.tie_weights()
    return model


def _draw_all(model: Any, shape: Shape, device: Any, seed: int) -> None:
    """Put a drawn weight in the place of each that has no memory; tied ones stay one."""
    import torch

    # The list keeps those without memory alive, so that no id is given twice.
    laid_out = list(model.named_parameters(remove_duplicate=False))
    drawn: dict[int, Any] = {}
    for name, weight in laid_out:
        if id(weight) not in drawn:
            value = torch.empty(weight.shape, dtype=weight.dtype, device=device)
            _draw(value, name, shape, seed)
            drawn[id(weight)] = torch.nn.Parameter(value, requires_grad=False)
        owner, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(owner), leaf, drawn[id(weight)])


def _draw(value: Any, name: str, shape: Shape, seed: int) -> None:
    """Draw so that what passes through the layers keeps the size of one.

    Normal numbers with the variance of one by the inputs; those that write to the residual stream
    are smaller by the root of how many do (Radford et al. 2019, GPT-2).
    """
    import torch

    if value.dim() < 2:
        value.fill_(1.0)
        return
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    generator = torch.Generator(device=value.device)
    generator.manual_seed(int.from_bytes(digest, "big") >> 1)
    spread = 1 / math.sqrt(value.shape[1])
    if name.endswith(("o_proj.weight", "down_proj.weight")):
        spread /= math.sqrt(2 * shape.layers)
    value.normal_(0.0, spread, generator=generator)
