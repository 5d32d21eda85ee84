"""One line of shell: printed by a dry run, handed to the shell by a real one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

_END = "END_OF_FILE"


@dataclass(frozen=True)
class Line:
    """A line that is typed.

    Args:
        text: The line. One that needs root begins with the command that does, so that ``sudo`` may
            stand before it.
        root: Whether it needs root.
        stdin: What the command reads.
        hub: Whether it is given the hub's token, in its environment and nowhere else.
    """

    text: str
    root: bool = False
    stdin: str = ""
    hub: bool = False

    def typed(self, *, sudo: bool) -> str:
        """Give the line without what it reads.

        Args:
            sudo: Whether the user is not root, so that what needs root begins with ``sudo``.
        """
        return f"sudo {self.text}" if self.root and sudo else self.text

    def shown(self, *, sudo: bool) -> str:
        """Give the line so that it can be pasted into a shell, with what it reads."""
        typed = self.typed(sudo=sudo)
        if not self.stdin:
            return typed
        return f"{typed} <<'{_END}'\n{self.stdin.rstrip(chr(10))}\n{_END}"


def words(*given: str | Path) -> str:
    """Join words to a line, each quoted for the shell."""
    return shlex.join(str(word) for word in given)


def file_line(path: Path, text: str, mode: int = 0o644, *, root: bool = False) -> Line:
    """Give the line that writes a file and makes the folders above it.

    Args:
        path: The file.
        text: What is in it, ending with a line break.
        mode: Its permissions.
        root: Whether writing there needs root.
    """
    typed = words("install", "-D", "-m", f"{mode:04o}", "/dev/stdin", path)
    return Line(typed, root=root, stdin=text)
