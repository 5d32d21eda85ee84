"""Clean tables as they are published: summaries, leaderboards, logs of tools, statistics."""

from __future__ import annotations

import numpy as np
from clean_draw import MODELS, Columns, Draw, clean, full, rounded, stamps, whole


@clean()
def means_with_spread(draw: Draw) -> Columns:
    models = draw.models(4)
    mean = np.array([MODELS[model] for model in models]) * draw.rng.uniform(80, 150)
    value, spread = draw.pick(
        ("mean_energy_j", "sd_energy_j"), ("Energy (mean)", "Energy (SD)"),
        ("energy (J)", "energy (J) ±"), ("energy_j", "energy_j_ci95"),
    )  # fmt: skip
    return {
        "model": models,
        value: rounded(mean, 2),
        spread: rounded(0.03 * mean, 2),
        "n": [30] * 4,
        "p_value": rounded(draw.rng.uniform(0, 0.2, 4), 4),
        "cohens_d": rounded(draw.rng.normal(0, 1, 4), 2),
        "energy_reduction_pct": rounded(100 * (1 - mean / mean.max()), 1),
        "accuracy": rounded(draw.rng.uniform(0.6, 0.9, 4), 3),
        "accuracy_drop": rounded(draw.rng.normal(0, 0.02, 4), 3),
    }


@clean("no-repeats")
def leaderboard(draw: Draw) -> Columns:
    sizes = np.sort(draw.rng.choice(np.arange(1, 80), 20, replace=False)).astype(float)
    joules = sizes * 0.4 * draw.noise(20, 0.2)
    return {
        "Model": [f"model-{size:.0f}b" for size in sizes],
        "Params (B)": rounded(sizes, 1),
        "GPU": ["A100"] * 20,
        "Energy/token (J)": rounded(joules, 3),
        "Throughput (tok/s)": rounded(2000 / sizes * draw.noise(20, 0.2), 1),
        "TPOT (ms)": rounded(2 * sizes, 1),
        "Average score": rounded(draw.rng.uniform(40, 85, 20), 2),
        "task": [draw.pick("chat", "code") for _ in sizes],
    }


@clean("no-repeats")
def quantizations(draw: Draw) -> Columns:
    bits = {"fp16": 16, "int8": 8.5, "nf4": 4.5, "Q4_K_M": 4.8}
    rows = [(model, name) for model in draw.models(2) for name in bits]
    size_gb = np.array([MODELS[model] * bits[name] / 8 for model, name in rows])
    speed = 400 / size_gb**0.7 * draw.noise(len(rows))
    speed[1] = np.nan  # did not fit
    return {
        "model": [model for model, _ in rows],
        "quantization": [name for _, name in rows],
        "vram_gb": rounded(1.15 * size_gb + 0.8, 2),
        "energy_j": rounded(5000 / speed * draw.rng.uniform(220, 300, len(rows)), 1),
        "time_s": rounded(5000 / speed, 2),
        "tokens_per_second": rounded(speed, 2),
        "perplexity": rounded(6 + draw.rng.uniform(0, 0.5, len(rows)), 3),
    }


@clean("no-repeats")
def work_of_a_board(draw: Draw) -> Columns:
    name, limit_w, peak = draw.pick(
        ("A100", 400, 312e12), ("H100", 700, 989e12), ("L4", 72, 121e12), ("RTX 4090", 450, 165e12)
    )
    tokens = np.array([b * n for b in (4, 16, 64) for n in (256, 1024)])
    share = 0.55 * tokens / (tokens + 400.0)
    flops = 2 * 1.2e9 * tokens
    seconds = flops / (peak * share) * draw.noise(6, 0.01)
    joules = seconds * limit_w * (0.3 + 0.65 * share / 0.55) * draw.noise(6, 0.01)
    return {
        "gpu": [name] * 6,
        "precision": ["fp16"] * 6,
        "batch_size": [4, 4, 16, 16, 64, 64],
        "sequence_length": [256, 1024] * 3,
        "iterations": [200] * 6,
        "gflop": rounded(flops / 1e9, 2),
        "time_ms": rounded(1e3 * seconds, 4),
        "energy_j": rounded(joules, 5),
        "tflops_per_s": rounded(flops / seconds / 1e12, 2),
        "GFLOPs/J": rounded(flops / joules / 1e9, 2),
    }


@clean("no-repeats")
def trainings(draw: Draw) -> Columns:
    models, hours = draw.models(5), draw.rng.uniform(0.3, 70, 5)
    kwh = hours * draw.rng.uniform(800, 1300, 5) / 1e3
    return {
        "model": models,
        "epochs": [3] * 5,
        "learning_rate": ["1e-5", "2e-5", "2e-5", "5e-5", "5e-5"],
        "Training time (hours)": rounded(hours, 2),
        "Energy (kWh)": rounded(kwh, 2),
        "co2_kg": rounded(0.268 * kwh, 2),
        "val_loss": rounded(draw.rng.uniform(1.5, 3, 5), 4),
    }


