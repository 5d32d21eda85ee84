"""Gets a task out of the package lm_eval, with one line for whatever is wrong with it."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from joulebench.errors import Unavailable, UsageError
from joulebench.tasks.jsonl import read_objects

PREFIX = "lm-eval:"
"""What stands before the name of a task of lm_eval in a study file."""

OUTPUTS = ("generate_until", "loglikelihood", "multiple_choice")

_NEEDS_GREEDY = {"multiple_choice": "exact_match", "loglikelihood": "acc"}
"""Metrics that need to know whether an answer is what the model would say, by output type."""


def load_task(name: str, include_path: str | None, num_fewshot: int | None) -> Any:
    """Build a task as lm_eval does, its data read.

    Args:
        name: In lm_eval, or of a YAML file in ``include_path``.
        include_path: Folder of the user's own tasks, which come first.
        num_fewshot: Examples before each question; the task's own number if ``None``. A task that
            states 0 keeps it.

    Raises:
        UsageError: No such task, a group of several, one that cannot be built, or one that asks
            for what an engine does not tell.
        Unavailable: lm_eval is not installed.
    """
    indexed = _find(name, include_path)
    _refuse_several(name, indexed)
    with _one_line(name, indexed):
        (task,) = indexed.load([name])["tasks"].values()
        _set_fewshot(task, num_fewshot)
    _refuse_unusable(name, task)
    return task


def build_requests(name: str, task: Any, documents: list[int]) -> None:
    """Have a task make its requests for documents, given by their numbers.

    Raises:
        UsageError: A document lacks a field, or its label is none of its choices.
    """
    with _one_line(name):
        task.build_all_requests(samples=documents)
    docs = task.eval_docs
    for number in documents:
        _check_label(name, task, number, docs[number])


def version() -> str:
    """Give the version of lm_eval."""
    from importlib.metadata import version as installed

    return installed("lm_eval")


def _find(name: str, include_path: str | None) -> Any:
    """Give an index that has a task; the package's own thousands are read only where needed."""
    manager = _manager_class()
    if include_path is not None:
        folder = Path(include_path).expanduser()
        if not folder.is_dir():
            raise UsageError(f"tasks.lm_eval: include_path {include_path!r} is no folder")
        with _one_line(name):
            own = manager(include_path=str(folder), include_defaults=False)
        if name in own.all_tasks:
            return own
    with _one_line(name):
        every = manager(include_path=include_path)
    if name not in every.all_tasks:
        # Of the thousands there are only the nearest can be read.
        near = " or ".join(f"'{PREFIX}{e}'" for e in get_close_matches(name, every.all_tasks, n=3))
        hint = f": did you mean {near}?" if near else ";"
        listed = f"{hint} lm-eval ls tasks lists them all"
        raise UsageError(f"task {PREFIX + name!r} is not known{listed}")
    return every


def _refuse_several(name: str, indexed: Any) -> None:
    """Refuse a group or a tag before the data of all its tasks is fetched."""
    if name not in {*indexed.all_groups, *indexed.all_tags}:
        return
    listed = (indexed.task_index[name].cfg or {}).get("task") or ()
    tagged = (each for each, entry in indexed.task_index.items() if name in entry.tags)
    names = sorted({each for each in listed if isinstance(each, str)} or tagged)
    shown = ", ".join(PREFIX + each for each in names[:4])
    raise UsageError(
        f"task {PREFIX + name!r} is a group of several; name single ones as levels of a factor "
        f"task{f': {shown}' if shown else ''}{', ...' if len(names) > 4 else ''}"
    )


def _manager_class() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from lm_eval.tasks import TaskManager
        except ImportError as cause:
            raise Unavailable(
                f"tasks that begin with {PREFIX!r} need the package lm_eval: {cause}.",
                "Install it: pip install 'joulebench[lm-eval]'",
            ) from cause
    return TaskManager


def _set_fewshot(task: Any, num_fewshot: int | None) -> None:
    from lm_eval.defaults import DEFAULT_OTHER_SEED

    own = task.get_config("num_fewshot")
    if num_fewshot is not None and own != 0:
        task.set_config(key="num_fewshot", value=num_fewshot)
    elif own is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=DEFAULT_OTHER_SEED)


def _refuse_unusable(name: str, task: Any) -> None:
    """Refuse what would have to be guessed at."""
    where, output = f"task {PREFIX + name!r}", task.OUTPUT_TYPE
    if output not in OUTPUTS:
        raise UsageError(f"{where} is of output type {output!r}; these are run: {OUTPUTS}")
    if getattr(task, "MULTIMODAL", False):
        raise UsageError(f"{where} holds images or sound, which no engine takes; use another")
    if getattr(task, "UNSAFE_CODE", False):
        raise UsageError(f"{where} runs code that a model wrote, which is not done here")
    if (task.get_config("repeats") or 1) > 1:
        raise UsageError(f"{where} asks everything {task.config.repeats} times; set repeats: 1")
    metrics = set(getattr(task, "_metric_fn_list", {}))
    if "acc_mutual_info" in metrics:
        raise UsageError(
            f"{where} measures acc_mutual_info, which needs answers without a question"
        )
    if _NEEDS_GREEDY.get(output) in metrics:
        raise UsageError(
            f"{where} measures {_NEEDS_GREEDY[output]}, which needs to know whether an answer is "
            "the likeliest of all texts; engines tell how likely it is alone. Use another metric"
        )


def _check_label(name: str, task: Any, number: int, doc: Mapping[str, Any]) -> None:
    """Refuse a label outside the choices: lm_eval itself only logs it, and counts it as wrong."""
    if task.OUTPUT_TYPE != "multiple_choice" or not hasattr(task, "multiple_input"):
        return
    choices = task.doc_to_choice(doc)
    gold = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    for label in gold if isinstance(gold, list) else [gold]:
        known = label in choices if isinstance(label, str) else 0 <= label < len(choices)
        if not known:
            raise UsageError(
                f"task {PREFIX + name!r}: label {label!r} of document {number} (from 0) is none of "
                f"its {len(choices)} choices; use a labelled split"
            )


@contextlib.contextmanager
def _one_line(name: str, indexed: Any = None) -> Iterator[None]:
    """Turn whatever lm_eval and datasets raise into one line, without their bars and warnings."""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except (UsageError, Unavailable):
        raise
    except Exception as cause:
        _blame_line(name, indexed)
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        raise UsageError(
            f"task {PREFIX + name!r} cannot be built by lm_eval: {type(cause).__name__}: "
            f"{lines[0] if lines else 'no reason given'}"
        ) from cause


def _blame_line(name: str, indexed: Any) -> None:
    """Name file and line where a task's own JSON Lines are the trouble.

    Raises:
        UsageError: A line that is no JSON object.
    """
    config = {} if indexed is None else _config(name, indexed)
    if config.get("dataset_path") != "json":
        return
    files = (config.get("dataset_kwargs") or {}).get("data_files") or {}
    given = [*files.values()] if isinstance(files, Mapping) else [files]
    for part in given:
        for file in part if isinstance(part, list) else [part]:
            if str(file).endswith(".jsonl"):
                for _ in read_objects(Path(file)):
                    pass


def _config(name: str, indexed: Any) -> dict[str, Any]:
    """Read a task's YAML file again, without running what it names."""
    from lm_eval.tasks._yaml_loader import load_yaml

    entry = indexed.task_index.get(name)
    if entry is None or entry.yaml_path is None:
        return {}
    return dict(load_yaml(entry.yaml_path, resolve_func=False, recursive=True))
