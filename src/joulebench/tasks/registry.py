"""Builds a task from its part of a study file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from joulebench.errors import UsageError, unknown
from joulebench.plugins import construct, load_plugin, plugin_names
from joulebench.tasks.forms import FORMS, form_named
from joulebench.tasks.lm_eval import LmEvalTask
from joulebench.tasks.lm_eval_load import PREFIX
from joulebench.tasks.prompts import PromptsTask
from joulebench.tasks.superglue import SuperGlueTask
from joulebench.work import Task

GROUP = "joulebench.tasks"


def build_task(name: str, config: Mapping[str, Any], *, encoded: bool = False) -> Task:
    """Build the task that a name stands for, its items read and checked.

    Args:
        name: One of :data:`joulebench.tasks.forms.FORMS` in any case, ``lm-eval:NAME``, or a
            plugin's name; any other label stands for the user's prompts where ``config`` has
            ``prompts``.
        config: ``{"data": "demo" | DIR | FILE.jsonl | "hub", "items": 12, "seed": 1,
            "prompt": "explain"}`` or ``{"prompts": FILE.jsonl}``, or both.
        encoded: Whether it is put to an encoder, which takes an item's texts instead of a prompt.

    Raises:
        UsageError: An unknown task or option, or data that cannot be used.
    """
    factory, given = _factory(name, config)
    if encoded:
        _refuse_no_encoding(name, factory)
        given |= {"encoded": True}
    others = (*_others(factory), "score")  # which is for what grades the answers
    kept = {key: value for key, value in config.items() if key not in others}
    task: Task = construct(factory, f"tasks (task {name!r})", kept, **given)
    return task


def _others(factory: Callable[..., Any]) -> tuple[str, ...]:
    """Name the options that are for other tasks of the same study."""
    if factory is PromptsTask:
        return ("data", "prompt", "lm_eval")
    if factory is LmEvalTask:
        return ("data", "prompt", "prompts")
    return ("prompts", "lm_eval") if factory is SuperGlueTask else ()


def _factory(name: str, config: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Choose what makes the task, and what it is given besides the user's options."""
    form = form_named(name)
    if form is not None:
        return SuperGlueTask, {"name": form.name}
    folded = name.casefold()
    if folded.startswith(PREFIX):
        return LmEvalTask, {"name": name}
    plugins = set(plugin_names(GROUP)) - {"superglue", "prompts", "lm-eval"}
    if folded == "prompts" or ("prompts" in config and not _is_plugin(folded, plugins)):
        _refuse_no_file(config)
        return PromptsTask, {"name": name}
    if not _is_plugin(folded, plugins):
        raise unknown("task", name, [*FORMS, *plugins])
    return load_plugin(GROUP, name, "task"), {}


def _is_plugin(folded: str, plugins: set[str]) -> bool:
    return folded in {plugin.casefold() for plugin in plugins}


def _refuse_no_encoding(name: str, factory: Callable[..., Any]) -> None:
    if factory not in (SuperGlueTask, PromptsTask):
        raise UsageError(
            f"task {name!r} is made of prompts, which an encoder does not take; use an engine that "
            "generates"
        )


def _refuse_no_file(config: Mapping[str, Any]) -> None:
    if "prompts" not in config:
        raise UsageError(
            "tasks: task 'prompts' needs a file of them; write tasks: {prompts: FILE.jsonl}"
        )
