"""Published Llama architectures by name, to be built with random weights; standard library alone.

The time of a fixed number of tokens follows from the architecture, so that a model can be measured
where its weights cannot be had. The power of a GPU also depends on the numbers that it multiplies
(Gregersen et al. 2024): weights are drawn, since zeros or constants would use too little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joulebench.errors import UsageError, unknown

PREFIX = "shape:"
"""What a shape's name begins with where a model is named in one word."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The architecture of a model: everything of it but what the weights say.

    Args:
        source: The checkpoint whose configuration this is; empty for our own.
        hidden: Width of the residual stream.
        intermediate: Width inside the feed-forward block.
        layers: Blocks.
        heads: Query heads.
        kv_heads: Key and value heads.
        vocabulary: Tokens, special ones and bytes included.
        context: Most positions.
        words: Which special tokens the tokenizer has: ``"llama-2"``, ``"llama-3"``,
            ``"llama-3.1"`` or ``"tiny"``.
        tied: Whether the output layer is the embedding.
        rope_theta: Base of the rotary embedding's wavelengths.
        rope_factor: How far its long wavelengths are stretched (``llama3`` scaling); 0 for not.
        dtype: What the weights were published in.
        norm_eps: What the norms add to the mean square.
    """

    source: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    context: int
    words: str
    tied: bool = False
    rope_theta: float = 10_000.0
    rope_factor: float = 0.0
    dtype: str = "bfloat16"
    norm_eps: float = 1e-5

    @property
    def head_width(self) -> int:
        """Width of a head."""
        return self.hidden // self.heads

    @property
    def parameters(self) -> int:
        """Number of weights, a tied output layer counted once."""
        attention = 2 * self.hidden * (self.heads + self.kv_heads) * self.head_width
        layer = attention + 3 * self.hidden * self.intermediate + 2 * self.hidden
        outside = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return outside + self.layers * layer + self.hidden


SHAPES: Mapping[str, Shape] = {
    "llama-2-7b": Shape(
        "meta-llama/Llama-2-7b-hf", 4096, 11_008, 32, 32, 32, 32_000, 4096, "llama-2",
        dtype="float16",
    ),
    "llama-2-13b": Shape(
        "meta-llama/Llama-2-13b-hf", 5120, 13_824, 40, 40, 40, 32_000, 4096, "llama-2",
        dtype="float16",
    ),
    "llama-3-8b": Shape(
        "meta-llama/Meta-Llama-3-8B", 4096, 14_336, 32, 32, 8, 128_256, 8192, "llama-3",
        rope_theta=500_000.0,
    ),
    "llama-3.1-8b": Shape(
        "meta-llama/Llama-3.1-8B", 4096, 14_336, 32, 32, 8, 128_256, 131_072, "llama-3.1",
        rope_theta=500_000.0, rope_factor=8.0,
    ),
    "llama-3.1-70b": Shape(
        "meta-llama/Llama-3.1-70B", 8192, 28_672, 80, 64, 8, 128_256, 131_072, "llama-3.1",
        rope_theta=500_000.0, rope_factor=8.0,
    ),
    "llama-3.2-1b": Shape(
        "meta-llama/Llama-3.2-1B", 2048, 8192, 16, 32, 8, 128_256, 131_072, "llama-3.1",
        tied=True, rope_theta=500_000.0, rope_factor=32.0,
    ),
    "llama-3.2-3b": Shape(
        "meta-llama/Llama-3.2-3B", 3072, 8192, 28, 24, 8, 128_256, 131_072, "llama-3.1",
        tied=True, rope_theta=500_000.0, rope_factor=32.0,
    ),
    "mini-100m": Shape("", 768, 2048, 12, 12, 4, 32_000, 4096, "llama-2", tied=True),
    "mini-15m": Shape("", 256, 704, 9, 8, 4, 32_000, 4096, "llama-2", tied=True),
    "tiny_a": Shape("", 128, 352, 2, 4, 2, 1024, 4096, "tiny", tied=True, dtype="float32"),
    "tiny_b": Shape("", 256, 704, 6, 8, 4, 1024, 4096, "tiny", tied=True, dtype="float32"),
}  # fmt: skip
"""Shapes by name. Published ones hold the figures of ``config.json`` in the repository that they
name as their source on the Hugging Face hub."""


def shape_name(model: object) -> str | None:
    """Give the name of the shape that a model is to be built from, or ``None`` if it is none.

    Args:
        model: ``"shape:NAME"`` or ``{"shape": NAME}``, or any other model.

    Raises:
        UsageError: There is no such shape; names the nearest.
    """
    if isinstance(model, str) and model.startswith(PREFIX):
        return _known(model.removeprefix(PREFIX).strip())
    if isinstance(model, Mapping) and set(model) == {"shape"}:
        return _known(model["shape"])
    return None


def shape_model(name: str) -> str:
    """Give the one word that a model of a shape is called by: ``"shape:NAME"``.

    Raises:
        UsageError: There is no such shape; names the nearest.
    """
    return PREFIX + _known(name)


def shape_named(name: str) -> Shape:
    """Give a shape by its name.

    Raises:
        UsageError: There is none of that name; names the nearest.
    """
    return SHAPES[_known(name)]


def _known(name: Any) -> str:
    if not isinstance(name, str):
        raise UsageError(f"model: shape {name!r} must be a name, for example llama-3.2-1b")
    if name.casefold() not in SHAPES:
        raise unknown("model: shape", name, SHAPES)
    return name.casefold()
