"""What CodeCarbon reads on this machine, as channels that say how honestly it is known.

CodeCarbon keeps three totals: CPU, GPU and RAM. Each covers every device of its kind, so the
channels are of ``cpu``, ``gpu`` and ``ram`` without a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulebench.channel import Channel
from joulebench.meters.estimate import GAIN as ESTIMATE_GAIN
from joulebench.meters.machine import machine
from joulebench.sensor_gains import MODELLED_GAIN, NVML_GAIN, RAPL_GAINS

POLLED_GAIN = 0.1
"""Relative standard uncertainty of a GPU's energy where CodeCarbon adds up a power that it reads
once a second: judgement, on top of the sensor's own."""

STAMP_S = 0.01
"""CodeCarbon reads one device after another, some ms in all, before it tells of the readings."""

_CPU_SENSORS = ("intel_rapl", "intel_power_gadget", "windows_emi")
"""CodeCarbon's modes of the processor that read a sensor; all others assume a power."""


@dataclass(frozen=True, slots=True)
class Part:
    """One total of CodeCarbon's.

    Args:
        channel: What it reads and how well.
        total: Its name in CodeCarbon's data, kWh: ``"cpu_energy"``.
        backend: Where CodeCarbon has it from, in its own word: ``"intel_rapl"``, ``"cpu_load"``.
        note: What a reader must know of it; empty where nothing.
    """

    channel: Channel
    total: str
    backend: str
    note: str = ""


def find_parts(hardware: Iterable[Any]) -> list[Part]:
    """Describe what a tracker's hardware reads, CPU first; a kind not known here is left out.

    Args:
        hardware: The tracker's list, of CodeCarbon 3.
    """
    known = [(_KINDS.get(type(each).__name__), each) for each in hardware]
    parts = [describe(each) for describe, each in known if describe is not None]
    return sorted(parts, key=lambda part: part.total)


def _cpu(hardware: Any) -> Part:
    mode = str(hardware._mode)
    if mode in _CPU_SENSORS:
        return _sensed_cpu(hardware, mode)
    own = hardware._tracking_mode == "process" and mode == "cpu_load"
    scope = "process" if own else "cpu package"
    channel = _channel("cpu", ESTIMATE_GAIN, "estimated", scope)
    how = "times its load" if mode == "cpu_load" else "at half power"
    note = (
        f"cpu:codecarbon is no measurement: CodeCarbon ({mode}) found no sensor and takes a "
        f"processor of {hardware._tdp:g} W {how}; it may be wrong by a factor of two"
    )
    return Part(channel, "cpu_energy", mode, note)


def _sensed_cpu(hardware: Any, mode: str) -> Part:
    scope = _rapl_scope(hardware) if mode == "intel_rapl" else "cpu package"
    device = "psys" if scope == "platform" else "cpu"
    amd = machine().amd
    gain = MODELLED_GAIN if amd else RAPL_GAINS[scope]
    method = "modelled" if amd else "measured"
    return Part(_channel(device, gain, method, scope), "cpu_energy", mode)


def _rapl_scope(hardware: Any) -> str:
    """Say what CodeCarbon's RAPL files cover: it reads the platform where it finds no package."""
    files = (Path(file.path) for file in hardware._intel_interface._rapl_files)
    names = {file.with_name("name").read_text(encoding="ascii").strip() for file in files}
    return "platform" if names == {"psys"} else "cpu package"


def _gpu(hardware: Any) -> Part:
    polled = any(device._use_power_fallback for device in hardware.devices.devices)
    channel = _channel("gpu", NVML_GAIN, "measured", "gpu board")
    if not polled:
        return Part(channel, "gpu_energy", "energy counter")
    channel = _channel("gpu", POLLED_GAIN, "measured", "gpu board")
    note = "gpu:codecarbon adds up a power that CodeCarbon reads once a second"
    return Part(channel, "gpu_energy", "power once a second", note)


def _ram(hardware: Any) -> Part:
    channel = _channel("ram", ESTIMATE_GAIN, "estimated", "dram")
    note = (
        f"ram:codecarbon is no measurement: CodeCarbon takes {hardware.total_power().W:g} W from "
        "the size of the memory, whatever is done with it; it is kept out of every sum"
    )
    return Part(channel, "ram_energy", "constant", note)


def _chip(hardware: Any) -> Part:
    """Describe a part of an Apple chip, whose powers the system models, or of a Raspberry Pi."""
    kind = str(hardware.chip_part).lower()
    scope = {"cpu": "cpu package", "gpu": "gpu board", "ram": "dram"}[kind]
    apple = type(hardware).__name__ == "AppleSiliconChip"
    method, backend = ("modelled", "powermetrics") if apple else ("measured", "vcgencmd")
    channel = _channel(kind, MODELLED_GAIN, method, scope)
    return Part(channel, f"{kind}_energy", backend)


_KINDS: dict[str, Callable[[Any], Part]] = {
    "CPU": _cpu,
    "GPU": _gpu,
    "RAM": _ram,
    "AppleSiliconChip": _chip,
    "Raspberry": _chip,
}


def _channel(device: str, gain: float, method: str, scope: str) -> Channel:
    return Channel(
        f"{device}:codecarbon",
        "J",
        gain=gain,
        method=method,
        scope=scope,
        stamp_s=STAMP_S,
    )
