"""A made-up FLOP metrics study in the layout that the real one has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

COUNTER_HEADER = ",Kernel Name,Metric Name,Metric Value\n"
SUMMARY = "n,d,m,ncu_total_flops_fwd,percent_diff_fwd\n2,64,16,4096.0,1.5\n4,64,16,8192.0,1.25\n"


def record(**changes: Any) -> dict[str, Any]:
    """Give one record: a forward of 20 ms and 5 J, a backward of 60 ms and 15 J, a batch."""
    measured = {
        f"{name}_{figure}": value * factor
        for name, factor in (("forward", 1), ("backward", 3))
        for figure, value in (
            ("energy_sum", 450.0), ("energy_mean", 5.0), ("energy_sem", 0.1),
            ("flops_sum", 2_000_000_000_000), ("cpu_time_mean", 18000.0), ("cpu_time_sem", 9.0),
            ("gpu_time_mean", 20000.0), ("gpu_time_sem", 12.0),
        )
    }  # fmt: skip
    labels = {
        "config_name": "small", "batch_size": 8, "input_length": 256, "precision": "fp16",
        "gflops_per_joule_forward": 400.0, "gflops_per_joule_backward": 400.0, "gpu_config": "a40",
    }  # fmt: skip
    whole = {**measured, **labels, **changes}
    return {name: value for name, value in whole.items() if value is not ...}


def forward_only(**changes: Any) -> dict[str, Any]:
    """Give a record without a backward pass, as the source writes it."""
    keys = [key for key in record() if key.startswith("backward_")]
    return record(**dict.fromkeys(keys, ...), gflops_per_joule_backward=0.0, **changes)


def write(path: Path, *records: dict[str, Any]) -> Path:
    """Write records, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(each)}\n" for each in records), encoding="utf-8")
    return path


def study(folder: Path) -> Path:
    """Write two profiles with a copy of both, a baseline with its table, counters and a summary."""
    optimized = folder / "architecture" / "results_optimized"
    small, large = record(), forward_only(config_name="large", input_length=1024)
    write(optimized / "a40_fp16_llama_small_result.jsonl", small)
    write(optimized / "a40_fp16_llama_large_result.jsonl", large)
    write(optimized / "a40_fp16_llama_all_configs_results.jsonl", small, large)
    baseline = folder / "architecture" / "results_baseline"
    measured = {key: value for key, value in record().items() if key.split("_")[0] in _PASSES}
    write(baseline / "l40_fp32_llama_energy_results.jsonl", measured)
    (baseline / "gpu_efficiency_combined.csv").write_text("GPU,Value\nL40,1.5\nL40S,2.5\n")
    results = folder / "metrics" / "surface-1"
    for place in ("raw", "processed"):
        (results / place).mkdir(parents=True)
    for program in ("setup", "setup_forward", "setup_forward_backward"):
        text = COUNTER_HEADER + f'0,"void {program}<float, 4>()",fadd,12.0\n'
        (results / "raw" / f"surface_n2_d64_m16_{program}.csv").write_text(text)
    (results / "processed" / "surface_summary.csv").write_text(SUMMARY)
    return folder


_PASSES = ("forward", "backward")
