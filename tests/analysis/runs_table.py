"""Tables of runs made up for the tests of what reads them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MODELS = (("2", "7B"), ("3", "8B"), ("3.1", "8B"), ("3.2", "1B"), ("3.2", "3B"))
"""Models of a study in which size and generation cannot be told apart."""

TASKS = ("BoolQ", "RTE", "WiC")


def write(path: Path, rows: Sequence[Mapping[str, Any]], delimiter: str = ",") -> Path:
    """Write rows as a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def generations(repetitions: int = 4, seed: int = 5, **more: Any) -> list[dict[str, Any]]:
    """Make rows of five models by three tasks, energies about 1 kJ a billion parameters."""
    rng = np.random.default_rng(seed)
    rows = []
    for generation, size in MODELS:
        for task in TASKS:
            mean = 1000.0 * float(size[:-1]) * rng.uniform(0.8, 1.2)
            for repetition in range(repetitions):
                energy = mean * rng.normal(1.0, 0.01)
                rows.append(
                    {"generation": generation, "model_size": size, "task": task,
                     "repetition": repetition, "status": "done",
                     "duration_s": energy / rng.normal(300.0, 2.0), "energy_j": energy,
                     "tokens_out": 1000 + repetition, "accuracy": rng.uniform(0.7, 1.0)}
                )  # fmt: skip
    return [row | more for row in rows]


def crossed(levels: Mapping[str, Iterable[str]], repetitions: int = 1) -> list[dict[str, Any]]:
    """Make rows of a full crossing of two factors, energies that rise with the row."""
    (first, ones), (second, others) = levels.items()
    cells = [(one, other) for one in ones for other in others]
    return [
        {first: one, second: other, "rep": rep, "energy_j": 100.0 + 10 * place + rep}
        for place, (one, other) in enumerate(cells)
        for rep in range(repetitions)
    ]
