"""What the user wants set up, and where."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from joulebench.errors import UsageError

Engine = Literal["vllm", "transformers", "none"]
Scope = Literal["user", "system"]

VLLM_VERSION = "0.11.0"
"""The vLLM that is installed if no other is asked for: that of the published LLaMA study."""

_MODEL = re.compile(r"([A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@([A-Za-z0-9][\w./-]*))?")
_VERSION = re.compile(r"\d+(\.\d+)*([a-z.+][\w.+]*)?")


@dataclass(frozen=True)
class Model:
    """A model of the hub.

    Args:
        name: ``organisation/name``.
        revision: Branch, tag or commit; the hub's default if empty.
    """

    name: str
    revision: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name


@dataclass(frozen=True)
class Places:
    """Where things are put.

    Args:
        venv: The Python environment.
        hub: The hub's own folder, ``HF_HOME``.
        cache: Where the hub's tool keeps models.
        token_file: The testbed's bearer token.
        state: What the testbed remembers of its runs.
    """

    venv: Path
    hub: Path
    cache: Path
    token_file: Path
    state: Path


@dataclass(frozen=True)
class Service:
    """How the testbed is started.

    Args:
        host: Address that it listens on.
        port: Port that it listens on.
        scope: Whose systemd starts it.
        wanted: ``True`` or ``False`` as asked for, ``None`` for where systemd runs the machine.
        options: Further words of ``joulebench testbed serve``.
    """

    host: str = "0.0.0.0"  # noqa: S104 - other machines give it work; the token says which may
    port: int = 8020
    scope: Scope = "user"
    wanted: bool | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choices:
    """All that a set-up depends on, besides what is there already.

    Args:
        places: Where things are put.
        source: What pip installs Joulebench from: a requirement, a file, an address.
        engine: What generates.
        vllm_version: Of vLLM.
        models: What is downloaded.
        service: How the testbed is started.
        energibridge: ``None`` for where Rust is there to build it.
        sensors: Whether the processor's energy counters are opened to users.
        ipmi: Whether the service processor is.
    """

    places: Places
    source: str
    engine: Engine = "vllm"
    vllm_version: str = VLLM_VERSION
    models: tuple[Model, ...] = ()
    service: Service = field(default_factory=Service)
    energibridge: bool | None = None
    sensors: bool = True
    ipmi: bool = False


def default_places(
    environment: Mapping[str, str],
    home: Path,
    *,
    root: bool,
    venv: Path | None = None,
    token_file: Path | None = None,
) -> Places:
    """Give where things are put unless the user says otherwise.

    Args:
        environment: The environment's variables; ``HF_HOME`` and its kin move the hub's folder.
        home: The user's home folder.
        root: Whether the user is root.
        venv: The Python environment, if the user says where.
        token_file: The testbed's bearer token, if the user says where.

    Raises:
        UsageError: A path that neither shells nor systemd would take without harm.
    """
    caches = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    hub = Path(environment.get("HF_HOME") or caches / "huggingface").expanduser()
    cache = Path(environment.get("HF_HUB_CACHE") or hub / "hub").expanduser()
    states = Path(environment.get("XDG_STATE_HOME") or home / ".local/state")
    own = Path("/opt/joulebench") if root else home / ".local/share/joulebench"
    secrets = Path("/etc/joulebench") if root else home / ".config/joulebench"
    state = Path("/var/lib/joulebench/testbed") if root else states / "joulebench/testbed"
    return Places(
        venv=_absolute(venv or own / "venv"),
        hub=_absolute(hub),
        cache=_absolute(cache),
        token_file=_absolute(token_file or secrets / "testbed.token"),
        state=_absolute(state),
    )


def _absolute(path: Path) -> Path:
    """Make a path absolute, links left as they are: a unit knows no current folder."""
    odd = [c for c in str(path) if c in "\"'\\" or not c.isprintable()]
    if odd:
        raise UsageError(
            f"{path}: systemd starts nothing from a path with {odd[0]!r}; choose another"
        )
    return Path(os.path.abspath(path.expanduser()))


def model_named(text: str) -> Model:
    """Read a model as the user writes it: ``organisation/name`` or ``organisation/name@revision``.

    Raises:
        UsageError: It is no name that the hub can have.
    """
    found = _MODEL.fullmatch(text.strip())
    if found is None or ".." in text:
        raise UsageError(
            f"--models {text.strip()!r}: is no name of the hub; write organisation/name or "
            "organisation/name@revision, several with commas"
        )
    return Model(found[1], found[2] or "")


def models_named(texts: Iterable[str]) -> tuple[Model, ...]:
    """Read models, each once; a text may hold several with commas between."""
    names = [name for text in texts for name in text.split(",") if name.strip()]
    return tuple(dict.fromkeys(model_named(name) for name in names))


def check_version(text: str) -> str:
    """Give a version back.

    Raises:
        UsageError: It is no version.
    """
    if not _VERSION.fullmatch(text):
        raise UsageError(
            f"--vllm-version {text!r}: is no version; write one such as {VLLM_VERSION}"
        )
    return text
