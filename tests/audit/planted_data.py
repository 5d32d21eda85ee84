"""Errors of data planted in tables: cells, units, labels, dates, accuracies, stamps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from planted import plant
from planted_designs import rebuilt
from planted_forms import crlf_file, csv_file, rows_where, semicolons_file, tabs_file
from planted_tables import long_table, paper, save_lines, serving, thesis, training


@plant("decimal-comma", "thesis", "Mean power (W)", "error")
def powers_that_lost_their_comma(root: Path) -> list[Path]:
    t = thesis()
    t["Mean power (W)"] = [int(str(v).replace(".", "")) for v in t["Mean power (W)"]]
    return semicolons_file(root, t)


@plant("decimal-comma", "long", "time_s", "note")
def a_column_with_decimal_commas_among_points(root: Path) -> list[Path]:
    t = long_table()
    t["time_s"] = [f"{ms / 1e3:.2f}".replace(".", ",") for ms in t["duration_ms"]]
    return crlf_file(root, t)


@plant("decimal-comma", "serving", "throughput_tok_s", "error",
       also=("power-below-idle", "energy-not-power-times-time", "unit-scale"))  # fmt: skip
def durations_read_by_the_wrong_locale(root: Path) -> list[Path]:
    t = serving()
    t["duration_s"] = [int(f"{v:.6g}".replace(".", "")) for v in t["duration_s"]]
    return csv_file(root, t)


@plant("unit-scale", "serving", "Avg GPU Power [W]", "error", also=("power-above-limit",))
def joules_under_the_name_of_wh(root: Path) -> list[Path]:
    t = serving()
    t["gpu_energy_wh"] = [round(v * 3600, 1) for v in t["gpu_energy_wh"]]
    del t["total_energy_wh"], t["J/token"]
    return csv_file(root, t)


@plant("unit-scale", "thesis", "Energy (kWh)", "error")
def wh_under_the_name_of_kwh_in_one_row(root: Path) -> list[Path]:
    t = thesis()
    t["Energy (kWh)"][9] = round(t["Energy (kWh)"][9] * 1000, 2)
    return semicolons_file(root, t)


@plant("unit-scale", "paper", "Energy per query (J)", "error", also=("power-below-idle",))
def millijoules_of_one_system_among_joules(root: Path) -> list[Path]:
    t = paper()
    t["Energy per query (J)"][3] = round(t["Energy per query (J)"][3] / 1000, 6)
    t["std (J)"][3] = round(t["std (J)"][3] / 1000, 6)
    return tabs_file(root, t)


@plant("label-inconsistent", "long", "generation", "note", also=("pseudoreplication",))
def levels_written_as_3_and_3_0(root: Path) -> list[Path]:
    t = long_table()
    wide = {"qwen-0.5b": 2, "qwen-1.5b": 2, "qwen-3b": 3, "qwen-7b": 3, "qwen-14b": 3}
    labels = [str(wide[m]) if k % 3 else f"{wide[m]}.0" for k, m in enumerate(t["model"])]
    return crlf_file(root, {"generation": labels, **t})


@plant("label-inconsistent", "serving", "model", "note")
def a_level_in_capitals_and_with_a_blank(root: Path) -> list[Path]:
    t = serving()
    for row in rows_where(t, model="llama-2-7b")[:5]:
        t["model"][row] = "LLaMA-2 7B"
    return csv_file(root, t)


@plant("label-inconsistent", "thesis", "Task", "note")
def a_level_with_a_typing_error_in_its_case(root: Path) -> list[Path]:
    t = thesis()
    t["Task"][3] = t["Task"][3].lower()
    return semicolons_file(root, t)


@plant("non-finite", "serving", "J/token", "note")
def infinite_where_no_token_came(root: Path) -> list[Path]:
    t = serving()
    t["J/token"][7] = "inf"
    return csv_file(root, t)


@plant("non-finite", "training", "train.val_loss", "note")
def a_loss_that_diverged(root: Path) -> list[Path]:
    t = training()
    t["train.val_loss"][4] = float("nan")
    t["train.val_loss"][5] = float("inf")
    return [save_lines(root / "runs.jsonl", t)]


@plant("locale-date", "thesis", "Date")
def days_and_months_exchanged_where_they_can_be(root: Path) -> list[Path]:
    t = thesis()
    t["Date"] = [f"{d[8:10]}/{d[5:7]}/{d[:4]} {d[11:]}" for d in t["Date"]]
    return semicolons_file(root, t)


@plant("locale-date", "long", "timestamp")
def dates_of_two_orders_in_one_column(root: Path) -> list[Path]:
    t = long_table()
    days = [1 + k // 60 for k in range(900)]
    t["timestamp"] = [
        f"2024-03-{d:02d} {k % 24:02d}:10:00" if k % 7 else f"{d:02d}.03.2024 {k % 24:02d}:10"
        for k, d in enumerate(days)
    ]
    return crlf_file(root, t)


@plant("negative-energy", "serving", "net_gpu_energy_wh", "warning")
def idle_of_a_longer_time_was_subtracted(root: Path) -> list[Path]:
    t = serving()
    t["net_gpu_energy_wh"] = [round(e - 61 * 900 / 3600, 5) for e in t["gpu_energy_wh"]]
    return csv_file(root, t)


@plant("negative-energy", "long", "gpu_joules", "error")
def counters_that_started_anew(root: Path) -> list[Path]:
    t = long_table()
    for row in (12, 480):
        t["gpu_joules"][row] = round(t["gpu_joules"][row] - 61234.5, 4)
        t["energy_total_joules"][row] = round(t["energy_total_joules"][row] - 61234.5, 4)
    return crlf_file(root, t)


@plant("accuracy-scale", "thesis", "Accuracy (%)")
def shares_among_percent(root: Path) -> list[Path]:
    t = thesis()
    for row in (2, 6, 11, 19):
        t["Accuracy (%)"][row] = round(t["Accuracy (%)"][row] / 100, 4)
    return semicolons_file(root, t)


@plant("accuracy-scale", "serving", "accuracy", "error")
def more_correct_than_graded(root: Path) -> list[Path]:
    t = serving()
    t["accuracy"] = [round(a * 1.9, 4) for a in t["accuracy"]]
    del t["n_correct"], t["n_graded"]
    return csv_file(root, t)


@plant("accuracy-scale", "paper", "EM (%)")
def a_share_under_the_name_of_percent(root: Path) -> list[Path]:
    t = paper()
    t["EM (%)"] = [round(v / 100, 3) for v in t["EM (%)"]]
    return tabs_file(root, t)


@plant("few-graded", "serving", "accuracy")
def eight_graded_answers_a_run(root: Path) -> list[Path]:
    t, rng = serving(), np.random.default_rng(8)
    t["n_graded"] = [8] * 48
    t["n_correct"] = [int(rng.binomial(8, 0.6)) for _ in range(48)]
    t["accuracy"] = [right / 8 for right in t["n_correct"]]
    return csv_file(root, t)


@plant("few-graded", "long", "accuracy")
def accuracies_in_twelfths(root: Path) -> list[Path]:
    t, rng = long_table(), np.random.default_rng(9)
    t["accuracy"] = [round(int(rng.binomial(12, 0.7)) / 12, 6) for _ in range(900)]
    return crlf_file(root, t)


@plant("sub-second-stamps", "serving", "")
def runs_of_four_seconds_in_whole_seconds(root: Path) -> list[Path]:
    t = serving()
    clock, starts, ends = 1_727_000_000.0, [], []
    for row in range(48):
        for name in ("duration_s", "gpu_energy_wh", "cpu_energy_wh"):
            t[name][row] = round(t[name][row] / 60, 6)
        t["output_tokens"][row] = round(t["output_tokens"][row] / 60)
        starts.append(int(clock))
        clock += t["duration_s"][row]
        ends.append(int(clock))
        clock += 11.3
    rebuilt(t, list(range(48)))
    t |= {"start": starts, "end": ends}
    t["duration_s"] = [e - s for s, e in zip(starts, ends, strict=True)]
    t["throughput_tok_s"] = [
        round(n / max(1, s), 2) for n, s in zip(t["output_tokens"], t["duration_s"], strict=True)
    ]
    return csv_file(root, t)


@plant("repeated-timestamp", "thesis", "Date", "note")
def runs_that_all_began_at_once(root: Path) -> list[Path]:
    t = thesis()
    for row in (5, 6, 7):
        t["Date"][row] = t["Date"][4]
    return semicolons_file(root, t)
