"""A made-up run table of the shape of a study of model generations: 5 models, 6 tasks.

Usage: python benchmarks/generations_table.py TABLE.csv
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

MODELS = (("2", "7B"), ("3", "8B"), ("3.1", "8B"), ("3.2", "1B"), ("3.2", "3B"))
TASKS = ("BoolQ", "CB", "COPA", "RTE", "WSC", "WiC")

_J_PER_TOKEN = {"1B": 1.3, "3B": 2.9, "7B": 6.0, "8B": 6.8}


def generations_table(repetitions: int = 30, seed: int = 20261121) -> pd.DataFrame:
    """Make up runs whose energies are those of no machine, with ten columns.

    Args:
        repetitions: Of each of the 30 combinations.
        seed: Of the noise.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for run, (model, task) in enumerate((m, t) for m in MODELS for t in TASKS):
        generation, size = model
        tokens = 8000 + 6000 * rng.random()
        per_token = _J_PER_TOKEN[size] * (1 + 0.02 * rng.normal())
        power = 345 + 8 * rng.normal() - (25 if size == "1B" else 0)
        ability = min(0.99, 0.9 + 0.03 * rng.normal())
        for repetition in range(repetitions):
            count = int(tokens * rng.normal(1, 0.008))
            energy = count * per_token * rng.normal(1, 0.004)
            rows.append(
                {
                    "run": run,
                    "repetition": repetition,
                    "generation": generation,
                    "model_size": size,
                    "task": task,
                    "tokens": count,
                    "duration_s": energy / (power * rng.normal(1, 0.002)),
                    "energy_j": energy,
                    "accuracy": rng.binomial(80, ability) / 80,
                }
            )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    generations_table().to_csv(sys.argv[1], index=False)
