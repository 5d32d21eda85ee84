"""The words that names of columns are made of: quantities, units, parts, phases, statistics."""

from __future__ import annotations

from collections.abc import Mapping

UNITS: Mapping[str, tuple[str, float]] = {
    "j": ("energy", 1.0), "joule": ("energy", 1.0), "joules": ("energy", 1.0),
    "mj": ("energy", 1e-3), "millijoule": ("energy", 1e-3), "millijoules": ("energy", 1e-3),
    "uj": ("energy", 1e-6), "microjoules": ("energy", 1e-6), "µj": ("energy", 1e-6),
    "kj": ("energy", 1e3), "kilojoules": ("energy", 1e3), "kilojoule": ("energy", 1e3),
    "megajoules": ("energy", 1e6),
    "wh": ("energy", 3600.0), "kwh": ("energy", 3.6e6), "mwh": ("energy", 3.6),
    "uwh": ("energy", 3.6e-3),
    "w": ("power", 1.0), "watt": ("power", 1.0), "watts": ("power", 1.0),
    "mw": ("power", 1e-3), "mwatts": ("power", 1e-3), "mwatt": ("power", 1e-3),
    "milliwatts": ("power", 1e-3), "milliwatt": ("power", 1e-3), "kw": ("power", 1e3),
    "uw": ("power", 1e-6),
    "s": ("duration", 1.0), "sec": ("duration", 1.0), "secs": ("duration", 1.0),
    "second": ("duration", 1.0), "seconds": ("duration", 1.0),
    "ms": ("duration", 1e-3), "msec": ("duration", 1e-3), "millis": ("duration", 1e-3),
    "millisecond": ("duration", 1e-3), "milliseconds": ("duration", 1e-3),
    "us": ("duration", 1e-6), "µs": ("duration", 1e-6), "microseconds": ("duration", 1e-6),
    "ns": ("duration", 1e-9), "nanoseconds": ("duration", 1e-9),
    "minute": ("duration", 60.0), "minutes": ("duration", 60.0), "mins": ("duration", 60.0),
    "hours": ("duration", 3600.0),
    "hour": ("duration", 3600.0),
    "h": ("duration", 3600.0), "hr": ("duration", 3600.0), "hrs": ("duration", 3600.0),
    "byte": ("memory", 1.0), "bytes": ("memory", 1.0), "kb": ("memory", 1e3),
    "mb": ("memory", 1e6), "gb": ("memory", 1e9), "mib": ("memory", 2.0**20),
    "gib": ("memory", 2.0**30),
    "flop": ("flops", 1.0), "flops": ("flops", 1.0), "mflops": ("flops", 1e6),
    "gflop": ("flops", 1e9), "gflops": ("flops", 1e9), "tflop": ("flops", 1e12),
    "tflops": ("flops", 1e12), "pflops": ("flops", 1e15), "macs": ("flops", 2.0),
    "kg": ("emissions", 1.0), "grams": ("emissions", 1e-3), "g": ("emissions", 1e-3),
    "gco2": ("emissions", 1e-3),
    "kgco2": ("emissions", 1.0), "kgco2e": ("emissions", 1.0), "gco2e": ("emissions", 1e-3),
    "kgco2eq": ("emissions", 1.0), "gco2eq": ("emissions", 1e-3), "tco2": ("emissions", 1e3),
    "tco2e": ("emissions", 1e3), "tco2eq": ("emissions", 1e3), "tonnes": ("emissions", 1e3),
    "celsius": ("temperature", 1.0), "mhz": ("frequency", 1e6),
    "eur": ("cost", 1.0), "usd": ("cost", 1.0), "dollars": ("cost", 1.0),
    "°c": ("temperature", 1.0), "degc": ("temperature", 1.0),
    "pct": ("", 0.01), "percent": ("", 0.01), "%": ("", 0.01),
}  # fmt: skip
"""Unit -> the quantity it belongs to, and its size in the SI unit (J, W, s, byte, FLOP, kg)."""

EXACT_UNITS: Mapping[str, tuple[str, float]] = {
    "MW": ("power", 1e6), "MJ": ("energy", 1e6), "MWh": ("energy", 3.6e9),
    "GWh": ("energy", 3.6e12),
    "GJ": ("energy", 1e9),
}  # fmt: skip
"""Units that only their capitals tell from others a thousand million times smaller."""

