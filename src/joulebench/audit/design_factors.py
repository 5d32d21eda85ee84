"""The design behind a table: which columns were set, at which levels, and which rows share a cell.

Two spellings of one level (``3`` and ``3.0``, ``FP16`` and ``fp16``) are one level here. A column
that only renames another (``label`` beside ``precision``) is no factor of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.columns import REPETITIONS, RUN_IDS, plain_name, words_of
from joulebench.audit.table import AuditTable, Floats, as_number

Codes = NDArray[np.intp]

_KINDS: Mapping[str, frozenset[str]] = {
    "pruning": frozenset({"keep", "pruning", "prune", "pruned", "sparsity", "exit", "exited"}),
    "batch": frozenset({"batch", "batchsize", "bs"}),
    "length": frozenset(
        {"sequence", "seq", "seqlen", "length", "len", "context", "stride", "tokens"}
    ),
    "depth": frozenset({"layers", "layer", "depth"}),
    "width": frozenset({"width", "dim", "hidden", "dimension"}),
    "precision": frozenset(
        {"precision", "dtype", "quantization", "quantisation", "quant", "bits", "bitwidth"}
    ),
    "task": frozenset({"task", "dataset", "benchmark", "subset", "split", "language"}),
    "hardware": frozenset(
        {"gpu", "device", "accelerator", "hardware", "board", "card", "cpu", "node", "machine"}
    ),
    "model": frozenset(
        {"model", "generation", "gen", "family", "checkpoint", "llm", "architecture", "arch",
         "params", "parameters", "version", "network"}
    ),
    "clock": frozenset({"limit", "cap", "powercap", "clock", "frequency", "governor", "dvfs"}),
    "software": frozenset(
        {"engine", "framework", "backend", "runtime", "attention", "compile", "kernel"}
    ),
    "place": frozenset(
        {"sweep", "folder", "file", "filename", "source", "experiment", "session", "tag", "date"}
    ),
    "name": frozenset({"label", "name", "title", "config", "configuration", "variant", "setup"}),
}  # fmt: skip
"""Kind of a factor -> words in the names of columns that it goes by; the first kind that fits."""

WORK = ("length", "batch", "depth", "width", "pruning")
"""Kinds whose levels are amounts of work: twice the level is more arithmetic, at least as much
memory, and so more time or more energy."""

_ATTRIBUTES = frozenset(
    {"size", "generation", "gen", "family", "version", "params", "parameters", "architecture",
     "arch"}
)  # fmt: skip
_TOLD_OFTEN = frozenset({"label", "name", "config"})
_DERIVED = frozenset(
    {"realized", "realised", "observed", "measured", "average", "mean", "sum", "median", "std",
     "sem", "sd", "min", "max", "diff", "percent", "pct", "epsilon", "rho", "kappa", "omega",
     "error", "characters", "chars", "response", "answer", "output", "n", "number", "count",
     "num", "skip", "supported", "reason", "done", "status"}
)  # fmt: skip
"""Words that tell of a result, where the column is of no known kind."""

_RESULTS = frozenset({"characters", "chars", "response", "answer", "realized", "realised",
                      "observed", "average", "mean", "executed", "hours", "hrs"})  # fmt: skip
_PROGRAMS = frozenset(
    {"torch", "pytorch", "cuda", "driver", "python", "transformers", "vllm", "library", "framework",
     "os", "linux", "software", "tool", "codecarbon", "jax", "tensorflow", "compiler"}
)  # fmt: skip
_NUMBERED = frozenset({"id", "ids", "index", "idx", "rank", "slot", "uuid"})
"""Words of columns that number things: the boards of a run, requests, jobs."""

_OUTCOMES = (
    "energy", "power", "duration", "emissions", "memory", "accuracy", "throughput", "efficiency",
    "rate", "product", "cost",
)  # fmt: skip
_UNEVEN = 8
_MOST_CROSSED = 1 << 20


@dataclass(frozen=True, eq=False)
class DesignFactor:
    """A factor of a table.

    Args:
        column: Its column.
        kind: What it is: a key of the table of kinds; empty where its name does not say.
        codes: Number of the level of each row, shape (n,).
        levels: Text of each level, as it is first written.
        aliases: Other columns that only rename it.
    """

    column: str
    kind: str
    codes: Codes
    levels: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    @cached_property
    def amounts(self) -> Floats:
        """The levels as numbers, NaN where one is a text, shape (levels,)."""
        return np.array([as_number(level) for level in self.levels], dtype=np.float64)

    @property
    def is_amount(self) -> bool:
        """Whether all levels are numbers above zero."""
        return bool(np.all(self.amounts > 0))


@dataclass(frozen=True, eq=False)
class TableDesign:
    """The design behind a table.

    Args:
        table: The table.
        factors: What was varied, each once.
        rows: Number of rows.
    """

    table: AuditTable
    factors: tuple[DesignFactor, ...]
    rows: int

    @cached_property
    def cells(self) -> Codes:
        """Number of the combination of levels of each row, from 0, shape (n,)."""
        return combined([factor.codes for factor in self.factors], self.rows)

    @cached_property
    def cell_count(self) -> int:
        """Number of combinations of levels that have a row."""
        return int(self.cells.max()) + 1 if self.rows else 0

    @cached_property
    def first_row(self) -> Codes:
        """The first row of each cell, shape (cells,)."""
        first = np.zeros(self.cell_count, dtype=np.intp)
        first[self.cells[::-1]] = np.arange(self.rows - 1, -1, -1)
        return first

    @cached_property
    def known_means(self) -> dict[str, tuple[Floats, Floats]]:
        """Means and numbers of values of each cell, by column, as far as they were asked for."""
        return {}

    def without(self, factor: DesignFactor) -> Codes:
        """Give the combination of the levels of all other factors of each row, shape (n,)."""
        return combined([f.codes for f in self.factors if f is not factor], self.rows)

    def of_kind(self, *kinds: str) -> list[DesignFactor]:
        """Give the factors of some kinds."""
        return [factor for factor in self.factors if factor.kind in kinds]

    def cell_name(self, row: int) -> str:
        """Name the cell of a row by its levels."""
        return ", ".join(factor.levels[factor.codes[row]] or "?" for factor in self.factors)

    @cached_property
    def has_outcomes(self) -> bool:
        """Whether anything in the table was measured, not only counted."""
        return any(self.table.measures(kind) for kind in _OUTCOMES)


_KNOWN: WeakKeyDictionary[AuditTable, TableDesign] = WeakKeyDictionary()


def design_of(table: AuditTable) -> TableDesign:
    """Give the design behind a table; worked out once for all rules."""
    if table not in _KNOWN:
        _KNOWN[table] = TableDesign(table, tuple(_factors(table)), len(table))
    return _KNOWN[table]


def kind_of(column: str) -> str:
    """Give the kind of factor that a column is; empty where its name does not say."""
    words = set(words_of(column))
    if "version" in words and words & _PROGRAMS:
        return "software"
    if words & _TOLD_OFTEN and words & {"model", "generation"}:
        return "model"
    if words in ({"size"}, {"model", "size"}) or words == {"model", "size", "b"}:
        return "model"
    if words & _TOLD_OFTEN:
        return "name"
    return next((kind for kind, known in _KINDS.items() if words & known), "")


def combined(codes: Sequence[Codes], rows: int) -> Codes:
    """Number the combinations of several codings, from 0, shape (n,)."""
    total: Codes = np.zeros(rows, dtype=np.intp)
    for each in codes:
        total = _dense(total * (int(each.max(initial=0)) + 1) + each)
    return total


def _dense(codes: Codes) -> Codes:
    """Renumber codes so that none is left out."""
    top = int(codes.max(initial=0)) + 1
    if top > _MOST_CROSSED:
        dense: Codes = np.unique(codes, return_inverse=True)[1].astype(np.intp)
        return dense
    used = np.bincount(codes, minlength=top) > 0
    number: Codes = (np.cumsum(used) - 1)[codes]
    return number


def pairs(first: Codes, second: Codes) -> int:
    """Count the combinations of two codings that occur."""
    width = int(second.max(initial=0)) + 1
    return int(np.count_nonzero(np.bincount(first * width + second)))


def determines(fine: DesignFactor, coarse: DesignFactor) -> bool:
    """Say whether each level of one factor goes with one level of the other."""
    return pairs(fine.codes, coarse.codes) == len(fine.levels)


def are_attributes(first: DesignFactor, second: DesignFactor) -> bool:
    """Say whether two columns are each an attribute of a model, its size or its generation.

    That they go together says nothing of one being the other's name: newer is not larger.
    """
    return all(
        factor.kind == "model" and bool(set(words_of(factor.column)) & _ATTRIBUTES)
        for factor in (first, second)
    )


def level_key(text: str) -> str:
    """Give the form in which spellings of one level are equal."""
    number = as_number(text)
    return text.strip().casefold() if math.isnan(number) else repr(number)


def _factors(table: AuditTable) -> Iterable[DesignFactor]:
    """Give the factors of a table, renamings merged, what follows from others left out."""
    named = table.factors is not None
    coded = [_coded(table, column) for column in table.settings]
    kept: list[DesignFactor] = []
    for factor in sorted(coded, key=_dignity):
        if len(factor.levels) < 2 or factor.kind == "place" or _is_result(factor, named):
            continue
        same = next((f for f in kept if _renames(factor, f)), None)
        if same is not None:
            kept[kept.index(same)] = replace(same, aliases=(*same.aliases, factor.column))
        elif not (factor.kind in ("name", "") and _follows(factor, kept, len(table))):
            kept.append(factor)
    order = list(table.columns)
    return sorted(kept, key=lambda factor: order.index(factor.column))


def _dignity(factor: DesignFactor) -> int:
    """Sort known kinds before unknown ones, names last: a name stands for what it names."""
    return {"": 1, "name": 2, "place": 3}.get(factor.kind, 0)


def _coded(table: AuditTable, column: str) -> DesignFactor:
    numbers: dict[str, int] = {}
    spelt: dict[str, int] = {}
    for text in dict.fromkeys(table.texts(column).tolist()):
        spelt[text] = numbers.setdefault(level_key(text), len(numbers))
    codes = np.array([spelt[text] for text in table.texts(column).tolist()], dtype=np.intp)
    first = {number: text for text, number in reversed(spelt.items())}
    levels = tuple(first[number] for number in range(len(first)))
    return DesignFactor(column, kind_of(column), codes, levels)


def _is_result(factor: DesignFactor, named: bool) -> bool:
    """Say whether a column is an outcome although nothing in its name measures anything."""
    words = set(words_of(factor.column))
    if plain_name(factor.column) in (*RUN_IDS, *REPETITIONS):
        return True
    if named:
        return False
    if words & (_NUMBERED | _RESULTS) or (not factor.kind and len(words) > 1 and words & _DERIVED):
        return True
    if factor.kind or not np.isfinite(factor.amounts).any():
        return not factor.kind and bool(words & (_DERIVED - {"n"}))
    count = np.bincount(factor.codes)
    if words & (_DERIVED - {"n"}) or count.max() > _UNEVEN * count.min():
        return True
    rows = len(factor.codes)
    return rows >= _UNEVEN and len(factor.levels) > max(rows // 2, 2)


def _renames(factor: DesignFactor, other: DesignFactor) -> bool:
    """Say whether a column says what another says: as many levels, one to one, of a like kind."""
    if len(factor.levels) != len(other.levels) or are_attributes(factor, other):
        return False
    like = factor.kind in ("", "name", other.kind) or other.kind in ("", "name")
    return like and pairs(factor.codes, other.codes) == len(factor.levels)


def _follows(factor: DesignFactor, others: Sequence[DesignFactor], rows: int) -> bool:
    """Say whether the other factors together leave no choice of this one's level."""
    if not others:
        return False
    cells = combined([other.codes for other in others], rows)
    return pairs(cells, factor.codes) == int(cells.max(initial=0)) + 1
