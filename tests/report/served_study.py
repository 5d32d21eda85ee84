"""A study of loads, made of records by hand: rates, delays, steady stretches, answers, a judge."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from joulebench.channel import Channel, Window
from joulebench.design import Design, Trial
from joulebench.joules import Energy
from joulebench.record import Run, RunTable

GPU = Channel("gpu0:power", "W", gain=0.03, period_s=0.1, scope="gpu board")
TOKENS = 50
"""Of every answer."""

Facts = dict[str, Any]


@dataclass
class Served:
    """What the study is like.

    Args:
        kind: How requests arrive.
        sizes: How much load there is in the cells.
        unsettled: Sizes at which no steady state is found.
        models: Levels of a second factor.
        energy: Whether a sensor was read.
        slo: Longest delays that count as good, s.
        prompts: Different prompts; asked again until all requests are asked.
        engine: Facts of the engine besides its kind and model.
        judge: Facts of a judge; none where empty.
        score: Of every run; ``None`` where nothing was graded.
        facts: Further facts of every run.
    """

    kind: str = "closed"
    sizes: tuple[float, ...] = (1, 4, 16)
    unsettled: tuple[float, ...] = ()
    models: tuple[str, ...] = ("tiny_a", "tiny_b")
    repetitions: int = 3
    energy: bool = True
    slo: dict[str, float] = field(default_factory=lambda: {"ttft_s": 0.2, "latency_s": 2.0})
    prompts: int = 0
    engine: Facts = field(default_factory=dict)
    judge: Facts = field(default_factory=dict)
    score: Facts | None = None
    facts: Facts = field(default_factory=dict)


AXIS = {"closed": "concurrency", "open": "rate_per_s", "batch": "batch_size"}


def make_served(folder: Path, served: Served) -> RunTable:
    """Write the study into ``folder`` and give its table."""
    factors: dict[str, Any] = {"model": list(served.models)}
    if served.kind in AXIS:
        factors[AXIS[served.kind]] = list(served.sizes)
    study = {"study": "served", "factors": factors, "repetitions": served.repetitions}
    table = RunTable.create(folder, study, {"box-1": {"hostname": "box-1"}})
    rng = np.random.default_rng(5)
    for trial in Design.of(factors, repetitions=served.repetitions, seed=3):
        table.append(served_run(table, trial, served, rng))
    return table


def served_run(table: RunTable, trial: Trial, served: Served, rng: np.random.Generator) -> Run:
    """Make one run: 40 s of work of which 5 s to 35 s are steady."""
    size = float(trial.levels.get(AXIS.get(served.kind, ""), 1))
    per_s = size / (1.0 + 0.05 * size) * (1 + rng.normal(0, 0.02))
    watts = (100.0 + 12.0 * per_s) * (1 + rng.normal(0, 0.01))
    settled = served.kind in ("closed", "open") and size not in served.unsettled
    windows = [Window("measure", 10.0, 50.0)]
    windows += [Window("steady", 15.0, 45.0)] if settled else []
    windows += [Window("judge", 60.0, 64.0)] if served.judge else []
    n = round(40 * per_s)
    if served.prompts:
        _write_answers(table, trial, n, served.prompts)
    facts: Facts = {
        "engine": {"kind": "vllm", "model": trial.levels["model"], **served.engine},
        "load": _load(served, size),
        "serving": _serving(served, size, per_s, settled),
        **({"judge": served.judge} if served.judge else {}),
        **served.facts,
    }
    return Run(
        run_id=trial.run_id, study="served", host="box-1", windows=windows, facts=facts,
        trial={"order": trial.order, "block": trial.block, "repetition": trial.repetition,
               "levels": trial.levels},
        channels=[GPU] if served.energy else [],
        energy={GPU.name: {w.name: _energy(watts, w) for w in windows}} if served.energy else {},
        work={"requests": n, "tokens_in": 30 * n, "tokens_out": TOKENS * n},
        score=served.score,
    )  # fmt: skip


def _load(served: Served, size: float) -> Facts:
    axis = (
        {AXIS[served.kind]: size}
        if served.kind == "open" or (served.kind in AXIS and size != 1)
        else {}
    )
    asked = {"requests": 40} if served.prompts else {}
    return {"kind": served.kind, "batch_size": 1, **axis, **asked}


def _energy(watts: float, window: Window) -> Facts:
    # The edges of the whole are idle, as they are while a load rises and falls.
    level = watts if window.name == "steady" else 0.8 * watts
    joules = level * window.duration_s
    biases = {"gain gpu0:power": 0.03 * joules}
    return Energy(joules, 0.002 * joules, biases, scope="gpu board").to_dict()


def _serving(served: Served, size: float, per_s: float, settled: bool) -> Facts:
    latency = 0.3 + 0.02 * size
    found: Facts = {
        "n": round(40 * per_s),
        "latency_s": {"mean": latency, "p50": latency, "p95": 2 * latency, "p99": 3 * latency,
                      "max": 4 * latency},
        "ttft_s": {"mean": 0.05, "p50": 0.05, "p95": 0.05 + 0.01 * size, "p99": 0.3, "max": 0.4},
        "itl_s": {"mean": 0.01, "p50": 0.01, "p95": 0.02, "p99": 0.03, "max": 0.1},
        "requests_per_s": 0.8 * per_s,
        "tokens_out_per_s": 0.8 * per_s * TOKENS,
    }  # fmt: skip
    if served.slo:
        found |= {"slo": served.slo, "good": round(30 * per_s), "goodput_per_s": 0.75 * per_s}
    if served.kind in ("closed", "open"):
        steady: Facts = {"found": False, "why": "more arrive than are answered"}
        if settled:
            requests = round(30 * per_s)
            steady = {"found": True, "why": "", "start_s": 15.0, "stop_s": 45.0,
                      "requests": requests, "tokens_in": 30 * requests,
                      "tokens_out": TOKENS * requests}  # fmt: skip
        found["steady"] = steady
    return found


def _write_answers(table: RunTable, trial: Trial, n: int, prompts: int) -> None:
    rows = [{"request_id": f"r-{i}", "prompt": f"prompt {i % prompts}"} for i in range(n)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    table.responses_path(trial.run_id).write_text(text, encoding="utf-8")


JUDGE: Facts = {
    "kind": "openai", "model": "judge-7b", "prompt_version": "2", "votes": 3, "order_swap": True,
    "requests": 240, "malformed": 2, "missing": 1, "stopped_by_cost": False,
    "cost": {"amount": 0.02, "currency": "USD"},
    "agreement": {"rules": {"n": 79, "agreed": 71, "kappa": 0.79, "low": 0.65, "high": 0.93},
                  "human": {"n": 40, "agreed": 35, "kappa": 0.74, "low": 0.5, "high": 0.95}},
}  # fmt: skip
SCORE: Facts = {"accuracy": 0.75, "n_graded": 80, "n_correct": 60, "n_asked": 84,
                "accuracy_low": 0.65, "accuracy_high": 0.83, "scorer": "judge"}  # fmt: skip
