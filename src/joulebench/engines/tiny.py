"""Tiny Llama-architecture models with random weights, built on this machine and cached.

They carry no knowledge; they exist so that the whole path from prompt to joule can be run where
there is no model hub and no accelerator.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from joulebench.errors import Unavailable, UsageError, unknown

MARKER = "joulebench.json"
"""File in a model folder that says what Joulebench knows of it, such as random weights."""

FORMAT = 1
"""Raised when the building code changes what it builds; old folders are then left unused."""


@dataclass(frozen=True, slots=True)
class TinyRecipe:
    """The shape of a tiny model: two depths and widths whose energies per token clearly differ."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    vocabulary: int = 1024
    context: int = 4096
    initializer_range: float = 0.08
    seed: int = 20261120


RECIPES = {
    "tiny_a": TinyRecipe(layers=2, hidden=128, intermediate=352, heads=4, kv_heads=2),
    "tiny_b": TinyRecipe(layers=6, hidden=256, intermediate=704, heads=8, kv_heads=4),
}


def ensure_tiny_model(name: str, cache: Path | None = None) -> Path:
    """Give the folder of a tiny model, building it first (seconds) if it is not there.

    The folder's name holds a digest of the recipe and of the tokenizer's corpus, so a changed
    recipe is built anew. It is built in a process of its own, so that the caller runs no tensor
    operation, beside its place and renamed into it, so that two callers cannot harm each other.

    Args:
        name: ``"tiny_a"`` or ``"tiny_b"``.
        cache: Where models are kept; by default ``JOULEBENCH_CACHE``, else ``joulebench/models``
            under ``XDG_CACHE_HOME`` or ``~/.cache``.

    Raises:
        UsageError: An unknown name, or a cache that cannot be written.
        Unavailable: torch or transformers is missing, or the build failed.
    """
    if name not in RECIPES:
        raise unknown("tiny model", name, RECIPES)
    place = (cache or model_cache()) / f"{name}-{recipe_digest(name)}"
    if not (place / MARKER).is_file():
        build_into("joulebench.engines.tiny_build", name, place)
    return place


def model_cache() -> Path:
    """Give the folder in which built models are kept."""
    override = os.environ.get("JOULEBENCH_CACHE")
    if override:
        return Path(override).expanduser() / "models"
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "joulebench" / "models"


def corpus() -> list[str]:
    """Give the lines that the tokenizer is trained on."""
    text = files("joulebench.engines").joinpath("data/corpus.txt").read_text("utf-8")
    return text.splitlines()


def recipe_digest(name: str) -> str:
    """Give twelve hexadecimal digits that change with whatever decides the built model."""
    parts = {"format": FORMAT, "recipe": asdict(RECIPES[name]), "corpus": corpus()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def build_into(module: str, name: str, place: Path) -> None:
    """Build a model in a process of its own, beside its place, and rename it into it.

    Args:
        module: Builds it: ``python -m MODULE NAME FOLDER``.
        name: Of the model.
        place: Folder that the model is to have.

    Raises:
        UsageError: The folder above cannot be written.
        Unavailable: A package is missing, or the build failed.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    except OSError as cause:
        raise UsageError(
            f"the model cache {place.parent} cannot be written ({cause.strerror}); set "
            "JOULEBENCH_CACHE to a folder that can"
        ) from cause
    try:
        _run_builder(module, name, draft)
        draft.chmod(0o755)
        _move(draft, place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _run_builder(module: str, name: str, draft: Path) -> None:
    # -P: a file of the user's that is named like a module must not be imported.
    command = [sys.executable, "-P", "-m", module, name, str(draft)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        cause = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise Unavailable(
            f"the model {name} could not be built: {cause}.",
            "It needs torch and transformers: pip install 'joulebench[transformers]'",
        )


def _move(draft: Path, place: Path) -> None:
    """Rename into place; whoever comes second finds the same model there and keeps it."""
    try:
        draft.rename(place)
    except OSError:
        if not (place / MARKER).is_file():
            raise
