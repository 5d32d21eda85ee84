"""Compares what each way of reading a GPU says of the energy of each phase.

Beside the plain readings (the counter's difference, the trapezoid over each power) stand
joulebench's estimates: the sensor's period, averaging time and delay are found from its answer to
the irregular wave, its average is undone, and each energy has its 95 % interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel, Window
from joulebench.characterize.channel_facts import plain
from joulebench.characterize.load import Switch, Wave
from joulebench.characterize.points import Points, points
from joulebench.characterize.polling import Changes
from joulebench.characterize.response import Response, response
from joulebench.characterize.updates import Updates, updates
from joulebench.energy import Energy, Trace
from joulebench.energy_ratio import Z_95
from joulebench.errors import EnergyError
from joulebench.sensor_gains import NVML_GAIN

FloatArray = npt.NDArray[np.float64]

TICK_S = 1e-4

ASSUMED_S = {"counter": 0.0, "instant": 0.1, "average": 1.0, "usage": 1.0}
"""Averaging time where the wave did not tell, s."""

MOST_BURSTS = 30
"""Bursts of a wave that are looked at; all of thousands would take minutes."""

APART = 0.03
"""Counter and power of one board should agree to this."""


class Source:
    """One way of reading the GPU, as it was found to be.

    Args:
        name: ``"counter"``, ``"instant"``, ``"average"`` or ``"usage"``.
        stored: Its changes, packed.
        length_s: Time that was polled, s.
        wave: The irregular wave.
    """

    def __init__(
        self, name: str, stored: Mapping[str, Sequence[int]], length_s: float, wave: Wave
    ) -> None:
        self.name = name
        unit = "J" if name == "counter" else "W"
        self.changes = _changes(stored, length_s)
        self.updates: Updates = updates(self.changes)
        channel = Channel(
            f"gpu0:{name}", unit, resolution=1e-3, gain=NVML_GAIN, scope="gpu board",
            period_s=0.1 if self.updates.period is None else self.updates.period.value,
            averaging_s=ASSUMED_S[name],
        )  # fmt: skip
        shown = points(channel, self.changes, self.updates)
        ends_s = wave.switches[0].at_s - 1.0, wave.switches[-1].at_s + 2.0
        near = (shown.at_s >= ends_s[0]) & (shown.at_s <= ends_s[1])
        self.response: Response | None = response(shown.chosen(near), wave)
        self.channel, self.delay_s = _as_found(channel, self.response)
        self.trace = _trace(self.channel, self.changes, shown, self.delay_s)

    def plain_j(self, start_s: float, stop_s: float) -> float:
        """Give the energy as it is usually taken, J: readings at 10 Hz, joined by lines."""
        changes = self.changes
        polls_s = np.arange(changes.start_s, changes.stop_s, 0.1)
        held = np.concatenate(([changes.first], changes.v))
        v = held[np.searchsorted(changes.at_s, polls_s, side="right")]
        if self.name == "counter":
            start, stop = np.interp([start_s, stop_s], polls_s, v)
            return float(stop - start)
        inside = polls_s[(polls_s > start_s) & (polls_s < stop_s)]
        t_s = np.concatenate(([start_s], inside, [stop_s]))
        return float(np.trapezoid(np.interp(t_s, polls_s, v), t_s))

    def estimate(self, windows: Sequence[Window]) -> Energy | None:
        """Give joulebench's estimate; ``None`` where it refuses one."""
        try:
            return self.trace.energy(windows, gaps="bridge")
        except (EnergyError, ValueError):
            return None

    def facts(self) -> dict[str, Any]:
        """Give what the sensor was found to be."""
        seen, answer = self.updates, self.response
        facts: dict[str, Any] = {
            "changes": seen.count,
            "period_s": seen.period,
            "change_spacing_s": dict(zip(("p5", "p50", "p95"), seen.spacing_s, strict=True)),
            "jitter_s": seen.jitter_s,
            "averaging_assumed_s": ASSUMED_S[self.name],
        }
        if answer is not None:
            facts |= {
                "averaging_s": answer.averaging, "delay_s": answer.delay, "rise_s": answer.rise_s,
                "swing_w": answer.swing_w, "explained": answer.explained,
            }  # fmt: skip
        return dict(plain(facts))


def _changes(stored: Mapping[str, Sequence[int]], length_s: float) -> Changes:
    at_s = TICK_S * np.cumsum(stored["t"], dtype=np.float64)
    v = 1e-3 * np.cumsum(stored["v"], dtype=np.float64)
    gap_s = np.maximum(TICK_S * np.asarray(stored["gap"], np.float64), TICK_S)
    first = float(v[0]) if v.size else np.nan
    start_s = float(at_s[0]) if v.size else 0.0
    return Changes((at_s - gap_s)[1:], at_s[1:], v[1:], first, start_s, length_s)


def _as_found(channel: Channel, answer: Response | None) -> tuple[Channel, float]:
    if answer is None:
        return channel, 0.0
    if answer.averaging is not None:
        channel = replace(channel, averaging_s=max(answer.averaging.value, 0.0))
    found = replace(channel, stamp_s=answer.delay.standard_error)
    return found, max(answer.delay.value, 0.0)


def _trace(channel: Channel, changes: Changes, shown: Points, delay_s: float) -> Trace:
    if channel.unit == "J":
        return Trace(channel, changes.middle_s - delay_s, changes.v)
    return Trace(channel, shown.at_s - delay_s, shown.v)


