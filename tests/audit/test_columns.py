"""Names of columns as people write them, and what they mean."""

from __future__ import annotations

import pytest

from joulebench.audit.columns import Meaning, meaning_of, words_of

M = Meaning

MEASURED = {
    # run tables
    "energy": M("energy"),
    "energy_j": M("energy", "j"),
    "cpu_joules": M("energy", "joules", 1.0, "cpu"),
    "energy_consumption_total_joules": M("energy", "joules", 1.0, "total"),
    "duration_ms": M("duration", "ms", 1e-3),
    "time(s)": M("duration", "s"),
    "response_token_count": M("tokens", part="out"),
    "accuracy": M("accuracy"),
    # per something
    "energy_per_example_j": M("energy", "j", per="example"),
    "energy_per_correct_j": M("energy", "j", per="correct"),
    "joules_per_inference_example": M("energy", "joules", per="example", phase="inference"),
    "joules_per_feature_window": M("energy", "joules", per="window"),
    "joules_per_exact_match_correct_example": M("energy", "joules", per="correct"),
    "average_latency_per_raw_example_milliseconds": M(
        "duration", "milliseconds", 1e-3, per="example", statistic="mean"
    ),
    "mean_J_per_B": M("energy", "j", per="parameter", statistic="mean"),
    "J/tok": M("energy", "j", per="token"),
    "mJ/token": M("energy", "mj", 1e-3, per="token"),
    "Wh/1k tokens": M("energy", "wh", 3.6, per="token"),
    "energy_per_1000_requests_kwh": M("energy", "kwh", 3600.0, per="example"),
    "J per million tokens": M("energy", "j", 1e-6, per="token"),
    "energy_per_accuracy_point": M("energy", per="point"),
    "power_per_gpu_w": M("power", "w", per="gpu"),
    "ms_per_token": M("duration", "ms", 1e-3, per="token"),
    "Energía (J/token gen)": M("energy", "J/token gen", per="token"),
    "TPOT (s/token)": M("duration", "s/token", per="token"),
    "Throughput Decode (tok/s)": M("throughput", per="tokens", phase="decode", part="out"),
    "Bandwidth (GB/s)": M("bandwidth", "GB/s", 1e9),
    # units in every way
    "Energía (kWh)": M("energy", "kWh", 3.6e6),
    "Energy (J)": M("energy", "J"),
    "Energy [kJ]": M("energy", "kJ", 1e3),
    "EnergyConsumed_kWh": M("energy", "kwh", 3.6e6, "total"),
    "energy_Wh": M("energy", "wh", 3600.0),
    "energy_mJ": M("energy", "mj", 1e-3),
    "energy_MJ": M("energy", "MJ", 1e6),
    "Total Energy (MJ)": M("energy", "MJ", 1e6, "total"),
    "E_total [J]": M("energy", "J", 1.0, "total"),
    "P_avg [W]": M("power", "W", statistic="mean"),
    "GPU0_POWER (mWatts)": M("power", "mWatts", 1e-3, "gpu"),
    "gpuEnergyJ": M("energy", "j", 1.0, "gpu"),
    "gpu3_energy_j": M("energy", "j", 1.0, "gpu"),
    "power.draw [W]": M("power", "W"),
    "training_time_h": M("duration", "h", 3600.0, phase="training"),
    # phases and statistics
    "forward_energy_sum": M("energy", statistic="sum", phase="forward"),
    "backward_energy_sem": M("energy", statistic="sem", phase="backward"),
    "idle_energy_j": M("energy", "j", phase="idle"),
    "net_energy_j": M("energy", "j", phase="net"),
    "energy_above_idle_j": M("energy", "j", phase="net"),
    "energy_noise_j": M("energy", "j", statistic="error"),
    "Energy savings (%)": M("energy", "%", 0.01, statistic="relative"),
    "normalized_energy": M("energy", statistic="relative"),
    "energy_p95": M("energy", statistic="quantile"),
    "peak_gpu_memory_mb": M("memory", "mb", 1e6, "gpu", statistic="max"),
    # durations of one thing
    "latency_ms": M("duration", "ms", 1e-3, per="example"),
    "TTFT (ms)": M("duration", "ms", 1e-3, per="example", phase="prefill"),
    "tpot_ms": M("duration", "ms", 1e-3, per="token"),
    "batch_latency_ms": M("duration", "ms", 1e-3, per="batch"),
    "wall_time_s": M("duration", "s"),
    "total_time": M("duration"),
    # rates and efficiencies
    "tokens_per_second": M("throughput", per="tokens"),
    "tok/s": M("throughput", per="tokens"),
    "tokens_s": M("throughput", "s", per="tokens"),
    "throughput_tok_s": M("throughput", "s", per="tokens"),
    "req/s": M("throughput", per="requests"),
    "tokens_per_joule": M("efficiency", per="tokens"),
    "tokens_per_kwh": M("efficiency", "", 1 / 3.6e6, per="tokens"),
    "accuracy_per_joule": M("efficiency", per="accuracy"),
    "gflops_per_joule_forward": M("efficiency", "gflops", 1e9, per="flops", phase="forward"),
    "TFLOPS/W": M("efficiency", "tflops", 1e12, per="flops"),
    "TFLOPs/s": M("rate", "tflops", 1e12),
    # the rest
    "number_of_raw_evaluation_examples": M("requests", phase="evaluation"),
    "number_of_feature_windows": M("windows"),
    "n_samples": M("requests"),
    "number_of_energy_samples": M("readings"),
    "Accuracy (%)": M("accuracy", "%", 0.01),
    "n_graded": M("graded"),
    "n_correct": M("correct"),
    "started_at": M("timestamp"),
    "start_time": M("timestamp"),
    "memory_clock_mhz": M("frequency", "mhz", 1e6),
    "Memory Energy": M("energy", part="dram"),
    "Inferencia Media (s)": M("duration", "s", statistic="mean", phase="inference"),
    "memory_temp": M("temperature"),
    "gpu_util": M("utilisation", part="gpu"),
    "CO2eq (g)": M("emissions", "g", 1e-3),
    "EDP (Js)": M("product"),
}

