"""Profiles, kernel times and tracked emissions, made of plain physics without errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from planted_tables import Columns, crossed, save


def passes(gpu: str = "l40s", seed: int = 51) -> list[dict[str, Any]]:
    """Profiles of forward and backward: 3 input lengths, 2 precisions, batches of 64."""
    rng = np.random.default_rng(seed)
    peak = {"fp32": 91.6e12, "bf16": 362e12}
    made = []
    for precision in ("fp32", "bf16"):
        for name, length in (("small", 256), ("mid", 512), ("large", 1024)):
            record: dict[str, Any] = {}
            for phase, times in (("forward", 2), ("backward", 4)):
                flops = int(times * 1_235_746_816 * 64 * length + 2.5e7 * length)
                share = (0.42 if precision == "bf16" else 0.55) * (0.9 + 0.03 * length / 256)
                lasted_s = flops / (share * peak[precision]) * (1 + 0.004 * rng.standard_normal())
                joules = lasted_s * 298 * (1 + 0.02 * rng.standard_normal())
                record |= {
                    f"{phase}_energy_sum": joules * 90, f"{phase}_energy_mean": joules,
                    f"{phase}_energy_sem": 0.004 * joules, f"{phase}_flops_sum": flops,
                    f"{phase}_cpu_time_mean": 1.02e6 * lasted_s,
                    f"{phase}_cpu_time_sem": 1e3 * lasted_s,
                    f"{phase}_gpu_time_mean": 1e6 * lasted_s,
                    f"{phase}_gpu_time_sem": 1e3 * lasted_s,
                }  # fmt: skip
            record |= {"config_name": name, "batch_size": 64, "input_length": length,
                       "precision": precision}  # fmt: skip
            made.append(with_efficiencies(record) | {"gpu_config": gpu})
    return made


def with_efficiencies(record: dict[str, Any]) -> dict[str, Any]:
    return record | {
        f"gflops_per_joule_{phase}":
            record[f"{phase}_flops_sum"] / record[f"{phase}_energy_mean"] / 1e9
        for phase in ("forward", "backward")
    }  # fmt: skip


def profiles(root: Path, records: list[dict[str, Any]]) -> list[Path]:
    """Write one file a profile."""
    folder = root / "architecture" / "results_optimized"
    folder.mkdir(parents=True)
    for record in records:
        name = f"{record['gpu_config']}_{record['precision']}_llama3.2_1b_{record['config_name']}"
        (folder / f"{name}_result.jsonl").write_text(json.dumps(record) + "\n")
    return [root / "architecture"]


def sizes(seed: int = 52) -> Columns:
    """Kernel times on a V100 with bars between cells: 4 batches, 3 repeats, FLOPs beside them."""
    rng = np.random.default_rng(seed)
    made: Columns = {name: [] for name in SIZES}
    for row in crossed(seed, 3, batch=(16, 32, 64, 128), model=("resnet50", "vit-b")):
        each = 8.2e9 if row["model"] == "resnet50" else 35.1e9
        flops = each * row["batch"]
        lasted_s = (flops / 5.9e12 + 0.0015) * (1 + 0.006 * rng.standard_normal())
        joules = lasted_s * 238 * (1 + 0.01 * rng.standard_normal())
        made["device"].append("Tesla V100-SXM2-16GB")
        made["model"].append(row["model"])
        made["precision"].append("fp32")
        made["batch"].append(row["batch"])
        made["rep"].append(row["rep"])
        made["GFLOPs per batch"].append(round(flops / 1e9, 2))
        made["time per batch (ms)"].append(round(1e3 * lasted_s, 3))
        made["energy per batch (J)"].append(round(joules, 4))
        made["TFLOPS"].append(round(flops / lasted_s / 1e12, 3))
        made["GFLOPS/W"].append(round(flops / joules / 1e9, 3))
    return made


SIZES = (
    "device", "model", "precision", "batch", "rep", "GFLOPs per batch", "time per batch (ms)",
    "energy per batch (J)", "TFLOPS", "GFLOPS/W",
)  # fmt: skip


def bars(root: Path, columns: Columns) -> list[Path]:
    return [save(root / "kernels.csv", columns, "|")]


def emissions(seed: int = 53) -> Columns:
    """What CodeCarbon tracked of 4 projects, 3 runs each, on an RTX 3090."""
    rng = np.random.default_rng(seed)
    made: Columns = {name: [] for name in EMISSIONS}
    clock = np.datetime64("2024-05-02T09:00:00")
    for row in crossed(seed, 3, project=tuple(PROJECTS)):
        usual_s, usual_w = PROJECTS[row["project"]]
        seconds = usual_s * (1 + 0.02 * rng.standard_normal())
        watts = usual_w * (1 + 0.01 * rng.standard_normal())
        cpu, gpu, ram = (p * seconds / 3.6e6 for p in (42.5, watts, 11.76))
        clock += np.timedelta64(int(seconds) + 25, "s")
        made["timestamp"].append(str(clock))
        made["project_name"].append(row["project"])
        made["run_id"].append(f"{int(rng.integers(1 << 30)):08x}-{len(made['run_id']):04d}")
        made["duration"].append(seconds)
        made["emissions"].append((cpu + gpu + ram) * 0.268)
        made["emissions_rate"].append((cpu + gpu + ram) * 0.268 / seconds)
        made["cpu_power"].append(42.5)
        made["gpu_power"].append(watts)
        made["ram_power"].append(11.76)
        made["cpu_energy"].append(cpu)
        made["gpu_energy"].append(gpu)
        made["ram_energy"].append(ram)
        made["energy_consumed"].append(cpu + gpu + ram)
        made["country_name"].append("Netherlands")
        made["country_iso_code"].append("NLD")
        made["os"].append("Linux-6.1")
        made["codecarbon_version"].append("2.4.1")
        made["gpu_count"].append(1)
        made["gpu_model"].append("1 x NVIDIA GeForce RTX 3090")
        made["tracking_mode"].append("machine")
        made["pue"].append(1.0)
    return made


PROJECTS = {
    "bert-ft": (900, 251), "bert-eval": (140, 205), "gpt2-ft": (1500, 287), "gpt2-eval": (260, 229),
}  # fmt: skip
EMISSIONS = (
    "timestamp", "project_name", "run_id", "duration", "emissions", "emissions_rate", "cpu_power",
    "gpu_power", "ram_power", "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed",
    "country_name", "country_iso_code", "os", "codecarbon_version", "gpu_count", "gpu_model",
    "tracking_mode", "pue",
)  # fmt: skip


def tracked(root: Path, columns: Columns) -> list[Path]:
    save(root / "cc" / "emissions.csv", columns)
    return [root / "cc"]
