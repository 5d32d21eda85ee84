"""Errors of design and data planted in folders of raw readings, and ways of integrating them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from planted import plant
from planted_tables import save
from planted_traces import (
    Floats,
    RunnerRun,
    points,
    points_folder,
    runner_folder,
    runner_runs,
    smi_log,
    smi_trace,
)


@plant("identical-responses", "runner", "", "note")
def repetitions_with_one_seed(root: Path) -> list[Path]:
    runs = runner_runs()
    first: dict[tuple[str, str, int], str] = {}
    for run in runs:
        for k, prompt in enumerate(run.prompts):
            prompt["response"] = first.setdefault((run.model, run.task, k), prompt["response"])
    return runner_folder(root, runs)


@plant("repeated-items", "runner", "prompts")
def a_third_of_the_prompts_asked_twice(root: Path) -> list[Path]:
    runs = runner_runs()
    for run in runs:
        for k in (3, 6, 9, 11):
            run.prompts[k]["prompt"] = run.prompts[k - 1]["prompt"]
    return runner_folder(root, runs)


@plant("order-confounded", "runner", "", "note")
def one_model_in_the_morning_one_in_the_afternoon(root: Path) -> list[Path]:
    runs = sorted(runner_runs(), key=lambda run: (run.model, run.task))
    stamps = sorted(run.started_s for run in runs)
    for run, started_s in zip(runs, stamps, strict=True):
        run.started_s = started_s
    return runner_folder(root, runs)


@plant("mislabelled-row", "runner", "", "warning", also=("unexplained-difference",))
def two_rows_of_the_table_exchanged(root: Path) -> list[Path]:
    runs = runner_runs()
    a = next(r for r in runs if (r.model, r.task) == ("opt-1.3b", "qa"))
    b = next(r for r in runs if (r.model, r.task) == ("opt-6.7b", "summaries"))
    other = {a.name: b, b.name: a}

    def of(run: RunnerRun) -> RunnerRun:
        return other.get(run.name, run)

    return runner_folder(
        root, runs, duration_ms=lambda r: round(1e3 * (of(r).window[1] - of(r).window[0])),
        cpu_joules=lambda r: round(of(r).cpu_j, 4), gpu_joules=lambda r: round(of(r).gpu_j, 4),
        energy_joules=lambda r: round(of(r).cpu_j + of(r).gpu_j, 4),
        response_token_count=lambda r: of(r).tokens,
    )  # fmt: skip


@plant("selection-on-test", "points", "accuracy")
def an_epoch_chosen_by_the_accuracy_that_is_reported(root: Path) -> list[Path]:
    paths = points_folder(root, points())
    folder = root / "outputs" / "agnews" / "phase_1_baseline"
    place = folder / "best_model"
    place.mkdir(parents=True)
    point = points(seed=22)[0]
    accuracy = 0.9288990825688074
    benchmark = {
        "accuracy": accuracy, "average_latency_per_example_ms": 1e3 * point.window_s / 2000,
        "energy_per_example_j": point.joules / 2000,
    }  # fmt: skip
    metrics = {
        "best_model_directory": str(place), "inference_benchmark_metrics": benchmark,
        "trainer_evaluation_metrics": {"eval_accuracy": accuracy, "epoch": 3.0},
    }  # fmt: skip
    config = {"dataset_name": "glue", "num_train_epochs": 3, "model_name": "bert-base-uncased"}
    lines = [f"{t:.6f},{w:.6f}\n" for t, w in zip(point.t_s, point.power_w, strict=True)]
    (folder / "power_trace.csv").write_text("timestamp_s,power_w\n" + "".join(lines))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "config.json").write_text(json.dumps(config))
    save(
        folder / "pareto.csv",
        {"label": ["bert_base"], "layers": [12], **{k: [v] for k, v in benchmark.items()}},
    )
    return paths


@plant("few-graded", "runner", "", "note")
def two_graded_answers_a_run(root: Path) -> list[Path]:
    runs = runner_runs()
    for run in runs:
        for prompt in run.prompts[2:]:
            prompt["grade"] = ""
    return runner_folder(
        root, runs,
        accuracy=lambda r: float(np.mean([p["grade"] for p in r.prompts if p["grade"] != ""])),
    )  # fmt: skip


@plant("repeated-timestamp", "smi", "", "note")
def lines_written_in_bursts(root: Path) -> list[Path]:
    t_s, watts = smi_trace()
    stamps: Floats = np.floor(t_s / 0.5) * 0.5 + 0.0001 * np.arange(t_s.size)
    return [smi_log(root / "power_a100.csv", stamps, watts)]


@plant("edge-uncertainty", "runner", "gpu_joules", "note")
def readings_charged_with_the_interval_before_them(root: Path) -> list[Path]:
    runs = runner_runs(step_s=1.0)

    def gpu_j(run: RunnerRun) -> float:
        start, stop = run.window
        inside = (run.t_s >= start) & (run.t_s <= stop)
        steps_s = np.diff(run.t_s, prepend=0.0)
        return float(run.gpu_w[inside] @ steps_s[inside])

    return runner_folder(
        root, runs, gpu_joules=lambda r: round(gpu_j(r), 4),
        energy_joules=lambda r: round(gpu_j(r) + r.cpu_j, 4),
    )  # fmt: skip


@plant("tail-not-integrated", "runner", "gpu_joules", "note")
def readings_from_the_first_to_the_last_within_the_prompts(root: Path) -> list[Path]:
    runs = runner_runs(step_s=1.0)

    def gpu_j(run: RunnerRun) -> float:
        start, stop = run.window
        inside = (run.t_s >= start) & (run.t_s <= stop)
        return float(np.trapezoid(run.gpu_w[inside], run.t_s[inside]))

    return runner_folder(
        root, runs, gpu_joules=lambda r: round(gpu_j(r), 4),
        energy_joules=lambda r: round(gpu_j(r) + r.cpu_j, 4),
    )  # fmt: skip


@plant("aliasing", "smi", "gpu0:power", "note")
def training_steps_of_three_looks(root: Path) -> list[Path]:
    t_s, watts = smi_trace(90.0, 180.0, seed=33)
    swing = np.array([40.0, 12.0, -52.0])[np.arange(t_s.size) % 3]
    board = "NVIDIA A100-PCIE-40GB"
    return [smi_log(root / "steps.csv", t_s, 0.05 * watts + 171 + swing, board, 250.0)]


@plant("repeated-items", "runner", "prompts")
def the_same_questions_in_two_passes(root: Path) -> list[Path]:
    runs = runner_runs()
    for run in runs:
        for k in range(6, 12):
            run.prompts[k]["prompt"] = run.prompts[k - 6]["prompt"]
    return runner_folder(root, runs)