SETTINGS = [
    "model_size", "generation", "task", "__run_id", "run", "rep", "max_sequence_length",
    "num_encoder_layers", "precision", "label", "layers", "doc_stride",
    "token_pruning_keep_ratio", "maximum_sequence_length", "precision_mode", "batch_size",
    "input_length", "gpu_config", "max_new_tokens", "max_tokens", "gpu_power_limit_w",
    "gpu_power_cap", "context_length", "hidden_size", "learning_rate", "epoch", "n", "num_gpus",
    "n_gpus", "world_size", "seq_len", "params_b", "start_layer", "token_id", "vocab_size",
    "energy_source", "energy_unit", "power_state", "gpu_hours", "speedup", "best_exact_thresh",
]  # fmt: skip


def alike(found: Meaning | None, expected: Meaning) -> bool:
    if found is None:
        return False
    close = found.to_si == pytest.approx(expected.to_si)
    return close and (
        (found.kind, found.unit, found.part, found.per, found.statistic, found.phase)
        == (
            expected.kind,
            expected.unit,
            expected.part,
            expected.per,
            expected.statistic,
            expected.phase,
        )
    )


@pytest.mark.parametrize(("name", "expected"), MEASURED.items())
def test_a_name_tells_quantity_unit_part_divisor_statistic_and_phase(
    name: str, expected: Meaning
) -> None:
    found = meaning_of(name)
    assert alike(found, expected), f"{name}: {found}"


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_no_measurement_although_a_quantity_stands_in_its_name(name: str) -> None:
    assert meaning_of(name) is None


def test_a_peak_of_memory_is_an_amount_and_a_peak_of_power_is_not() -> None:
    memory, power = meaning_of("peak_memory_gb"), meaning_of("max_power_w")
    assert memory is not None
    assert memory.is_value
    assert power is not None
    assert not power.is_value


def test_words_are_split_at_marks_brackets_and_capitals() -> None:
    assert words_of("gpuEnergy_total(J)/Token") == ["gpu", "energy", "total", "per", "token"]
