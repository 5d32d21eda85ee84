"""One row of the run table out of one record: only what was measured, nothing filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from joulebench.answer_energy import per_answer, per_correct
from joulebench.clock import VIRTUAL
from joulebench.errors import EnergyError
from joulebench.joules import Energy, total
from joulebench.nesting import assumed, headline_channels
from joulebench.record import Run

if TYPE_CHECKING:
    import pandas as pd

MEASURED = "measure"
"""Name of the window that the headline energy is of."""

STEADY = "steady"
"""Name of the window between the ramp-up and the drain of a load."""

JUDGED = "judge"
"""Name of the window in which a judge graded the answers."""

_DEVICES = {
    "cpu": ("cpu package", "cpu core", "process"),
    "gpu": ("gpu board", "gpu module"),
    "dram": ("dram",),
}

WINDOWS_APART = ("forward", "backward", "train", "eval")
"""Windows of a run that stand for themselves: no other window holds them."""

COLUMNS = (
    "duration_s", "energy_j", "energy_noise_j", "energy_bias_j", "method", "scope",
    "cpu_energy_j", "gpu_energy_j", "dram_energy_j", "idle_energy_j", "load_energy_j",
    "prefill_energy_j", "decode_energy_j", "tokens_in", "tokens_out", "energy_per_token_j",
    "energy_per_token_noise_j", "energy_per_token_bias_j",
    *(
        f"energy_per_{each}_{kind}j"
        for each in ("answer", "correct")
        for kind in ("", "noise_", "bias_")
    ),
    "judge_energy_j",
    "requests_per_s", "ttft_p50_s", "ttft_p95_s", "latency_p50_s", "latency_p95_s",
    "latency_p99_s", "goodput_per_s", "steady_energy_j", "steady_s", "steady_tokens_out",
    "peak_device_bytes", "peak_host_bytes",
    *(f"{window}_{column}" for window in WINDOWS_APART for column in ("energy_j", "s")),
    "emissions_kg", "emissions_method", "flops", "accuracy", "accuracy_low", "accuracy_high",
    "n_graded", "n_correct", "findings",
)  # fmt: skip
"""Columns after those of the design, in the order of the table."""


def headline_energy(run: Run, window: str = MEASURED) -> Energy | None:
    """Add up the channels of a run that are not nested, over one window.

    Returns:
        ``None`` where a channel that belongs to the sum has no energy: a part is not the whole.
        Its scope says where time was computed: such runs are never held against others.
    """
    if not any(window in windows for windows in run.energy.values()):
        return None
    energy = _summed(run, window, [channel.name for channel in headline_channels(run.channels)])
    if energy is not None and run.facts.get("clock") == VIRTUAL:
        return replace(energy, scope=f"{energy.scope}, {VIRTUAL} clock")
    return energy


def _summed(run: Run, window: str, names: Sequence[str]) -> Energy | None:
    found = [run.energy.get(name, {}).get(window) for name in names]
    if not found or any(energy is None for energy in found):
        return None
    return total([Energy.from_dict(energy) for energy in found if energy is not None])


def duration_s(run: Run, window: str = MEASURED) -> float | None:
    """Give the length of a run's windows of one name, s; ``None`` if it has none."""
    stretches = [w.duration_s for w in run.windows if w.name == window]
    return sum(stretches) if stretches else None


def row(run: Run) -> dict[str, Any]:
    """Give the row of a run: the columns that it has values for."""
    cells: dict[str, Any] = {
        "run_id": run.run_id,
        **{key: run.trial[key] for key in ("order", "block", "repetition") if key in run.trial},
        **run.levels,
        "status": run.status,
        "host": run.host,
        "testbed": run.testbed,
    }
    if run.control:
        cells["control"] = True
    cells.update(dict(_energy_cells(run)))
    cells.update(dict(_serving_cells(run)))
    peaks = run.facts.get("peak_memory") or {}
    cells.update({f"peak_{key}": count for key, count in peaks.items()})
    counts = {key: run.work.get(key) for key in ("tokens_in", "tokens_out", "flops")}
    cells.update({key: count for key, count in counts.items() if count is not None})
    if run.emissions:
        cells["emissions_kg"] = run.emissions["emissions_kg"]
        cells["emissions_method"] = run.emissions["method"]
    if run.score:
        scores = ("accuracy", "accuracy_low", "accuracy_high", "n_graded", "n_correct")
        cells.update({key: run.score[key] for key in scores if key in run.score})
    if run.findings:
        cells["findings"] = ";".join(dict.fromkeys(finding.rule for finding in run.findings))
    return cells


