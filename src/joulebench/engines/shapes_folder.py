"""The folder of a shape: configuration and stand-in tokenizer, no weights."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from joulebench.engines.shapes import PREFIX, SHAPES, shape_named
from joulebench.engines.tiny import MARKER, build_into, corpus, model_cache

FORMAT = 1
"""Raised when the building code changes what it builds; old folders are then left unused."""

STAND_IN = (
    "stand-in with the published vocabulary size and special tokens: a text has another length "
    "in tokens than with the published tokenizer"
)
"""What a record says of the tokenizer of a published shape."""

OWN = "our own, of the same vocabulary size: no tokenizer was published with this shape"
"""What it says of that of a shape which is not published."""


def ensure_shape_folder(name: str, cache: Path | None = None) -> Path:
    """Give a folder with a shape's ``config.json`` and tokenizer, writing it first if need be.

    It holds no weights: the transformers engine draws them when it loads the model, and other
    engines have their own way (``load_format: dummy``). It is written in a process of its own, so
    that the caller starts no thread that a fork would lose.

    Args:
        name: One of :data:`joulebench.engines.shapes.SHAPES`.
        cache: Where built models are kept; that of tiny models if not given.

    Raises:
        UsageError: An unknown name, or a cache that cannot be written.
        Unavailable: transformers is missing, or the build failed.
    """
    shape_named(name)
    place = (cache or model_cache()) / f"shape-{name}-{shape_digest(name)}"
    if not (place / MARKER).is_file():
        build_into("joulebench.engines.shapes_build", name, place)
    return place


def training_lines() -> list[str]:
    """Give the lines that stand-in tokenizers are trained on."""
    words = files("joulebench.engines").joinpath("data/words.txt").read_text("utf-8").split()
    # With a space before it, as a word stands within a text, and without, as it begins a line.
    return [*corpus(), *(form for word in words for form in (f" {word}", word))]


def shape_digest(name: str) -> str:
    """Give twelve hexadecimal digits that change with whatever decides the folder."""
    parts = {"format": FORMAT, "shape": asdict(SHAPES[name]), "lines": training_lines()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def marker_of(name: str) -> dict[str, object]:
    """Give what Joulebench notes of a shape's folder, to be told in records."""
    return {
        "format": FORMAT,
        "name": PREFIX + name,
        "random_weights": True,
        "shape": name,
        "tokenizer": STAND_IN if SHAPES[name].source else OWN,
        "digest": shape_digest(name),
    }
