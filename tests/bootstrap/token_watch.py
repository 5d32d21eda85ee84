"""Watches what all processes show of a token while something runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self


class TokenWatch:
    """Looks at the words of every process, again and again, and at the environment of some.

    Args:
        token: What must not be seen.
        kept_from: Words; a process that has one of them must not have the token at all.
    """

    def __init__(self, token: str, kept_from: tuple[str, ...] = ()) -> None:
        self._token = token.encode()
        self._kept_from = tuple(word.encode() for word in kept_from)
        self.shown: set[str] = set()
        self.looked_at: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                self._look(process)
            time.sleep(0.002)

    def _look(self, process: Path) -> None:
        words = _read(process / "cmdline")
        shown = words.replace(b"\0", b" ").decode(errors="replace").strip()
        self.looked_at.add(shown)
        kept = any(word in words for word in self._kept_from)
        if self._token in words or (kept and self._token in _read(process / "environ")):
            self.shown.add(shown)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


def files_with(folder: Path, text: str) -> Iterator[Path]:
    """Give the files below a folder that hold a text."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and text.encode() in path.read_bytes():
            yield path