def _serving_cells(run: Run) -> Iterator[tuple[str, Any]]:
    """Give how the load was served, and what its steady stretch holds."""
    served = run.facts.get("serving") or {}
    for name, part, key in (
        ("requests_per_s", served, "requests_per_s"),
        *((f"ttft_{key}_s", served.get("ttft_s", {}), key) for key in ("p50", "p95")),
        *((f"latency_{key}_s", served.get("latency_s", {}), key) for key in ("p50", "p95", "p99")),
        ("goodput_per_s", served, "goodput_per_s"),
        ("steady_tokens_out", served.get(STEADY, {}), "tokens_out"),
    ):
        if key in part:
            yield name, part[key]
    energy, length_s = headline_energy(run, STEADY), duration_s(run, STEADY)
    if energy is not None:
        yield f"{STEADY}_energy_j", energy.joules
    if length_s is not None:
        yield f"{STEADY}_s", length_s


def _energy_cells(run: Run) -> Iterator[tuple[str, Any]]:
    measured_s = duration_s(run)
    if measured_s is not None:
        yield "duration_s", measured_s
    energy = headline_energy(run)
    if energy is not None:
        yield from _headline_cells(run, energy, measured_s)
        yield from _answer_cells(run, energy)
    judging = headline_energy(run, JUDGED)
    if judging is not None:
        yield f"{JUDGED}_energy_j", judging.joules
    for window in WINDOWS_APART:
        part, length_s = headline_energy(run, window), duration_s(run, window)
        if part is not None:
            yield f"{window}_energy_j", part.joules
        if part is not None and length_s is not None:
            yield f"{window}_s", length_s


def _headline_cells(
    run: Run, energy: Energy, measured_s: float | None
) -> Iterator[tuple[str, Any]]:
    yield "energy_j", energy.joules
    yield "energy_noise_j", energy.noise
    yield "energy_bias_j", energy.bias
    yield "method", energy.method
    yield "scope", energy.scope
    yield from _device_cells(run)
    for window in ("load", "prefill", "decode"):
        part = headline_energy(run, window)
        if part is not None:
            yield f"{window}_energy_j", part.joules
    idle_w = idle_power_w(run)
    if idle_w is not None and measured_s is not None:
        yield "idle_energy_j", idle_w * measured_s
    tokens = run.work.get("tokens_out")
    if tokens:
        per_token = energy / tokens
        yield "energy_per_token_j", per_token.joules
        yield "energy_per_token_noise_j", per_token.noise
        yield "energy_per_token_bias_j", per_token.bias


def _answer_cells(run: Run, energy: Energy) -> Iterator[tuple[str, float]]:
    """Give the energy of one answer, and of one correct answer as if all had been graded."""
    for name, each in (("answer", per_answer(run, energy)), ("correct", per_correct(run, energy))):
        if each is not None:
            yield f"energy_per_{name}_j", each.joules
            yield f"energy_per_{name}_noise_j", each.noise
            yield f"energy_per_{name}_bias_j", each.bias


def _device_cells(run: Run) -> Iterator[tuple[str, float]]:
    for device, scopes in _DEVICES.items():
        channels = [c for c in run.channels if c.scope in scopes and not assumed(c)]
        names = [channel.name for channel in headline_channels(channels)]
        part = _summed(run, MEASURED, names)
        if part is not None:
            yield f"{device}_energy_j", part.joules


def idle_power_w(run: Run) -> float | None:
    """Give the mean power of the idle windows before and after the work, W; ``None`` if unknown."""
    powers = []
    for window in ("idle", "idle_after"):
        energy, length = headline_energy(run, window), duration_s(run, window)
        if energy is not None and length:
            powers.append((energy.joules, length))
    if not powers:
        return None
    return sum(joules for joules, _ in powers) / sum(length for _, length in powers)


def frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Give the run table: one row a run, a column only where at least one run has a value."""
    import pandas as pd

    rows = []
    for run in runs:
        try:
            rows.append(dict(row(run)))
        except (EnergyError, KeyError, TypeError) as error:
            raise EnergyError(f"run {run.run_id!r}: {error}") from error
    present = dict.fromkeys(key for cells in rows for key in cells)
    tail = [column for column in COLUMNS if column in present]
    head = [column for column in present if column not in COLUMNS]
    return pd.DataFrame(rows, columns=[*head, *tail])