@clean("no-repeats")
def hundreds_of_boards(draw: Draw) -> Columns:
    boards = draw.rng.choice([64, 256, 512, 1024, 2048], 4, replace=False)
    hours = draw.rng.uniform(100, 1500, 4)
    mwh = boards * hours * 0.4 / 1e3
    return {
        "Model": ["7B", "13B", "34B", "70B"],
        "Time (GPU hours)": whole(boards * hours),
        "training_time_h": rounded(hours, 1),
        "GPU Power Consumption (W)": [400, 400, 350, 400],
        "Carbon Emitted (tCO2eq)": rounded(0.35 * mwh, 2),
        "Energy (MWh)": rounded(mwh, 1),
    }


@clean("no-repeats", "power-above-limit")
def boards_that_nobody_counted(draw: Draw) -> Columns:
    return {**hundreds_of_boards(draw), "gpu": ["A100"] * 4}


@clean()
def requests_one_by_one(draw: Draw) -> Columns:
    answer = np.round(np.exp(draw.rng.normal(4.8, 0.6, 400)))
    seconds = 0.1 + 0.02 * answer * draw.noise(400, 0.03)
    joules = seconds * draw.rng.uniform(240, 260, 400)
    return {
        "request_id": [f"req-{n:05d}" for n in range(400)],
        "prompt_tokens": whole(np.exp(draw.rng.normal(5, 0.8, 400))),
        "completion_tokens": whole(answer),
        "latency_s": rounded(seconds, 3),
        "energy_j": rounded(joules, 2),
        "energy_per_token": rounded(joules / answer, 4),
        "correct": [int(draw.rng.random() < 0.7) for _ in range(400)],
    }


@clean()
def log_of_a_tracker(draw: Draw) -> Columns:
    seconds, watts = draw.rng.uniform(30, 4000, 12), draw.rng.uniform(120, 230, 12)
    cpu, gpu, ram = (seconds * w / 3.6e6 for w in (42.5, watts, 38.0))
    ends = 1.75e9 + np.cumsum(seconds + 5)
    return {
        "timestamp": stamps(ends),
        "project_name": ["codecarbon"] * 12,
        "run_id": [f"{int(draw.rng.integers(1 << 60)):016x}" for _ in range(12)],
        "duration": full(seconds),
        "emissions": full(0.4 * (cpu + gpu + ram)),
        "emissions_rate": full(0.4 * (cpu + gpu + ram) / seconds),
        "cpu_power": ["42.5"] * 12,
        "gpu_power": full(watts),
        "ram_power": ["38.0"] * 12,
        "cpu_energy": full(cpu),
        "gpu_energy": full(gpu),
        "ram_energy": full(ram),
        "energy_consumed": full(cpu + gpu + ram),
        "country_iso_code": ["NLD"] * 12,
        "codecarbon_version": ["2.8.2"] * 12,
        "gpu_count": [1] * 12,
        "gpu_model": ["1 x NVIDIA A100-PCIE-40GB"] * 12,
        "pue": [1.0] * 12,
    }


@clean()
def log_of_another_tracker(draw: Draw) -> Columns:
    seconds = draw.rng.uniform(60, 9000, 8)
    kwh = seconds * draw.rng.uniform(200, 300, 8) / 3.6e6
    return {
        "experiment_description": ["training"] * 8,
        "epoch": ["N/A"] * 8,
        "start_time": [f"2025-03-{day} 10:00:00" for day in range(10, 18)],
        "duration(s)": full(seconds),
        "power_consumption(kWh)": full(kwh),
        "CO2_emissions(kg)": full(0.4 * kwh),
        "CPU_name": ["AMD EPYC 7543/1 device(s), TDP:225.0"] * 8,
        "GPU_name": ["NVIDIA A100-SXM4-80GB 1 device(s)"] * 8,
    }


@clean()
def jobs_of_a_cluster(draw: Draw) -> Columns:
    seconds = draw.rng.uniform(600, 80000, 20)
    begun = 1.75e9 + np.cumsum(draw.rng.uniform(10, 9000, 20))
    return {
        "JobID": list(range(100_000, 100_020)),
        "JobName": [draw.pick("train", "eval") for _ in range(20)],
        "Start": stamps(begun),
        "End": stamps(begun + seconds),
        "ElapsedRaw": whole(seconds),
        "ConsumedEnergyRaw": whole(seconds * draw.rng.uniform(300, 1500, 20)),
        "State": ["COMPLETED"] * 20,
    }


