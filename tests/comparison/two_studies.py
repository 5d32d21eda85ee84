"""Pairs of studies made of records, for the tests of comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from joulebench.channel import Channel, Window
from joulebench.record import Run, RunTable

GAIN = 0.03
FACTORS: dict[str, list[Any]] = {"model": ["small", "large"], "task": ["boolq", "cb", "rte"]}


@dataclass
class Recipe:
    """What a study is like.

    Args:
        ratio: Of its true energies to those of another.
        gain: What its sensor multiplies all energies by.
        repetitions: Of each cell.
        scatter: Of runs, relative.
        block_scatter: Of blocks, relative; the same draws for one ``blocks_seed``.
        blocks_seed: Of what blocks do.
        seed: Of what runs do.
        uuid: Number of its board; empty where it is not known.
        hostname: Of its machine.
        software: Version that the id of its host has in it.
        started: Minutes from noon to its first run; a block takes ten.
        more: Other fields of each record.
    """

    ratio: float = 1.0
    gain: float = 1.0
    repetitions: int = 4
    scatter: float = 0.01
    block_scatter: float = 0.0
    blocks_seed: int = 9
    seed: int = 1
    uuid: str = "GPU-1"
    hostname: str = "box"
    software: str = "1"
    started: float = 0.0
    scope: str = "gpu board"
    study: Mapping[str, Any] = field(default_factory=dict)
    random_weights: bool = False


def make(folder: Path, recipe: Recipe) -> Path:
    """Write a study of records without traces."""
    host = f"{recipe.hostname}-{recipe.software}"
    gpu = {"index": 0, "name": "A100", "uuid": recipe.uuid} if recipe.uuid else {}
    facts = {"hostname": recipe.hostname, "cpu_model": "Synthetic 3000",
             "gpus": [gpu] if gpu else [], "packages": {"torch": recipe.software}}  # fmt: skip
    study = {"study": folder.name, "factors": FACTORS, **recipe.study}
    table = RunTable.create(folder, study, {host: facts})
    rng, blocks = np.random.default_rng(recipe.seed), np.random.default_rng(recipe.blocks_seed)
    cells = [(m, t) for m in FACTORS["model"] for t in FACTORS["task"]]
    for block in range(1, recipe.repetitions + 1):
        shift = np.exp(blocks.normal(0, recipe.block_scatter))
        for place, (model, task) in enumerate(cells):
            joules = 1000.0 * (1 + cells.index((model, task))) * recipe.ratio * recipe.gain * shift
            minutes = recipe.started + 10.0 * block + place
            table.append(_run(recipe, host, (model, task), block, minutes,
                              float(joules * np.exp(rng.normal(0, recipe.scatter)))))  # fmt: skip
    return folder


def _run(
    recipe: Recipe, host: str, cell: tuple[str, str], block: int, minutes: float, joules: float
) -> Run:
    model, task = cell
    started = datetime(2026, 11, 20, 12, tzinfo=UTC) + timedelta(minutes=minutes)
    energy = {"joules": joules, "noise": 0.001 * joules,
              "biases": {"gain gpu0:power": GAIN * joules},
              "method": "simulated", "scope": recipe.scope, "below_resolution": False}  # fmt: skip
    return Run(
        run_id=f"{model}.{task}.r{block:02d}",
        study="two",
        trial={"order": int(minutes), "block": block, "repetition": block,
               "levels": {"model": model, "task": task}},
        host=host,
        started_at=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        windows=[Window("measure", 0.0, 10.0)],
        channels=[Channel("gpu0:power", "W", gain=GAIN, method="simulated", scope=recipe.scope)],
        energy={"gpu0:power": {"measure": energy}},
        work={"requests": 10, "tokens_out": 500},
        score={"accuracy": 0.5, "n_graded": 10, "n_correct": 5},
        facts={"engine": {"kind": "echo", "random_weights": recipe.random_weights}},
    )  # fmt: skip
