"""Clean folders of results with traces, and the right figures published beside them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from clean_draw import Draw, Floats, rounded, stamps

WRAP_J, STEP_J = 262144.0, 2.0**-14
MONDAY_S = 1_750_000_000
BOARDS = {
    "NVIDIA A100-SXM4-80GB": (400.0, 58.0, 0.025),
    "NVIDIA L40S": (350.0, 32.0, 1.0),
    "NVIDIA H100 80GB HBM3": (700.0, 68.0, 0.1),
    "NVIDIA GeForce RTX 4090": (450.0, 18.0, 1.0),
    "NVIDIA L4": (72.0, 12.0, 1.0),
}
"""Board -> power limit, W, idle power, W, and what a reading averages over, s."""

GRID_S = 0.005


def load_w(draw: Draw, limit_w: float, idle_w: float, spans_s: Sequence[float]) -> Floats:
    """Give a board's power on a grid of 5 ms: idle, work in bursts, idle again."""
    before_s, work_s, _ = spans_s
    t_s = np.arange(0.0, sum(spans_s), GRID_S)
    bursts = limit_w * draw.rng.uniform(0.55, 0.9) * draw.rng.uniform(0.8, 1.0, int(work_s) + 1)
    place = np.clip(t_s - before_s, 0, work_s).astype(int)
    busy = (t_s >= before_s) & (t_s < before_s + work_s)
    watts: Floats = np.where(busy, bursts[place], idle_w)
    every_50_ms = draw.rng.normal(0, 0.3, t_s.size // 10 + 1)
    ripple = np.repeat(every_50_ms, 10)[: t_s.size]
    return watts + ripple + np.where(busy, 0.01 * limit_w, 0.0) * draw.rng.standard_normal(t_s.size)


def read_w(watts: Floats, at_s: Floats, averages_s: float, update_s: float) -> Floats:
    """Give what a sensor shows: the mean of the last stretch, at its last update."""
    total = np.concatenate(([0.0], np.cumsum(watts)))
    now = np.clip((np.floor(at_s / update_s) * update_s / GRID_S).astype(int), 1, watts.size)
    then = np.maximum(now - max(round(averages_s / GRID_S), 1), 0)
    shown: Floats = (total[now] - total[then]) / (now - then)
    return shown


def polled_s(draw: Draw, every_s: float, until_s: float) -> Floats:
    """Give when a thread polls: a little late each time."""
    t_s = np.cumsum(every_s * draw.rng.uniform(0.98, 1.06, int(until_s / every_s) + 5))
    return np.concatenate(([0.0], t_s[t_s < until_s - GRID_S]))


def energy_j(t_s: Floats, watts: Floats, start_s: float, stop_s: float) -> float:
    """Integrate by trapezoids with both edges interpolated."""
    inside = t_s[(t_s > start_s) & (t_s < stop_s)]
    grid = np.concatenate(([start_s], inside, [stop_s]))
    return float(np.trapezoid(np.interp(grid, t_s, watts), grid))


def log_of_boards(draw: Draw, folder: Path) -> list[Path]:
    """Write two logs of nvidia-smi of several boards, and the energies of whole logs."""
    name = draw.pick(*BOARDS)
    limit_w, idle_w, averages_s = BOARDS[name]
    figures = []
    for number in range(2):
        spans_s = (draw.rng.uniform(3, 10), float(draw.pick(20, 40)), draw.rng.uniform(3, 10))
        t_s = polled_s(draw, draw.pick(0.1, 0.2, 0.5), sum(spans_s))
        shown = [
            np.round(read_w(load_w(draw, limit_w, idle_w, spans_s), t_s, averages_s, 0.1), 2)
            for _ in range(draw.pick(1, 2, 4))
        ]
        lines = ["timestamp, index, name, power.draw [W], enforced.power.limit [W]"]
        for place, second in enumerate(t_s):
            when = datetime.fromtimestamp(MONDAY_S + 600 * number + second, UTC)
            stamp = f"{when:%Y/%m/%d %H:%M:%S}.{when.microsecond // 1000:03d}"
            lines += [
                f"{stamp}, {board}, {name}, {watts[place]:.2f} W, {limit_w:.2f} W"
                for board, watts in enumerate(shown)
            ]
        (folder / f"run_{number}.csv").write_text("\n".join(lines) + "\n")
        joules = sum(energy_j(t_s, watts, 0.0, float(t_s[-1])) for watts in shown)
        figures.append((f"run_{number}", f"{joules:.2f}", f"{t_s[-1]:.2f}"))
    table = folder.parent / "published.csv"
    _write(table, ["run_id", "gpu_energy_j", "duration_s"], figures)
    return [folder, table]


def experiment(draw: Draw, folder: Path) -> list[Path]:
    """Write an experiment with EnergiBridge, and its run table with two decimals."""
    rows, clock, counted_j = [], MONDAY_S, float(draw.rng.uniform(0, WRAP_J))
    plan = [(number, rep) for number in range(3) for rep in range(3)]
    for number, rep in [plan[place] for place in draw.rng.permutation(len(plan))]:
        work_s = int(draw.rng.uniform(40, 50)) * (number + 1)
        watts = load_w(draw, 180.0 + 60 * number, 50.0, (3.5, float(work_s), 3.0))
        t_s = polled_s(draw, 0.2, watts.size * GRID_S)
        stamp_ms = np.round(1000 * (clock + t_s)).astype(int)
        gpu_mw: Floats = np.round(1000 * read_w(watts, t_s, 0.1, 0.1))
        cpu_j = counted_j + np.cumsum(
            np.diff(t_s, prepend=0.0) * draw.rng.uniform(48, 60, t_s.size)
        )
        shown_j = np.round(cpu_j % WRAP_J / STEP_J) * STEP_J
        counted_j = float(cpu_j[-1]) + 3000.0
        edges = np.unique(np.linspace(clock + 4, clock + 3 + work_s, 31).astype(int)).tolist()
        tokens = draw.rng.integers(5, 120, len(edges) - 1).tolist()
        name = f"run_{number}_repetition_{rep}"
        _write_run(folder / name, (stamp_ms, gpu_mw, shown_j), edges, tokens)
        second = stamp_ms / 1000.0
        gpu_j = round(energy_j(second, gpu_mw / 1000, edges[0], edges[-1]), 2)
        ends_j = np.interp([edges[0], edges[-1]], second, shown_j + _turns_j(shown_j))
        cpu_used_j = round(float(ends_j[1] - ends_j[0]), 2)
        total_j, lasted_s = gpu_j + cpu_used_j, edges[-1] - edges[0]
        rows.append(
            (name, "DONE", f"model-{number}", *rounded([gpu_j, cpu_used_j, total_j, lasted_s], 2),
             f"{total_j / lasted_s:.2f}", sum(tokens), f"{total_j / sum(tokens):.2f}")
        )  # fmt: skip
        clock += work_s + 60
    header = (
        "__run_id,__done,model,gpu_energy_j,cpu_energy_j,total_energy_j,duration_s,avg_power_w,"
        "response_tokens,energy_per_token_j"
    )
    _write(folder / "run_table.csv", header.split(","), rows)
    return [folder]


def _turns_j(shown_j: Floats) -> Floats:
    turns: Floats = np.cumsum(np.diff(shown_j, prepend=shown_j[0]) < 0) * np.float64(WRAP_J)
    return turns


def _write_run(
    folder: Path, samples: tuple[Any, Floats, Floats], edges: Sequence[int], tokens: Sequence[int]
) -> None:
    folder.mkdir(parents=True)
    header = "Delta,Time,CPU_USAGE_0,DRAM_ENERGY (J),GPU0_POWER (mWatts),PACKAGE_ENERGY (J)"
    rows = [
        (200, ms, 10.0, 0.0, f"{mw:.0f}", repr(float(j)))
        for ms, mw, j in zip(*samples, strict=True)
    ]
    _write(folder / "energibridge.csv", header.split(","), rows)
    lines = ["start\tend\tprompt\tresponse\tresponse_tokens\taccuracy"]
    lines += [
        f"{start}\t{stop}\tQuestion {n}?\t{folder.name} says {n}.\t{tokens[n]}\t{float(n % 4 > 0)}"
        for n, (start, stop) in enumerate(pairwise(edges))
    ]
    (folder / "prompts_out.tsv").write_text("\n".join(lines) + "\n")


def frontier(draw: Draw, folder: Path) -> list[Path]:
    """Write a sweep over layers of a frontier study: long traces, and its points."""
    root, count = folder / "outputs" / "sst2" / "phase_2_layers", int(draw.pick(872, 2000))
    points = []
    for layers in (12, 8, 4):
        span_s = layers * draw.rng.uniform(2.0, 2.5)
        t_s = np.round(polled_s(draw, 0.05, span_s), 6)
        watts = np.round(draw.rng.uniform(60, 70) + draw.rng.normal(0, 1, t_s.size), 6)
        right = round(count * (0.85 + 0.006 * layers))
        point = root / f"num_layers_{layers}"
        point.mkdir(parents=True)
        _write(point / "power_trace.csv", ["timestamp_s", "power_w"], zip(t_s, watts, strict=True))
        answers = [{"prediction": 1, "label": int(n < right)} for n in range(count)]
        (point / "predictions.jsonl").write_text("".join(json.dumps(a) + "\n" for a in answers))
        joules, accuracy = float(np.trapezoid(watts, t_s)), right / count
        points.append(
            (layers, layers, 128, accuracy, joules / count, joules / count / accuracy,
             1e3 * t_s[-1] / count, 300.5 + 32.25 * layers)
        )  # fmt: skip
    config = {"dataset": "glue/sst2", "max_sequence_length": 128, "num_layers": [12, 8, 4],
              "power_sample_interval_s": 0.05, "gpu_index": 0}  # fmt: skip
    (root / "config.json").write_text(json.dumps(config))
    header = (
        "label,num_encoder_layers,max_sequence_length,accuracy,energy_per_example_j,"
        "energy_per_correct_j,average_latency_per_example_ms,peak_gpu_memory_mb"
    )
    _write(root / "pareto_layers.csv", header.split(","), points)
    return [folder]


def runs_and_their_means(draw: Draw, folder: Path) -> list[Path]:
    """Write a table of runs beside the means that it makes, in another unit."""
    runs = draw.runs({"model": draw.models()}, 10)
    joules, seconds = np.round(runs.joules, 2), np.round(runs.seconds, 3)
    models = [str(row["model"]) for row in runs.rows]
    rows = zip(
        (f"r{n}" for n in range(len(models))), models, rounded(joules, 2), rounded(seconds, 3),
        stamps(runs.starts_s()), strict=True,
    )  # fmt: skip
    _write(folder / "runs.csv", ["run_id", "model", "energy_j", "duration_s", "started_at"], rows)
    means = []
    for model in sorted(set(models)):
        own = [n for n, each in enumerate(models) if each == model]
        means.append(
            (model, len(own), f"{joules[own].mean() / 3600:.5f}",
             f"{joules[own].std(ddof=1) / 3600:.5f}", f"{seconds[own].mean():.3f}")
        )  # fmt: skip
    header = ["model", "n", "mean_energy_wh", "sd_energy_wh", "mean_duration_s"]
    _write(folder / "summary.csv", header, means)
    return [folder]


def _write(path: Path, header: Sequence[str], rows: Any) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


FOLDERS: dict[Callable[[Draw, Path], list[Path]], set[str]] = {
    log_of_boards: {"window-unknown"},
    experiment: set(),
    frontier: {"no-repeats"},
    runs_and_their_means: set(),
}
"""Builder -> rules of which a warning is deserved."""
