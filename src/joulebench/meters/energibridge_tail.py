"""Reading an EnergiBridge log while it is being written.

EnergiBridge writes cell by cell without a buffer, so that the last line is often cut short: only
whole lines are taken.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

LONGEST_LINE = 1 << 20
"""A line longer than this, in bytes, is damage."""

_BLOCK = 1 << 16


class Tail:
    """Gives the lines of a growing file, each once, as lists of cells.

    Args:
        path: The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._rest = b""
        self._line = 0
        self.columns: tuple[str, ...] = ()
        self.damage = ""
        """What is wrong with the line after the last one that was given; nothing follows it."""

    def rows(self) -> list[list[str]]:
        """Give the rows that were finished since the last call; the header is kept apart."""
        rows: list[list[str]] = []
        for line in [] if self.damage else self._lines():
            self._line += 1
            cells = line.split(",")
            if self._line == 1:
                self.columns = tuple(cells)
            elif len(cells) == len(self.columns):
                rows.append(cells)
            else:
                self.damage = self._misfit(cells)
                break
        return rows

    def close(self) -> None:
        """Let the file go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _lines(self) -> list[str]:
        if self._fd < 0 and not self._opened():
            return []
        *whole, self._rest = (self._rest + self._fresh()).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            self.damage = f"{self._path} has a line of more than {LONGEST_LINE} bytes: damaged"
        return [line.decode("utf-8", "replace") for line in whole]

    def _opened(self) -> bool:
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        return True

    def _fresh(self) -> bytes:
        blocks = []
        while block := os.read(self._fd, _BLOCK):
            blocks.append(block)
        return b"".join(blocks)

    def _misfit(self, cells: Sequence[str]) -> str:
        return (
            f"{self._path} line {self._line} has {len(cells)} cells where the header has "
            f"{len(self.columns)}: a sensor came or went while EnergiBridge ran, so that its "
            "columns cannot be told apart any more"
        )
