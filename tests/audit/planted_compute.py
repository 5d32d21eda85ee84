"""Errors planted in figures of work: FLOPs, efficiencies, times by size, emissions, profiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from planted import base, plant
from planted_profiles import (
    bars,
    emissions,
    passes,
    profiles,
    sizes,
    tracked,
    with_efficiencies,
)
from planted_tables import Columns, crossed, save, save_lines, training


@base("passes")
def _passes(root: Path) -> list[Path]:
    return profiles(root, passes())


@base("sizes")
def _sizes(root: Path) -> list[Path]:
    return bars(root, sizes())


@base("emissions")
def _emissions(root: Path) -> list[Path]:
    return tracked(root, emissions())


# flops-above-peak


@plant("flops-above-peak", "sizes", "", "error", also=("efficiency-above-bound",))
def multiplications_counted_as_four(root: Path) -> list[Path]:
    t = sizes()
    for name in ("GFLOPs per batch", "TFLOPS", "GFLOPS/W"):
        t[name] = [round(4 * v, 3) for v in t[name]]
    return bars(root, t)


@plant("flops-above-peak", "training", "train.tflops_per_s", "error")
def rate_of_eight_boards_on_one(root: Path) -> list[Path]:
    t = training()
    t["train.tflops_per_s"] = [8 * v for v in t["train.tflops_per_s"]]
    del t["train.mfu"], t["train.flops"]
    return [save_lines(root / "runs.jsonl", t)]


@plant("flops-above-peak", "training", "train.mfu", "warning")
def utilisation_above_one(root: Path) -> list[Path]:
    t = training()
    t["train.mfu"] = [3.1 * v for v in t["train.mfu"]]
    del t["train.tflops_per_s"], t["train.flops"]
    return [save_lines(root / "runs.jsonl", t)]


@plant(
    "flops-above-peak",
    "passes",
    "forward",
    "error",
    also=("unsynchronised-window", "efficiency-above-bound", "window-below-resolution"),
)
def forward_passes_timed_without_waiting(root: Path) -> list[Path]:
    records = passes("h200")
    for record in records:
        for name in ("energy_sum", "energy_mean", "energy_sem", "cpu_time_mean", "gpu_time_mean"):
            record[f"forward_{name}"] *= 0.06
        record["gflops_per_joule_forward"] /= 0.06
    return profiles(root, records)


# efficiency-above-bound


@plant("efficiency-above-bound", "sizes", "GFLOPS/W", "error", also=("power-below-idle",))
def joules_of_a_tenth_of_the_time(root: Path) -> list[Path]:
    t = sizes()
    t["energy per batch (J)"] = [round(v / 11, 5) for v in t["energy per batch (J)"]]
    t["GFLOPS/W"] = [round(v * 11, 2) for v in t["GFLOPS/W"]]
    return bars(root, t)


@plant("efficiency-above-bound", "passes", "forward", "error")
def forward_energies_without_their_work(root: Path) -> list[Path]:
    records = passes()
    for record in records:
        for name in ("energy_sum", "energy_mean", "energy_sem"):
            record[f"forward_{name}"] *= 0.11
        record["gflops_per_joule_forward"] /= 0.11
    return profiles(root, records)


@plant("efficiency-above-bound", "training", "tokens", "error", also=("power-below-idle",))
def tflops_per_joule_of_a_board(root: Path) -> list[Path]:
    t = training()
    t = {k: v for k, v in t.items() if k not in ("train.gpu_energy_kwh", "train.flops")}
    t["train.tokens_gflops_per_joule"] = [
        9.0 * 1e3 * rate / 300 for rate in t["train.tflops_per_s"]
    ]
    return [save_lines(root / "runs.jsonl", t)]


# unsynchronised-window


@plant("unsynchronised-window", "sizes", "time per batch (ms)", "warning",
       also=("flops-above-peak",))  # fmt: skip
def times_of_launches(root: Path) -> list[Path]:
    t, rng = sizes(), np.random.default_rng(1)
    for row in range(24):
        ms = 2.1 * (1 + 0.02 * rng.standard_normal())
        t["time per batch (ms)"][row] = round(ms, 3)
        t["TFLOPS"][row] = round(t["GFLOPs per batch"][row] / ms, 3)
    del t["energy per batch (J)"]
    return bars(root, t)


@plant("unsynchronised-window", "passes", "forward", "warning",
       also=("flops-above-peak", "efficiency-above-bound"))  # fmt: skip
def forward_times_that_do_not_grow(root: Path) -> list[Path]:
    records, rng = passes(), np.random.default_rng(2)
    for record in records:
        for name in ("cpu_time_mean", "gpu_time_mean"):
            record[f"forward_{name}"] = 120e3 * (1 + 0.02 * rng.standard_normal())
        record["forward_energy_mean"] = 290e-6 * record["forward_gpu_time_mean"]
        record["forward_energy_sum"] = 90 * record["forward_energy_mean"]
        record["forward_energy_sem"] = 0.01 * record["forward_energy_mean"]
    return profiles(root, [with_efficiencies(record) for record in records])


# sum-over-mean


@plant("sum-over-mean", "passes", "gflops_per_joule", "error")
def efficiency_of_one_batch_over_the_energy_of_all(root: Path) -> list[Path]:
    records = passes()
    for record in records:
        for phase in ("forward", "backward"):
            record[f"gflops_per_joule_{phase}"] /= 90
    return profiles(root, records)


@plant("sum-over-mean", "sizes", "GFLOPS/W", "error")
def flops_of_one_batch_over_joules_of_a_hundred(root: Path) -> list[Path]:
    t = sizes()
    t["total energy (J)"] = [round(100 * v, 3) for v in t["energy per batch (J)"]]
    t["GFLOPS/W"] = [round(v / 100, 5) for v in t["GFLOPS/W"]]
    return bars(root, t)


# padding-counted


@plant("padding-counted", "sizes", "energy_j", "warning", also=("no-repeats",))
def a_padded_reference_beside_unpadded_rows(root: Path) -> list[Path]:
    rng = np.random.default_rng(3)
    names = "model max_length keep_ratio padding number_of_tokens energy_j duration_s f1"
    t: Columns = {name: [] for name in names.split()}
    for keep in (1.0, 0.9, 0.8, 0.6, 0.4):
        real = round(2_150_000 * (0.15 + 0.85 * keep))
        processed = 12_134 * 384 if keep == 1.0 else real
        joules = 1.45e-3 * processed * (1 + 0.01 * rng.standard_normal())
        t["model"].append("bert")
        t["max_length"].append(384)
        t["keep_ratio"].append(keep)
        t["padding"].append("max_length" if keep == 1.0 else "longest")
        t["number_of_tokens"].append(real)
        t["energy_j"].append(round(joules, 2))
        t["duration_s"].append(round(joules / (68.2 + 0.4 * rng.standard_normal()), 3))
        t["f1"].append(round(76 * (1 - 0.2 * (1 - keep) ** 2), 2))
    return [save(root / "token_pruning.csv", t)]


@plant("padding-counted", "serving", "J/token", "warning")
def tokens_that_are_padding(root: Path) -> list[Path]:
    rng = np.random.default_rng(4)
    names = "model seq_len rep padded_tokens real_tokens energy_j duration_s J/token"
    t: Columns = {name: [] for name in names.split()}
    for row in crossed(4, 3, model=("bert", "roberta"), seq_len=(128, 256, 512)):
        padded = 4000 * row["seq_len"]
        real = round(4000 * 61.3)
        joules = 2.1e-3 * padded * (1 + 0.01 * rng.standard_normal())
        for name in ("model", "seq_len", "rep"):
            t[name].append(row[name])
        t["padded_tokens"].append(padded)
        t["real_tokens"].append(real)
        t["energy_j"].append(round(joules, 3))
        t["duration_s"].append(round(joules / (190 + 2 * rng.standard_normal()), 3))
        t["J/token"].append(round(joules / padded, 7))
    return [save(root / "lengths.csv", t)]


# energy, in what CodeCarbon and profiles write


@plant("double-counted-channel", "emissions", "energy_consumed", "error")
def memory_twice_in_the_energy_consumed(root: Path) -> list[Path]:
    t = emissions()
    t["energy_consumed"] = [
        c + g + 2 * r
        for c, g, r in zip(t["cpu_energy"], t["gpu_energy"], t["ram_energy"], strict=True)
    ]
    return tracked(root, t)


@plant("absent-as-zero", "emissions", "emissions.csv", "warning")
def a_board_that_was_named_but_not_read(root: Path) -> list[Path]:
    t = emissions()
    t["gpu_energy"], t["gpu_power"] = [0.0] * 12, [0.0] * 12
    t["energy_consumed"] = [c + r for c, r in zip(t["cpu_energy"], t["ram_energy"], strict=True)]
    t["emissions"] = [0.268 * e for e in t["energy_consumed"]]
    return tracked(root, t)


@plant("absent-as-zero", "passes", "backward", "note")
def backward_of_two_profiles_as_zero(root: Path) -> list[Path]:
    records = passes()
    for record in records[:2]:
        for key in [key for key in record if key.startswith("backward_")]:
            del record[key]
        record["gflops_per_joule_backward"] = 0.0
    return profiles(root, records)


@plant("window-below-resolution", "passes", "forward")
def passes_of_forty_milliseconds_on_a_sensor_of_a_hundred(root: Path) -> list[Path]:
    records = passes()
    for record in records:
        for phase in ("forward", "backward"):
            for name in ("cpu_time_mean", "cpu_time_sem", "gpu_time_mean", "gpu_time_sem",
                         "energy_sum", "energy_mean", "energy_sem"):  # fmt: skip
                record[f"{phase}_{name}"] *= 0.12
            record[f"{phase}_flops_sum"] //= 8
    return profiles(root, [with_efficiencies(record) for record in records])


@plant("window-below-resolution", "emissions", "gpu_energy")
def calls_of_fifty_milliseconds_tracked_one_by_one(root: Path) -> list[Path]:
    t = emissions()
    for row in range(12):
        share = 0.05 / t["duration"][row]
        for name in ("duration", "emissions", "cpu_energy", "gpu_energy", "ram_energy",
                     "energy_consumed"):  # fmt: skip
            t[name][row] *= share
    return tracked(root, t)


@plant("power-above-limit", "passes", "backward", "warning")
def backward_energies_of_two_boards(root: Path) -> list[Path]:
    records = passes("a40")
    for record in records:
        for phase in ("forward", "backward"):
            for name in ("cpu_time_mean", "gpu_time_mean"):
                record[f"{phase}_{name}"] *= 2.6
            for name in ("energy_mean", "energy_sum", "energy_sem"):
                record[f"{phase}_{name}"] *= 2.4 * (2 if phase == "backward" else 1)
    return profiles(root, [with_efficiencies(record) for record in records])


@plant("energy-not-power-times-time", "emissions", "gpu_power", "note")
def power_of_the_last_moment(root: Path) -> list[Path]:
    t = emissions()
    t["gpu_power"] = [0.4 * p for p in t["gpu_power"]]
    return tracked(root, t)


@plant("counter-wrap", "emissions", "cpu_energy", "error", also=("negative-energy", "unreadable"))
def a_package_that_wrapped_under_the_tracker(root: Path) -> list[Path]:
    t = emissions()
    t["cpu_energy"][5] -= 262143.328850 / 3.6e6
    t["energy_consumed"][5] -= 262143.328850 / 3.6e6
    return tracked(root, t)


@plant("constant-column", "emissions", "cpu_power", "note")
def a_processor_of_constant_power(root: Path) -> list[Path]:
    return tracked(root, emissions())