@clean()
def one_energy_in_three_units(draw: Draw) -> Columns:
    runs = draw.runs({"model": draw.models()}, 5)
    return {
        **runs.levels("model"),
        "energy_j": rounded(runs.joules, 2),
        "energy_wh": rounded(runs.joules / 3600, 4),
        "energy_kwh": rounded(runs.joules / 3.6e6, 4),
        "duration_s": rounded(runs.seconds, 2),
        "Duration (min)": rounded(runs.seconds / 60, 2),
    }


@clean()
def short_runs_in_kwh(draw: Draw) -> Columns:
    runs = draw.runs({"model": draw.models()}, 10, seconds=(2.0, 90.0))
    return {
        **runs.levels("model", "repetition"),
        "energy_kwh": rounded(runs.joules / 3.6e6, 3),
        "time_s": rounded(runs.seconds, 1),
    }


@clean()
def thousands_and_a_total_of_text(draw: Draw) -> Columns:
    runs = draw.runs({"model": draw.models()}, 5, seconds=(300.0, 900.0))
    return {
        **runs.levels("model"),
        "energy_j": [f"{joules:,.2f}" for joules in runs.joules],
        "duration_s": rounded(runs.seconds, 1),
        "Power (W)": [f"{watts:.1f} ± 3.1" for watts in runs.watts],
        "accuracy": [f"{share:.1f}%" for share in draw.rng.uniform(60, 90, 15)],
    }


@clean("no-repeats")
def total_in_the_last_row(draw: Draw) -> Columns:
    models = draw.models(4)
    joules = np.array([100 * MODELS[model] for model in models]) * draw.noise(4)
    seconds = joules / draw.rng.uniform(200, 250, 4)
    return {
        "model": [*models, "Total"],
        "energy_j": rounded([*joules, joules.sum()], 1),
        "duration_s": rounded([*seconds, seconds.sum()], 2),
    }


@clean()
def correlations(draw: Draw) -> Columns:
    above = np.round(draw.rng.uniform(-1, 1, 3), 2)
    return {
        "variable": ["energy", "time", "power"],
        "energy": [1, above[0], above[1]],
        "time": [above[0], 1, above[2]],
        "power": [above[1], above[2], 1],
    }


@clean()
def pairwise_differences(draw: Draw) -> Columns:
    return {
        "group1": ["a", "a", "b"],
        "group2": ["b", "c", "c"],
        "mean_diff_energy_j": rounded(draw.rng.normal(0, 100, 3), 2),
        "energy_vs_baseline_j": rounded(draw.rng.normal(0, 100, 3), 2),
        "lower": rounded(draw.rng.normal(-300, 10, 3), 2),
        "upper": rounded(draw.rng.normal(300, 10, 3), 2),
        "p_adj": rounded(draw.rng.uniform(0, 1, 3), 4),
    }


@clean()
def regions(draw: Draw) -> Columns:
    kwh, grams = draw.rng.uniform(0.1, 40, 12), draw.rng.uniform(20, 700, 12)
    return {
        "experiment": [f"exp{n}" for n in range(12)],
        "region": [draw.pick("eu-west", "us-east", "asia-1") for _ in range(12)],
        "Energy (kWh)": rounded(kwh, 3),
        "Carbon intensity (gCO2/kWh)": rounded(grams, 1),
        "Emissions (gCO2e)": rounded(kwh * grams, 1),
        "PUE": rounded(draw.rng.uniform(1.05, 1.3, 12), 2),
    }


@clean()
def versions_of_programs(draw: Draw) -> Columns:
    runs = draw.runs({"torch version": ["2.1", "2.4"], "model": draw.models(2)}, 5)
    return {
        **runs.levels("torch version", "model"),
        "energy_j": rounded(runs.joules, 2),
        "time_s": rounded(runs.seconds, 2),
    }


@clean()
def accelerators_of_many_makers(draw: Draw) -> Columns:
    names = {"NVIDIA H100-SXM-80GB": 700, "NVIDIA A100-SXM-80GB": 400, "NVIDIA L40S": 350}
    chosen = [draw.pick(*names) for _ in range(10)]
    number = np.array([draw.pick(1, 2, 4, 8) for _ in range(10)])
    watts = number * np.array([names[name] for name in chosen]) * 0.8 + 600
    speed = draw.rng.uniform(500, 20000, 10)
    return {
        "System": [f"sys-{n}" for n in range(10)],
        "Accelerator": chosen,
        "# of accelerators": number.tolist(),
        "Samples/s": rounded(speed, 2),
        "System power (W)": rounded(watts, 1),
        "Samples/J": rounded(speed / watts, 4),
    }
