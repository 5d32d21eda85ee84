"""What an idle machine draws and how warm it is, over the last stretch of time."""

from __future__ import annotations

import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from joulebench.channel import Channel, Window
from joulebench.energy import Trace, headline_channels
from joulebench.errors import EnergyError
from joulebench.meters.meter import MeterSpec
from joulebench.testbed.adaptive_bands import Idle
from joulebench.testbed.recording import Recording

PARTS = 5
"""Parts of a stretch: how far they scatter tells how well its mean is known."""

SHORTEST_S = 3.0
"""Shortest stretch that is judged, s."""

_T_95 = 3.182
"""Student's t of three degrees of freedom, two-sided 95 %: five parts less their line."""

_SENSED = ("measured", "modelled", "simulated")
"""An estimate from the load of the processor knows nothing of heat."""

_CPU_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
"""Chips that tell how warm a processor is, as Linux names them."""


class SensorProbe:
    """Records the meters of a study while nothing runs.

    Args:
        meters: As they were found on this machine.
        interval_s: Time between samples, s.
    """

    def __init__(self, meters: Sequence[Mapping[str, Any]], interval_s: float) -> None:
        self._specs = [MeterSpec.from_dict(record) for record in meters]
        self._interval_s = interval_s
        self._folder = Path()
        self._recording: Recording | None = None
        self._channels: list[Channel] = []
        self._begun_s = 0.0
        self._processor: list[dict[str, Any]] = []
        self.shortest_s = self.first_s = SHORTEST_S

    def start(self) -> None:
        """Start the recorder.

        Raises:
            UsageError: A meter cannot be opened.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="joulebench-idle-"))
        recording = Recording(self._specs, self._folder / "recording", interval_s=self._interval_s)
        try:
            recording.start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._recording = recording
        self._channels = headline_channels([c for c in recording.channels if c.method in _SENSED])
        slowest_s = max((c.period_s + c.averaging_s for c in self._channels), default=0.0)
        self.shortest_s = max(SHORTEST_S, PARTS * slowest_s, PARTS * 4 * self._interval_s)
        self.first_s = self.shortest_s + recording.settle_s + 2 * self._interval_s
        self._processor = []
        self._begun_s = time.monotonic()

    def look(self, length_s: float) -> Idle | None:
        """Give the last stretch; ``None`` while it is not over, or where readings are absent."""
        recording = self._recording
        if recording is None:
            return None
        recording.sample()  # which also has the recorder write down what it holds back
        now_s = time.monotonic()
        self._processor += [{"t_s": now_s, **state} for state in self._processor_states()]
        stop_s = now_s - recording.settle_s - 2 * self._interval_s
        start_s = stop_s - length_s
        if start_s < self._begun_s:
            return None
        temperatures = _temperatures([*recording.observations(), *self._processor], start_s)
        if not self._channels:
            return Idle(temperatures=temperatures[0], falls_c=temperatures[1])
        parts = self._parts(recording, start_s, stop_s)
        if parts is None:
            return None
        return summed_up(parts, *temperatures)

    def _parts(self, recording: Recording, start_s: float, stop_s: float) -> list[float] | None:
        """Give the power of each part of a stretch, W, summed over what may be summed."""
        traces = recording.traces(start_s - recording.settle_s - self.shortest_s)
        if any(channel.name not in traces for channel in self._channels):
            return None
        length_s = (stop_s - start_s) / PARTS
        edges = [(start_s + k * length_s, start_s + (k + 1) * length_s) for k in range(PARTS)]
        chosen = [traces[channel.name] for channel in self._channels]
        try:
            return [_mean_w(chosen, Window("idle", *edge)) for edge in edges]
        except EnergyError:
            return None

    def _processor_states(self) -> list[dict[str, Any]]:
        """Give the processor's temperature, where a real machine is looked at and it has one."""
        if all(spec.kind == "simulated" for spec in self._specs):
            return []
        degrees = processor_c()
        return [] if degrees is None else [{"device": "cpu", "temperature_c": degrees}]

    def stop(self) -> None:
        """Stop the recorder and remove what it wrote."""
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def summed_up(
    parts: Sequence[float], temperatures: Mapping[str, float], falls_c: Mapping[str, float]
) -> Idle:
    """Make parts of equal length into the whole; a steady fall is no noise.

    Args:
        parts: Mean power of each of :data:`PARTS` parts, in their order, W.
        temperatures: Median by device, degrees Celsius.
        falls_c: By how much they fell, K.
    """
    n, mean_w = len(parts), math.fsum(parts) / len(parts)
    places = [k - (n - 1) / 2 for k in range(n)]
    slope = _product(places, parts) / _product(places, places)
    rest = [watts - mean_w - slope * k for k, watts in zip(places, parts, strict=True)]
    scatter_w = math.sqrt(_product(rest, rest) / (n - 2) / n)
    return Idle(mean_w, _T_95 * scatter_w, -slope * (n - 1), temperatures, falls_c)


def _product(a: Sequence[float], b: Sequence[float]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def _mean_w(traces: Sequence[Trace], window: Window) -> float:
    return math.fsum(trace.energy(window, gaps="bridge").joules for trace in traces) / (
        window.duration_s
    )


def _temperatures(
    states: Sequence[Mapping[str, Any]], start_s: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Give the median temperature of each device since a time, and by how much it fell."""
    seen: dict[str, list[float]] = {}
    for state in states:
        degrees = state.get("temperature_c")
        if state.get("t_s", 0.0) >= start_s and isinstance(degrees, int | float):
            seen.setdefault(str(state.get("device", "?")), []).append(float(degrees))
    medians = {device: statistics.median(told) for device, told in seen.items()}
    falls = {device: told[0] - told[-1] for device, told in seen.items()}
    return medians, falls


def processor_c() -> float | None:
    """Give the temperature of the warmest processor, degrees Celsius; ``None`` if unknown."""
    import psutil

    read = getattr(psutil, "sensors_temperatures", None)  # Linux and FreeBSD only
    if read is None:
        return None
    told: Mapping[str, Sequence[Any]] = {}
    with suppress(OSError, RuntimeError):
        told = read()
    known = [entry.current for chip in _CPU_CHIPS for entry in told.get(chip, ())]
    return max((float(c) for c in known if c is not None and math.isfinite(c)), default=None)
