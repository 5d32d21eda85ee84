"""Clean tables of machines: one board or many, phones and clusters, processors, power limits."""

from __future__ import annotations

import numpy as np
from clean_draw import MODELS, Columns, Draw, clean, full, rounded


@clean()
def several_boards(draw: Draw) -> Columns:
    runs = draw.runs({"n_gpus": [1, 2, 4, 8]}, 3, watts=(240.0, 380.0))
    number = runs.each("n_gpus", {n: float(n) for n in (1, 2, 4, 8)})
    joules = runs.joules * number
    told = draw.pick(
        {"gpu": ["A100"] * number.size, **runs.levels("n_gpus")},
        {"hardware": [f"{n:.0f}x NVIDIA A100-SXM4-80GB" for n in number]},
    )
    return {
        **told,
        "gpu_energy_kwh": rounded(joules / 3.6e6, 6),
        "training_time_h": rounded(runs.seconds / 3600, 6),
        "avg_power_per_gpu_w": rounded(runs.watts, 1),
        "gpu_hours": rounded(runs.seconds * number / 3600, 2),
    }


@clean()
def nodes_of_eight(draw: Draw) -> Columns:
    runs = draw.runs({"nodes": [1, 2, 4, 8]}, 3, watts=(500.0, 640.0), seconds=(500.0, 900.0))
    boards = 8 * runs.each("nodes", {n: float(n) for n in (1, 2, 4, 8)})
    return {
        **runs.levels("nodes"),
        "gpus_per_node": [8] * boards.size,
        "gpu": ["H100"] * boards.size,
        "precision": ["bf16"] * boards.size,
        "gpu_energy_kwh": rounded(runs.joules * boards / 3.6e6, 4),
        "time_s": rounded(runs.seconds, 2),
        "flops": full(boards * 4e14 * runs.seconds),
    }


@clean("no-repeats")
def tensor_and_pipeline_parallel(draw: Draw) -> Columns:
    shares = [(1, 1), (2, 1), (4, 1), (8, 1), (2, 2), (4, 2), (2, 4)]
    boards = np.array([a * b for a, b in shares])
    seconds = 900 / boards**0.85 * draw.noise(boards.size, 0.01)
    return {
        "tp": [a for a, _ in shares],
        "pp": [b for _, b in shares],
        "gpu": ["A100"] * boards.size,
        "gpu_energy_j": rounded(seconds * boards * draw.rng.uniform(250, 330, boards.size), 1),
        "duration_s": rounded(seconds, 2),
    }


@clean()
def one_row_a_board(draw: Draw) -> Columns:
    runs = draw.runs({"model": draw.models()}, 3)
    rows = [(n, board) for n in range(len(runs.rows)) for board in range(4)]
    joules = runs.joules[[n for n, _ in rows]] * draw.rng.uniform(0.97, 1.03, len(rows))
    return {
        "run_id": [f"run_{n}" for n, _ in rows],
        "model": [runs.rows[n]["model"] for n, _ in rows],
        "gpu_index": [board for _, board in rows],
        "gpu_energy_j": rounded(joules, 2),
        "duration_s": rounded(runs.seconds[[n for n, _ in rows]], 3),
    }


@clean()
def small_machines(draw: Draw) -> Columns:
    device, low_w, high_w = draw.pick(
        ("Raspberry Pi 5", 2.5, 6.0), ("Samsung Galaxy S24", 2.0, 5.5), ("laptop", 14.0, 40.0)
    )
    runs = draw.runs(
        {"model": ["qwen-0.5b-q4", "tinyllama-q4"], "prompt_tokens": [32, 128]}, 5, (low_w, high_w)
    )
    return {
        "device": [device] * len(runs.rows),
        **runs.levels("model", "prompt_tokens"),
        "energy_mj": rounded(1e3 * runs.joules, 0),
        "duration_ms": rounded(1e3 * runs.seconds, 0),
        "avg_power_mw": rounded(1e3 * runs.watts, 1),
        "battery_temp_c": rounded(draw.rng.uniform(30, 41, len(runs.rows)), 1),
    }


@clean()
def counters_of_a_processor(draw: Draw) -> Columns:
    runs = draw.runs({"model": ["tiny", "small"], "threads": [1, 4, 8]}, 5, (18.0, 45.0))
    size = len(runs.rows)
    return {
        "device": ["cpu"] * size,
        **runs.levels("model", "threads"),
        "package_energy_j": rounded(runs.joules, 3),
        "core_energy_j": rounded(runs.joules * draw.rng.uniform(0.7, 0.8, size), 3),
        "uncore_energy_j": rounded(runs.joules * draw.rng.uniform(0.01, 0.03, size), 3),
        "dram_energy_j": rounded(runs.seconds * draw.rng.uniform(2, 3, size), 3),
        "gpu_energy_j": [0] * size,
        "time_s": rounded(runs.seconds, 3),
    }


@clean()
def processor_and_board_by_turns(draw: Draw) -> Columns:
    runs = draw.runs({"backend": ["cpu", "cuda"], "model": ["a-1b", "b-3b"]}, 5, (60.0, 90.0))
    gpu_w = runs.each("backend", {"cpu": 0.0, "cuda": 200.0}) * draw.noise(len(runs.rows))
    gpu, cpu = np.round(gpu_w * runs.seconds, 2), np.round(runs.joules, 2)
    return {
        **runs.levels("backend", "model"),
        "cpu_energy_j": rounded(cpu, 2),
        "gpu_energy_j": rounded(gpu, 2),
        "total_energy_j": rounded(cpu + gpu, 2),
        "time_s": rounded(runs.seconds, 3),
    }


@clean()
def power_limits(draw: Draw) -> Columns:
    limits = [200, 240, 280, 320, 360, 400]
    runs = draw.runs({"power_limit_w": limits, "model": draw.models(2)}, 3)
    limit = runs.each("power_limit_w", {n: float(n) for n in limits})
    watts = np.minimum(0.97 * limit, 372) * draw.noise(limit.size, 0.002)
    seconds = runs.each("model", {m: 8 * MODELS[m] for m in MODELS}) * (400 / watts) ** 0.4
    seconds = seconds * draw.noise(limit.size, 0.005)
    return {
        "gpu": ["A100"] * limit.size,
        **runs.levels("model", "power_limit_w"),
        "avg_power_w": rounded(watts, 2),
        "time_s": rounded(seconds, 3),
        "energy_j": rounded(watts * seconds, 2),
    }


@clean()
def idle_and_busy(draw: Draw) -> Columns:
    runs = draw.runs({"load": ["idle", "light", "full"]}, 5)
    watts = runs.each("load", {"idle": 8.0, "light": 150.0, "full": 410.0})
    watts = watts * draw.noise(watts.size)
    return {
        "gpu": ["RTX 4090"] * watts.size,
        **runs.levels("load"),
        "avg_power_w": rounded(watts, 2),
        "duration_s": ["60.0"] * watts.size,
        "energy_j": rounded(60 * watts, 1),
    }
