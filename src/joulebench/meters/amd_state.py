"""The state of an AMD GPU beside its power.

It is taken from the driver's metrics table, one call for nearly all of it:
``amdsmi_get_violation_status`` waits 100 ms for its answer and would delay every sample.
"""

from __future__ import annotations

from typing import Any

from joulebench.meters.amd_devices import AmdGpu
from joulebench.meters.amd_library import AmdSmi, known_number

_MIB = 1 << 20

_RESIDENCIES = {
    "ppt_residency_acc": "power cap",
    "socket_thm_residency_acc": "temperature",
    "hbm_thm_residency_acc": "memory temperature",
    "vr_thm_residency_acc": "regulator temperature",
    "prochot_residency_acc": "processor temperature",
}
"""Counters that run while the clocks are held back, and by what (MI300 and later)."""

_STATUSES = ("indep_throttle_status", "throttle_status")


class AmdState:
    """Tells the state of one GPU, and what has held it back since it was last asked.

    Args:
        smi: The open library.
        gpu: The GPU.
    """

    def __init__(self, smi: AmdSmi, gpu: AmdGpu) -> None:
        self._smi = smi
        self._gpu = gpu
        self._residencies: dict[str, float] = {}

    def now(self) -> dict[str, Any]:
        """Give what AMD SMI says now; each key only where it does."""
        handle = self._gpu.handle
        metrics = self._smi.known("get_gpu_metrics_info", handle)
        memory = self._smi.known("get_gpu_vram_usage", handle)
        used_mib = known_number(memory, "vram_used")
        found = {
            "temperature_c": _first(metrics, "temperature_hotspot", "temperature_edge"),
            "memory_temperature_c": _first(metrics, "temperature_mem"),
            "sm_clock_mhz": _first(metrics, "current_gfxclk", "current_gfxclks"),
            "memory_clock_mhz": _first(metrics, "current_uclk"),
            "throttle": self._throttle(metrics),
            "utilisation": _share(metrics, "average_gfx_activity"),
            "memory_utilisation": _share(metrics, "average_umc_activity"),
            "memory_used_bytes": None if used_mib is None else int(used_mib * _MIB),
            "power_limit_w": limit_w(self._smi, self._gpu),
            "partition": self._gpu.partition or None,
            "processes": _processes(self._smi.known("get_gpu_process_list", handle)),
        }
        return {
            "device": self._gpu.device,
            **{key: value for key, value in found.items() if value is not None},
        }

    def _throttle(self, metrics: Any) -> list[str] | None:
        before, self._residencies = self._residencies, _residencies(metrics)
        if before and self._residencies:
            ran = [
                key for key, value in self._residencies.items() if value > before.get(key, value)
            ]
            return [_RESIDENCIES[key] for key in ran]
        statuses = [(metrics or {}).get(key) for key in _STATUSES]
        told = [status for status in statuses if isinstance(status, bool)]
        # The package says only whether any of the driver's bits is set, not which.
        return None if self._residencies or not told else ["throttled"] * any(told)


def limit_w(smi: AmdSmi, gpu: AmdGpu) -> float | None:
    """Give the power that the socket is capped at, W."""
    cap = known_number(smi.known("get_power_cap_info", gpu.handle), "power_cap")
    if not cap:
        return None
    # Microwatts (AMD SMI 7.0); versions before 6 gave watts, and no GPU is capped below 0.1 W.
    return cap * 1e-6 if cap >= 1e5 else cap


def _residencies(metrics: Any) -> dict[str, float]:
    values = {key: known_number(metrics, key) for key in _RESIDENCIES}
    return {key: value for key, value in values.items() if value is not None}


def _first(metrics: Any, *keys: str) -> int | None:
    values = (known_number(metrics, key) for key in keys)
    return next((int(value) for value in values if value), None)


def _share(metrics: Any, key: str) -> float | None:
    percent = known_number(metrics, key)
    return None if percent is None else percent / 100


def _processes(listed: Any) -> list[dict[str, Any]] | None:
    if listed is None:
        return None
    return [_process(one) for one in listed if isinstance(one, dict)]


def _process(told: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"pid": int(told["pid"])}
    name = str(told.get("name", "N/A"))
    if name != "N/A":
        described["name"] = name.rpartition("/")[2]
    used = known_number(told.get("memory_usage"), "vram_mem") or known_number(told, "mem")
    if used is not None:
        described["memory_bytes"] = int(used)
    return described
