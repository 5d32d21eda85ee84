"""Errors of design planted in tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from planted import plant
from planted_forms import crlf_file, csv_file, rows_where, semicolons_file, tabs_file
from planted_tables import Columns, long_table, paper, save, serving, thesis


def rebuilt(t: Columns, rows: list[int]) -> None:
    """Work totals and quotients out anew for some rows of the serving table."""
    for row in rows:
        total = t["gpu_energy_wh"][row] + t["cpu_energy_wh"][row]
        tokens, lasted_s = t["output_tokens"][row], t["duration_s"][row]
        t["total_energy_wh"][row] = round(total, 5)
        t["J/token"][row] = round(total * 3600 / tokens, 5)
        t["throughput_tok_s"][row] = round(tokens / lasted_s, 2)
        t["Avg GPU Power [W]"][row] = round(t["gpu_energy_wh"][row] * 3600 / lasted_s, 2)


MEASURED = (
    "prompt_tokens", "output_tokens", "duration_s", "gpu_energy_wh", "cpu_energy_wh",
    "total_energy_wh", "Avg GPU Power [W]", "throughput_tok_s", "J/token", "peak_mem_gb",
)  # fmt: skip


# factor-without-effect


@plant("factor-without-effect", "serving", "dtype")
def quantisation_flag_that_was_not_passed_on(root: Path) -> list[Path]:
    t, rng = serving(), np.random.default_rng(1)
    fp16 = {
        (t["model"][r], t["batch_size"][r], t["rep"][r]): r for r in rows_where(t, dtype="fp16")
    }
    rows = rows_where(t, dtype="int8")
    for row in rows:
        twin = fp16[t["model"][row], t["batch_size"][row], t["rep"][row]]
        noise = 1 + 0.015 * rng.standard_normal()
        for name in ("duration_s", "gpu_energy_wh", "cpu_energy_wh"):
            t[name][row] = round(t[name][twin] * noise * (1 + 0.006 * rng.standard_normal()), 5)
        t["output_tokens"][row] = int(t["output_tokens"][twin] * noise)
        t["peak_mem_gb"][row] = t["peak_mem_gb"][twin]
    rebuilt(t, rows)
    return csv_file(root, t)


@plant("factor-without-effect", "serving", "batch_size")
def batches_that_were_served_one_by_one(root: Path) -> list[Path]:
    t, rng = serving(), np.random.default_rng(2)
    memory = [f"{1000 * gb + 0.2392578125}" for gb in t.pop("peak_mem_gb")]
    t["peak_gpu_memory_mb"] = memory
    single = {(t["model"][r], t["dtype"][r], t["rep"][r]): r for r in rows_where(t, batch_size=1)}
    rows = [row for row in range(48) if t["batch_size"][row] != 1]
    for row in rows:
        twin = single[t["model"][row], t["dtype"][row], t["rep"][row]]
        noise = 1 + 0.015 * rng.standard_normal()
        for name in ("duration_s", "gpu_energy_wh", "cpu_energy_wh"):
            t[name][row] = round(t[name][twin] * noise * (1 + 0.006 * rng.standard_normal()), 5)
        t["output_tokens"][row] = int(t["output_tokens"][twin] * noise)
        t["peak_gpu_memory_mb"][row] = t["peak_gpu_memory_mb"][twin]
    rebuilt(t, rows)
    return csv_file(root, t)


@plant("factor-without-effect", "thesis", "Precision", also=("order-confounded",))
def half_precision_on_paper_only(root: Path) -> list[Path]:
    t, rng = thesis(), np.random.default_rng(3)
    both = {name: cells * 2 for name, cells in t.items()}
    both["Precision"] = ["fp32"] * 24 + ["fp16"] * 24
    for row in range(24, 48):
        minutes = round(both["Training time (min)"][row] * (1 + 0.012 * rng.standard_normal()), 2)
        watts = round(both["Mean power (W)"][row] * (1 + 0.008 * rng.standard_normal()), 1)
        both["Training time (min)"][row], both["Mean power (W)"][row] = minutes, watts
        both["Energy (kWh)"][row] = round(watts * minutes / 60e3, 5)
        both["CO2 (g)"][row] = round(both["Energy (kWh)"][row] * 381, 2)
        both["Accuracy (%)"][row] = round(both["Accuracy (%)"][row] + rng.normal(0, 0.2), 2)
        both["Date"][row] = both["Date"][row].replace("-05-", "-06-")
    return semicolons_file(root, both)


# pseudoreplication


@plant("pseudoreplication", "long", "family")
def thirty_repeats_of_five_models_as_evidence_on_families(root: Path) -> list[Path]:
    t = long_table()
    t = {"__run_id": t["__run_id"], "family": [
        {"qwen-0.5b": "1.5", "qwen-1.5b": "2", "qwen-3b": "2", "qwen-7b": "2.5",
         "qwen-14b": "2.5"}[m] for m in t["model"]], **t}  # fmt: skip
    return crlf_file(root, t)


@plant("pseudoreplication", "serving", "architecture")
def repeats_of_one_model_each_as_evidence_on_architectures(root: Path) -> list[Path]:
    t = serving()
    kind = {"llama-2-7b": "dense", "llama-2-13b": "moe"}
    return csv_file(root, {"architecture": [kind[m] for m in t["model"]], **t})


# saturated-model, empty-cells, no-repeats


@plant("saturated-model", "thesis", "run", "note")
def runs_that_are_cells_of_the_design(root: Path) -> list[Path]:
    t = thesis()
    cells = list(dict.fromkeys(zip(t["Model"], t["Task"], strict=True)))
    numbers = [cells.index(cell) for cell in zip(t["Model"], t["Task"], strict=True)]
    return semicolons_file(root, {"run": numbers, **t})


@plant("saturated-model", "long", "df_resid", "warning")
def a_mixed_model_over_cells(root: Path) -> list[Path]:
    t = long_table()
    size = {"qwen-0.5b": "s", "qwen-1.5b": "m", "qwen-3b": "m", "qwen-7b": "l", "qwen-14b": "l"}
    kind = {"qwen-0.5b": "a", "qwen-1.5b": "a", "qwen-3b": "b", "qwen-7b": "a", "qwen-14b": "b"}
    cells = list(dict.fromkeys(zip(t["model"], t["task"], strict=True)))
    runs = [cells.index(cell) for cell in zip(t["model"], t["task"], strict=True)]
    models = t.pop("model")
    del t["__run_id"]
    factors = {"size": [size[m] for m in models], "variant": [kind[m] for m in models]}
    tests: Columns = {
        "term": ["size", "task", "size:task"], "F": [31.2, 8.7, 1.4], "df_num": [2, 5, 10],
        "df_resid": [12, 12, 12], "p": [1e-5, 0.001, 0.28],
    }  # fmt: skip
    return [*crlf_file(root, {"run": runs, **factors, **t}), save(root / "anova.csv", tests)]


@plant("empty-cells", "thesis", "Model x Task", "note")
def large_models_on_one_task_only(root: Path) -> list[Path]:
    t = thesis()
    rows = [
        row
        for row in range(24)
        if not (t["Model"][row] in ("BERT-large", "RoBERTa-base") and t["Task"][row] == "MNLI")
    ]
    return semicolons_file(root, {name: [cells[row] for row in rows] for name, cells in t.items()})


@plant("empty-cells", "long", "", also=("pseudoreplication",))
def sizes_that_exist_in_one_generation_only(root: Path) -> list[Path]:
    t = long_table()
    generation = {"qwen-0.5b": "1", "qwen-1.5b": "2", "qwen-3b": "2", "qwen-7b": "1",
                  "qwen-14b": "3"}  # fmt: skip
    size = {name: name.rpartition("-")[2] for name in generation}
    models = t.pop("model")
    t = {"generation": [generation[m] for m in models], "size": [size[m] for m in models], **t}
    return crlf_file(root, t)


@plant("no-repeats", "serving", "total_energy_wh")
def one_run_of_each_configuration(root: Path) -> list[Path]:
    t = serving()
    rows = rows_where(t, rep=2)
    t = {name: [cells[row] for row in rows] for name, cells in t.items() if name != "rep"}
    return csv_file(root, t)


@plant("no-repeats", "paper", "Energy per query (J)")
def a_paper_without_any_spread(root: Path) -> list[Path]:
    t = paper()
    del t["std (J)"], t["n"]
    return tabs_file(root, t)


# order-confounded


@plant("order-confounded", "serving", "model", "note")
def model_after_model(root: Path) -> list[Path]:
    t = serving()
    order = sorted(range(48), key=lambda row: (t["model"][row], t["dtype"][row], row))
    t = {name: [cells[row] for row in order] for name, cells in t.items() if name != "run_id"}
    starts = 1_727_000_000 + np.cumsum(np.r_[0.0, t["duration_s"][:-1]]) + 30 * np.arange(48)
    return csv_file(root, {"started_at": [round(float(s), 3) for s in starts], **t})


@plant("order-confounded", "thesis", "Model", "note")
def all_seeds_of_a_model_on_one_day(root: Path) -> list[Path]:
    t = thesis()
    dates = sorted(t["Date"])
    order = sorted(range(24), key=lambda row: (t["Model"][row], t["Task"][row]))
    t = {name: [cells[row] for row in order] for name, cells in t.items()}
    t["Date"] = dates
    return semicolons_file(root, t)


@plant("order-confounded", "long", "task")
def tasks_in_sequence_by_run_number(root: Path) -> list[Path]:
    t = long_table()
    order = sorted(range(900), key=lambda row: (t["task"][row], t["model"][row], t["rep"][row]))
    t = {name: [cells[row] for row in order] for name, cells in t.items()}
    return crlf_file(root, {"execution_order": list(range(900)), **t})


# difference-below-spread


@plant("difference-below-spread", "paper", "Energy per query (J)", "note")
def two_systems_closer_than_their_spread(root: Path) -> list[Path]:
    t = paper()
    for name in ("Latency (s)", "Avg power (W)"):
        t[name][5] = t[name][4]
    t["Energy per query (J)"][5] = round(1.004 * t["Energy per query (J)"][4], 3)
    t["std (J)"] = [round(0.08 * e, 3) for e in t["Energy per query (J)"]]
    return tabs_file(root, t)


@plant("difference-below-spread", "serving", "energy", "note")
def a_saving_of_one_percent_among_spreads_of_six(root: Path) -> list[Path]:
    t, rng = serving(), np.random.default_rng(5)
    for row in range(48):
        noise = 1 + 0.06 * rng.standard_normal()
        for name in ("duration_s", "gpu_energy_wh", "cpu_energy_wh"):
            t[name][row] = round(t[name][row] * noise, 5)
    rebuilt(t, list(range(48)))
    return csv_file(root, t)


# identical-responses


@plant("identical-responses", "long", "response_token_count", "note")
def each_repetition_has_the_very_same_tokens(root: Path) -> list[Path]:
    t = long_table()
    first: dict[tuple[str, str], int] = {}
    for row in range(900):
        key = (t["model"][row], t["task"][row])
        t["response_token_count"][row] = first.setdefault(key, t["response_token_count"][row])
    return crlf_file(root, t)


@plant("identical-responses", "serving", "output_tokens", "note")
def greedy_decoding_repeated_four_times(root: Path) -> list[Path]:
    t = serving()
    first: dict[tuple[str, str, int], int] = {}
    for row in range(48):
        key = (t["model"][row], t["dtype"][row], t["batch_size"][row])
        old = t["output_tokens"][row]
        t["output_tokens"][row] = first.setdefault(key, old)
        for name in ("duration_s", "gpu_energy_wh", "cpu_energy_wh"):
            t[name][row] = round(t[name][row] * t["output_tokens"][row] / old, 5)
    rebuilt(t, list(range(48)))
    return csv_file(root, t)


# constant-column


@plant("constant-column", "serving", "accuracy", "note")
def accuracy_of_one_run_in_all_rows(root: Path) -> list[Path]:
    t = serving()
    t["n_correct"], t["accuracy"] = [397] * 48, [round(397 / 640, 4)] * 48
    return csv_file(root, t)


@plant("constant-column", "serving", "peak_mem_gb", "note")
def peak_memory_that_was_never_reset(root: Path) -> list[Path]:
    t = serving()
    t["peak_mem_gb"] = [36.02] * 48
    return csv_file(root, t)


@plant("constant-column", "thesis", "Energy (kWh) / Training time (min)")
def nominal_power_instead_of_a_measured_one(root: Path) -> list[Path]:
    t = thesis()
    t["Mean power (W)"] = [250.0] * 24
    t["Energy (kWh)"] = [round(250.0 * m / 60e3, 5) for m in t["Training time (min)"]]
    t["CO2 (g)"] = [round(e * 381, 2) for e in t["Energy (kWh)"]]
    return semicolons_file(root, t)


# duplicate-rows, mislabelled-row


@plant("duplicate-rows", "serving", "", also=("order-confounded",))
def a_block_pasted_twice(root: Path) -> list[Path]:
    t = serving()
    t = {name: cells + cells[10:16] for name, cells in t.items()}
    return csv_file(root, t)


@plant("duplicate-rows", "thesis", "", "error")
def one_seed_copied_over_another(root: Path) -> list[Path]:
    t = thesis()
    source = rows_where(t, Model="BERT-base", Task="MNLI", Seed=13)[0]
    target = rows_where(t, Model="BERT-base", Task="MNLI", Seed=42)[0]
    for name in ("Training time (min)", "Energy (kWh)", "Mean power (W)", "CO2 (g)",
                 "Accuracy (%)"):  # fmt: skip
        t[name][target] = t[name][source]
    return semicolons_file(root, t)


@plant("duplicate-rows", "long", "", "error", also=("factor-without-effect",))
def measurements_of_one_model_copied_to_another(root: Path) -> list[Path]:
    t = long_table()
    source = rows_where(t, model="qwen-3b", task="rte")
    target = rows_where(t, model="qwen-7b", task="rte")
    for a, b in zip(source, target, strict=True):
        for name in list(t)[5:]:
            t[name][b] = t[name][a]
    return crlf_file(root, t)


@plant("mislabelled-row", "serving", "values of another cell", "error")
def two_labels_exchanged(root: Path) -> list[Path]:
    t = serving()
    a = rows_where(t, model="llama-2-7b", dtype="fp16", batch_size=8)[1]
    b = rows_where(t, model="llama-2-13b", dtype="fp16", batch_size=8)[2]
    t["model"][a], t["model"][b] = t["model"][b], t["model"][a]
    return csv_file(root, t)


@plant("mislabelled-row", "long", "values of another cell")
def four_rows_of_one_task_under_another(root: Path) -> list[Path]:
    t = long_table()
    for row in rows_where(t, model="qwen-7b", task="boolq")[:4]:
        t["task"][row] = "cb"
    return crlf_file(root, t)


@plant("mislabelled-row", "thesis", "values of another cell")
def one_run_under_the_name_of_the_large_model(root: Path) -> list[Path]:
    t = thesis()
    row = rows_where(t, Model="DistilBERT", Task="QNLI")[1]
    t["Model"][row] = "BERT-large"
    t["Params (M)"][row] = 340
    return semicolons_file(root, t)


# selection-on-test


@plant("selection-on-test", "thesis", "Test accuracy (%)")
def a_test_split_that_is_the_validation_split(root: Path) -> list[Path]:
    t = thesis()
    quality = t.pop("Accuracy (%)")
    t |= {"Validation accuracy (%)": quality, "Test accuracy (%)": quality}
    return semicolons_file(root, t)


@plant("selection-on-test", "long", "best_f1")
def qualities_at_the_best_threshold_of_the_evaluated_items(root: Path) -> list[Path]:
    t, rng = long_table(), np.random.default_rng(6)
    t["best_f1"] = [round(0.02 + 0.95 * a, 6) for a in t.pop("accuracy")]
    t["best_f1_thresh"] = [round(float(0.3 + 0.1 * rng.random()), 6) for _ in range(900)]
    return crlf_file(root, t)
