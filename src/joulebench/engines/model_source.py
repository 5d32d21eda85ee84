"""Where a model's files are: a tiny model or a shape by name, a folder, or a name on a hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from joulebench.engines.shapes import PREFIX, SHAPES, shape_name
from joulebench.engines.shapes_folder import ensure_shape_folder
from joulebench.engines.tiny import MARKER, RECIPES, ensure_tiny_model
from joulebench.errors import UsageError, unknown


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model that is found.

    Args:
        name: As the study wrote it.
        place: Folder, or hub name.
        local: Whether ``place`` is a folder, so that no network is asked.
        marker: What Joulebench itself noted when it built the model; empty for others.
    """

    name: str
    place: str
    local: bool
    marker: Mapping[str, Any] = field(default_factory=dict)

    @property
    def random_weights(self) -> bool:
        """Whether the weights are random, so that answers mean nothing."""
        return bool(self.marker.get("random_weights", False))

    @property
    def shape(self) -> str:
        """Name of the shape that it is built from, its weights drawn when loaded; else empty."""
        return str(self.marker.get("shape", ""))

    @property
    def facts(self) -> dict[str, Any]:
        """What a record says of the model's files."""
        facts: dict[str, Any] = {"random_weights": self.random_weights}
        if self.shape:
            facts |= {"shape": self.shape, "tokenizer": self.marker.get("tokenizer", "")}
        return facts


def find_model(model: str | Mapping[str, Any]) -> ModelSource:
    """Find a model's files; a tiny model or a shape's folder is built if it is not cached.

    Args:
        model: ``"tiny_a"``, a folder, a hub name, ``"shape:NAME"`` or ``{"shape": NAME}``.

    Raises:
        UsageError: A folder that does not exist or holds no model, or a misspelt tiny model or
            shape.
    """
    shape = shape_name(model)
    if shape is not None:
        return _in_folder(PREFIX + shape, ensure_shape_folder(shape))
    if not isinstance(model, str) or not model:
        raise UsageError(
            f"model {model!r}: give a folder, {' or '.join(RECIPES)}, a hub name such as "
            "'org/name', or a shape such as 'shape:llama-3.2-1b'"
        )
    if model in RECIPES:
        return _in_folder(model, ensure_tiny_model(model))
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _in_folder(model, folder)
    if _looks_like_path(model):
        raise UsageError(f"model {model!r}: there is no such folder; check the path in 'model:'")
    if "/" not in model and get_close_matches(model.casefold(), RECIPES, cutoff=0.7):
        raise unknown("model", model, RECIPES)
    if model.casefold() in SHAPES:
        raise UsageError(f"model {model!r}: write {PREFIX + model!r}, since it is a shape")
    return ModelSource(name=model, place=model, local=False)


def _in_folder(name: str, folder: Path) -> ModelSource:
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"model {name!r}: {folder} holds no config.json; point 'model:' to a folder written "
            "by save_pretrained"
        )
    marker = folder / MARKER
    noted = json.loads(marker.read_text("utf-8")) if marker.is_file() else {}
    return ModelSource(name=name, place=str(folder), local=True, marker=noted)


def _looks_like_path(model: str) -> bool:
    return model.startswith((".", "/", "~")) or model.count("/") > 1 or model.endswith("/")
