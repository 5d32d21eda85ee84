"""Turns a study into trial plans: each factor's level put where it takes effect."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from joulebench.collector import collector_paused
from joulebench.design import CONTROL, Design, Trial
from joulebench.engines.shapes import shape_model, shape_name
from joulebench.errors import UsageError, unknown
from joulebench.exclusion import Level, Levels, level_text
from joulebench.run_row import COLUMNS
from joulebench.study_file import ByFactors, ByShape, StudyFile, seed_of
from joulebench.study_read import dump, parse

_SETTINGS = {
    "engine": "engine.kind",
    "batch_size": "load.batch_size",
    "concurrency": "load.concurrency",
    "rate_per_s": "load.rate_per_s",
    "max_tokens": "sampling.max_tokens",
    "min_tokens": "sampling.min_tokens",
    "temperature": "sampling.temperature",
    "top_p": "sampling.top_p",
    "prompt": "tasks.prompt",
    "items": "tasks.items",
    "threads": "engine.threads",
    "dtype": "engine.dtype",
    "device": "engine.device",
    "max_model_len": "engine.max_model_len",
    "quantization": "engine.quantization",
    "attention": "engine.attention",
}
"""Factors named after a setting set it."""

_TAKEN_COLUMNS = ("run_id", "order", "block", "repetition", "host", "testbed", "status")
"""Columns of the run table that stand before those of :data:`joulebench.run_row.COLUMNS`."""

_BRACES = "{factor} stands for a level, {{ and }} for braces"

_PARTS = ("workload", "engine", "tasks", "load", "sampling", "protocol", "meters")


def design_of(study: StudyFile) -> Design:
    """Give the design of a study.

    Raises:
        UsageError: Bad factors, exclusions or order, or an exclusion that excludes nothing.
    """
    order = study.order
    design = Design.of(
        study.factors,
        study.exclude,
        study.repetitions,
        order.kind,
        order.seed,
        group_by=tuple(order.group_by),
        drift_every=order.drift_every,
        drift_cell=order.drift_cell,
    )
    if design.idle_exclusions:
        raise UsageError(
            f"exclude {design.idle_exclusions[0]!r}: excludes no cell; check its levels against "
            + "; ".join(f"{name}: {_listed(levels)}" for name, levels in study.factors.items())
        )
    return design


def plan(study: StudyFile) -> list[dict[str, Any]]:
    """Give the plan of every trial, in the order in which they are run.

    Args:
        study: A checked study file.

    Returns:
        JSON-ready dicts: run_id, study, trial, and the settings of the trial's workload, engine,
        tasks, load, sampling (its seed differing by repetition), protocol and meters.

    Raises:
        UsageError: A factor that changes nothing, or a cell without a model or a task.
    """
    design = design_of(study)
    _refuse_reserved_names(study)
    _refuse_unknown_places(study)
    _refuse_idle_factors(study)
    shared = _Shared(study)
    with collector_paused():
        return [_trial_plan(study.study, trial, shared) for trial in design]


class _Shared:
    """What trials share, made once: a study may have 100,000 of them.

    Args:
        study: A checked study file.
    """

    def __init__(self, study: StudyFile) -> None:
        self._study = study
        self._cells: dict[str, dict[str, Any]] = {}
        self._resolved: dict[str, dict[str, Any]] = {}
        self._seeds: dict[str | int, int] = {}
        self._setting = [
            name for name in study.factors if name in _SETTINGS and not _elsewhere(study, name)
        ]

    def cell(self, trial: Trial) -> dict[str, Any]:
        """Give the settings of a trial's cell, with its model and task or its command."""
        name = trial.run_id.rpartition("r")[0]  # what stands behind it is the repetition
        if name not in self._cells:
            resolved = self._with_settings(trial.levels)
            work = self._work(trial.levels)
            self._cells[name] = {part: resolved[part] for part in _PARTS} | work
        return self._cells[name]

    def seed(self, trial: Trial) -> int:
        """Give the seed of a trial's sampling.

        It is the same for every cell of a repetition: cells then differ by their levels alone. And
        it is one for all controls: these then differ by the machine alone.
        """
        part = CONTROL if trial.control else trial.repetition
        if part not in self._seeds:
            self._seeds[part] = seed_of(self._study.sampling.seed, part)
        return self._seeds[part]

    def _with_settings(self, levels: Levels) -> dict[str, Any]:
        """Put the levels of factors that are settings in their places, and check the result."""
        name = repr([levels[name] for name in self._setting])
        if name not in self._resolved:
            self._resolved[name] = dump(_with_levels(self._study, levels))
        return self._resolved[name]

    def _work(self, levels: Levels) -> dict[str, Any]:
        study = self._study
        if study.workload == "command":
            return {"command": [_filled(word, levels) for word in study.command]}
        return {"model": model_of(study, levels), "task": _task_of(study, levels)}


