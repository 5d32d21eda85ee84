"""A study folder made of synthetic traces, for the tests of what reads such folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from joulebench.channel import Channel, Window
from joulebench.design import Design, Trial
from joulebench.energy import Trace
from joulebench.finding import Finding
from joulebench.record import Run, RunTable
from joulebench.record_traces import save_traces

GPU = Channel("gpu0:power", "W", 0.001, 0.03, 0.5, 0.1, 0.0, scope="gpu board")
CPU = Channel("cpu0:package", "J", 6.1e-5, 0.02, period_s=0.001, wrap_j=262144.0,
              scope="cpu package")  # fmt: skip
ESTIMATE = Channel("cpu:estimate", "W", 0.0, 0.3, 0.0, 0.1, 0.0, method="estimated",
                   scope="cpu package")  # fmt: skip

DRIFTING = Finding(
    "thermal-drift", "warning", "gpu0:temperature", "The board was 6 K warmer than at the start.",
    "Lengthen protocol.cooldown.", "6 K", "below 3 K",
)  # fmt: skip
FACTORS: dict[str, list[Any]] = {"model": ["tiny_a", "tiny_b"], "task": ["boolq", "cb", "copa"]}
WATTS = {"tiny_a": 140.0, "tiny_b": 220.0}


@dataclass
class Recipe:
    """What the synthetic study is like."""

    factors: Mapping[str, list[Any]] = field(default_factory=lambda: dict(FACTORS))
    repetitions: int = 3
    channels: tuple[Channel, ...] = (GPU, CPU)
    random_weights: bool = False
    scored: bool = True
    origin: str = "live"
    failed: int = 0
    idle: bool = True
    traces: bool = True
    question: str = "Does the smaller model use less energy per token?"
    watts: Mapping[str, float] = field(default_factory=lambda: dict(WATTS))
    seed: int = 7


def make_study(folder: Path, recipe: Recipe | None = None) -> RunTable:
    """Write a study into ``folder`` and give its table."""
    recipe = recipe or Recipe()
    design = Design.of(dict(recipe.factors), repetitions=recipe.repetitions, seed=recipe.seed)
    table = RunTable.create(folder, _study(recipe), {"box-1": _host()})
    rng = np.random.default_rng(recipe.seed)
    for trial in design:
        if trial.order <= recipe.failed:
            table.append(_failed(trial))
        else:
            table.append(_run(table, trial, recipe, rng))
    table.write_csv()
    return table


def _study(recipe: Recipe) -> dict[str, Any]:
    return {
        "study": "synthetic",
        "question": recipe.question,
        "factors": dict(recipe.factors),
        "exclude": [],
        "repetitions": recipe.repetitions,
        "order": {"kind": "blocks", "seed": recipe.seed},
        "protocol": {"idle_s": 2.0, "idle_after_s": 1.0, "cooldown": {"fixed_s": 1.0}},
    }


def _host() -> dict[str, Any]:
    return {
        "hostname": "box-1",
        "system": "Linux 6.1",
        "cpu": {"model": "Synthetic 3000", "cores": 8, "threads": 16},
        "memory_bytes": 34_359_738_368,
        "packages": {"joulebench": "0.1.0", "torch": "2.13.0"},
    }


def _failed(trial: Trial) -> Run:
    levels = {"order": trial.order, "block": trial.block, "repetition": trial.repetition}
    return Run(trial.run_id, "synthetic", {**levels, "levels": trial.levels}, "failed",
               error="the model ran out of memory <8 GiB>", host="box-1")  # fmt: skip


def _windows(length_s: float, idle: bool) -> list[Window]:
    work = [Window("load", 2.2, 3.0), Window("warmup", 3.1, 4.0)]
    measure = Window("measure", 4.2, 4.2 + length_s, 0.001)
    after = Window("idle_after", measure.stop_s + 0.1, measure.stop_s + 1.1)
    return [Window("idle", 0.1, 2.1), *work, measure, after] if idle else [*work, measure]


def _traces(recipe: Recipe, watts: float, end_s: float, rng: np.random.Generator) -> list[Trace]:
    t_s = np.arange(0.0, end_s, 0.05)
    busy = (t_s > 2.2) & (t_s < end_s - 1.3)
    traces = []
    for channel in recipe.channels:
        share = 0.25 if channel is CPU else 1.0
        power = share * (np.where(busy, watts, 22.0) + rng.normal(0, 0.01 * watts, t_s.size))
        readings = power if channel.unit == "W" else np.cumsum(power) * 0.05
        traces.append(Trace(channel, t_s, readings))
    return traces


def _energies(traces: list[Trace], windows: list[Window]) -> dict[str, dict[str, Any]]:
    return {
        trace.channel.name: {window.name: trace.energy(window).to_dict() for window in windows}
        for trace in traces
    }


def _run(table: RunTable, trial: Trial, recipe: Recipe, rng: np.random.Generator) -> Run:
    watts = recipe.watts.get(str(next(iter(trial.levels.values()), "")), 150.0)
    watts *= 1 + rng.normal(0, 0.01)
    tokens = int(360 + 40 * (trial.order % 3))
    windows = _windows(tokens / 120.0, recipe.idle)
    traces = _traces(recipe, watts, windows[-1].stop_s + (0.2 if recipe.idle else 1.5), rng)
    if recipe.traces:
        save_traces(table.trace_path(trial.run_id), traces)
    correct = int(rng.integers(5, 11))
    score = {"accuracy": correct / 12, "n_graded": 12, "n_correct": correct, "scorer": "exact"}
    return Run(
        run_id=trial.run_id,
        study="synthetic",
        trial={"order": trial.order, "block": trial.block, "repetition": trial.repetition,
               "levels": trial.levels},
        origin=recipe.origin,
        host="box-1",
        started_at=f"2026-11-20T22:{trial.order % 60:02d}:00Z",
        windows=windows,
        channels=list(recipe.channels),
        energy=_energies(traces, windows),
        work={"requests": 12, "tokens_in": 900, "tokens_out": tokens},
        score=score if recipe.scored else None,
        facts={"engine": {"kind": "transformers", "random_weights": recipe.random_weights},
               "process": "fork server"},
        findings=[DRIFTING] if trial.order % 5 == 0 else [],
    )  # fmt: skip
