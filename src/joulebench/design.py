"""What is planned: factors, their cells less the exclusions, and the order of the trials."""

from __future__ import annotations

import functools
import hashlib
import itertools
import keyword
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joulebench.design_orders import ORDERS, Arrangement
from joulebench.errors import UsageError, unknown
from joulebench.exclusion import Exclusion, Level, Levels, level_text

MOST_TRIALS = 100_000
"""More would take a year at five minutes each; so many are a slip in the study file."""

CONTROL = "control"
"""Key of a trial and column of a table that marks a control: no run of its cell, but of drift."""

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
        repetition: From 1; of a control, its number.
        levels: The level of each factor.
        control: Whether it only shows drift and is no run of its cell.
    """

    run_id: str
    order: int
    block: int
    repetition: int
    levels: dict[str, Level]
    control: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Give the trial as a JSON-ready dict; ``control`` is there only where it is true."""
        content: dict[str, Any] = {
            "run_id": self.run_id,
            "order": self.order,
            "block": self.block,
            "repetition": self.repetition,
            "levels": dict(self.levels),
        }
        return content | ({CONTROL: True} if self.control else {})


@dataclass(frozen=True)
class Design:
    """A full factorial less its exclusions, repeated, in a seeded order; iterable, with a length.

    The order is the same on every Python version and machine, and another repetition leaves the
    order of the earlier ones as it was, except in a shuffle over all; see
    :mod:`joulebench.design_orders`.

    Args:
        factors: What is varied; none gives one cell.
        exclude: Expressions that :class:`Exclusion` reads.
        repetitions: How often each cell is run, at least 1.
        order: One of :data:`ORDERS`.
        seed: Of the order.
        group_by: Factors the combinations of whose levels stay together within a block.
        drift_every: A control trial comes after every so many trials; 0 for none.
        drift_cell: Levels of the controls: the first cell that has them; the first of all if empty.

    Raises:
        UsageError: Bad factors, exclusions, order or repetitions; nothing left to run; two cells
            whose run ids would be the same file; or groups or controls of no factor or cell.
    """

    factors: tuple[Factor, ...]
    exclude: tuple[str, ...] = ()
    repetitions: int = 1
    order: str = "blocks"
    seed: int = 0
    group_by: tuple[str, ...] = ()
    drift_every: int = 0
    drift_cell: Mapping[str, Level] = field(default_factory=dict)

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
        self._refuse_strange_names(names)

    @classmethod
    def of(
        cls,
        factors: Mapping[str, Sequence[Level]],
        exclude: Sequence[str] = (),
        repetitions: int = 1,
        order: str = "blocks",
        seed: int = 0,
        **others: Any,
    ) -> Design:
        """Build a design from plain lists of levels.

        Args:
            factors: Levels by name.
            exclude: As in :class:`Design`.
            repetitions: As in :class:`Design`.
            order: As in :class:`Design`.
            seed: As in :class:`Design`.
            others: ``group_by``, ``drift_every`` and ``drift_cell`` of :class:`Design`.
        """
        named = tuple(Factor(name, tuple(levels)) for name, levels in factors.items())
        return cls(named, tuple(exclude), repetitions, order, seed, **others)

    @property
    def control_cell(self) -> dict[str, Level]:
        """The cell of the control trials."""
        asked = {name: level_text(level) for name, level in self.drift_cell.items()}
        for cell in self.cells:
            if all(level_text(cell[name]) == text for name, text in asked.items()):
                return cell
        raise UsageError(
            "order.drift_cell: no cell that is run has "
            + ", ".join(f"{name} {text}" for name, text in asked.items())
            + "; give levels of one that is"
        )

    @property
    def controls(self) -> int:
        """Number of control trials."""
        trials = len(self.cells) * self.repetitions
        return trials // self.drift_every if self.drift_every else 0

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
        return len(self.cells) * self.repetitions + self.controls

    def __iter__(self) -> Iterator[Trial]:
        """Give the trials in the order in which they are run."""
        place, controls = 0, self.control_cell if self.drift_every else {}
        for number, (block, repetition, cell) in enumerate(self._ordered(), start=1):
            place += 1
            yield Trial(run_id(cell, repetition), place, block, repetition, cell)
            if self.drift_every and number % self.drift_every == 0:
                place += 1
                yield _control(number // self.drift_every, place, block, controls)

    def _ordered(self) -> Iterator[tuple[int, int, dict[str, Level]]]:
        """Give block, repetition and cell of each trial that is no control, in order."""
        cells = self.cells
        repetitions = range(1, self.repetitions + 1)
        if self.order == "shuffle":
            rows = [(repetition, cell) for repetition in repetitions for cell in cells]
            names = [run_id(cell, repetition) for repetition, cell in rows]
            for at in self._arranged(names, [cell for _, cell in rows], 0):
                yield (1, *rows[at])
            return
        names = [run_id(cell, 0) for cell in cells]
        for repetition in repetitions:
            for at in self._arranged(names, cells, repetition):
                yield repetition, repetition, cells[at]

    def _arranged(
        self, names: Sequence[str], cells: Sequence[Mapping[str, Level]], block: int
    ) -> list[int]:
        arrangement = Arrangement(self.order, self.seed)
        if not self.group_by:
            return arrangement.order(names, block)
        return arrangement.grouped(names, [self.group_of(cell) for cell in cells], block)

    def group_of(self, levels: Levels) -> str:
        """Name the group that a cell belongs to; empty where nothing is grouped."""
        return "/".join(level_text(levels[name]) for name in self.group_by)

    def _refuse_strange_names(self, names: Sequence[str]) -> None:
        for key, asked in (("group_by", self.group_by), ("drift_cell", self.drift_cell)):
            for name in asked:
                if name not in names:
                    raise unknown(f"order.{key}: factor", name, names)
        if self.drift_every < 0:
            raise UsageError(f"order.drift_every = {self.drift_every}: give 0 for none, or more")
        if self.drift_every:
            self.control_cell  # noqa: B018  (refuses what is none)

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


def _control(number: int, place: int, block: int, levels: dict[str, Level]) -> Trial:
    # No cell is called so: the id of one begins with a factor's name and a hyphen.
    return Trial(f"{CONTROL}.r{number:02d}", place, block, number, levels, control=True)


def run_id(levels: Levels, repetition: int) -> str:
    """Name a run after its levels and repetition, safe as a file name on any system."""
    parts = [f"{name}-{_file_safe(level_text(level))}" for name, level in levels.items()]
    stem = ".".join(parts)
    if len(stem) > _LONGEST_ID:
        digest = hashlib.sha256(stem.encode()).hexdigest()[:10]
        stem = f"{stem[: _LONGEST_ID - 11]}-{digest}"
    return ".".join([stem, f"r{repetition:02d}"] if stem else [f"r{repetition:02d}"])


@functools.lru_cache(maxsize=4096)  # a large study has few levels and many trials
def _file_safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]", "_", text) or "_"
