"""Builds a task from its part of a study file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from joulebench.errors import UsageError, unknown
from joulebench.plugins import construct, load_plugin, plugin_names
from joulebench.tasks.forms import FORMS, form_named
from joulebench.tasks.prompts import PromptsTask
from joulebench.tasks.superglue import SuperGlueTask
from joulebench.work import Task

GROUP = "joulebench.tasks"


def build_task(name: str, config: Mapping[str, Any]) -> Task:
    """Build the task that a name stands for, its items read and checked.

    Args:
        name: One of :data:`joulebench.tasks.forms.FORMS` in any case, or a plugin's name; any
            other label stands for the user's prompts where ``config`` has ``prompts``.
        config: ``{"data": "demo" | DIR | FILE.jsonl | "hub", "items": 12, "seed": 1,
            "prompt": "explain"}`` or ``{"prompts": FILE.jsonl}``, or both.

    Raises:
        UsageError: An unknown task or option, or data that cannot be used.
    """
    factory, given = _factory(name, config)
    kept = {key: value for key, value in config.items() if key not in _others(factory)}
    task: Task = construct(factory, f"tasks (task {name!r})", kept, **given)
    return task


def _others(factory: Callable[..., Any]) -> tuple[str, ...]:
    """Name the options that are for other tasks of the same study."""
    if factory is PromptsTask:
        return ("data", "prompt")
    return ("prompts",) if factory is SuperGlueTask else ()


def _factory(name: str, config: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Choose what makes the task, and what it is given besides the user's options."""
    form = form_named(name)
    if form is not None:
        return SuperGlueTask, {"name": form.name}
    folded = name.casefold()
    plugins = set(plugin_names(GROUP)) - {"superglue", "prompts"}
    if folded == "prompts" or ("prompts" in config and not _is_plugin(folded, plugins)):
        _refuse_no_file(config)
        return PromptsTask, {"name": name}
    if not _is_plugin(folded, plugins):
        raise unknown("task", name, [*FORMS, *plugins])
    return load_plugin(GROUP, name, "task"), {}


def _is_plugin(folded: str, plugins: set[str]) -> bool:
    return folded in {plugin.casefold() for plugin in plugins}


def _refuse_no_file(config: Mapping[str, Any]) -> None:
    if "prompts" not in config:
        raise UsageError(
            "tasks: task 'prompts' needs a file of them; write tasks: {prompts: FILE.jsonl}"
        )
