"""What of a plan this testbed refuses: commands, places and programs that it does not allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from joulebench.errors import UsageError
from joulebench.testbed.service_settings import ServiceSettings

_OWN_TASKS = ("demo", "hub")

_REACHING = {
    "url", "host", "executable", "keep", "ca_file", "resource", "library", "environment", "driver",
    "root", "stat", "pci", "proc", "cpuinfo",
}  # fmt: skip
"""Options of meters that name hosts, programs and places; so do those that end in ``_env``."""

_RUNS_CODE = ("trust_remote_code", "worker_cls", "middleware", "plugins", "serve")
"""Options of engines that have code from elsewhere run, or a program."""

_CONNECTS = ("url", "api_key_env")
"""Options of engines that name hosts, and variables whose values would be sent there."""


def refuse_forbidden(plan: Mapping[str, Any], settings: ServiceSettings) -> None:
    """Refuse what this testbed was not started to allow.

    Args:
        plan: Of a trial.
        settings: Of the service.

    Raises:
        UsageError: Says what, and which option of the service would allow it.
    """
    if plan["workload"] == "command":
        if not settings.allow_command:
            raise UsageError(
                "workload 'command' is not run here; start the testbed with --allow-command if "
                "everybody with its token may run any program on it"
            )
        return  # what may run any program needs no other limit
    _refuse_code(plan.get("engine") or {}, settings)
    # An address is no place on disk, and what a server is sent or started with is allowed by now.
    sent = (*_CONNECTS, "serve", "extra") if settings.allow_command else ()
    told = {k: v for k, v in (plan.get("engine") or {}).items() if k not in sent}
    for option, value in (("model", plan.get("model")), ("engine", told)):
        _refuse_places(value, option, "--models", settings.models)
    tasks = dict(plan.get("tasks") or {})
    _refuse_own_tasks(tasks, settings)
    _refuse_judge(tasks.pop("score", None), settings)
    for text in _texts(tasks):
        if text not in _OWN_TASKS:
            _refuse_places(text, "tasks", "--data", settings.data)
    _refuse_trace((plan.get("load") or {}).get("trace"), settings)
    refuse_meters(plan["meters"], settings)


def _refuse_trace(trace: Any, settings: ServiceSettings) -> None:
    """Refuse a file of arrival times elsewhere; any text is a path here, a mere name too."""
    if isinstance(trace, str) and trace:
        _refuse_places(
            f"./{trace}" if not _is_place(trace) else trace, "load.trace", "--data", settings.data
        )


def refuse_meters(meters: str | Sequence[Any], settings: ServiceSettings) -> None:
    """Refuse meters that reach elsewhere: a token must not open other machines and files.

    Raises:
        UsageError: Says which option of which meter.
    """
    for entry in () if isinstance(meters, str) else meters:
        for kind, options in () if isinstance(entry, str) else entry.items():
            if settings.allow_command or kind in settings.meters:
                continue
            for name in options or {}:
                if name.casefold() in _REACHING or name.casefold().endswith("_env"):
                    raise UsageError(
                        f"meter {kind!r}: option {name!r} reaches beyond the testbed's own "
                        f"sensors; start it with --allow-meter {kind} to allow that"
                    )
            _refuse_places(options, f"meter {kind!r}", "--data", settings.data)


def _refuse_judge(score: Any, settings: ServiceSettings) -> None:
    """Refuse of a judge what would be refused of the engine that is measured."""
    if not isinstance(score, Mapping):
        return
    engine = score.get("engine")
    if isinstance(engine, Mapping):
        _refuse_code(engine, settings)
        sent = (*_CONNECTS, "serve", "extra") if settings.allow_command else ()
        told = {k: v for k, v in engine.items() if k not in sent}
        _refuse_places(told, "tasks.score.engine", "--models", settings.models)
    _refuse_places(score.get("model"), "tasks.score.model", "--models", settings.models)
    _refuse_places(score.get("human"), "tasks.score.human", "--data", settings.data)


def _refuse_own_tasks(tasks: Mapping[str, Any], settings: ServiceSettings) -> None:
    own = tasks.get("lm_eval")
    if isinstance(own, Mapping) and own.get("include_path") and not settings.allow_command:
        raise UsageError(
            "tasks.lm_eval.include_path would have functions from that folder run; start the "
            "testbed with --allow-command to allow that"
        )


def _refuse_code(engine: Mapping[str, Any], settings: ServiceSettings) -> None:
    for name in _RUNS_CODE:
        if engine.get(name) and not settings.allow_command:
            raise UsageError(
                f"engine: {name} would have code from elsewhere run; start the testbed with "
                "--allow-command to allow that"
            )
    for name in _CONNECTS:
        if engine.get(name) and not settings.allow_command:
            raise UsageError(
                f"engine: {name} would have the testbed connect to another server, or send it a "
                "secret; start it with --allow-command to allow that"
            )


def _refuse_places(value: Any, where: str, option: str, allowed: Sequence[Path]) -> None:
    for text in _texts(value):
        if not _is_place(text):
            continue
        try:
            path = Path(text).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(f"{where}: {text!r} is no path: {error}") from error
        if not any(path.is_relative_to(folder) for folder in allowed):
            raise UsageError(
                f"{where}: {text!r} does not lie in a folder that this testbed allows; put it "
                f"there, or start the testbed with {option} DIR"
            )


def _is_place(text: str) -> bool:
    """Say whether a text names a place on disk; a name with one slash is one on a hub."""
    return (
        text.startswith((".", "/", "~", "\\"))
        or text.count("/") > 1
        or text.endswith("/")
        or ".." in text.split("/")
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def check_callback(url: str, settings: ServiceSettings) -> None:
    """Refuse to call back a host that was not allowed.

    Raises:
        UsageError: No address of a web server, or a host that is not allowed.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"callback_url: no address of a web server: {error}") from error
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        raise UsageError("callback_url: give http://HOST[:PORT]/..., without name and password")
    if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
        raise UsageError("callback_url: it must be plain ASCII without spaces")
    port = port or (443 if parts.scheme == "https" else 80)
    named = f"[{host}]" if ":" in host else host
    allowed = {each.casefold() for each in settings.callbacks}
    if not {named.casefold(), f"{named}:{port}".casefold()} & allowed:
        raise UsageError(
            f"callback_url: {named}:{port} is not allowed; ask for the state instead, or start the "
            f"testbed with --allow-callback {named}:{port}"
        )
