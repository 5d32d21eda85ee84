"""Gets labelled items from the Hugging Face hub, each data set at one revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from joulebench.errors import Unavailable

REPOSITORY = "aps/super_glue"
_SUPERGLUE = "3de24cf8022e94f4ee4b9d55a6f539891524d646"
_GLUE = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
_SQUAD = "7b6d24c440a36b6815f21b70d25016731768db1f"
_SQUAD2 = "3ffb306f725f7d2ce8394bc1873b24868140c412"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a task's items are on the hub.

    Args:
        repository: Of the data sets.
        config: The data set in it.
        revision: Its commit, so that the items never change.
        split: The labelled one.
        labels: What the numbers in ``label`` stand for; empty where they stand for themselves.
    """

    repository: str
    config: str
    revision: str
    split: str = "validation"
    labels: tuple[bool | int | str, ...] = ()


def _superglue(
    config: str, labels: tuple[bool | int | str, ...] = (), split: str = "validation"
) -> Source:
    return Source(REPOSITORY, config, _SUPERGLUE, split, labels)


_ENTAILED = ("entailment", "not_entailment")
SOURCES: dict[str, Source] = {
    "boolq": _superglue("boolq", (False, True)),
    "cb": _superglue("cb", ("entailment", "contradiction", "neutral")),
    "copa": _superglue("copa", (0, 1)),
    "rte": _superglue("rte", _ENTAILED),
    "wic": _superglue("wic", (False, True)),
    "wsc": _superglue("wsc", (False, True)),
    "multirc": _superglue("multirc"),
    "record": _superglue("record"),
    "axb": _superglue("axb", _ENTAILED, "test"),
    "axg": _superglue("axg", _ENTAILED, "test"),
    "sst2": Source("nyu-mll/glue", "sst2", _GLUE),
    "qqp": Source("nyu-mll/glue", "qqp", _GLUE),
    "squad": Source("rajpurkar/squad", "plain_text", _SQUAD),
    "squad2": Source("rajpurkar/squad_v2", "squad_v2", _SQUAD2),
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
    source = SOURCES[task]
    try:
        rows = load_dataset(
            source.repository, source.config, split=source.split, revision=source.revision
        )
    except (OSError, RuntimeError, ValueError) as cause:
        line = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise Unavailable(
            f"tasks: {source.repository} ({source.config}) cannot be fetched: {line}.",
            "Check the network, or use data: demo or a folder",
        ) from cause
    for number, row in enumerate(rows):
        yield f"{source.repository}/{source.config}:{number}", own_form(task, row)


def own_form(task: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a hub row (labels numbered, spans flat) into the data set's own JSONL form."""
    item = dict(row)
    labels = SOURCES[task].labels
    if 0 <= item.get("label", -1) < len(labels):
        item["label"] = labels[item["label"]]
    if task == "wsc":
        item["target"] = {name: item.pop(name) for name in _SPAN_FIELDS if name in item}
    return item
