"""Gets SuperGLUE's validation items from the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from joulebench.errors import Unavailable

REPOSITORY = "aps/super_glue"
_LABELS: dict[str, tuple[bool | int | str, ...]] = {
    "boolq": (False, True),
    "cb": ("entailment", "contradiction", "neutral"),
    "copa": (0, 1),
    "rte": ("entailment", "not_entailment"),
    "wic": (False, True),
    "wsc": (False, True),
}
_SPAN_FIELDS = ("span1_index", "span2_index", "span1_text", "span2_text")


def hub_rows(task: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a task's labelled items in the form of the data set's own JSONL, with their places.

    Raises:
        Unavailable: The ``datasets`` package or the network is missing.
    """
    try:
        from datasets import load_dataset
    except ImportError as cause:
        raise Unavailable(
            "tasks: data 'hub' needs the datasets package, which is not installed.",
            "Install it: pip install datasets; or use data: demo or a folder",
        ) from cause
    try:
        rows = load_dataset(REPOSITORY, task, split="validation")
    except (OSError, RuntimeError, ValueError) as cause:
        line = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise Unavailable(
            f"tasks: {REPOSITORY} ({task}) cannot be fetched: {line}.",
            "Check the network, or use data: demo or a folder",
        ) from cause
    for number, row in enumerate(rows):
        yield f"{REPOSITORY}/{task}:{number}", own_form(task, row)


def own_form(task: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a hub row (labels numbered, spans flat) into the data set's own JSONL form."""
    item = dict(row)
    if 0 <= item.get("label", -1) < len(_LABELS[task]):
        item["label"] = _LABELS[task][item["label"]]
    if task == "wsc":
        item["target"] = {name: item.pop(name) for name in _SPAN_FIELDS if name in item}
    return item