QUANTITIES: Mapping[str, str] = {
    "energy": "energy", "energies": "energy", "power": "power", "draw": "power",
    "wattage": "power", "energía": "energy", "energia": "energy", "énergie": "energy",
    "energie": "energy", "potencia": "power", "puissance": "power", "leistung": "power",
    "tiempo": "duration", "duración": "duration", "durée": "duration", "dauer": "duration",
    "duration": "duration", "time": "duration", "runtime": "duration", "latency": "duration",
    "elapsed": "duration", "walltime": "duration", "ttft": "duration", "tpot": "duration",
    "itl": "duration", "tbt": "duration", "durations": "duration", "latencies": "duration",
    "timestamp": "timestamp", "datetime": "timestamp", "date": "timestamp", "start": "timestamp",
    "end": "timestamp", "stop": "timestamp", "started": "timestamp", "ended": "timestamp",
    "began": "timestamp", "begin": "timestamp", "finished": "timestamp", "launched": "timestamp",
    "created": "timestamp",
    "tokens": "tokens", "token": "tokens", "tok": "tokens", "toks": "tokens",
    "requests": "requests", "examples": "requests", "prompts": "requests", "queries": "requests",
    "questions": "requests", "sentences": "requests", "items": "requests",
    "images": "requests", "samples": "requests", "inferences": "requests", "req": "requests",
    "reqs": "requests",
    "throughput": "throughput", "tps": "throughput", "qps": "throughput", "rps": "throughput",
    "accuracy": "accuracy", "acc": "accuracy", "exact": "accuracy", "em": "accuracy",
    "f1": "accuracy", "mcc": "accuracy", "precision_score": "accuracy", "recall": "accuracy",
    "bleu": "accuracy", "rouge": "accuracy", "auc": "accuracy", "top1": "accuracy",
    "top5": "accuracy", "accuracies": "accuracy",
    "graded": "graded", "correct": "correct",
    "flops": "flops", "flop": "flops", "macs": "flops",
    "memory": "memory", "mem": "memory", "vram": "memory",
    "temperature": "temperature", "temp": "temperature", "utilization": "utilisation",
    "utilisation": "utilisation", "mfu": "utilisation", "hfu": "utilisation",
    "util": "utilisation", "usage": "utilisation",
    "frequency": "frequency", "clock": "frequency", "clocks": "frequency",
    "emissions": "emissions", "co2": "emissions", "carbon": "emissions", "cost": "cost",
    "price": "cost", "edp": "product", "efficiency": "efficiency", "loss": "loss",
    "perplexity": "loss", "ppl": "loss",
}  # fmt: skip

PARTS: Mapping[str, str] = {
    "cpu": "cpu", "package": "cpu", "pkg": "cpu", "processor": "cpu", "gpu": "gpu",
    "gpu0": "gpu", "gpus": "gpu", "cpus": "cpu", "sockets": "cpu", "board": "gpu",
    "accelerator": "gpu", "dram": "dram", "ram": "dram",
    "core": "core", "cores": "core", "pp0": "core", "uncore": "uncore", "pp1": "uncore",
    "igpu": "uncore", "psys": "platform", "platform": "platform", "node": "node",
    "system": "node", "machine": "node", "server": "node", "wall": "wall", "plug": "wall",
    "outlet": "wall", "pdu": "wall", "disk": "disk",
    "total": "total", "overall": "total", "combined": "total", "consumed": "total",
}  # fmt: skip
"""Word -> part of the machine; ``"total"`` says that the parts were added."""

PHASES: Mapping[str, str] = {
    "forward": "forward", "fwd": "forward", "backward": "backward", "bwd": "backward",
    "train": "training", "training": "training", "inference": "inference", "infer": "inference",
    "inferencia": "inference",
    "prefill": "prefill", "decode": "decode", "load": "load", "idle": "idle", "static": "idle",
    "net": "net", "dynamic": "net", "marginal": "net",
    "excess": "net", "incremental": "net", "above": "net", "overhead": "net",
    "baseline": "idle", "warmup": "warmup", "ttft": "prefill", "finetuning": "training",
    "finetune": "training", "eval": "evaluation", "evaluation": "evaluation",
}  # fmt: skip
"""Word -> phase of the work; ``"net"`` says that something, an idle power, was taken off."""