def compare(result: Mapping[str, Any]) -> dict[str, Any]:
    """Compare all sources over all phases.

    Args:
        result: What was measured, as it is stored.
    """
    wave = _wave(next(p for p in result["phases"] if p["name"] == "wave-irregular"))
    traces = {n: stored for n, stored in result["traces"].items() if len(stored["t"]) > 2}
    sources = [Source(n, stored, result["length_s"], wave) for n, stored in traces.items()]
    rows = [_row(phase, sources) for phase in result["phases"] if phase["name"] != "rest"]
    return {
        "sensors": {source.name: source.facts() for source in sources},
        "phases": rows,
        "checks": list(_checks(rows)),
    }


def _switches_s(phase: Mapping[str, Any]) -> FloatArray:
    found: FloatArray = TICK_S * np.cumsum(phase["switches"], dtype=np.float64)
    return found


def _wave(phase: Mapping[str, Any]) -> Wave:
    at_s = [*_switches_s(phase).tolist(), phase["stop_s"]]
    levels = [1.0 - place % 2 for place in range(len(at_s) - 1)]
    switches = [Switch(t_s, level) for t_s, level in zip(at_s, [*levels, 0.0], strict=True)]
    return Wave(switches, edge_s=TICK_S)


def _row(phase: Mapping[str, Any], sources: Sequence[Source]) -> dict[str, Any]:
    start_s, stop_s = phase["start_s"], phase["stop_s"]
    whole = [Window(phase["name"], start_s, stop_s)]
    row: dict[str, Any] = {"name": phase["name"], "duration_s": stop_s - start_s}
    row |= {key: phase[key] for key in ("truth_j", "flops", "bytes") if key in phase}
    row["plain_j"] = {source.name: source.plain_j(start_s, stop_s) for source in sources}
    row["joulebench"] = _estimates(sources, whole)
    bursts = list(_bursts(phase))
    if bursts:
        row["bursts"] = len(bursts)
        row["bursts_s"] = sum(window.duration_s for window in bursts)
        row["bursts_joulebench"] = _estimates(sources, bursts)
    return row


def _bursts(phase: Mapping[str, Any]) -> Iterator[Window]:
    """Give stretches in which a wave was on, spread over the phase."""
    at_s = [*_switches_s(phase).tolist(), phase["stop_s"]]
    on = list(zip(at_s[::2], at_s[1::2], strict=False))
    for start_s, stop_s in on[:: max(len(on) // MOST_BURSTS, 1)][:MOST_BURSTS]:
        yield Window("burst", start_s, stop_s)


def _estimates(sources: Sequence[Source], windows: Sequence[Window]) -> dict[str, Any]:
    found = ((source.name, source.estimate(windows)) for source in sources)
    return {
        name: {
            "joules": energy.joules,
            "half_width_95_j": energy.half_width_95_j,
            "without_gain_95_j": _without_gain_j(energy),
            "noise": energy.noise,
            "biases": dict(energy.biases),
            "findings": [finding.rule for finding in energy.findings],
        }
        for name, energy in found
        if energy is not None
    }


def _checks(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say what does not agree, one sentence each."""
    for row in rows:
        found = row["joulebench"]
        for name in ("instant", "average", "usage"):
            if "counter" in found and name in found:
                yield from _apart(row["name"], name, found["counter"], found[name])
        if "flops" in row and "counter" in found:
            rate = row["flops"] / row["duration_s"] * 1e-12
            per_j = row["flops"] / found["counter"]["joules"] * 1e-9
            yield f"{row['name']}: {rate:.4g} TFLOP/s, {per_j:.4g} GFLOP/J"


def _apart(
    phase: str, name: str, counter: Mapping[str, Any], power: Mapping[str, Any]
) -> Iterator[str]:
    ratio = counter["joules"] / power["joules"]
    allowed_j = np.hypot(counter["without_gain_95_j"], power["without_gain_95_j"])
    if abs(ratio - 1) > APART and abs(counter["joules"] - power["joules"]) > allowed_j:
        yield f"{phase}: the counter gives {ratio:.4g} times the energy of the {name} power"


def _without_gain_j(energy: Energy) -> float:
    """Give half the 95 % interval without the gain, which all readings of a board may share, J."""
    others = [b for source, b in energy.biases.items() if not source.startswith("gain ")]
    return Z_95 * math.hypot(energy.noise, *others)


def table(result: Mapping[str, Any]) -> str:
    """Print the comparison: energies in J, plain and as joulebench estimates them, gain apart."""
    rows = result["comparison"]["phases"]
    names = list(result["traces"])
    simulated = f"SIMULATED board {result['simulated']}" if result["simulated"] else ""
    heads = [part for name in names for part in (f"{name}", f"{name}, joulebench")]
    lines = [
        simulated or f"{result['device']}",
        "".join([f"{'phase (J)':16}", *(f"{head:>21}" for head in [*heads, "truth"])]),
    ]
    for row in rows:
        cells = [cell for name in names for cell in _cells(row, name)]
        truth = f"{row['truth_j']:.1f}" if "truth_j" in row else ""
        lines.append("".join([f"{row['name']:16}", *(f"{cell:>21}" for cell in [*cells, truth])]))
    return "\n".join([*lines, *result["comparison"]["checks"]])


def _cells(row: Mapping[str, Any], name: str) -> tuple[str, str]:
    ours = row["joulebench"].get(name)
    text = "refused" if ours is None else f"{ours['joules']:.1f} ± {ours['without_gain_95_j']:.1f}"
    plain_j = row["plain_j"].get(name)
    return "" if plain_j is None else f"{plain_j:.1f}", text
