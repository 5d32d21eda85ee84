"""What clean tables are drawn with: runs of a design that cost what physics allows, and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Columns = dict[str, list[Any]]
Build = Callable[["Draw"], Columns]

MODELS = {
    "Llama-3.2-1B": 1.2, "phi-3-mini": 3.8, "Qwen2.5-7B": 7.6, "gemma-2-9b": 9.2,
    "Llama-2-13b": 13.0,
}  # fmt: skip
"""Models with their parameters in billions."""

MONDAY_S = 1.75e9


@dataclass(frozen=True)
class Clean:
    """Data without an error.

    Args:
        build: Draws a table.
        warnings: Rules of which a warning is deserved.
    """

    build: Build
    warnings: frozenset[str]


CLEAN: dict[str, Clean] = {}


def clean(*warnings: str) -> Callable[[Build], Build]:
    """Register a function that draws a clean table, with the warnings that it deserves."""

    def registered(build: Build) -> Build:
        CLEAN[build.__name__] = Clean(build, frozenset(warnings))
        return build

    return registered


@dataclass(frozen=True)
class Runs:
    """Runs of a crossed design in random order.

    Args:
        rows: Levels of each run, with its ``repetition`` and ``cell``.
        seconds: How long each took, s; shape (n,).
        watts: Mean power of each, W; shape (n,).
    """

    rows: list[dict[str, Any]]
    seconds: Floats
    watts: Floats

    @property
    def joules(self) -> Floats:
        return self.seconds * self.watts

    def levels(self, *names: str) -> Columns:
        return {name: [row[name] for row in self.rows] for name in names}

    def each(self, level: str, values: Mapping[Any, float]) -> Floats:
        return np.array([values[row[level]] for row in self.rows])

    def starts_s(self) -> Floats:
        """When each began, s: one after the other with half a minute between."""
        return MONDAY_S + np.concatenate(([0.0], np.cumsum(self.seconds + 30.0)))[:-1]


class Draw:
    """Draws tables from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def some(self, choices: Iterable[Any], number: int) -> list[Any]:
        listed = list(choices)
        places = sorted(self.rng.choice(len(listed), number, replace=False).tolist())
        return [listed[place] for place in places]

    def models(self, number: int = 3) -> list[str]:
        return self.some(MODELS, number)

    def noise(self, size: int, spread: float = 0.02) -> Floats:
        """Factors about 1, a normal distribution of logarithms."""
        return np.exp(spread * self.rng.standard_normal(size))

    def runs(
        self,
        factors: Mapping[str, Sequence[Any]],
        repetitions: int = 5,
        watts: tuple[float, float] = (150.0, 280.0),
        seconds: tuple[float, float] = (10.0, 200.0),
    ) -> Runs:
        """Draw runs of a crossed design: each cell has its own time and its own power."""
        cells = [dict(zip(factors, cell, strict=True)) for cell in product(*factors.values())]
        rows = [
            {**cell, "repetition": repetition, "cell": number}
            for repetition in range(repetitions)
            for number, cell in enumerate(cells)
        ]
        rows = [rows[place] for place in self.rng.permutation(len(rows))]
        place = np.array([row["cell"] for row in rows])
        time_s = self.rng.uniform(*seconds, len(cells))[place] * self.noise(len(rows))
        power_w = self.rng.uniform(*watts, len(cells))[place] * self.noise(len(rows), 0.01)
        return Runs(rows, time_s, power_w)


def rounded(values: Iterable[float], decimals: int) -> list[str]:
    """Write figures as people round them; an empty cell where there is none."""
    return ["" if np.isnan(value) else f"{value:.{decimals}f}" for value in values]


def full(values: Iterable[float]) -> list[str]:
    """Write figures with all their digits."""
    return [repr(float(value)) for value in values]


def whole(values: Iterable[float]) -> list[int]:
    """Give counts."""
    return [round(float(value)) for value in values]


def stamps(seconds: Iterable[float], form: str = "%Y-%m-%dT%H:%M:%S") -> list[str]:
    """Write moments."""
    return [datetime.fromtimestamp(second, UTC).strftime(form) for second in seconds]
