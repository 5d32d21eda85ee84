"""Builds a task from its part of a study file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from joulebench.errors import unknown
from joulebench.plugins import construct, load_plugin, plugin_names
from joulebench.tasks.forms import FORMS
from joulebench.tasks.prompts import PromptsTask
from joulebench.tasks.superglue import SuperGlueTask
from joulebench.work import Task

GROUP = "joulebench.tasks"


def build_task(name: str, config: Mapping[str, Any]) -> Task:
    """Build the task that a name stands for, its items read and checked.

    Args:
        name: ``boolq``, ``cb``, ``copa``, ``rte``, ``wic``, ``wsc`` in any case, or a plugin's
            name; any label at all where ``config`` has ``prompts``.
        config: ``{"data": "demo" | DIR | FILE.jsonl | "hub", "items": 12, "prompt": "explain"}``
            or ``{"prompts": FILE.jsonl}``.

    Raises:
        UsageError: An unknown task or option, or data that cannot be used.
    """
    factory, given = _factory(name, config)
    task: Task = construct(factory, f"tasks (task {name!r})", config, **given)
    return task


def _factory(name: str, config: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Choose what makes the task, and what it is given besides the user's options."""
    if "prompts" in config:
        return PromptsTask, {"name": name}
    folded = name.casefold()
    if folded in FORMS:
        return SuperGlueTask, {"name": folded}
    plugins = set(plugin_names(GROUP)) - {"superglue", "prompts"}
    if folded not in {plugin.casefold() for plugin in plugins}:
        raise unknown("task", name, [*FORMS, *plugins])
    return load_plugin(GROUP, name, "task"), {}
