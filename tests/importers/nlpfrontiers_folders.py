"""Synthetic results in both forms of the frontier study, with energies that are known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CHECKPOINT = "runs/2026-03-05_05-41-04_baseline_squad_v2/huggingface_trainer/checkpoint-30"
EXAMPLES = 40
BASE_W, SLOPE_W_S = 60.0, 2.0


def power_w(t_s: float) -> float:
    """Give the power of every trace: a ramp, which the trapezoid gets right."""
    return BASE_W + SLOPE_W_S * t_s


def energy_j(start_s: float, stop_s: float) -> float:
    """Give its energy."""
    return BASE_W * (stop_s - start_s) + SLOPE_W_S * (stop_s**2 - start_s**2) / 2


def write(path: Path, content: object) -> Path:
    """Write text, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content, indent=2, sort_keys=True)
    path.write_text(text, encoding="utf-8")
    return path


def trace_csv(samples: int, step_s: float = 0.05) -> str:
    """Give a ``power_trace.csv``."""
    rows = (f"{k * step_s:.6f},{power_w(k * step_s):.6f}\r\n" for k in range(samples))
    return "timestamp_s,power_w\r\n" + "".join(rows)


def predictions(correct: int, count: int = EXAMPLES) -> str:
    """Give a ``predictions.jsonl`` with labels."""
    pairs = ({"prediction": 1, "label": int(k < correct)} for k in range(count))
    return "".join(json.dumps(pair) + "\n" for pair in pairs)


def answers(count: int) -> str:
    """Give a ``predictions.jsonl`` without labels."""
    lines = ({"id": f"q{k}", "prediction_text": "Denver"} for k in range(count))
    return "".join(json.dumps(line) + "\n" for line in lines)


def span_s(samples: int) -> float:
    """Give the length of a trace of so many samples."""
    return 0.05 * (samples - 1)


def figures(samples: int, tail_s: float = 0.03) -> tuple[float, float]:
    """Give joules and milliseconds an example, as they are published."""
    return (
        energy_j(0.0, span_s(samples)) / EXAMPLES,
        1e3 * (span_s(samples) + tail_s) / EXAMPLES,
    )


