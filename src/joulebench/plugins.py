"""The door through which meters, engines, tasks and importers come in: entry points."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Union, get_args, get_origin, get_type_hints

from joulebench.errors import Unavailable, UsageError, unknown

_PLAIN = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
}
"""Types of options that are checked, and how they are called in a study file."""


def plugin_names(group: str) -> list[str]:
    """Give the names registered in an entry-point group, for example ``joulebench.engines``."""
    return sorted({point.name for point in entry_points(group=group)})


def load_plugin(group: str, name: str, what: str) -> Any:
    """Import the object that a name stands for.

    Args:
        group: Entry-point group.
        name: Name in that group, matched without regard to case.
        what: What it is, for the message: ``"engine kind"``.

    Raises:
        UsageError: No such name.
        Unavailable: It fails to import; carries the cause and the line that installs it.
    """
    point = _find(group, name)
    if point is None:
        raise unknown(what, name, plugin_names(group))
    try:
        return point.load()
    except (ImportError, AttributeError) as cause:
        raise Unavailable(
            f"{what} {name!r} ({point.value}) cannot be imported: {cause}.",
            _install_line(point),
        ) from cause


def construct(
    factory: Callable[..., Any], what: str, options: Mapping[str, Any], **given: Any
) -> Any:
    """Call a factory with a user's options, having checked that it knows each of them.

    Args:
        factory: Class or function.
        what: What is made, for the message: ``"engine 'echo'"``.
        options: What the user wrote.
        **given: What the caller adds; a user cannot set these.

    Raises:
        UsageError: An option that the factory does not have, one of another type, or one that is
            missing.
    """
    signature = inspect.signature(factory)
    free = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())
    allowed = set(signature.parameters) - set(given)
    for option in options:
        if option in given or (option not in allowed and not free):
            raise unknown(f"{what}: option", option, allowed)
    refuse_wrong_types(factory, what, options)
    try:
        bound = signature.bind(**given, **options)
    except TypeError as cause:
        raise UsageError(f"{what}: {cause}") from cause
    return factory(*bound.args, **bound.kwargs)


def refuse_wrong_types(factory: Callable[..., Any], what: str, options: Mapping[str, Any]) -> None:
    """Refuse options that are not what a factory's annotations say, where those are plain types.

    Raises:
        UsageError: Names the option, its value and what may stand there.
    """
    hints = _hints(factory)
    for name, value in options.items():
        wanted = _plain_types(hints.get(name))
        if wanted and not _is_one_of(value, wanted):
            allowed = " or ".join(_PLAIN[kind] for kind in wanted)
            raise UsageError(f"{what}: {name} = {value!r} must be {allowed}")


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(vars(factory)["__init__"] if _has_own_init(factory) else factory)
    except (NameError, TypeError):
        return {}  # annotations that only a type checker can resolve


def _has_own_init(factory: Callable[..., Any]) -> bool:
    return isinstance(factory, type) and "__init__" in vars(factory)


def _plain_types(hint: Any) -> tuple[type, ...]:
    """Give the plain types that an annotation is made of; nothing where it is not."""
    union = get_origin(hint) in (Union, types.UnionType)
    parts = get_args(hint) if union else (hint,)
    return parts if all(part in _PLAIN for part in parts) else ()


def _is_one_of(value: object, wanted: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in wanted
    return isinstance(value, wanted) or (float in wanted and isinstance(value, int))


def _find(group: str, name: str) -> EntryPoint | None:
    folded = name.casefold()
    return next((p for p in entry_points(group=group) if p.name.casefold() == folded), None)


def _install_line(point: EntryPoint) -> str:
    package = point.dist.name if point.dist is not None else "the package that provides it"
    return f"Install it again: pip install --force-reinstall {package}"
