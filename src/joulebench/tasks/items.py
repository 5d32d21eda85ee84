"""Gets a task's items from the package, a folder, a file or the hub, and checks each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.tasks.form import Form
from joulebench.tasks.hub import hub_rows
from joulebench.tasks.jsonl import read_objects

DEMO, HUB = "demo", "hub"


def read_items(form: Form, data: str) -> list[dict[str, Any]]:
    """Read all items of a task.

    Args:
        form: The task.
        data: ``"demo"`` (twelve items shipped with the package), ``"hub"``, a folder that holds
            the task's JSONL, or a JSONL file.

    Raises:
        UsageError: The file is missing, empty or malformed; names file, line and field.
        Unavailable: ``"hub"`` without the ``datasets`` package or a network.
    """
    if data == HUB:
        return _checked(form, hub_rows(form.name))
    if data == DEMO:
        packaged = files("joulebench.tasks").joinpath(f"data/{form.name}.jsonl")
        with as_file(packaged) as file:
            return _checked(form, read_objects(file))
    file = _data_file(form, Path(data).expanduser())
    items = _checked(form, read_objects(file))
    if not items:
        raise UsageError(f"{file}: no items; give a file with one JSON object a line")
    return items


def check_item(form: Form, where: str, item: Mapping[str, Any]) -> None:
    """Refuse an item that lacks a field or carries a label that its task does not have.

    Raises:
        UsageError: Names the place, the field and what may stand there.
    """
    for name in form.texts:
        text = _reach(item, name)
        if text is None:
            raise UsageError(f"{where}: field {name!r} is missing; {form.title} items need it")
        if not isinstance(text, str):
            raise UsageError(f"{where}: field {name!r} = {text!r} must be text")
    _check_label(form, where, item)
    if form.name == "copa" and item["question"] not in ("cause", "effect"):
        raise UsageError(f"{where}: question {item['question']!r} must be 'cause' or 'effect'")
    if form.check is not None:
        form.check(where, item)


def _check_label(form: Form, where: str, item: Mapping[str, Any]) -> None:
    if not form.labels:
        return
    if "label" not in item:
        raise UsageError(
            f"{where}: field 'label' is missing; use a labelled split (SuperGLUE: val.jsonl)"
        )
    label = item["label"]
    # True equals 1 in Python, so the type is compared as well.
    if not any(label == allowed and type(label) is type(allowed) for allowed in form.labels):
        allowed = ", ".join(map(str, form.labels))
        raise UsageError(f"{where}: label {label!r} is not one of {form.title}'s: {allowed}")


def _checked(form: Form, rows: Iterable[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    items = []
    for where, line in rows:
        for place, item in form.flat(where, line) if form.flat else ((where, line),):
            check_item(form, place, item)
            items.append(item)
    return items


def _reach(item: Mapping[str, Any], path: str) -> Any:
    value: Any = item
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _data_file(form: Form, place: Path) -> Path:
    """Find a task's file in a folder by the data set's name, without regard to case."""
    if place.is_file():
        return place
    if not place.is_dir():
        raise UsageError(
            f"tasks: data {str(place)!r} is no folder or file; use 'demo', 'hub' or a path that "
            "exists"
        )
    names = (form.name, form.title.casefold())
    wanted = [f"{name}{end}" for name in names for end in (".jsonl", "/val.jsonl")]
    found = [*place.glob("*.jsonl"), *place.glob("*/val.jsonl")]
    for file in sorted(found):
        if file.relative_to(place).as_posix().casefold() in wanted:
            return file
    raise UsageError(
        f"tasks: {place} holds neither {form.title}.jsonl nor {form.title}/val.jsonl; put it there "
        "or leave the task out"
    )
