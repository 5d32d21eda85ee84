"""What is planned: factors, their cells less the exclusions, and the order of the trials."""

from __future__ import annotations

import hashlib
import itertools
import keyword
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from joulebench.errors import UsageError, unknown
from joulebench.exclusion import Exclusion, Level, Levels, level_text

ORDERS = ("blocks", "shuffle", "sequential")
"""``blocks``: random within each repetition; ``shuffle``: random over all; ``sequential``."""

MOST_TRIALS = 100_000
"""More would take a year at five minutes each; so many are a slip in the study file."""

_LONGEST_ID = 150  # bytes; file systems allow 255 with the suffix, archives often less


@dataclass(frozen=True, slots=True)
class Factor:
    """What is varied, and the levels it takes.

    Args:
        name: A Python name, so that exclusions can speak of it.
        levels: Different values, kept as they are written.

    Raises:
        UsageError: A name that cannot be used, no level, or a level given twice.
    """

    name: str
    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or keyword.iskeyword(self.name):
            raise UsageError(
                f"factor {self.name!r}: a factor's name has letters, digits and _ only, "
                "does not start with a digit, and is no word of Python such as 'in' or 'if'"
            )
        if not self.levels:
            raise UsageError(f"factor {self.name!r}: give at least one level")
        texts = [level_text(level) for level in self.levels]
        twice = next((text for text in texts if texts.count(text) > 1), None)
        if twice is not None:
            raise UsageError(f"factor {self.name!r}: level {twice!r} is given twice")


@dataclass(frozen=True, slots=True)
class Trial:
    """One planned row: what is to be run, and when.

    Args:
        run_id: Deterministic name, safe as a file name: ``"model-tiny_a.task-boolq.r02"``.
        order: Place in the order of execution, from 1.
        block: Block it belongs to, from 1; equal to the repetition unless all are shuffled.
        repetition: From 1.
        levels: The level of each factor.
    """

    run_id: str
    order: int
    block: int
    repetition: int
    levels: dict[str, Level]

    def to_dict(self) -> dict[str, Any]:
        """Give the trial as a JSON-ready dict."""
        return asdict(self)


@dataclass(frozen=True)
class Design:
    """A full factorial less its exclusions, repeated, in a seeded order; iterable, with a length.

    The order within a block sorts the cells by SHA-256 of seed, block and cell. It is a uniform
    random permutation that is the same on every Python version and machine, and another repetition
    leaves the order of the earlier ones as it was.

    Args:
        factors: What is varied; none gives one cell.
        exclude: Expressions that :class:`Exclusion` reads.
        repetitions: How often each cell is run, at least 1.
        order: One of :data:`ORDERS`.
        seed: Of the order.

    Raises:
        UsageError: Bad factors, exclusions, order or repetitions; nothing left to run; or two cells
            whose run ids would be the same file.
    """

    factors: tuple[Factor, ...]
    exclude: tuple[str, ...] = ()
    repetitions: int = 1
    order: str = "blocks"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise unknown("order", self.order, ORDERS)
        if self.repetitions < 1:
            raise UsageError(f"repetitions = {self.repetitions}: give at least 1")
        names = [factor.name for factor in self.factors]
        combinations = math.prod(len(factor.levels) for factor in self.factors)
        if combinations * self.repetitions > MOST_TRIALS:
            raise UsageError(
                f"the design has {combinations} combinations of levels x {self.repetitions} "
                f"repetitions; at most {MOST_TRIALS} trials can be planned, so vary less or split "
                "the study"
            )
        if len(set(names)) < len(names):
            raise UsageError(f"a factor is given twice: {', '.join(names)}")
        if not self.cells:
            raise UsageError("exclude: the exclusions leave no cell to run; remove one of them")
        self._refuse_collisions()

    @classmethod
    def of(
        cls,
        factors: Mapping[str, Sequence[Level]],
        exclude: Sequence[str] = (),
        repetitions: int = 1,
        order: str = "blocks",
        seed: int = 0,
    ) -> Design:
        """Build a design from plain lists of levels."""
        named = tuple(Factor(name, tuple(levels)) for name, levels in factors.items())
        return cls(named, tuple(exclude), repetitions, order, seed)

    @property
    def cells(self) -> list[dict[str, Level]]:
        """The combinations of levels that are run, the last factor varying fastest."""
        conditions = self.conditions
        return [
            cell
            for cell in self.all_cells
            if not any(condition.holds(cell) for condition in conditions)
        ]

    @property
    def all_cells(self) -> list[dict[str, Level]]:
        """The full factorial, exclusions included."""
        names = [factor.name for factor in self.factors]
        product = itertools.product(*(factor.levels for factor in self.factors))
        return [dict(zip(names, levels, strict=True)) for levels in product]

    @property
    def conditions(self) -> list[Exclusion]:
        """The exclusions, read."""
        names = [factor.name for factor in self.factors]
        return [Exclusion(expression, names) for expression in self.exclude]

    @property
    def idle_exclusions(self) -> list[str]:
        """Exclusions that exclude nothing: probably misspelt."""
        cells = self.all_cells
        return [c.expression for c in self.conditions if not any(c.holds(cell) for cell in cells)]

    def __len__(self) -> int:
        return len(self.cells) * self.repetitions

    def __iter__(self) -> Iterator[Trial]:
        """Give the trials in the order in which they are run."""
        ordered = self._ordered()
        for place, (block, repetition, cell) in enumerate(ordered, start=1):
            yield Trial(run_id(cell, repetition), place, block, repetition, cell)

    def _ordered(self) -> list[tuple[int, int, dict[str, Level]]]:
        cells = self.cells
        rows = [(rep, cell) for rep in range(1, self.repetitions + 1) for cell in cells]
        if self.order == "shuffle":
            mixed = sorted(rows, key=lambda row: self._key(0, run_id(row[1], row[0])))
            return [(1, repetition, cell) for repetition, cell in mixed]
        if self.order == "blocks":
            rows.sort(key=lambda row: (row[0], self._key(row[0], run_id(row[1], 0))))
        return [(repetition, repetition, cell) for repetition, cell in rows]

    def _key(self, block: int, name: str) -> bytes:
        return hashlib.sha256(f"{self.seed}/{block}/{name}".encode()).digest()

    def _refuse_collisions(self) -> None:
        # Casefold: some file systems keep Run and run in one file.
        seen: dict[str, dict[str, Level]] = {}
        for cell in self.cells:
            name = run_id(cell, 1).casefold()
            if name in seen:
                raise UsageError(
                    f"cells {seen[name]} and {cell} would both be stored as {name!r}; "
                    "write their levels so that they differ in letters, digits, '.', '_', '+', '-'"
                )
            seen[name] = cell


def run_id(levels: Levels, repetition: int) -> str:
    """Name a run after its levels and repetition, safe as a file name on any system."""
    parts = [f"{name}-{_file_safe(level_text(level))}" for name, level in levels.items()]
    stem = ".".join(parts)
    if len(stem) > _LONGEST_ID:
        digest = hashlib.sha256(stem.encode()).hexdigest()[:10]
        stem = f"{stem[: _LONGEST_ID - 11]}-{digest}"
    return ".".join([stem, f"r{repetition:02d}"] if stem else [f"r{repetition:02d}"])


def _file_safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]", "_", text) or "_"
