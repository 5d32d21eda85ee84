"""The testbed's bearer token: made once, by the shell, so that no process of ours ever holds it."""

from __future__ import annotations

import stat
from pathlib import Path

from joulebench.bootstrap.choices import Choices
from joulebench.bootstrap.line import Line, words
from joulebench.bootstrap.step import Step

_BYTES = 32
_SHORTEST = 32


def token_step(choices: Choices) -> Step:
    """Make the token that orchestrators show to the testbed, where there is none."""
    path = choices.places.token_file

    def done() -> str:
        if _private(path) and _long_enough(path):
            return f"there is one in {path}; only its owner may read it"
        return ""

    def hinder() -> str:
        if path.is_dir():
            return f"{path} is a folder; name a file in it with --token-file"
        if path.exists() and not _long_enough(path):
            return f"{path} holds fewer than {_SHORTEST} characters: delete it, or name another"
        return ""

    if path.exists():
        lines: tuple[Line, ...] = (Line(words("chmod", "600", path)),)
    else:
        lines = _made(path)
    return Step("token", lines, done, hinder=hinder)


def _made(path: Path) -> tuple[Line, ...]:
    """Draw it into a file that only its owner may read, and give that its name when it is whole."""
    draft = path.with_name(f"{path.name}.new")
    drawn = f"od -An -v -N{_BYTES} -tx1 /dev/urandom | tr -d ' \\n'"
    return (
        Line(words("install", "-d", "-m", "0700", path.parent)) if not path.parent.exists() else
        Line(words("test", "-w", path.parent)),
        Line(f"(umask 077 && rm -f {words(draft)} && {drawn} > {words(draft)})"),
        Line(words("mv", "-n", draft, path)),
    )  # fmt: skip


def _private(path: Path) -> bool:
    try:
        facts = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(facts.st_mode) and not facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def _long_enough(path: Path) -> bool:
    try:
        return path.stat().st_size >= _SHORTEST
    except OSError:
        return False
