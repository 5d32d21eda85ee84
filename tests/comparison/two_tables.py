"""Pairs of tables made up for the tests of comparisons, with a true ratio in them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
TASKS = ("boolq", "cb", "copa", "rte", "wic", "wsc")


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def runs(
    ratio: float = 1.0,
    repetitions: int = 4,
    scatter: float = 0.02,
    seed: int = 1,
    tasks: Iterable[str] = TASKS,
    models: Iterable[str] = ("small", "large"),
    unlike: float = 0.0,
    **more: Any,
) -> list[Row]:
    """Make runs of models by tasks, their energies times ``ratio``; cells scatter by ``unlike``."""
    rng = np.random.default_rng(seed)
    rows = []
    for m, model in enumerate(models):
        for t, task in enumerate(tasks):
            mean = 1000.0 * (1 + m) * (1 + 0.2 * t) * ratio * np.exp(rng.normal(0, unlike))
            for repetition in range(repetitions):
                energy = mean * np.exp(rng.normal(0, scatter))
                tokens = int(rng.integers(900, 1100))
                rows.append(
                    {"model": model, "task": task, "repetition": repetition, "energy_j": energy,
                     "tokens_out": tokens, "duration_s": energy / rng.normal(300, 3)}
                )  # fmt: skip
    return [row | more for row in rows]


def two(folder: Path, a: Sequence[Row], b: Sequence[Row]) -> tuple[Path, Path]:
    """Write two tables."""
    return write(folder / "a.csv", a), write(folder / "b.csv", b)
