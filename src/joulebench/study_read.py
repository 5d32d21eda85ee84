"""Reads study files: presets by name, files by path, each mistake in one line."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from joulebench.errors import UsageError, unknown
from joulebench.strict_yaml import OnceLoader
from joulebench.study_file import StudyFile
from joulebench.workloads.score_settings import BY_JUDGE, BY_RULE, is_rubric_file

_ALTERNATIVES = ("factors", "meters")
"""Keys that take values of several forms."""

_FORMS = ("name", "by factors", "by shape", BY_JUDGE, BY_RULE)
"""What the parser calls the forms of a model and a score; no keys of a file."""


def presets() -> list[str]:
    """Give the names of the studies that come with the package."""
    folder = resources.files("joulebench") / "studies"
    names = [entry.name for entry in folder.iterdir()]
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def read_yaml(text: str, where: str) -> dict[str, Any]:
    """Read a mapping from YAML.

    Raises:
        UsageError: Not YAML, not a mapping, or a key given twice.
    """
    try:
        content = yaml.load(text, Loader=OnceLoader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}:" if mark else ""
        raise UsageError(f"{where}:{line} {error.problem}; mend the YAML") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{where}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{where}: must hold keys and values, as in 'study: my-study'")
    return content


def parse(raw: Mapping[str, Any], where: str) -> StudyFile:
    """Check a study file's content.

    Raises:
        UsageError: The first mistake: file, key, and what is allowed there.
    """
    try:
        return StudyFile.model_validate(dict(raw))
    except ValidationError as error:
        raise UsageError(f"{where}: {_first_mistake(error)}") from error


def load(source: str, overrides: Mapping[str, Any] | None = None) -> StudyFile:
    """Read a preset by name, a study file, or the study file of a study's folder.

    Args:
        source: ``"demo"``, ``"my-study.yaml"`` or ``"runs/demo"``.
        overrides: Values by dotted key that replace those of the file: ``{"tasks.items": 4}``.

    Raises:
        UsageError: No such study, or a mistake in it.
    """
    text, where, folder = _find(source)
    raw = read_yaml(text, where)
    if raw.get("origin") == "imported":
        raise UsageError(
            f"{where}: these runs were imported and cannot be run here; type: joulebench report "
            f"{source}"
        )
    _place_paths(raw, folder)
    _place_score(raw, folder)
    for key, value in (overrides or {}).items():
        _put(raw, key.split("."), value, where)
    return parse(raw, where)


def dump(study: StudyFile) -> dict[str, Any]:
    """Give the resolved study: every key, JSON-ready."""
    return study.model_dump(mode="json", exclude_none=True)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], at: str = "") -> list[str]:
    """Name the keys whose values differ, each with both values."""
    found: list[str] = []
    for key in [*old, *(key for key in new if key not in old)]:
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += differences(a, b, f"{at}{key}.")
        elif a != b:
            found.append(f"{at}{key} is {a!r} there and {b!r} now")
    return found


def _find(source: str) -> tuple[str, str, Path]:
    path = Path(source)
    if path.is_dir() and (path / "study.yaml").is_file():
        path /= "study.yaml"
    if path.is_file():
        try:
            return path.read_text("utf-8"), str(path), path.parent
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: cannot be read: {error}") from error
    if source in presets():
        preset = resources.files("joulebench") / "studies" / f"{source}.yaml"
        return preset.read_text("utf-8"), f"preset {source}", Path()
    if path.suffix in (".yaml", ".yml") or "/" in source:
        raise UsageError(f"{source}: no such study file or study folder; check the path")
    raise unknown("study (neither a file nor a preset)", source, presets())


def _place_paths(raw: dict[str, Any], folder: Path) -> None:
    """Make paths absolute that the file gives relative to itself."""
    for part, key, elsewhere in (
        ("tasks", "data", ("demo", "hub")),
        ("tasks", "prompts", ()),
        ("load", "trace", ("",)),
    ):
        holds = raw.get(part)
        path = holds.get(key) if isinstance(holds, dict) else None
        if isinstance(path, str) and path not in elsewhere:
            raw[part][key] = str((folder / Path(path).expanduser()).resolve())
    tasks = raw.get("tasks")
    own = tasks.get("lm_eval") if isinstance(tasks, dict) else None
    if isinstance(own, dict) and isinstance(own.get("include_path"), str):
        own["include_path"] = str((folder / Path(own["include_path"]).expanduser()).resolve())


def _place_score(raw: dict[str, Any], folder: Path) -> None:
    """Make the path of people's labels absolute, and put a rubric's text where its file is named.

    The text then travels with the plan, and stands in the folder's study file.
    """
    tasks = raw.get("tasks")
    score = tasks.get("score") if isinstance(tasks, dict) else None
    if not isinstance(score, dict):
        return
    human, rubric = score.get("human"), score.get("rubric")
    if isinstance(human, str):
        score["human"] = str((folder / Path(human).expanduser()).resolve())
    if not (isinstance(rubric, str) and is_rubric_file(rubric)):
        return
    file = (folder / Path(rubric).expanduser()).resolve()
    try:
        score["rubric"] = file.read_text("utf-8").strip() + "\n"
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        what = f"tasks.score.rubric: {file}: cannot be read ({why}); check the path"
        raise UsageError(what) from error


def _put(raw: dict[str, Any], keys: list[str], value: Any, where: str) -> None:
    inner = raw
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            raise UsageError(f"{where}: {key}: must hold keys and values")
    inner[keys[-1]] = value


def _first_mistake(error: ValidationError) -> str:
    # The unknown key first: a misspelling also makes the right key look absent.
    details = sorted(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
    detail = details[0]
    loc = [str(part) for part in detail["loc"] if part not in _FORMS]
    if loc and loc[0] in _ALTERNATIVES:
        return _none_of_the_alternatives(loc, detail["input"])
    if detail["type"] == "extra_forbidden":
        return _unknown_key(loc)
    key = ".".join(loc)
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "missing":
        return f"{key}: is missing; the file needs it"
    given = detail["input"]
    if detail["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return f"{key}: must hold keys and their values{_example(loc)}, not {given!r}"
    shown = "" if isinstance(given, dict | BaseModel) or not loc else f", not {given!r}"
    if detail["type"] == "string_type" and isinstance(given, int | float):
        shown += "; put it in quotes"
    return f"{key}: {_lower(message)}{shown}" if key else message


def _example(loc: list[str]) -> str:
    """Show one key of a mapping, that which has no default or comes first."""
    models = _models_at(loc)
    fields = list(models[0].model_fields.items()) if models else []
    wanted = [name for name, field in fields if field.is_required()] or [n for n, _ in fields]
    return f", as in {{{wanted[0]}: ...}}" if wanted else ""


def _none_of_the_alternatives(loc: list[str], given: object) -> str:
    """Say what is wrong where several forms are allowed, of which the parser names only one."""
    shown = f", not {given!r}" if not isinstance(given, dict) else ""
    if loc[0] == "meters":
        return f"meters: must be auto or a list such as [nvml, rapl]{shown}"
    if len(loc) == 1:
        return f"factors: must hold names and their lists of levels, as in task: [boolq]{shown}"
    if len(loc) == 2:
        return f"factors.{loc[1]}: must be a list of levels, as in [a, b]{shown}"
    return (
        f"factors.{loc[1]}: level {int(loc[2]) + 1} must be text, a finite number, true or false"
        f"{shown}; put text in quotes"
    )


def _lower(message: str) -> str:
    return message.replace("Input should be", "must be")


def _unknown_key(loc: list[str]) -> str:
    known = [name for model in _models_at(loc[:-1]) for name in model.model_fields]
    inside = f"{'.'.join(loc[:-1])}: " if loc[:-1] else ""
    return str(unknown(f"{inside}key", loc[-1], known))


def _models_at(loc: list[str]) -> list[type[BaseModel]]:
    """Give the models of the mapping at a key path: as many as it may have forms."""
    models: list[type[BaseModel]] = [StudyFile]
    for key in loc:
        annotation = next(m for m in models if key in m.model_fields).model_fields[key].annotation
        models = [part for part in _parts(annotation) if _is_model(part)]
    return models


def _parts(annotation: Any) -> list[Any]:
    inner = [part for argument in get_args(annotation) for part in _parts(argument)]
    return [annotation, *inner]


def _is_model(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)
