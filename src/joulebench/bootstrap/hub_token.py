"""Where the hub's token comes from. It is never written, and handed to the hub's tool alone."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from joulebench.errors import UsageError

NAME = "HF_TOKEN"

NAMES = (NAME, "HUGGING_FACE_HUB_TOKEN")
"""Variables that hold it; no program but the hub's tool is given them."""

_ASSIGNED = re.compile(r"\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*")
_TOKEN = re.compile(r"[A-Za-z0-9_.~+/=-]+")


@dataclass(frozen=True)
class HubToken:
    """A token and where it comes from.

    Args:
        value: The token; empty where there is none, or where the hub's tool finds its own.
        source: Where it comes from, in words.
        notes: What the user should know of that place.
    """

    value: str = field(repr=False)
    source: str
    notes: tuple[str, ...] = ()


def find_token(environment: Mapping[str, str], env_file: Path | None, hub: Path) -> HubToken:
    """Find the token: in the environment, in a file of settings, or by the hub's own login.

    Args:
        environment: The environment's variables.
        env_file: A file with a line ``HF_TOKEN=...``; ``None`` for none.
        hub: The hub's own folder.

    Raises:
        UsageError: The file is not there, git tracks it, or it holds no token.
    """
    for name in NAMES:
        if environment.get(name):
            return HubToken(_checked(environment[name], name), f"{name} of the environment")
    if env_file is not None:
        notes = _doubts(env_file)
        return HubToken(_in_file(env_file), str(env_file), notes)
    login = Path(environment.get("HF_TOKEN_PATH") or hub / "token").expanduser()
    if login.is_file():
        return HubToken("", f"the hub's own login ({login})")
    return HubToken("", "")


def login_secret(environment: Mapping[str, str], hub: Path) -> str:
    """Give the token of the hub's own login, so that it can be hidden; empty if there is none."""
    login = Path(environment.get("HF_TOKEN_PATH") or hub / "token").expanduser()
    try:
        return login.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _in_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "is no text"
        raise UsageError(f"--env-file {path}: cannot be read: {what}") from None
    found = [match for line in text.splitlines() if (match := _ASSIGNED.fullmatch(line))]
    values = {match[1]: _unquoted(match[2]) for match in found}
    token = next((values[name] for name in NAMES if values.get(name)), "")
    if not token:
        raise UsageError(f"--env-file {path}: has no line {NAME}=...; add it, or leave the option")
    return _checked(token, str(path))


def _unquoted(text: str) -> str:
    quote = text[:1]
    if quote and quote in "'\"":
        return text[1:].partition(quote)[0]
    return text.partition(" #")[0].strip()


def _checked(token: str, source: str) -> str:
    """Refuse what is no token, without showing it."""
    if not _TOKEN.fullmatch(token.strip()):
        raise UsageError(f"{source}: what it gives as {NAME} is no token: it has odd characters")
    return token.strip()


def _doubts(path: Path) -> tuple[str, ...]:
    """Say what is wrong with the place of a file of settings.

    Raises:
        UsageError: It is not there, or git tracks it.
    """
    if not path.is_file():
        raise UsageError(f"--env-file {path}: there is no such file")
    notes = []
    if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        notes.append(f"{path} can be read by others: chmod 600 {path}")
    return (*notes, *_doubts_of_git(path.absolute()))


def _doubts_of_git(path: Path) -> tuple[str, ...]:
    if not any((folder / ".git").exists() for folder in path.parents):
        return ()
    if shutil.which("git") is None:
        return (f"git is not installed, so nobody knows whether it tracks {path}",)
    if _git(path, "ls-files", "--error-unmatch"):
        raise UsageError(
            f"--env-file {path}: git tracks it, so the token would be published with it; type: "
            f"git rm --cached {path.name}, add it to .gitignore, and replace the token"
        )
    if not _git(path, "check-ignore", "--quiet"):
        return (f"git does not ignore {path}: add it to .gitignore, before it is committed",)
    return ()


def _git(path: Path, *asked: str) -> bool:
    """Say whether git answers yes to a question about a file."""
    answer = subprocess.run(
        ["git", "-C", str(path.parent), *asked, "--", path.name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=30.0,
    )
    return answer.returncode == 0
