"""Reading mapping files: YAML of a known form, each mistake in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from joulebench.errors import UsageError, unknown
from joulebench.importers.plain_file import open_plain
from joulebench.strict_yaml import OnceLoader

_LARGEST = 1 << 18
_SHOWN = 200


Form = TypeVar("Form", bound=BaseModel)


def read_mapping(path: Path, form: type[Form]) -> Form:
    """Read a mapping file.

    Raises:
        UsageError: It cannot be read, is not YAML, or has a mistake: the key, and what may stand
            there.
    """
    content = _content(path)
    try:
        return form.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{path}: {_first_mistake(error, form)}") from error


def _content(path: Path) -> dict[str, Any]:
    with open_plain(path) as file:
        raw = file.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise UsageError(f"{path} is larger than {_LARGEST >> 10} KiB; is it a mapping file?")
    try:
        content = yaml.load(raw.decode(), Loader=OnceLoader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{path}{line}: {str(error.problem)[:_SHOWN]}; mend the YAML") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        what = " ".join(str(error).split())[:_SHOWN]
        raise UsageError(f"{path} cannot be read: {what}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} must hold keys and values, as in 'run_id: name of a column'")
    return content


def _first_mistake(error: ValidationError, form: type[BaseModel]) -> str:
    # The unknown key first: a misspelling also makes the right key look absent.
    details = sorted(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
    detail = details[0]
    loc = [str(part) for part in detail["loc"]]
    key = ".".join(loc)
    if detail["type"] == "extra_forbidden":
        inside = f"{'.'.join(loc[:-1])}: " if loc[:-1] else ""
        return str(unknown(f"{inside}key", loc[-1], _fields_at(form, loc[:-1])))
    if detail["type"] == "missing":
        return f"{key}: is missing; the mapping needs it"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    given = detail["input"]
    bare = isinstance(given, dict | BaseModel) or not loc
    shown = "" if bare else f", not {repr(given)[:_SHOWN]}"
    if detail["type"] == "string_type" and isinstance(given, int | float):
        shown += "; put it in quotes"
    return f"{key}: {message}{shown}" if key else message


def _fields_at(form: type[BaseModel], loc: list[str]) -> list[str]:
    """Give the keys that may stand at a key path."""
    model: type[BaseModel] | None = form
    for key in loc:
        known = {} if model is None else model.model_fields
        if key in known:
            model = next(iter(_models(known[key].annotation)), None)
    return [] if model is None else list(model.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    inner = [found for part in get_args(annotation) for found in _models(part)]
    own = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return [annotation, *inner] if own else inner
