"""One record of a Llama profile as a run: energy, time and FLOPs of a forward and a backward pass.

The source sampled the power of the board and booked it to the pass that ran when a sample was read;
it kept the mean over batches and its standard error, not the samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joulebench.channel import Channel, Window
from joulebench.finding import Finding
from joulebench.importers.contract import ImportedRun
from joulebench.importers.flopmetrics_files import PASSES, named_in
from joulebench.importers.flopmetrics_record import Place, as_published, finite
from joulebench.importers.published import host_id, no_trace, published_energy
from joulebench.record import Run
from joulebench.sensor_gains import NVML_GAIN

FACTORS = ("gpu", "precision", "config", "batch_size", "input_length")
POWER = Channel("gpu0:power", "W", gain=NVML_GAIN, scope="gpu board")

_SECONDS = 1e-6  # times are stored in microseconds


def levels_of(record: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Give the settings of a record; GPU and precision by the file's name where it has none."""
    gpu, precision = named_in(path)
    values = as_published(record)
    told = {
        "gpu": values.get("gpu_config", gpu),
        "precision": values.get("precision", precision),
        "config": values.get("config_name"),
        "batch_size": values.get("batch_size"),
        "input_length": values.get("input_length"),
    }
    return {name: level for name, level in told.items() if level is not None}


def host_of(levels: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give what is known of the machine: the name of its GPU."""
    host: dict[str, Any] = {"tool": "nvidia-smi"}
    if "gpu" in levels:
        host["gpus"] = [{"index": 0, "name": levels["gpu"]}]
    return host_id(host), host


def profile_run(run: Run, record: Mapping[str, Any], place: Place, source: Path) -> ImportedRun:
    """Fill in the record of a run from one line.

    Args:
        run: With its id, study and trial.
        record: The line.
        place: Where it stands.
        source: Folder of the import, which its table is named from.
    """
    run.channels = [POWER]
    run.facts["published"] = {
        "table": table_name(place.path, source),
        "line": place.line,
        "values": as_published(record),
    }
    run.facts["windows"] = "of one batch: lengths as published, their places in time not known"
    begun_s = 0.0
    for name in PASSES:
        begun_s = _add_window(run, name, record, begun_s)
        _add_energy(run, name, record)
    _add_work(run, record)
    run.findings += _mislabelled(run, record, place.path)
    if run.energy:
        run.findings.append(no_trace(f"{run.run_id}: {POWER.name}"))
    else:
        run.status, run.error = "failed", f"{place.path} line {place.line} holds no energy"
    return ImportedRun(run)


def table_name(path: Path, source: Path) -> str:
    """Name a file as seen from the folder that is imported."""
    return path.name if path == source else path.relative_to(source).as_posix()


def _add_window(run: Run, name: str, record: Mapping[str, Any], begun_s: float) -> float:
    """Add the window of one pass over one batch: its length is known, its place is not."""
    length = finite(record.get(f"{name}_gpu_time_mean"))
    if length is None or length <= 0:
        return begun_s
    sem = finite(record.get(f"{name}_gpu_time_sem")) or 0.0
    stop_s = begun_s + length * _SECONDS
    if stop_s <= begun_s:  # a length that is nothing beside the one before it
        return begun_s
    edge_s = max(sem, 0.0) * _SECONDS / math.sqrt(2)
    run.windows.append(Window(name, begun_s, stop_s, edge_s))
    return stop_s


def _add_energy(run: Run, name: str, record: Mapping[str, Any]) -> None:
    key = f"{name}_energy_mean"
    if record.get(key) is None:
        return
    joules = finite(record[key])
    if joules is None:
        run.findings.append(_not_finite(run, key, record[key]))
        return
    noise = finite(record.get(f"{name}_energy_sem")) or 0.0
    energy = published_energy(POWER, joules, abs(noise))
    run.energy.setdefault(POWER.name, {})[name] = energy.to_dict()


def _not_finite(run: Run, key: str, value: object) -> Finding:
    return Finding(
        "non-finite",
        "error",
        f"{run.run_id}: {key}",
        "the published energy is no finite number, so it was left out",
        "measure this configuration again, or leave it out",
        str(value)[:40],
    )


def _add_work(run: Run, record: Mapping[str, Any]) -> None:
    counts = {name: finite(record.get(f"{name}_flops_sum")) for name in PASSES}
    flops = {name: int(count) for name, count in counts.items() if count and count > 0}
    if flops:
        run.work["flops"] = sum(flops.values())
        run.work["flops_by_window"] = flops
    batch, length = finite(record.get("batch_size")), finite(record.get("input_length"))
    if batch:
        run.work["requests"] = int(batch)
    if batch and length:
        run.work["tokens_in"] = int(batch * length)


def _mislabelled(run: Run, record: Mapping[str, Any], path: Path) -> list[Finding]:
    """Hold GPU and precision in the record against those in the file's name."""
    told = {"gpu_config": record.get("gpu_config"), "precision": record.get("precision")}
    pairs = zip(told.items(), named_in(path), strict=True)
    return [
        Finding(
            "label-inconsistent",
            "warning",
            f"{run.run_id}: {key}",
            f"the record says {inside!r}, the name of its file {named!r}; the record's was kept",
            "find out which device and precision it was; say so in both places",
            str(inside),
            named,
        )
        for (key, inside), named in pairs
        if isinstance(inside, str) and named and inside.casefold() != named.casefold()
    ]