STATISTICS: Mapping[str, str] = {
    "mean": "mean", "avg": "mean", "average": "mean", "media": "mean",
    "medio": "mean", "promedio": "mean", "moyenne": "mean", "mittel": "mean", "sum": "sum",
    "sem": "sem",
    "stderr": "sem", "std": "sd", "sd": "sd", "stdev": "sd", "var": "var", "variance": "var",
    "min": "min", "minimum": "min", "max": "max", "maximum": "max", "peak": "max",
    "median": "median", "med": "median", "p50": "median", "p90": "quantile",
    "p95": "quantile", "p99": "quantile", "p75": "quantile", "p25": "quantile",
    "p10": "quantile", "p5": "quantile", "q1": "quantile", "q3": "quantile", "ci": "interval",
    "ci90": "interval", "ci95": "interval", "ci99": "interval",
    "lower": "interval", "upper": "interval", "error": "error", "err": "error",
    "noise": "error", "bias": "error", "uncertainty": "error", "cv": "relative",
    "relative": "relative", "rel": "relative", "ratio": "relative", "diff": "relative",
    "reduction": "relative", "saving": "relative", "savings": "relative", "share": "relative",
    "rate": "relative", "speedup": "relative", "epsilon": "relative",
    "rho": "relative", "kappa": "relative", "change": "relative", "delta": "relative",
    "gain": "relative", "improvement": "relative", "saved": "relative", "overestimate": "relative",
    "norm": "relative", "normalized": "relative", "normalised": "relative", "factor": "relative",
    "drop": "relative", "degradation": "relative", "decrease": "relative", "increase": "relative",
    "retention": "relative", "regret": "relative",
    "difference": "relative", "differences": "relative", "vs": "relative", "versus": "relative",
    "residual": "relative", "residuals": "relative", "resid": "relative", "effect": "relative",
    "contrast": "relative", "gap": "relative", "fitted": "relative", "zscore": "relative",
    "standardized": "relative", "standardised": "relative", "scaled": "relative", "ln": "relative",
    "log10": "relative", "log2": "relative", "sqrt": "relative", "low": "interval",
    "high": "interval", "lcl": "interval", "ucl": "interval",
    "eta": "relative", "eta2": "relative", "r2": "relative", "pvalue": "relative",
    "coef": "relative", "coefficient": "relative", "beta": "relative", "cohen": "relative",
    "percentile": "quantile", "iqr": "sd", "mad": "sd", "rmse": "error", "mape": "relative",
    "slope": "relative", "corr": "relative", "correlation": "relative", "log": "relative",
    "rank": "relative",
}  # fmt: skip
"""Word -> statistic; ``"relative"`` is a share or a change, which has another unit."""

PER: Mapping[str, str] = {
    "token": "token", "tokens": "token", "tok": "token", "example": "example",
    "examples": "example", "sample": "example", "samples": "example", "request": "example",
    "query": "example", "prompt": "example", "inference": "example", "question": "example",
    "item": "example", "sentence": "example", "response": "example", "image": "example",
    "correct": "correct", "answer": "example", "window": "window", "windows": "window",
    "feature": "window", "step": "step", "batch": "batch", "iteration": "step",
    "flop": "flop", "flops": "flop", "gflop": "flop", "parameter": "parameter",
    "parameters": "parameter", "billion": "parameter", "b": "parameter", "param": "parameter",
    "params": "parameter",
    "req": "example", "requests": "example", "queries": "example", "prompts": "example",
    "questions": "example", "inferences": "example", "images": "example", "toks": "token",
    "gpu": "gpu", "device": "gpu", "layer": "layer", "node": "node", "epoch": "epoch",
    "run": "run",
    "second": "second", "sec": "second", "s": "second", "joule": "joule", "j": "joule",
    "kwh": "joule", "watt": "watt", "w": "watt", "hour": "hour", "minute": "minute",
}  # fmt: skip

MULTIPLES: Mapping[str, float] = {
    "k": 1e3, "thousand": 1e3, "kilo": 1e3, "m": 1e6, "million": 1e6, "mn": 1e6, "g": 1e9,
}  # fmt: skip
"""Word after a number, or alone before what is counted -> how many: per 1k tokens."""

COUNTS = frozenset({"number", "num", "n", "count", "counts", "no"})
NOT_A_MEASURE = frozenset(
    {"id", "idx", "index", "name", "label", "path", "file", "limit", "type", "mode", "unit",
     "country", "region", "uuid", "url", "version", "seed", "hash", "budget", "dataset", "model",
     "length", "len", "size", "context", "precision", "stride", "interval", "keep", "pruning",
     "threshold", "thresh", "thresholds", "supported", "reason", "method",
     "scope", "layers", "engine", "sampling",
     "layer", "state", "source", "zone", "target", "cap", "capped", "tdp", "quota", "capacity",
     "order", "step_size", "timeout", "vocab", "vocabulary", "predicted", "intensity", "score",
     "rating", "grade", "effectiveness"}
)  # fmt: skip
"""Words that make a column a setting or a name although a quantity stands in it too."""
