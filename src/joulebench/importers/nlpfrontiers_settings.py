"""The settings of a sweep, and what the results that it started from say of task and model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from joulebench.errors import UsageError
from joulebench.importers.nlpfrontiers_json import read_object, read_text, scalars
from joulebench.importers.nlpfrontiers_tree import METRICS, SUMMARY, Tree

_SECTIONS = ("dataset", "model", "inference", "training")
_LARGEST_YAML = 1 << 20
_COLLECTIONS = ("glue", "super_glue")
_STARTED_FROM = ("baseline_model_directory", "checkpoint_path")
_DATED = ("run_identifier", "best_model_directory", *_STARTED_FROM)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}")


class Settings:
    """What the files of settings in a tree say.

    A sweep that was run with an earlier result's weights names it: by the folder of its best model
    (``baseline_model_directory``) or by a path that holds its ``run_identifier``. Where that result
    is in the tree too, it says which task and model a sweep is of that does not say it itself.

    Args:
        tree: The folders.

    Raises:
        UsageError: A file is damaged; names the line.
    """

    def __init__(self, tree: Tree) -> None:
        self._by_folder = {folder: _stated(tree, folder) for folder in tree.files}
        self._results = {
            str(stated[key]): stated
            for stated in self._by_folder.values()
            for key in ("run_identifier", "best_model_directory")
            if key in stated
        }
        self._labels = {
            result: str(stated["model_label"])
            for stated in self._by_folder.values()
            if "model_label" in stated
            for result in self._names(stated)
        }

    def of(self, folder: Path) -> Mapping[str, Any]:
        """Give the settings in a folder, flat; empty where it has none."""
        return self._by_folder.get(folder, {})

    def begun(self, folder: Path) -> str:
        """Give when a sweep was begun, at the earliest, as its names say it; empty if they do not.

        A sweep carries the moment it was begun in its name, or that of the result it started from.
        """
        stated = self.of(folder)
        words = [folder.name, *(str(stated[key]) for key in _DATED if key in stated)]
        return next((match[0] for word in words if (match := _DATE.search(word))), "")

    def task(self, stated: Mapping[str, Any]) -> str:
        """Give the data set that was used; empty where nothing says it."""
        return _task(stated) or next((_task(each) for each in self._origins(stated)), "")

    def model(self, stated: Mapping[str, Any]) -> str:
        """Give the model, by the label that the study gives it where it has one."""
        own = stated.get("model_label") or self._labels.get(str(stated.get("run_identifier")))
        return str(own or _model(stated) or next((_model(e) for e in self._origins(stated)), ""))

    def _origins(self, stated: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        for name in self._names(stated):
            if name in self._results:
                yield self._results[name]

    def _names(self, stated: Mapping[str, Any]) -> Iterator[str]:
        """Give what the result that a sweep started from may be called."""
        for key in _STARTED_FROM:
            path = stated.get(key)
            if isinstance(path, str):
                yield path
                yield from PurePosixPath(path).parts


def _task(stated: Mapping[str, Any]) -> str:
    name = str(stated.get("dataset") or stated.get("dataset_name") or stated.get("dataset_id", ""))
    if name in _COLLECTIONS:
        return str(stated.get("dataset_config", name))
    return name.rpartition("/")[2]


def _model(stated: Mapping[str, Any]) -> str:
    return str(stated.get("model_name") or stated.get("model_name_or_path", ""))


def _stated(tree: Tree, folder: Path) -> dict[str, Any]:
    """Give all settings in a folder as one flat mapping."""
    stated: dict[str, Any] = {}
    if tree.has(folder, "config_resolved.yaml"):
        stated |= _resolved(folder / "config_resolved.yaml")
    for name in (SUMMARY, "config.json"):
        if tree.has(folder, name):
            stated |= scalars(read_object(folder / name).values)
    if tree.has(folder, METRICS):
        content = read_object(folder / METRICS).values
        metrics = scalars(content)
        stated |= {key: part for key, part in metrics.items() if key == "best_model_directory"}
        # By what the best epoch was chosen, an audit sees on which split that was.
        chosen_by = content.get("trainer_evaluation_metrics")
        named = scalars(chosen_by) if isinstance(chosen_by, dict) else {}
        stated |= {key: part for key, part in named.items() if key.startswith("eval_")}
    return stated


def _resolved(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(read_text(path, _LARGEST_YAML))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        raise UsageError(f"{path} line {line} is not YAML; mend the file or remove it") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} line 1: no settings; mend the file or remove it")
    flat: dict[str, Any] = {}
    for section in _SECTIONS:
        part = content.get(section)
        flat |= _named(part) if isinstance(part, dict) else {}
    return flat | _named({key: part for key, part in content.items() if key not in _SECTIONS})


def _named(part: Mapping[Any, Any]) -> dict[str, Any]:
    return scalars({str(key): value for key, value in part.items()})
