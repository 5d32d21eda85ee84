"""Clean tables of runs: inference, serving, phases, stamps, runs that failed."""

from __future__ import annotations

import numpy as np
from clean_draw import MODELS, Columns, Draw, clean, full, rounded, stamps, whole

TASKS = ("boolq", "copa", "rte", "gsm8k", "mmlu")
REQUESTS = 277


@clean()
def inference(draw: Draw) -> Columns:
    """Runs of two factors with everything that people derive, in units of all sorts."""
    factor, levels = draw.pick(
        ("batch_size", [1, 4, 16]), ("temperature", [0.0, 0.7]), ("engine", ["vllm", "tgi"])
    )
    runs = draw.runs({"model": draw.models(), factor: levels}, draw.pick(3, 10, 30))
    tokens = np.round(runs.seconds * draw.rng.uniform(20, 60, len(runs.rows)))
    size, unit = draw.pick((1.0, "J"), (1e3, "kJ"), (3600.0, "Wh"), (3.6e6, "kWh"), (1e-3, "mJ"))
    divisor, time = draw.pick((1.0, "duration_s"), (1e-3, "time_ms"), (60.0, "Runtime (min)"))
    share = np.round(draw.rng.uniform(0.6, 0.9, tokens.size) * REQUESTS) / REQUESTS
    percent = draw.pick(True, False)
    return {
        "run_id": [f"run_{row['cell']}_repetition_{row['repetition']}" for row in runs.rows],
        **runs.levels("model", factor, "repetition"),
        "order": list(range(1, tokens.size + 1)),
        f"Energy ({unit})": full(runs.joules / size),
        time: full(runs.seconds / divisor),
        "avg_power_mw" if percent else "avg_power_w": rounded(
            runs.watts * (1e3 if percent else 1.0), 2
        ),
        "requests": [REQUESTS] * tokens.size,
        "output_tokens": whole(tokens),
        "prompt_tokens": whole(draw.rng.uniform(2e4, 3e4, tokens.size)),
        "energy_per_token_j": rounded(runs.joules / tokens, 5),
        "energy_per_request_wh": full(runs.joules / REQUESTS / 3600),
        "energy_per_correct_j": rounded(runs.joules / np.round(share * REQUESTS), 4),
        "tokens_per_second": rounded(tokens / runs.seconds, 2),
        "tokens_per_joule": rounded(tokens / runs.joules, 5),
        "accuracy_pct" if percent else "accuracy": rounded(share * (100 if percent else 1), 4),
        "gpu_temp_c": rounded(draw.rng.uniform(50, 75, tokens.size), 0),
        "emissions_kg": full(runs.joules / 3.6e6 * 0.268),
        "cost_usd": rounded(runs.seconds / 3600 * 2.5, 5),
    }


@clean("no-repeats")
def one_run_each(draw: Draw) -> Columns:
    runs = draw.runs({"model": draw.models(), "task": TASKS[:3]}, 1)
    return {
        **runs.levels("model", "task"),
        "energy_wh": rounded(runs.joules / 3600, 4),
        "duration_s": rounded(runs.seconds, 2),
    }


@clean()
def a_few_rows_of_one_setting(draw: Draw) -> Columns:
    runs = draw.runs({"model": ["Llama-3.2-1B"]}, 3)
    return {"energy_j": rounded(runs.joules, 1), "accuracy": ["0.925"] * 3, "n_graded": [40] * 3}


@clean()
def parts_and_total(draw: Draw) -> Columns:
    runs = draw.runs({"model": draw.models(), "task": TASKS[:2]}, 5)
    size, unit = draw.pick((1.0, "j"), (3600.0, "wh"), (3.6e6, "kwh"))
    decimals = {"j": 2, "wh": 5, "kwh": 8}[unit]
    parts = [np.round(runs.joules / size, decimals)]
    for low_w, high_w in ((45, 60), (5, 9)):
        watts = draw.rng.uniform(low_w, high_w, parts[0].size)
        parts.append(np.round(runs.seconds * watts / size, decimals))
    named = dict(zip(("gpu", "cpu", "dram"), parts, strict=True))
    return {
        "__run_id": [f"run_{r['cell']}_repetition_{r['repetition']}" for r in runs.rows],
        "__done": ["DONE"] * len(runs.rows),
        **runs.levels("model", "task"),
        **{f"{part}_energy_{unit}": rounded(each, decimals) for part, each in named.items()},
        f"total_energy_{unit}": rounded(sum(parts), decimals),
        "duration_s": rounded(runs.seconds, 2),
        "avg_power_w": rounded(sum(parts) * size / runs.seconds, 2),
    }


@clean()
def net_of_idle(draw: Draw) -> Columns:
    runs = draw.runs({"model": draw.models()}, 5)
    idle_w = draw.rng.uniform(55, 58, len(runs.rows))
    return {
        **runs.levels("model", "repetition"),
        "energy_j": rounded(runs.joules, 2),
        "duration_s": rounded(runs.seconds, 3),
        "idle_power_w": rounded(idle_w, 2),
        "net_energy_j": rounded((runs.watts - idle_w) * runs.seconds, 2),
        "load_time_s": rounded(draw.rng.uniform(3, 9, len(runs.rows)), 2),
        "model_load_energy_j": rounded(draw.rng.uniform(300, 900, len(runs.rows)), 1),
    }