def _trial_plan(study: str, trial: Trial, shared: _Shared) -> dict[str, Any]:
    planned, cell = trial.to_dict(), shared.cell(trial)
    return {
        "run_id": planned.pop("run_id"),
        "study": study,
        "trial": planned,
        **cell,
        "sampling": {**cell["sampling"], "seed": shared.seed(trial)},
    }


def _with_levels(study: StudyFile, levels: Levels) -> StudyFile:
    """Put the levels of factors that are settings in their places, and check the result."""
    raw = dump(study)
    for name, level in levels.items():
        if name in _SETTINGS and not _elsewhere(study, name):
            part, _, key = _SETTINGS[name].partition(".")
            raw[part][key] = level
    return parse(raw, f"study {study.study!r}, cell {_shown(levels)}")


def model_of(study: StudyFile, levels: Levels) -> str:
    """Give the model of a cell; that of a shape is ``"shape:NAME"``.

    Raises:
        UsageError: The cell has none, or there is no such shape.
    """
    name = _model_name(study, levels)
    shape = shape_name(name)
    return name if shape is None else shape_model(shape)


def _model_name(study: StudyFile, levels: Levels) -> str:
    if isinstance(study.model, ByShape):
        return shape_model(study.model.shape)
    if isinstance(study.model, ByFactors):
        key = "/".join(level_text(levels[name]) for name in study.model.by)
        if key not in study.model.of:
            raise UsageError(
                f"model.of has no line for {key!r}, which the design runs; add it, or leave the "
                f"cell {_shown(levels)} out with exclude"
            )
        return study.model.of[key]
    if "model" in levels:
        return level_text(levels["model"])
    if study.model is None:
        raise UsageError("key 'model' is missing: name a model, or vary it as a factor 'model'")
    return study.model


def _task_of(study: StudyFile, levels: Levels) -> str:
    if "task" in levels:
        return level_text(levels["task"]).lower()
    if study.task is None:
        raise UsageError("key 'task' is missing: name a task, or vary it as a factor 'task'")
    return study.task.lower()


def _refuse_idle_factors(study: StudyFile) -> None:
    if isinstance(study.model, ByFactors):
        for name in study.model.by:
            if name not in study.factors:
                raise unknown("model.by: factor", name, study.factors)
    elif study.model is not None and "model" in study.factors:
        raise UsageError("model is given twice, as a key and as a factor; remove one of them")
    if study.task is not None and "task" in study.factors:
        raise UsageError("task is given twice, as a key and as a factor; remove one of them")
    for name in study.factors:
        if not _takes_effect(study, name):
            raise UsageError(f"factor {name!r} changes nothing: {_where_it_could(study, name)}")


def _where_it_could(study: StudyFile, name: str) -> str:
    if study.workload == "command":
        return f"write {{{name}}} in a word of the command, where its level shall stand"
    return f"name it in model.by, or call it model, task, {', '.join(_SETTINGS)}"


def _refuse_reserved_names(study: StudyFile) -> None:
    """Refuse a factor whose column in the run table would be that of something else."""
    columns = [*_TAKEN_COLUMNS, *COLUMNS, *([CONTROL] if study.order.drift_every else [])]
    taken = next((name for name in study.factors if name in columns), None)
    if taken is not None:
        raise UsageError(
            f"factor {taken!r}: the run table has a column of that name already; call it otherwise"
        )


def _refuse_unknown_places(study: StudyFile) -> None:
    for field in sorted(_places(study.command)):
        if field not in study.factors:
            raise UsageError(
                f"command: {{{field}}} names no factor (factors: "
                f"{', '.join(study.factors) or 'none'}); write {{{{ and }}}} for braces"
            )


def _takes_effect(study: StudyFile, name: str) -> bool:
    if _elsewhere(study, name):
        return True
    return study.workload == "generate" and (name in ("model", "task") or name in _SETTINGS)


def _elsewhere(study: StudyFile, name: str) -> bool:
    """Say whether a factor takes effect in the model's table or in the command."""
    by = study.model.by if isinstance(study.model, ByFactors) else []
    return name in by or name in _places(study.command)


def _places(words: list[str]) -> set[str]:
    try:
        parsed = [part for word in words for part in string.Formatter().parse(word)]
    except ValueError as error:
        raise UsageError(f"command: {error}; {_BRACES}") from error
    for _, field, form, conversion in parsed:
        if form or conversion:
            raise UsageError(f"command: {{{field}...}} is more than a factor's name; {_BRACES}")
    return {field for _, field, _, _ in parsed if field is not None}


def _filled(word: str, levels: Levels) -> str:
    return word.format_map({name: level_text(level) for name, level in levels.items()})


def _shown(levels: Mapping[str, Level]) -> str:
    return ", ".join(f"{name} {level_text(level)}" for name, level in levels.items()) or "(only)"


def _listed(levels: list[Level]) -> str:
    return ", ".join(level_text(level) for level in levels)