def layers_sweep(folder: Path, layers: Sequence[int] = (12, 4)) -> Path:
    """Write a sweep of the first form over the number of layers: 41 samples for each layer."""
    config = {
        "baseline_model_directory": "runs/2026-02-24_17-16-44_phase_1_baseline/best_model",
        "dataset": "glue/sst2",
        "max_sequence_length": 128,
        "num_layers": list(layers),
        "power_sample_interval_s": 0.05,
        "gpu_index": 0,
    }
    write(folder / "config.json", config)
    header = (
        "label,num_encoder_layers,max_sequence_length,accuracy,energy_per_example_j,"
        "energy_per_correct_j,average_latency_per_example_ms,peak_gpu_memory_mb\r\n"
    )
    rows = []
    for count in layers:
        point, samples = folder / f"num_layers_{count}", 41 * count
        each_j, each_ms = figures(samples)
        write(point / "power_trace.csv", trace_csv(samples))
        write(point / "predictions.jsonl", predictions(30 + count // 2))
        rows.append(f"{count},{count},128,0.9,{each_j},{each_j / 0.9},{each_ms},692.2\r\n")
    write(folder / "pareto_layers.csv", header + "".join(rows))
    return folder


def baseline(folder: Path, *, questions: int | None = None) -> Path:
    """Write a baseline of the first form; with so many answers without labels, if given."""
    samples = 400
    each_j, each_ms = figures(samples)
    config = {
        "dataset_config": "sst2",
        "dataset_name": "glue",
        "max_sequence_length": 128,
        "model_name": "bert-base-uncased",
        "power_sample_interval_s": 0.05,
    }
    write(folder / "config.json", config)
    benchmark = {"energy_per_example_j": each_j, "average_latency_per_example_ms": each_ms}
    metrics = {
        "best_model_directory": "runs/2026-02-24_17-16-44_phase_1_baseline/best_model",
        "inference_benchmark_metrics": {"accuracy": 0.9, **benchmark},
    }
    write(folder / "metrics.json", metrics)
    write(folder / "power_trace.csv", trace_csv(samples))
    text = predictions(36) if questions is None else answers(questions)
    write(folder / "predictions.jsonl", text)
    write(
        folder / "pareto.csv",
        "label,max_sequence_length,layers,energy_per_example_j,average_latency_per_example_ms\n"
        f"bert_base,128,12,{each_j},{each_ms}\n",
    )
    return folder


def meter(seconds: float, phase: str = "inference", **more: Any) -> dict[str, Any]:
    """Give an ``energy_*.json`` of so many seconds, a sample every 0.25 s from 0.1 s on."""
    times = [0.1 + 0.25 * k for k in range(int((seconds - 0.1) / 0.25) + 1)]
    return {
        "duration_seconds": seconds,
        "energy_joules": energy_j(times[0], times[-1]),
        "number_of_samples": len(times),
        "phase": phase,
        "sampling_interval_seconds": 0.2,
        "samples": [{"power_watts": power_w(t), "timestamp_seconds_since_start": t} for t in times],
        **more,
    }


def trained(folder: Path, *, keep_training_trace: bool = True) -> Path:
    """Write a trained model of the later form: training of 60 s with two evaluations of 8 s."""
    training = meter(
        60.0,
        "training",
        number_of_training_examples=600,
        number_of_training_steps=75,
        number_of_training_tokens=9000,
    )
    inference = meter(12.0, number_of_inference_examples=45, number_of_inference_tokens=4000)
    if keep_training_trace:
        write(folder / "energy_train.json", training)
    write(folder / "energy_infer.json", inference)
    metrics = {"exact": 39.8, "f1": 43.7, "total": EXAMPLES}
    thresholded = {**metrics, "exact": 73.2, "f1": 76.0}
    summary = {
        "dataset_id": "squad_v2",
        "model_name_or_path": "bert-base-uncased",
        "run_identifier": "2026-03-05_05-41-04_baseline_squad_v2",
        "metrics": metrics,
        "metrics_thresholded": thresholded,
        "inference_energy": _without_samples(inference),
        "training_energy": _without_samples(training),
    }
    write(folder / "summary.json", summary)
    runtime = {"train_runtime": 59.5, "total_flos": 3.7e16}
    write(folder / "trainer_training_metrics.json", {"trainer_training_metrics": runtime})
    trainer = folder / "huggingface_trainer"
    for step, evaluations in ((15, 1), (30, 2)):
        write(trainer / f"checkpoint-{step}" / "trainer_state.json", _state(step, evaluations))
    return folder


def _without_samples(report: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("energy_joules", "phase")
    return {
        key: value for key, value in report.items() if key in kept or key.startswith("number_of_t")
    } | {key: value for key, value in report.items() if key.startswith("number_of_i")}


def _state(step: int, evaluations: int) -> dict[str, Any]:
    losses = [{"step": k, "loss": 1.0} for k in range(step)]
    history = [*losses, *({"step": k, "eval_runtime": 8.0} for k in range(evaluations))]
    return {"global_step": step, "total_flos": 3.7e16, "log_history": history}


def later_sweep(folder: Path, table: str = "pareto.csv") -> Path:
    """Write a sweep of the later form over precision; fp8 was not supported and left no trace."""
    rows = []
    for mode, seconds in (("fp32", 20.0), ("bf16", 6.0)):
        report = meter(
            seconds,
            number_of_raw_evaluation_examples=EXAMPLES,
            number_of_feature_windows=45,
            number_of_inference_tokens=4000,
        )
        write(folder / f"precision_{mode}" / "energy_infer.json", report)
        result = {
            "inference_energy_joules": report["energy_joules"],
            "inference_runtime_seconds": seconds - 0.05,
            "maximum_sequence_length": 384,
            "metrics_thresholded": {"exact": 73.2, "f1": 76.0, "total": EXAMPLES},
            "number_of_raw_evaluation_examples": EXAMPLES,
            "precision_mode": mode,
        }
        write(folder / f"precision_{mode}" / "result.json", result)
        rows.append(f"bert_full,{CHECKPOINT},{mode},True,384,73.2,76.0,{report['energy_joules']}\n")
    header = (
        "model_label,checkpoint_path,precision_mode,precision_supported,maximum_sequence_length,"
        "exact,f1,inference_energy_joules\n"
    )
    unsupported = f"bert_full,{CHECKPOINT},fp8,False,384,,,\n"
    write(folder / table, header + "".join(rows) + unsupported)
    summary = {
        "model_label": "bert_full",
        "checkpoint_path": CHECKPOINT,
        "run_identifier": "2026-03-06_02-59-27_precision_sweep_bert_full",
    }
    write(folder / "summary.json", summary)
    return folder