@clean()
def prefill_and_decode(draw: Draw) -> Columns:
    runs = draw.runs({"model": draw.models(), "prompt_length": [128, 512, 2048]}, 5)
    size = np.array([MODELS[row["model"]] for row in runs.rows])
    length = runs.each("prompt_length", {n: float(n) for n in (128, 512, 2048)})
    prefill_s, decode_s = (
        (size * length * 1e-5 + 0.02) * draw.noise(size.size), 0.8 * size * draw.noise(size.size),
    )  # fmt: skip
    prefill_j, decode_j = prefill_s * 340, decode_s * 220 * draw.noise(size.size, 0.01)
    return {
        **runs.levels("model", "prompt_length"),
        "prefill_energy_j": rounded(prefill_j * draw.noise(size.size, 0.01), 3),
        "decode_energy_j": rounded(decode_j, 3),
        "prefill_time_s": rounded(prefill_s, 5),
        "decode_time_s": rounded(decode_s, 4),
        "output_tokens": [128] * size.size,
        "decode_energy_per_token_j": rounded(decode_j / 128, 4),
    }


@clean()
def rows_of_phases(draw: Draw) -> Columns:
    rows = []
    for model in draw.models():
        for repetition in range(5):
            first_j, then_j = draw.rng.uniform(50, 60), MODELS[model] * 100 * draw.noise(1)[0]
            first_s, then_s = (
                first_j / draw.rng.uniform(300, 320),
                then_j / draw.rng.uniform(210, 230),
            )
            rows += [
                (model, repetition, "prefill", first_j, first_s),
                (model, repetition, "decode", then_j, then_s),
                (model, repetition, "total", first_j + then_j, first_s + then_s),
            ]
    return {
        "model": [row[0] for row in rows],
        "rep": [row[1] for row in rows],
        "phase": [row[2] for row in rows],
        "energy_j": rounded([row[3] for row in rows], 2),
        "time_s": rounded([row[4] for row in rows], 4),
    }


@clean()
def served_at_rates(draw: Draw) -> Columns:
    runs = draw.runs({"request_rate": [0.5, 1, 2, 4, 8], "model": draw.models(2)}, 3)
    rate = runs.each("request_rate", {r: float(r) for r in (0.5, 1, 2, 4, 8)})
    size = rate.size
    seconds = (500 / rate + 15) * draw.noise(size, 0.01)
    tokens = np.round(500 * draw.rng.uniform(180, 220, size))
    joules = seconds * np.clip(150 + 90 * np.log2(rate + 1), 0, 600) * draw.noise(size)
    return {
        **runs.levels("request_rate", "model"),
        "gpu": ["H100"] * size,
        "completed": [500] * size,
        "duration (s)": rounded(seconds, 2),
        "total_output_tokens": whole(tokens),
        "mean_ttft_ms": rounded((50 + 10 * rate) * draw.noise(size, 0.05), 2),
        "p99_itl_ms": rounded((30 + 2 * rate) * draw.noise(size, 0.05), 2),
        "energy_j": rounded(joules, 1),
        "output_throughput_tok_s": rounded(tokens / seconds, 2),
        "energy_per_output_token_j": rounded(joules / tokens, 4),
    }


@clean()
def heavy_tails(draw: Draw) -> Columns:
    runs = draw.runs({"model": draw.models(), "batch_size": [1, 8]}, 30, seconds=(60.0, 200.0))
    size = len(runs.rows)
    slow = np.where(draw.rng.random(size) < 0.05, draw.rng.uniform(1.5, 4, size), 1.0)
    seconds = runs.seconds * slow * np.exp(0.03 * draw.rng.standard_t(2.5, size))
    return {
        **runs.levels("model", "batch_size"),
        "energy_j": rounded(runs.watts * seconds, 2),
        "duration_s": rounded(seconds, 3),
        "output_tokens": whole(seconds * 30),
    }


@clean()
def sorted_by_model_with_stamps(draw: Draw) -> Columns:
    runs = draw.runs({"model": draw.models()}, 10)
    order = sorted(range(30), key=lambda n: str(runs.rows[n]["model"]))
    return {
        "model": [runs.rows[n]["model"] for n in order],
        "timestamp": stamps(runs.starts_s()[order]),
        "energy_j": rounded(runs.joules[order], 2),
        "duration_s": rounded(runs.seconds[order], 3),
    }


@clean()
def stamped_to_the_minute(draw: Draw) -> Columns:
    runs = draw.runs({"model": draw.models()}, 20, seconds=(2.0, 25.0))
    return {
        "Started at": stamps(runs.starts_s(), "%d.%m.%Y %H:%M"),
        **runs.levels("model"),
        "Energy (J)": rounded(runs.joules, 2),
        "Duration (s)": rounded(runs.seconds, 3),
    }


@clean()
def failed_runs_and_empty_answers(draw: Draw) -> Columns:
    runs = draw.runs({"model": draw.models(), "batch_size": [1, 8, 64]}, 5)
    failed = [row["batch_size"] == 64 and row["repetition"] < 2 for row in runs.rows]
    speed = draw.rng.uniform(25, 35, len(failed))
    tokens = np.where(draw.rng.random(len(failed)) < 0.1, 0.0, np.round(speed * runs.seconds))

    def measured(cells: list[str]) -> list[str]:
        return ["nan" if bad else cell for cell, bad in zip(cells, failed, strict=True)]

    return {
        **runs.levels("model", "batch_size"),
        "status": ["oom" if bad else "ok" for bad in failed],
        "energy_j": measured(rounded(runs.joules, 2)),
        "duration_s": measured(rounded(runs.seconds, 2)),
        "output_tokens": whole(tokens),
        "tokens_per_second": measured(rounded(tokens / runs.seconds, 2)),
    }
