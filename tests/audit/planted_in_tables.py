"""Errors of energy, compute and data planted in single tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from planted import plant
from planted_forms import crlf_file, csv_file, rows_where, scale, semicolons_file, tabs_file
from planted_tables import (
    decimal_comma,
    long_table,
    paper,
    save,
    save_lines,
    serving,
    thesis,
    training,
)

# energy: power-above-limit


@plant("power-above-limit", "serving", "gpu_energy_wh", "error")
def energy_of_a_window_three_times_as_long(root: Path) -> list[Path]:
    t = serving()
    rows = rows_where(t, model="llama-2-13b", dtype="fp16", batch_size=32)
    for row in rows:
        more = 1.6 * t["gpu_energy_wh"][row]
        t["gpu_energy_wh"][row] = round(t["gpu_energy_wh"][row] + more, 5)
        t["total_energy_wh"][row] = round(t["total_energy_wh"][row] + more, 5)
        t["Avg GPU Power [W]"][row] = round(2.6 * t["Avg GPU Power [W]"][row], 2)
        t["J/token"][row] = round(t["total_energy_wh"][row] * 3600 / t["output_tokens"][row], 5)
    return csv_file(root, t)


@plant("power-above-limit", "paper", "Avg power (W)", "warning")
def mean_power_of_another_board(root: Path) -> list[Path]:
    t = paper()
    for name in ("Avg power (W)", "Energy per query (J)", "std (J)"):
        scale(t, list(range(8)), 1.9, name)
    return tabs_file(root, t)


@plant("power-above-limit", "training", "train.gpu_energy_kwh", "error")
def energy_of_two_boards_booked_on_one(root: Path) -> list[Path]:
    t = training()
    scale(t, rows_where(t, **{"hardware.gpu": "A100-PCIE-40GB"}), 2.0, "train.gpu_energy_kwh")
    return [save_lines(root / "runs.jsonl", t)]


# energy: power-below-idle


@plant("power-below-idle", "serving", "Avg GPU Power [W]", "error")
def energy_of_a_tenth_of_the_batches(root: Path) -> list[Path]:
    t = serving()
    rows = rows_where(t, dtype="int8", batch_size=1)
    scale(t, rows, 0.04, "gpu_energy_wh", "Avg GPU Power [W]")
    for row in rows:
        t["total_energy_wh"][row] = round(t["gpu_energy_wh"][row] + t["cpu_energy_wh"][row], 5)
        t["J/token"][row] = round(t["total_energy_wh"][row] * 3600 / t["output_tokens"][row], 5)
    return csv_file(root, t)


@plant("power-below-idle", "training", "train.gpu_energy_kwh", "error",
       also=("efficiency-above-bound",))  # fmt: skip
def energy_of_one_epoch_of_fifty(root: Path) -> list[Path]:
    t = training()
    scale(t, list(range(24)), 0.02, "train.gpu_energy_kwh")
    return [save_lines(root / "runs.jsonl", t)]


@plant("power-below-idle", "long", "gpu_joules", "warning", also=("unit-scale",))
def joules_of_a_machine_that_draws_three_watts(root: Path) -> list[Path]:
    t = long_table()
    rows = rows_where(t, model="qwen-7b", task="cb")
    scale(t, rows, 0.01, "gpu_joules", "package_joules", "pp0_joules", "dram_joules",
          "energy_total_joules")  # fmt: skip
    return crlf_file(root, t)


# energy: energy-not-power-times-time


@plant("energy-not-power-times-time", "serving", "Avg GPU Power [W]")
def mean_power_with_the_idle_stretch_in_it(root: Path) -> list[Path]:
    t = serving()
    for row, (watts, lasted_s) in enumerate(
        zip(t["Avg GPU Power [W]"], t["duration_s"], strict=True)
    ):
        idle_s = 60.0
        mean_w = (watts * lasted_s + 62 * idle_s) / (lasted_s + idle_s)
        t["Avg GPU Power [W]"][row] = round(mean_w, 2)
    return csv_file(root, t)


@plant("energy-not-power-times-time", "thesis", "Mean power (W)")
def one_task_timed_without_its_evaluation(root: Path) -> list[Path]:
    t = thesis()
    scale(t, rows_where(t, Task="MNLI"), 0.78, "Training time (min)")
    return semicolons_file(root, t)


@plant("energy-not-power-times-time", "thesis", "Mean power (W)", also=("decimal-comma",))
def one_task_timed_without_its_evaluation_in_a_french_spreadsheet(root: Path) -> list[Path]:
    t = thesis()
    scale(t, rows_where(t, Task="MNLI"), 0.78, "Training time (min)")
    return [save(root / "resultats.csv", t, ";", "\r\n", decimal_comma)]


@plant("energy-not-power-times-time", "paper", "Avg power (W)")
def one_power_misprinted(root: Path) -> list[Path]:
    t = paper()
    t["Avg power (W)"][4] = round(t["Avg power (W)"][4] * 0.6, 2)
    return tabs_file(root, t)


# energy: double-counted-channel, nested-domains-added


@plant("double-counted-channel", "long", "energy_total_joules", "error")
def total_holds_the_package_twice(root: Path) -> list[Path]:
    t = long_table()
    t["energy_total_joules"] = [
        round(gpu + 2 * package + dram, 4)
        for gpu, package, dram in zip(
            t["gpu_joules"], t["package_joules"], t["dram_joules"], strict=True
        )
    ]
    return crlf_file(root, t)


@plant("double-counted-channel", "serving", "Energy (kWh)", "error")
def total_holds_the_board_twice_in_kwh(root: Path) -> list[Path]:
    t = serving()
    del t["J/token"]
    total = [
        round((2 * gpu + cpu) / 1000, 8)
        for gpu, cpu in zip(t["gpu_energy_wh"], t["cpu_energy_wh"], strict=True)
    ]
    t = {
        ("Energy (kWh)" if name == "total_energy_wh" else name): cells for name, cells in t.items()
    }
    t["Energy (kWh)"] = total
    return csv_file(root, t)


@plant("energy-not-power-times-time", "long", "mean_gpu_power_w")
def one_part_holds_another_that_the_total_adds_again(root: Path) -> list[Path]:
    t = long_table()
    t["mean_gpu_power_w"] = [
        round(gpu / (ms / 1e3), 2)
        for gpu, ms in zip(t["gpu_joules"], t["duration_ms"], strict=True)
    ]
    for row in range(900):
        t["gpu_joules"][row] = round(t["gpu_joules"][row] + t["package_joules"][row], 4)
        t["energy_total_joules"][row] = round(
            t["gpu_joules"][row] + t["package_joules"][row] + t["dram_joules"][row], 4
        )
    return crlf_file(root, t)


@plant("nested-domains-added", "long", "energy_total_joules", "error")
def total_adds_cores_to_their_package(root: Path) -> list[Path]:
    t = long_table()
    t["energy_total_joules"] = [
        round(gpu + package + cores + dram, 4)
        for gpu, package, cores, dram in zip(
            t["gpu_joules"], t["package_joules"], t["pp0_joules"], t["dram_joules"], strict=True
        )
    ]
    return crlf_file(root, t)


@plant("nested-domains-added", "thesis", "Total energy (kWh)", "error")
def total_adds_a_processor_to_its_platform(root: Path) -> list[Path]:
    t = thesis()
    gpu = t.pop("Energy (kWh)")
    rng = np.random.default_rng(7)
    cpu = [round(0.17 * e * (1 + 0.02 * rng.standard_normal()), 6) for e in gpu]
    psys = [round(1.31 * c * (1 + 0.01 * rng.standard_normal()), 6) for c in cpu]
    t |= {"GPU energy (kWh)": gpu, "CPU package energy (kWh)": cpu, "psys energy (kWh)": psys}
    t["Total energy (kWh)"] = [round(a + b + c, 6) for a, b, c in zip(gpu, cpu, psys, strict=True)]
    del t["Mean power (W)"]
    del t["CO2 (g)"]
    return semicolons_file(root, t)


# energy: counter-wrap


@plant("counter-wrap", "long", "package_joules", "error", also=("negative-energy",))
def three_packages_wrapped(root: Path) -> list[Path]:
    t = long_table()
    for row in (40, 333, 717):
        t["package_joules"][row] = round(t["package_joules"][row] - 262144.0, 4)
        t["energy_total_joules"][row] = round(t["energy_total_joules"][row] - 262144.0, 4)
    return crlf_file(root, t)


@plant("counter-wrap", "serving", "cpu_energy_wh", "error",
       also=("negative-energy", "power-below-idle", "scope-mismatch"))  # fmt: skip
def a_range_in_microjoules_wrapped_in_wh(root: Path) -> list[Path]:
    t = serving()
    for row in (11, 30):
        t["cpu_energy_wh"][row] = round(t["cpu_energy_wh"][row] - 262143.328850 / 3600, 5)
        t["total_energy_wh"][row] = round(t["gpu_energy_wh"][row] + t["cpu_energy_wh"][row], 5)
        t["J/token"][row] = round(t["total_energy_wh"][row] * 3600 / t["output_tokens"][row], 5)
    return csv_file(root, t)


@plant("counter-wrap", "long", "package_joules", "error", also=("unit-scale",))
def five_packages_too_high_by_a_range_of_65_kilojoules(root: Path) -> list[Path]:
    t = long_table()
    for row in (4, 99, 256, 600, 871):
        t["package_joules"][row] = round(t["package_joules"][row] + 65532.610987, 4)
        t["energy_total_joules"][row] = round(t["energy_total_joules"][row] + 65532.610987, 4)
    return crlf_file(root, t)


# energy: sampling and windows as tables tell them


@plant("too-few-samples", "serving", "n_power_samples")
def five_samples_a_run(root: Path) -> list[Path]:
    t = serving()
    t["n_power_samples"] = [4 + k % 3 for k in range(48)]
    return csv_file(root, t)


@plant("power-limit-saturated", "serving", "Avg GPU Power [W]")
def all_runs_at_the_cap(root: Path) -> list[Path]:
    t = serving()
    rng = np.random.default_rng(9)
    for row in range(48):
        watts = 300 * (1 - 0.004 * abs(rng.standard_normal()))
        wh = watts * t["duration_s"][row] / 3600
        t["Avg GPU Power [W]"][row] = round(watts, 2)
        t["gpu_energy_wh"][row] = round(wh, 5)
        t["total_energy_wh"][row] = round(wh + t["cpu_energy_wh"][row], 5)
        t["J/token"][row] = round(t["total_energy_wh"][row] * 3600 / t["output_tokens"][row], 5)
    return csv_file(root, t)


@plant("power-limit-saturated", "paper", "power")
def a_paper_of_one_power(root: Path) -> list[Path]:
    t = paper()
    rng = np.random.default_rng(10)
    for row in range(8):
        watts = 71.9 + 0.1 * rng.standard_normal()
        t["Avg power (W)"][row] = round(watts, 2)
        t["Energy per query (J)"][row] = round(watts * t["Latency (s)"][row], 3)
        t["std (J)"][row] = round(0.03 * t["Energy per query (J)"][row], 3)
    return tabs_file(root, t)


@plant("absent-as-zero", "serving", "cpu_energy_wh")
def processor_of_some_runs_was_not_read(root: Path) -> list[Path]:
    t = serving()
    for row in range(0, 48, 4):
        t["cpu_energy_wh"][row] = 0.0
        t["total_energy_wh"][row] = t["gpu_energy_wh"][row]
        t["J/token"][row] = round(t["total_energy_wh"][row] * 3600 / t["output_tokens"][row], 5)
    return csv_file(root, t)


@plant("absent-as-zero", "long", "dram_joules", "note")
def memory_that_the_machine_does_not_measure(root: Path) -> list[Path]:
    t = long_table()
    t["energy_total_joules"] = [
        round(total - dram, 4)
        for total, dram in zip(t["energy_total_joules"], t["dram_joules"], strict=True)
    ]
    t["dram_joules"] = [0.0] * 900
    return crlf_file(root, t)


@plant("scope-mismatch", "serving", "J/token")
def per_token_of_the_board_alone_in_half_of_the_rows(root: Path) -> list[Path]:
    t = serving()
    for row in rows_where(t, model="llama-2-13b"):
        t["J/token"][row] = round(t["gpu_energy_wh"][row] * 3600 / t["output_tokens"][row], 5)
    return csv_file(root, t)


@plant("scope-mismatch", "serving", "J/token")
def per_token_of_other_tokens_in_some_rows(root: Path) -> list[Path]:
    t = serving()
    for row in rows_where(t, dtype="int8"):
        tokens = t["output_tokens"][row] + t["prompt_tokens"][row]
        t["J/token"][row] = round(t["total_energy_wh"][row] * 3600 / tokens, 5)
    return csv_file(root, t)


@plant("stale-summary", "serving", "J/token")
def per_token_kept_from_an_older_run(root: Path) -> list[Path]:
    t = serving()
    old = np.random.default_rng(3).normal(1, 0.04, 48)
    t["J/token"] = [round(v * f, 5) for v, f in zip(t["J/token"], old, strict=True)]
    return csv_file(root, t)
