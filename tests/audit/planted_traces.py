"""Folders of raw readings as different tools leave them, made of plain physics without errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from planted_tables import save

Floats = NDArray[np.float64]

WRAP_J = 262144.0
ORIGIN_S = 1_760_000_000.25
RUNNER_HEADER = (
    "Delta,Time,CPU_USAGE_0,DRAM_ENERGY (J),GPU0_MEMORY_TOTAL,GPU0_MEMORY_USED,"
    "GPU0_POWER (mWatts),GPU0_TEMPERATURE,GPU0_USAGE,PACKAGE_ENERGY (J),PP0_ENERGY (J)\n"
)
SPEED = {"opt-1.3b": 155.0, "opt-6.7b": 58.0}
LENGTH = {"qa": 2300, "summaries": 3700}


@dataclass
class RunnerRun:
    """One run of an experiment-runner folder: idle, load, prompts one by one, a short rest."""

    number: int
    repetition: int
    model: str
    task: str
    started_s: float
    t_s: Floats
    gpu_w: Floats
    package_j: Floats
    core_j: Floats
    prompts: list[dict[str, Any]]
    header: str = RUNNER_HEADER
    summary_j: float | None = None

    @property
    def name(self) -> str:
        return f"run_{self.number}_repetition_{self.repetition}"

    @property
    def window(self) -> tuple[float, float]:
        return self.prompts[0]["start"], self.prompts[-1]["end"]

    @property
    def tokens(self) -> int:
        return sum(prompt["response_tokens"] for prompt in self.prompts)

    @property
    def gpu_j(self) -> float:
        start, stop = self.window
        inside = (self.t_s > start) & (self.t_s < stop)
        grid = np.concatenate(([start], self.t_s[inside], [stop]))
        return float(np.trapezoid(np.interp(grid, self.t_s, self.gpu_w), grid))

    def counted(self, counter: Floats) -> float:
        """Difference a counter over the window, its wraps undone, J."""
        whole = counter + WRAP_J * np.cumsum(np.diff(counter, prepend=counter[0]) < 0)
        return float(np.diff(np.interp(self.window, self.t_s, whole))[0])

    @property
    def cpu_j(self) -> float:
        return self.counted(self.package_j)

    def write(self, root: Path) -> None:
        """Write the folder."""
        place = root / self.name
        place.mkdir(parents=True)
        lines, before = [self.header], float(self.t_s[0])
        for row, t in enumerate(self.t_s):
            delta, before = round(1e3 * (t - before)), float(t)
            stamp = round(1e3 * (self.started_s + t))
            lines.append(
                f"{delta},{stamp},3.5,0,24564,9100,{round(1e3 * self.gpu_w[row])},61,93,"
                f"{float(self.package_j[row])!r},{float(self.core_j[row])!r}\n"
            )
        lines.insert(1, lines[1])
        (place / "energibridge.csv").write_text("".join(lines))
        rows = ["start\tend\tprompt\tresponse\tresponse_tokens\taccuracy\n"]
        for prompt in self.prompts:
            stamps = [_stamp(self.started_s + prompt[edge]) for edge in ("start", "end")]
            rest = [str(prompt[key]) for key in ("prompt", "response", "response_tokens", "grade")]
            rows.append("\t".join([*stamps, *rest]) + "\n")
        (place / "prompts_out.tsv").write_text("".join(rows))
        whole_j = float(self.package_j[-1] - self.package_j[0])
        joules = whole_j % WRAP_J if self.summary_j is None else self.summary_j
        (place / "energibridge-summary.txt").write_text(
            f"Energy consumption in joules: {joules} for {self.t_s[-1]:.5f} sec of execution."
        )


def _stamp(epoch_s: float) -> str:
    return str(int(epoch_s)) if epoch_s == int(epoch_s) else f"{epoch_s:.3f}"


def runner_runs(
    repeats: int = 4, step_s: float = 0.2, seed: int = 11, share: float = 1.0
) -> list[RunnerRun]:
    """Make 2 models x 2 tasks in random order, each of 20 to 65 s at full share."""
    rng = np.random.default_rng(seed)
    cells = [(m, t) for m in SPEED for t in LENGTH]
    plan = [(cells.index(cell), rep, *cell) for rep in range(repeats) for cell in cells]
    runs, clock_s = [], ORIGIN_S
    for place in rng.permutation(len(plan)):
        run = _runner_run(rng, plan[place], clock_s, step_s, share)
        clock_s += float(run.t_s[-1]) + 31.7
        runs.append(run)
    return runs


def _runner_run(
    rng: np.random.Generator,
    plan: tuple[int, int, str, str],
    started_s: float,
    step_s: float,
    share: float,
) -> RunnerRun:
    number, repetition, model, task = plan
    first = round(6.0 + rng.random(), 3)
    at = first
    prompts: list[dict[str, Any]] = []
    for k in range(12):
        tokens = max(4, int(share * LENGTH[task] / 12 * (1 + 0.15 * rng.standard_normal())))
        lasts = tokens / SPEED[model] * (1 + 0.004 * rng.standard_normal())
        prompts.append({
            "start": at, "end": round(at + lasts, 3),
            "prompt": f"{task} question {k}: what follows from premise {k}?",
            "response": " ".join(f"w{rng.integers(9999)}" for _ in range(8)),
            "response_tokens": tokens,
            "grade": float(rng.random() < (0.5 if model == "opt-1.3b" else 0.62)),
        })  # fmt: skip
        at = prompts[-1]["end"]
    end = at + 2.5
    steps = step_s * (1 + 0.015 + 0.02 * np.abs(rng.standard_normal(round(end / step_s))))
    all_s: Floats = np.concatenate(([0.0], np.cumsum(steps))).round(3)
    t_s = all_s[all_s < end]
    busy = (t_s >= first) & (t_s <= at)
    level_w = {"opt-1.3b": 214.0, "opt-6.7b": 292.0}[model] * (1 + 0.008 * rng.standard_normal())
    rest_w = np.where(t_s < 3, 14.0, 31.0)
    noisy_w = np.where(busy, level_w, rest_w) * (1 + 0.025 * rng.standard_normal(t_s.size))
    gpu_w: Floats = np.round(noisy_w, 3)
    cpu_w = np.where(busy, 62.0, 38.0) * (1 + 0.04 * rng.standard_normal(t_s.size))
    start_j = rng.uniform(2e3, 2.2e5)
    package_j = start_j + np.concatenate(([0.0], np.cumsum(cpu_w[1:] * np.diff(t_s))))
    core_j = 0.3 * start_j + np.concatenate(([0.0], np.cumsum(0.58 * cpu_w[1:] * np.diff(t_s))))
    counters = _counted(package_j) % WRAP_J, _counted(core_j)
    return RunnerRun(number, repetition, model, task, started_s, t_s, gpu_w, *counters, prompts)


def _counted(joules: Floats) -> Floats:
    """Give what a counter with steps of 2^-14 J shows."""
    shown: Floats = np.round(joules * 2.0**14) / 2.0**14
    return shown


def runner_folder(
    root: Path, runs: list[RunnerRun], **columns: Callable[[RunnerRun], float]
) -> list[Path]:
    """Write a folder of runs with its table; each further column is a function of a run."""
    folder = root / "experiments" / "opt_profiling"
    for run in runs:
        run.write(folder)
    rows = [_row(run) | {name: make(run) for name, make in columns.items()} for run in runs]
    save(folder / "run_table.csv", {name: [row[name] for row in rows] for name in rows[0]})
    return [folder]


def _row(run: RunnerRun) -> dict[str, Any]:
    start, stop = run.window
    return {
        "__run_id": run.name, "__done": "DONE", "model": run.model, "task": run.task,
        "duration_ms": round(1e3 * (stop - start)), "cpu_joules": round(run.cpu_j, 4),
        "gpu_joules": round(run.gpu_j, 4), "energy_joules": round(run.cpu_j + run.gpu_j, 4),
        "response_token_count": run.tokens,
        "accuracy": float(np.mean([p["grade"] for p in run.prompts if p["grade"] != ""])),
    }  # fmt: skip


# nlpfrontiers: one folder a point


@dataclass
class Point:
    """One point of a sweep of a classifier: its trace, its answers and what it states."""

    layers: int
    t_s: Floats
    power_w: Floats
    window_s: float
    right: int
    examples: int = 2000
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def joules(self) -> float:
        return float(np.trapezoid(self.power_w, self.t_s))


def points(seed: int = 21, level_w: float = 61.0, pace_s: float = 1.45) -> list[Point]:
    """Make a sweep over layers on a small board: a look every 50 ms, a reading every 100 ms."""
    rng = np.random.default_rng(seed)
    made = []
    for layers in (12, 10, 8, 6, 4, 2):
        window_s = pace_s * layers + 1.1 + 0.05 * rng.random()
        t_s = np.cumsum(np.r_[0.00001, 0.0501 + 0.0004 * rng.random(4000)])
        t_s = t_s[t_s < window_s - 0.004]
        readings = level_w * (0.83 + 0.014 * layers) * (1 + 0.012 * rng.standard_normal(t_s.size))
        power_w = np.repeat(np.round(readings, 3), 2)[: t_s.size]
        share = 0.93 - 0.0035 * (12 - layers) ** 1.9
        made.append(Point(layers, t_s, power_w, window_s, int(rng.binomial(2000, max(share, 0.5)))))
    return made


def points_folder(root: Path, made: list[Point], **config: Any) -> list[Path]:
    """Write the folder of a sweep."""
    folder = root / "outputs" / "agnews" / "phase_2_layers"
    folder.mkdir(parents=True)
    facts = {
        "baseline_model_directory": "runs/2026-01-04_10-11-12_phase_1_baseline/best_model",
        "dataset": "glue/sst2", "evaluation_batch_size": 64, "gpu_index": 0,
        "max_sequence_length": 128, "num_inference_batches": 200,
        "num_layers": [point.layers for point in made], "power_sample_interval_s": 0.05, **config,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(facts, indent=4))
    rows = []
    for point in made:
        place = folder / f"num_layers_{point.layers}"
        place.mkdir()
        lines = [f"{t:.6f},{w:.6f}\n" for t, w in zip(point.t_s, point.power_w, strict=True)]
        (place / "power_trace.csv").write_text("timestamp_s,power_w\n" + "".join(lines))
        answers = [
            {"prediction": k % 2 if k < point.right else 1 - k % 2, "label": k % 2}
            for k in range(point.examples)
        ]
        (place / "predictions.jsonl").write_text("".join(json.dumps(a) + "\n" for a in answers))
        rows.append({
            "label": point.layers, "num_encoder_layers": point.layers, "max_sequence_length": 128,
            "accuracy": point.right / point.examples,
            "energy_per_example_j": point.joules / point.examples,
            "energy_per_correct_j": point.joules / point.right,
            "average_latency_per_example_ms": 1e3 * point.window_s / point.examples,
            "peak_gpu_memory_mb": 400.2392578125 + 24.6 * point.layers, **point.facts,
        })  # fmt: skip
    save(
        folder / "pareto_layers.csv", {n: [row[n] for row in rows] for n in rows[0]}, newline="\r\n"
    )
    return [root / "outputs"]


# nvidia-smi: one log a run


def smi_log(
    path: Path,
    t_s: Floats,
    watts: Floats,
    name: str = "NVIDIA A100-SXM4-40GB",
    limit_w: float = 400.0,
    started_s: float = 1_755_500_000.0,
    idle_boards: int = 0,
) -> Path:
    """Write a log of nvidia-smi, one line a board and look."""
    lines = [
        "timestamp, index, name, power.draw [W], enforced.power.limit [W], utilization.gpu [%]\n"
    ]
    for t, w in zip(t_s, watts, strict=True):
        when = datetime.fromtimestamp(started_s + float(t), UTC)
        stamp = f"{when:%Y/%m/%d %H:%M:%S}.{when.microsecond // 1000:03d}"
        lines.append(f"{stamp}, 0, {name}, {w:.2f} W, {limit_w:.2f} W, 97 %\n")
        for board in range(1, idle_boards + 1):
            idle_w = 51 + board + 0.2 * np.sin(7 * t)
            lines.append(f"{stamp}, {board}, {name}, {idle_w:.2f} W, {limit_w:.2f} W, 0 %\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))
    return path


def smi_trace(
    seconds: float = 40.0, level_w: float = 271.0, step_s: float = 0.1, seed: int = 31
) -> tuple[Floats, Floats]:
    """Give looks at a board that works the whole time, and what they show."""
    rng = np.random.default_rng(seed)
    steps = step_s * (1 + 0.01 * np.abs(rng.standard_normal(int(seconds / step_s))))
    t_s = np.concatenate(([0.0], np.cumsum(steps)))
    return t_s, np.round(level_w * (1 + 0.02 * rng.standard_normal(t_s.size)), 2)
