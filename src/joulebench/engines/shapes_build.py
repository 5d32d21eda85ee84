"""Writes a shape's folder: ``python -m joulebench.engines.shapes_build NAME FOLDER``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joulebench.engines.shapes import SHAPES, Shape
from joulebench.engines.shapes_folder import marker_of
from joulebench.engines.shapes_tokenizer import stand_in_tokenizer
from joulebench.engines.tiny import MARKER


def configuration(shape: Shape, bos: int, eos: int) -> dict[str, Any]:
    """Give the content of ``config.json``, in the form that the checkpoints were published in.

    Args:
        shape: The architecture.
        bos: Id of the token that begins a text.
        eos: Id of the token that ends one.
    """
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "head_dim": shape.head_width,
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "initializer_range": 0.02,
        "intermediate_size": shape.intermediate,
        "max_position_embeddings": shape.context,
        "mlp_bias": False,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "rms_norm_eps": shape.norm_eps,
        "rope_scaling": _scaling(shape),
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": shape.tied,
        "torch_dtype": shape.dtype,
        "use_cache": True,
        "vocab_size": shape.vocabulary,
    }


def _scaling(shape: Shape) -> dict[str, Any] | None:
    if not shape.rope_factor:
        return None
    return {
        "rope_type": "llama3",
        "factor": shape.rope_factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }


def build(name: str, folder: Path) -> None:
    """Write configuration, tokenizer and, last of all, the marker into a folder."""
    shape = SHAPES[name]
    tokenizer = stand_in_tokenizer(shape)
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    tokenizer.save_pretrained(folder)
    _write(folder / "config.json", configuration(shape, bos, eos))
    _write(folder / "generation_config.json", {"bos_token_id": bos, "eos_token_id": eos})
    _write(folder / MARKER, marker_of(name))


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    build(sys.argv[1], Path(sys.argv[2]))
