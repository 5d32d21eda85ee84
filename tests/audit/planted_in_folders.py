"""Errors planted in folders of raw readings, with or without the table that was made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from planted import base, plant
from planted_traces import (
    WRAP_J,
    Point,
    RunnerRun,
    points,
    points_folder,
    runner_folder,
    runner_runs,
    smi_log,
    smi_trace,
)


@base("runner")
def _runner(root: Path) -> list[Path]:
    return runner_folder(root, runner_runs())


@base("points")
def _points(root: Path) -> list[Path]:
    return points_folder(root, points())


@base("smi")
def _smi(root: Path) -> list[Path]:
    return [smi_log(root / "power_a100.csv", *smi_trace())]


@base("smi logs")
def _smi_logs(root: Path) -> list[Path]:
    return _logs(root)


def _logs(root: Path, step_w: float = 24.0, first_w: float = 180.0) -> list[Path]:
    for k in range(5):
        trace = smi_trace(20 + 3 * k, first_w + step_w * k, seed=40 + k)
        path, started_s = root / "logs" / f"batch_{2**k}.csv", 1.7555e9 + 900 * k
        smi_log(path, *trace, limit_w=300.0, started_s=started_s)
    return [root / "logs"]


# energy


@plant("power-above-limit", "smi", "gpu0:power", "error")
def a_board_that_reads_twice_its_limit(root: Path) -> list[Path]:
    t_s, watts = smi_trace()
    return [smi_log(root / "power_l4.csv", t_s, 0.55 * watts, "NVIDIA L4", 72.0)]


@plant("power-below-idle", "smi", "gpu0:power", "error")
def milliwatts_taken_for_deciwatts(root: Path) -> list[Path]:
    t_s, watts = smi_trace()
    return [smi_log(root / "power_a100.csv", t_s, 0.01 * watts)]


@plant("double-counted-channel", "runner", "energy_joules", "error")
def table_of_runs_with_the_processor_twice(root: Path) -> list[Path]:
    return runner_folder(
        root, runner_runs(), gpu_joules=lambda r: round(r.gpu_j + r.cpu_j, 4),
        energy_joules=lambda r: round(r.gpu_j + 2 * r.cpu_j, 4),
    )  # fmt: skip


@plant("nested-domains-added", "runner", "cpu_joules", "error")
def table_of_runs_with_the_cores_in_their_package(root: Path) -> list[Path]:
    def both(run: RunnerRun) -> float:
        return run.cpu_j + run.counted(run.core_j)

    return runner_folder(
        root, runner_runs(), cpu_joules=lambda r: round(both(r), 4),
        energy_joules=lambda r: round(r.gpu_j + both(r), 4),
    )  # fmt: skip


@plant("counter-wrap", "runner", "", "error", also=("negative-energy",))
def a_counter_that_wraps_within_the_prompts(root: Path) -> list[Path]:
    runs = runner_runs()
    for run in (runs[2], runs[9]):
        middle = run.package_j[run.t_s.size // 2]
        run.package_j = (run.package_j - middle + WRAP_J) % WRAP_J
    wrapped = {runs[2].name, runs[9].name}

    def cpu_j(run: RunnerRun) -> float:
        return run.cpu_j - (WRAP_J if run.name in wrapped else 0.0)

    return runner_folder(
        root, runs, cpu_joules=lambda r: round(cpu_j(r), 4),
        energy_joules=lambda r: round(cpu_j(r) + r.gpu_j, 4),
    )  # fmt: skip


@plant("stale-summary", "runner", "", "warning", also=("counter-wrap",))
def summaries_of_the_tool_that_wrapped(root: Path) -> list[Path]:
    runs = runner_runs()
    runs[4].summary_j = 11000.5 - WRAP_J
    return runner_folder(root, runs)


@plant("stale-summary", "runner", "")
def summaries_of_an_earlier_campaign(root: Path) -> list[Path]:
    runs = runner_runs()
    for run in runs[:5]:
        run.summary_j = 1.31 * float(run.package_j[-1] - run.package_j[0])
    return runner_folder(root, runs)


@plant("sampling-gap", "runner", "gpu0")
def a_log_that_stopped_for_ten_seconds(root: Path) -> list[Path]:
    runs = runner_runs()
    run = max(runs, key=lambda r: r.t_s[-1])
    keep = (run.t_s < 15) | (run.t_s > 25)
    for name in ("t_s", "gpu_w", "package_j", "core_j"):
        setattr(run, name, getattr(run, name)[keep])
    return runner_folder(root, runs)


@plant("sampling-gap", "points", "")
def a_sampler_that_stalled_for_six_seconds(root: Path) -> list[Path]:
    made = points()
    keep = (made[0].t_s < 7) | (made[0].t_s > 13)
    made[0].t_s, made[0].power_w = made[0].t_s[keep], made[0].power_w[keep]
    return points_folder(root, made)


@plant("sampling-gap", "smi", "gpu0:power")
def a_log_with_a_hole_of_nine_seconds(root: Path) -> list[Path]:
    t_s, watts = smi_trace()
    keep = (t_s < 17) | (t_s > 26)
    return [smi_log(root / "power_a100.csv", t_s[keep], watts[keep])]


@plant("too-few-samples", "points", "", "note",
       also=("tail-not-integrated", "window-below-resolution"))  # fmt: skip
def points_of_half_a_second(root: Path) -> list[Path]:
    made = points()
    for point in made:
        point.window_s = 0.31 + 0.013 * point.layers
        keep = point.t_s < point.window_s - 0.01
        point.t_s, point.power_w = point.t_s[keep], point.power_w[keep]
    return points_folder(root, made)


@plant("too-few-samples", "smi", "gpu0:power", "note")
def a_look_every_five_seconds(root: Path) -> list[Path]:
    t_s, watts = smi_trace(step_s=5.0)
    return [smi_log(root / "power_a100.csv", t_s, watts * (1 + 0.1 * np.sin(9 * t_s)))]


@plant("window-below-resolution", "points", "", also=("too-few-samples", "tail-not-integrated"))
def points_of_a_tenth_of_a_second(root: Path) -> list[Path]:
    made = points()
    for point in made:
        keep = point.t_s < 0.12
        point.t_s, point.power_w, point.window_s = point.t_s[keep], point.power_w[keep], 0.14
    return points_folder(root, made)


@plant("window-below-resolution", "runner", "", also=("too-few-samples", "edge-uncertainty"))
def prompts_that_last_less_than_a_sample(root: Path) -> list[Path]:
    runs = runner_runs()
    for run in runs:
        run.prompts = run.prompts[:1]
        run.prompts[0]["response_tokens"] = 9
        run.prompts[0]["end"] = round(run.prompts[0]["start"] + 9 / 155, 3)
    return runner_folder(root, runs)


@plant("assumed-constant-step", "runner", "gpu_joules", "error")
def readings_times_a_fifth_of_a_second(root: Path) -> list[Path]:
    runs = runner_runs(step_s=0.212)

    def gpu_j(run: RunnerRun) -> float:
        start, stop = run.window
        return 0.2 * float(run.gpu_w[(run.t_s >= start) & (run.t_s <= stop)].sum())

    return runner_folder(
        root, runs, gpu_joules=lambda r: round(gpu_j(r), 4),
        energy_joules=lambda r: round(gpu_j(r) + r.cpu_j, 4),
    )  # fmt: skip


@plant("assumed-constant-step", "points", "")
def readings_times_the_interval_that_was_asked_for(root: Path) -> list[Path]:
    made = points()
    for point in made:
        point.t_s = point.t_s * 1.12
        point.window_s *= 1.12
        asked_j = 0.05 * float(point.power_w.sum())
        point.facts = {
            "energy_per_example_j": asked_j / point.examples,
            "energy_per_correct_j": asked_j / point.right,
        }
    return points_folder(root, made)


@plant("edge-uncertainty", "runner", "", "note")
def whole_seconds_around_ten_seconds(root: Path) -> list[Path]:
    runs = runner_runs(share=0.25)
    for run in runs:
        for prompt in run.prompts:
            for edge in ("start", "end"):
                prompt[edge] = float(int(run.started_s + prompt[edge]) - run.started_s)
    return runner_folder(root, runs)


@plant("sub-second-stamps", "runner", "", "note", also=("edge-uncertainty",))
def prompts_in_whole_seconds(root: Path) -> list[Path]:
    runs = runner_runs(share=0.25)
    for run in runs:
        for prompt in run.prompts:
            for edge in ("start", "end"):
                prompt[edge] = float(int(run.started_s + prompt[edge]) - run.started_s)
    return runner_folder(root, runs)


@plant("tail-not-integrated", "points", "")
def traces_that_end_before_the_work(root: Path) -> list[Path]:
    made = points()
    for point in made:
        keep = point.t_s < 0.9 * point.window_s
        point.t_s, point.power_w = point.t_s[keep], point.power_w[keep]
    return points_folder(root, made)


@plant("sensor-ramp", "points", "", also=("tail-not-integrated",))
def short_points_on_a_sensor_of_one_second(root: Path) -> list[Path]:
    made = points()
    for point in made:
        risen = np.minimum(1.0, (point.t_s + 0.03) / 1.0)
        point.power_w = np.round(18 + (point.power_w - 18) * risen, 3)
        keep = point.t_s < point.window_s / 3
        point.t_s, point.power_w = point.t_s[keep], point.power_w[keep]
        point.window_s /= 3
    return points_folder(root, made)


@plant("sensor-ramp", "smi", "gpu0:power")
def a_log_of_six_seconds_on_an_averaging_board(root: Path) -> list[Path]:
    t_s, watts = smi_trace(6.0, 301.0, 0.05)
    risen = np.minimum(1.0, t_s)
    return [smi_log(root / "ada.csv", t_s, 22 + (watts - 22) * risen, "NVIDIA RTX 4090", 450.0)]


@plant("aliasing", "smi", "gpu0:power", "note")
def steps_of_the_work_in_time_with_the_sensor(root: Path) -> list[Path]:
    t_s, watts = smi_trace(60.0, 250.0)
    swing = np.where(np.arange(t_s.size) % 4 < 2, 60.0, -60.0)
    return [smi_log(root / "power_a100.csv", t_s, watts * 0.1 + 225 + swing)]


def _at_cap(first_w: float) -> list[Point]:
    rng = np.random.default_rng(5)
    made = points(pace_s=2.0)
    for point in made:
        point.power_w = np.round(72.05 + 0.25 * rng.standard_normal(point.t_s.size), 3)
        point.power_w[:4] = first_w
    return made


@plant("power-limit-saturated", "points", "gpu0:power", devices=("l4",))
def a_small_board_at_its_cap(root: Path) -> list[Path]:
    return points_folder(root, _at_cap(72.0))


@plant("power-limit-saturated", "points", "gpu0:power")
def a_plateau_of_a_board_that_nobody_names(root: Path) -> list[Path]:
    return points_folder(root, _at_cap(31.0))


@plant("power-limit-saturated", "smi logs", "gpu0:power", "note")
def all_logs_at_the_limit_that_the_log_states(root: Path) -> list[Path]:
    return _logs(root, -0.1, 300.0)


@plant("absent-as-zero", "runner", "gpu", "warning")
def a_board_that_was_not_read_in_some_runs(root: Path) -> list[Path]:
    runs = runner_runs()
    for run in runs[3:6]:
        run.gpu_w = np.zeros(run.t_s.size)
    return runner_folder(root, runs)


@plant("scope-mismatch", "smi", "")
def seven_idle_boards_beside_one_that_works(root: Path) -> list[Path]:
    return [smi_log(root / "power_a100.csv", *smi_trace(20.0), idle_boards=7)]


@plant("scope-mismatch", "runner", "energy_joules")
def total_of_some_runs_without_the_processor(root: Path) -> list[Path]:
    runs = runner_runs()
    odd = {run.name for run in runs[::3]}
    return runner_folder(
        root, runs,
        energy_joules=lambda r: round(r.gpu_j + (0 if r.name in odd else r.cpu_j), 4),
    )  # fmt: skip
