"""The door through which meters, engines, tasks and importers come in: entry points."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from joulebench.errors import Unavailable, UsageError, unknown


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
        UsageError: An option that the factory does not have, or one that is missing.
    """
    signature = inspect.signature(factory)
    free = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())
    allowed = set(signature.parameters) - set(given)
    for option in options:
        if option in given or (option not in allowed and not free):
            raise unknown(f"{what}: option", option, allowed)
    try:
        bound = signature.bind(**given, **options)
    except TypeError as cause:
        raise UsageError(f"{what}: {cause}") from cause
    return factory(*bound.args, **bound.kwargs)


def _find(group: str, name: str) -> EntryPoint | None:
    folded = name.casefold()
    return next((p for p in entry_points(group=group) if p.name.casefold() == folded), None)


def _install_line(point: EntryPoint) -> str:
    package = point.dist.name if point.dist is not None else "the package that provides it"
    return f"Install it again: pip install --force-reinstall {package}"
