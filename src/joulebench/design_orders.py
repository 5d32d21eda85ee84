"""In which order a block runs its cells: random, balanced in a Latin square, or as listed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

ORDERS = ("blocks", "latin", "shuffle", "sequential")
"""``blocks``: random within each repetition; ``latin``: each cell also once at each place, as far
as the repetitions go; ``shuffle``: random over all; ``sequential``: as listed."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Arranges what has names, the same on every Python version and machine.

    Random orders sort names by SHA-256 of seed, block and name: a uniform permutation, in which one
    block's order says nothing of another's.

    Args:
        kind: One of :data:`ORDERS`; ``shuffle`` is ``blocks`` with all repetitions in one.
        seed: Of the order.
    """

    kind: str
    seed: int

    def order(self, names: Sequence[str], block: int, part: str = "") -> list[int]:
        """Give the places of names in the order of a block.

        Args:
            names: Different ones.
            block: From 1; 0 where all repetitions are one.
            part: Keeps orders of different things in one block apart.
        """
        if self.kind == "sequential":
            return list(range(len(names)))
        if self.kind == "latin":
            return self._latin_row(names, block, part)
        return self._shuffled(names, str(block), part)

    def grouped(self, names: Sequence[str], groups: Sequence[str], block: int) -> list[int]:
        """Give the places of names in the order of a block, those of one group together.

        Args:
            names: Different ones.
            groups: Group of each.
            block: From 1; 0 where all repetitions are one.
        """
        members: dict[str, list[int]] = {}
        for place, group in enumerate(groups):
            members.setdefault(group, []).append(place)
        labels = list(members)
        ordered = []
        for which in self.order(labels, block, "group/"):
            places = members[labels[which]]
            inner = self.order([names[place] for place in places], block, f"{labels[which]}/")
            ordered += [places[at] for at in inner]
        return ordered

    def _latin_row(self, names: Sequence[str], block: int, part: str) -> list[int]:
        """Give the next row of a Williams design whose rows and names are in random order."""
        count = len(names)
        number, row = divmod(block - 1, rows_of_williams(count))
        half, row = divmod(row, count)
        labels = self._shuffled(names, f"latin/{number}", part)
        rows = self._shuffled([f"row/{at}" for at in range(count)], f"latin/{number}/{half}", part)
        return [labels[at] for at in williams_row(count, half * count + rows[row])]

    def _shuffled(self, names: Sequence[str], block: str, part: str) -> list[int]:
        keys = [_digest(f"{self.seed}/{block}/{part}{name}") for name in names]
        return sorted(range(len(names)), key=keys.__getitem__)


def rows_of_williams(count: int) -> int:
    """Give the rows of a Williams design of so many cells: after them carry-over is balanced."""
    return count if count % 2 == 0 or count == 1 else 2 * count


def williams_row(count: int, row: int) -> list[int]:
    """Give a row of a Williams design: the order of one block.

    Any ``count`` rows from a multiple of ``count`` on are a Latin square. Over all rows each cell
    comes right after each other one equally often: once for an even ``count``, twice for an odd
    one, whose second square is the mirror of the first (Williams 1949, Australian Journal of
    Scientific Research A 2, 149).

    Args:
        count: Number of cells.
        row: From 0, below :func:`rows_of_williams`.
    """
    zigzag = [-(place // 2) if place % 2 == 0 else (place + 1) // 2 for place in range(count)]
    half, shift = divmod(row, count)
    cells = [(each + shift) % count for each in zigzag]
    return cells[::-1] if half else cells


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
