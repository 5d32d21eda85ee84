"""Tables as different people publish them, made up of plain physics, without any error in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

Columns = dict[str, list[Any]]


def save(
    path: Path,
    columns: Mapping[str, Sequence[Any]],
    separator: str = ",",
    newline: str = "\n",
    write: Callable[[Any], str] = lambda value: "" if value is None else str(value),
) -> Path:
    """Write a table; cells with the separator in them are quoted."""
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(separator.join(_quoted(write(c), separator) for c in row) + newline for row in rows)
    )
    return path


def _quoted(text: str, separator: str) -> str:
    return f'"{text}"' if separator in text else text


def save_lines(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Write one JSON object a row; a dot in a name makes an inner object."""
    lines = []
    for values in zip(*columns.values(), strict=True):
        record: dict[str, Any] = {}
        for name, value in zip(columns, values, strict=True):
            place, _, inner = name.rpartition(".")
            (record.setdefault(place, {}) if place else record)[inner] = value
        lines.append(json.dumps(record) + "\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))
    return path


def decimal_comma(value: Any) -> str:
    """Write a value as a German or French spreadsheet does."""
    return str(value).replace(".", ",") if isinstance(value, float) else str(value)


def crossed(seed: int, repeats: int, **factors: Iterable[Any]) -> list[dict[str, Any]]:
    """Give each combination so many times, in random order."""
    cells = [dict(zip(factors, levels, strict=True)) for levels in product(*factors.values())]
    rows = [cell | {"rep": rep} for rep in range(1, repeats + 1) for cell in cells]
    return [rows[k] for k in np.random.default_rng(seed).permutation(len(rows))]


def serving(seed: int = 1) -> Columns:
    """Serving on an A100 in Wh: 2 models, 2 precisions, 3 batch sizes, 4 repeats; 48 rows."""
    rng = np.random.default_rng(seed)
    rows = crossed(seed, 4, model=("llama-2-7b", "llama-2-13b"), dtype=("fp16", "int8"),
                   batch_size=(1, 8, 32))  # fmt: skip
    made: Columns = {name: [] for name in SERVING}
    for number, row in enumerate(rows):
        large, quick = row["model"] == "llama-2-13b", row["dtype"] == "int8"
        tokens = int(rng.normal(31000, 700))
        prompt_tokens = 128 * 412 + int(rng.integers(-30, 30))
        rate = 38.0 * (0.58 if large else 1) * (1.35 if quick else 1) * row["batch_size"] ** 0.82
        rate *= 1 + 0.02 * rng.standard_normal()
        lasted_s = tokens / rate
        gpu_w = 205 + 35 * large + 18 * np.log2(row["batch_size"]) - 30 * quick
        gpu_w *= 1 + 0.012 * rng.standard_normal()
        gpu_wh = gpu_w * lasted_s / 3600
        cpu_wh = (52 + 3 * rng.standard_normal()) * lasted_s / 3600
        weights_gb = (26.1 if large else 13.5) * (0.55 if quick else 1)
        right = int(rng.binomial(640, 0.62 if large else 0.55))
        made["run_id"].append(f"run_{number:03d}")
        for name in ("model", "dtype", "batch_size", "rep"):
            made[name].append(row[name])
        made["gpu_name"].append("NVIDIA A100-SXM4-80GB")
        made["prompt_tokens"].append(prompt_tokens)
        made["output_tokens"].append(tokens)
        made["duration_s"].append(round(lasted_s, 3))
        made["gpu_energy_wh"].append(round(gpu_wh, 5))
        made["cpu_energy_wh"].append(round(cpu_wh, 5))
        made["total_energy_wh"].append(round(gpu_wh + cpu_wh, 5))
        made["Avg GPU Power [W]"].append(round(gpu_w, 2))
        made["throughput_tok_s"].append(round(tokens / lasted_s, 2))
        made["J/token"].append(round((gpu_wh + cpu_wh) * 3600 / tokens, 5))
        memory = weights_gb + 0.31 * row["batch_size"] + 0.02 * rng.random()
        made["peak_mem_gb"].append(round(memory, 2))
        made["n_graded"].append(640)
        made["n_correct"].append(right)
        made["accuracy"].append(round(right / 640, 4))
    return made


SERVING = (
    "run_id", "model", "dtype", "batch_size", "rep", "gpu_name", "prompt_tokens", "output_tokens",
    "duration_s", "gpu_energy_wh", "cpu_energy_wh", "total_energy_wh", "Avg GPU Power [W]",
    "throughput_tok_s", "J/token", "peak_mem_gb", "n_graded", "n_correct", "accuracy",
)  # fmt: skip


def thesis(seed: int = 2) -> Columns:
    """Fine-tuning at home in kWh and minutes: 4 models, 2 tasks, 3 seeds; 24 rows."""
    rng = np.random.default_rng(seed)
    sizes = {"DistilBERT": 66, "BERT-base": 110, "RoBERTa-base": 125, "BERT-large": 340}
    made: Columns = {name: [] for name in THESIS}
    clock_s = 1_714_550_000.0
    for row in crossed(seed, 3, Model=tuple(sizes), Task=("MNLI", "QNLI")):
        size = sizes[row["Model"]]
        spread = rng.normal(0, 0.015)
        minutes = 0.31 * size**0.93 * (3.2 if row["Task"] == "MNLI" else 1) * np.exp(spread)
        watts = (232 + 0.13 * size) * np.exp(rng.normal(0, 0.01))
        kwh = watts * minutes / 60e3
        quality = 78 + 2.6 * np.log2(size / 66) + 4 * (row["Task"] == "QNLI") + rng.normal(0, 0.3)
        made["Date"].append(_iso(clock_s))
        clock_s += 60 * minutes + 40
        made["Model"].append(row["Model"])
        made["Task"].append(row["Task"])
        made["Seed"].append({1: 13, 2: 42, 3: 87}[row["rep"]])
        made["Params (M)"].append(size)
        made["Training time (min)"].append(round(minutes, 2))
        made["Energy (kWh)"].append(round(kwh, 5))
        made["Mean power (W)"].append(round(watts, 1))
        made["CO2 (g)"].append(round(kwh * 381, 2))
        made["Accuracy (%)"].append(round(quality, 2))
    return made


THESIS = (
    "Date", "Model", "Task", "Seed", "Params (M)", "Training time (min)", "Energy (kWh)",
    "Mean power (W)", "CO2 (g)", "Accuracy (%)",
)  # fmt: skip


def _iso(epoch_s: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(round(epoch_s), UTC).strftime("%Y-%m-%d %H:%M:%S")


def paper(seed: int = 3) -> Columns:
    """Table 3 of a paper: 8 systems on an L4, means and standard deviations of 10 runs."""
    rng = np.random.default_rng(seed)
    made: Columns = {name: [] for name in PAPER}
    names = ("TinyLlama", "Phi-2", "Gemma-2B", "StableLM", "Mistral-7B", "Zephyr-7B", "Llama-7B",
             "Vicuna-7B")  # fmt: skip
    for name, size, exact in zip(
        names, (1.1, 2.7, 2.5, 3.0, 7.2, 7.3, 6.7, 6.9), (21, 43, 38, 33, 55, 58, 47, 50),
        strict=True,
    ):  # fmt: skip
        latency_s = 0.22 * size**0.9 * np.exp(rng.normal(0, 0.05))
        watts = 55 + 1.3 * size + rng.normal(0, 0.5)
        joules = watts * latency_s
        made["System"].append(name)
        made["Params (B)"].append(size)
        made["Energy per query (J)"].append(round(joules, 3))
        made["std (J)"].append(round(0.03 * joules, 3))
        made["n"].append(10)
        made["Latency (s)"].append(round(latency_s, 4))
        made["Avg power (W)"].append(round(watts, 2))
        made["EM (%)"].append(exact + round(float(rng.random()), 1))
    return made


PAPER = (
    "System", "Params (B)", "Energy per query (J)", "std (J)", "n", "Latency (s)",
    "Avg power (W)", "EM (%)",
)  # fmt: skip


def training(seed: int = 4) -> Columns:
    """Training runs on three boards, FLOPs and all: 3 boards, 2 sizes, 4 seeds; 24 lines."""
    rng = np.random.default_rng(seed)
    boards = {
        "NVIDIA L40S": (362e12, 350),
        "A100-PCIE-40GB": (312e12, 250),
        "H100 PCIe": (756e12, 350),
    }
    sizes = {"125m": 1.25e8, "350m": 3.5e8}
    made: Columns = {name: [] for name in TRAINING}
    for row in crossed(seed, 4, board=tuple(boards), size=tuple(sizes)):
        peak, limit_w = boards[row["board"]]
        tokens = 2_000_000_000
        flops = 6 * sizes[row["size"]] * tokens
        share = (0.31 if row["size"] == "125m" else 0.38) * np.exp(rng.normal(0, 0.01))
        hours = flops / (share * peak) / 3600
        watts = (0.78 if row["size"] == "125m" else 0.85) * limit_w * np.exp(rng.normal(0, 0.01))
        made["hardware.gpu"].append(row["board"])
        made["model.size"].append(row["size"])
        made["model.dtype"].append("bf16")
        made["train.seed"].append(1000 + row["rep"])
        made["train.tokens"].append(tokens)
        made["train.flops"].append(flops)
        made["train.hours"].append(hours)
        made["train.gpu_energy_kwh"].append(watts * hours / 1000)
        made["train.tflops_per_s"].append(share * peak / 1e12)
        made["train.mfu"].append(share)
        made["train.val_loss"].append(3.2 - 0.3 * (row["size"] == "350m") + rng.normal(0, 0.005))
    return made


TRAINING = (
    "hardware.gpu", "model.size", "model.dtype", "train.seed", "train.tokens", "train.flops",
    "train.hours", "train.gpu_energy_kwh", "train.tflops_per_s", "train.mfu", "train.val_loss",
)  # fmt: skip


def long_table(seed: int = 5) -> Columns:
    """A run table of 900 rows in joules, in random order: 5 models, 6 tasks, 30 repeats."""
    rng = np.random.default_rng(seed)
    speed = {"qwen-0.5b": 260.0, "qwen-1.5b": 170.0, "qwen-3b": 112.0, "qwen-7b": 62.0,
             "qwen-14b": 33.0}  # fmt: skip
    lengths = dict(zip(("boolq", "cb", "copa", "rte", "wic", "wsc"),
                       (7900, 14000, 12500, 12100, 11400, 8800), strict=True))  # fmt: skip
    rows = crossed(seed, 30, model=tuple(speed), task=tuple(lengths))
    made: Columns = {name: [] for name in LONG}
    for row in rows:
        place = list(speed).index(row["model"])
        tokens = int(lengths[row["task"]] * (1 + 0.05 * place) * (1 + 0.03 * rng.standard_normal()))
        lasted_s = tokens / (speed[row["model"]] * (1 + 0.004 * rng.standard_normal()))
        gpu_j = (255 + 22 * place) * lasted_s * (1 + 0.006 * rng.standard_normal())
        package_j = 58 * lasted_s * (1 + 0.01 * rng.standard_normal())
        cores_j = package_j * (0.56 + 0.01 * rng.standard_normal())
        dram_j = 7.2 * lasted_s * (1 + 0.02 * rng.standard_normal())
        right = int(rng.binomial(80, 0.55 + 0.07 * place))
        made["__run_id"].append(f"run_{place}_{row['task']}_repetition_{row['rep'] - 1}")
        made["__done"].append("DONE")
        made["model"].append(row["model"])
        made["task"].append(row["task"])
        made["rep"].append(row["rep"])
        made["duration_ms"].append(round(1e3 * lasted_s))
        made["gpu_joules"].append(round(gpu_j, 4))
        made["package_joules"].append(round(package_j, 4))
        made["pp0_joules"].append(round(cores_j, 4))
        made["dram_joules"].append(round(dram_j, 4))
        made["energy_total_joules"].append(round(gpu_j + package_j + dram_j, 4))
        made["response_token_count"].append(tokens)
        made["accuracy"].append(right / 80)
    return made


LONG = (
    "__run_id", "__done", "model", "task", "rep", "duration_ms", "gpu_joules", "package_joules",
    "pp0_joules", "dram_joules", "energy_total_joules", "response_token_count", "accuracy",
)  # fmt: skip
