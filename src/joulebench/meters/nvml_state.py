"""The state of a GPU beside its power: what a reader of its joules asks about first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from joulebench.meters.nvml_devices import Gpu
from joulebench.meters.nvml_library import Field, Nvml, Refused

PROC = "/proc"

_MEMORY_TEMPERATURE: Field = (82, 0)
_CLOCK_SM, _CLOCK_MEMORY = 1, 2
_TEMPERATURE_GPU = 0
_PSTATE_UNKNOWN = 32

_IDLE = 0x1
"""Bit of the clock-event reasons that holds nothing back: there is nothing to do."""

THROTTLE = {
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "temperature",
    0x40: "hardware temperature",
    0x80: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}
"""``nvmlClocksEventReason*`` in plain words."""

_PROCESS_KINDS = ("Compute", "Graphics", "MPSCompute")


def state(nvml: Nvml, gpu: Gpu, proc: Path = Path(PROC)) -> dict[str, Any]:
    """Give what NVML says of a GPU now; each key only where it does.

    Args:
        nvml: The open library.
        gpu: The GPU.
        proc: Folder of the processes, for their names.
    """
    asked = gpu.handle
    busy = nvml.known("nvmlDeviceGetUtilizationRates", asked)
    memory = nvml.known("nvmlDeviceGetMemoryInfo", asked)
    limit_mw = nvml.known("nvmlDeviceGetEnforcedPowerLimit", asked)
    persistence = nvml.known("nvmlDeviceGetPersistenceMode", asked)
    found = {
        "temperature_c": _temperature_c(nvml, asked),
        "memory_temperature_c": _memory_temperature_c(nvml, asked),
        "sm_clock_mhz": nvml.known("nvmlDeviceGetClockInfo", asked, _CLOCK_SM),
        "memory_clock_mhz": nvml.known("nvmlDeviceGetClockInfo", asked, _CLOCK_MEMORY),
        "throttle": _throttle(nvml, asked),
        "utilisation": None if busy is None else busy.gpu / 100,
        "memory_utilisation": None if busy is None else busy.memory / 100,
        "memory_used_bytes": None if memory is None else int(memory.used),
        "power_limit_w": limit_mw / 1000 if limit_mw else None,
        "pstate": _pstate(nvml, asked),
        "persistence": None if persistence is None else bool(persistence),
        "mig": gpu.mig,
        "processes": processes(nvml, asked, proc),
    }
    return {
        "device": gpu.device,
        **{key: value for key, value in found.items() if value is not None},
    }


def throttle_reasons(bits: int) -> list[str]:
    """Say in words what holds the clocks back; being idle does not."""
    bits &= ~_IDLE
    each = [1 << place for place in range(bits.bit_length()) if bits >> place & 1]
    return [THROTTLE.get(bit, f"unknown reason 0x{bit:x}") for bit in each]


def processes(nvml: Nvml, handle: Any, proc: Path) -> list[dict[str, Any]] | None:
    """List the processes on a GPU, those that compute and those that draw.

    In a container of its own process numbers, NVML gives the host's numbers or none at all; a
    name is given only where the number is one that can be seen.

    Returns:
        pid, name and memory of each; ``None`` where NVML does not list them.
    """
    lists = [_running(nvml, kind, handle) for kind in _PROCESS_KINDS]
    if all(one is None for one in lists):
        return None
    found: dict[int, dict[str, Any]] = {}
    for process in (process for one in lists for process in one or ()):
        described: dict[str, Any] = found.setdefault(process.pid, {"pid": int(process.pid)})
        name = _name(proc, process.pid)
        if name:
            described["name"] = name
        if process.usedGpuMemory is not None:
            described["memory_bytes"] = int(process.usedGpuMemory)
    return list(found.values())


def _running(nvml: Nvml, kind: str, handle: Any) -> list[Any] | None:
    for version in ("", "_v2"):  # drivers before 510 lack the third version, the plain one here
        answer = nvml.known(f"nvmlDeviceGet{kind}RunningProcesses{version}", handle)
        if answer is not None:
            return list(answer)
    return None


def _name(proc: Path, pid: int) -> str:
    try:
        return (proc / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _temperature_c(nvml: Nvml, handle: Any) -> int | None:
    for function in ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature"):
        answer = nvml.known(function, handle, _TEMPERATURE_GPU)
        if answer is not None:
            return int(answer)
    return None


def _memory_temperature_c(nvml: Nvml, handle: Any) -> int | None:
    answer = nvml.fields(handle, [_MEMORY_TEMPERATURE])[_MEMORY_TEMPERATURE]
    # Boards without that sensor answer 0.
    return None if isinstance(answer, Refused) or not answer else int(answer)


def _throttle(nvml: Nvml, handle: Any) -> list[str] | None:
    for reasons in ("Event", "Throttle"):  # its name in drivers since 535, and before
        bits = nvml.known(f"nvmlDeviceGetCurrentClocks{reasons}Reasons", handle)
        if bits is not None:
            return throttle_reasons(int(bits))
    return None


def _pstate(nvml: Nvml, handle: Any) -> str | None:
    number = nvml.known("nvmlDeviceGetPerformanceState", handle)
    return None if number is None or number == _PSTATE_UNKNOWN else f"P{number}"
