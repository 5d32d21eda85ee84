"""What the hub's tool has downloaded, read from its folder, and how large a model will be."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from joulebench.bootstrap.choices import Model

_WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt", ".pth")
_PART = re.compile(r".*-\d{5}-of-(\d{5})\.\w+")
_SIZE = re.compile(r"(?<![\w.])(?:(\d+)[xX])?(\d+(?:\.\d+)?)([BbMm])(?![A-Za-z0-9])")
_SCALE = {"b": 1e9, "m": 1e6}
_BYTES_EACH = 2
"""Of a parameter, as models are published: 16 bits."""


def snapshot_of(cache: Path, model: Model) -> Path | None:
    """Give the folder of a model that is wholly there; ``None`` where it is not.

    Args:
        cache: Where the hub's tool keeps models.
        model: The model.
    """
    folder = cache / f"models--{model.name.replace('/', '--')}"
    revision = model.revision or "main"
    try:
        commit = (folder / "refs" / revision).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        commit = revision  # a commit has no reference of its own
    snapshot = folder / "snapshots" / commit
    return snapshot if commit and snapshot.is_dir() and _whole(snapshot) else None


def _whole(snapshot: Path) -> bool:
    """Say whether a folder has all its weights: those its index lists, or all numbered parts."""
    indices = list(snapshot.glob("*.index.json"))
    if indices:
        return any(_has_listed(snapshot, index) for index in indices)
    weights = [file.name for file in snapshot.iterdir() if file.suffix in _WEIGHTS]
    parts = [int(found[1]) for name in weights if (found := _PART.fullmatch(name))]
    whole = all((snapshot / name).is_file() for name in weights)
    return bool(weights) and whole and (not parts or len(parts) >= max(parts))


def _has_listed(snapshot: Path, index: Path) -> bool:
    try:
        listed = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False
    return bool(listed) and all((snapshot / str(name)).is_file() for name in listed)


def bytes_by_name(name: str) -> float | None:
    """Give how large a model is, judged by its name; ``None`` where the name does not say."""
    found = _SIZE.findall(name.rpartition("/")[2])
    if len(found) != 1:
        return None
    times, number, unit = found[0]
    return float(times or 1) * float(number) * _SCALE[unit.lower()] * _BYTES_EACH


def free_bytes(folder: Path) -> tuple[Path, int]:
    """Give the nearest folder that is there, this one or one above, and what its disk has free."""
    place = next(each for each in (folder, *folder.parents) if each.is_dir())
    return place, shutil.disk_usage(place).free
