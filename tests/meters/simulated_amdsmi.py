"""A module with the functions of amdsmi 7.0 that the meter calls, for simulated GPUs."""

from __future__ import annotations

import time
from typing import Any

from joulebench.meters.amd import AmdMeter

RESOLUTION_UJ = 15.300000190734863
"""What the package gives: a 32-bit float."""


class AmdSmiLibraryException(Exception):
    """The package's own error; the code is an attribute."""

    def __init__(self, err_code: int) -> None:
        super().__init__(err_code)
        self.err_code = err_code


def counted(watts: float) -> int:
    """Give the steps that a counter has made by now, updated every 2 ms."""
    return 1 + int(watts * 0.002 * int(time.monotonic() / 0.002) * 1e6 / RESOLUTION_UJ)


class FakeGpu:
    """What one GPU answers; ``fails`` are functions that are refused, with their code."""

    def __init__(self, place: int = 0, **answers: Any) -> None:
        self.place = place
        self.watts = answers.get("watts", 300)
        self.power_key = answers.get("power_key", "current_socket_power")
        self.counts_w = answers.get("counts_w", self.watts)
        self.name = answers.get("name", "AMD Instinct MI300X")
        self.bdf = answers.get("bdf", f"0000:{place + 1:02x}:00.0")
        self.hip = answers.get("hip", place)
        self.partition = answers.get("partition", "SPX")
        self.metrics: dict[str, Any] = answers.get("metrics", {})
        self.fails: dict[str, int] = answers.get("fails", {})

    def get_energy_count(self) -> dict[str, Any]:
        return {
            "energy_accumulator": counted(self.counts_w) if self.counts_w else 0,
            "counter_resolution": RESOLUTION_UJ,
            "timestamp": 1_000,
        }

    def get_power_info(self) -> dict[str, Any]:
        powers = dict.fromkeys(("current_socket_power", "average_socket_power"), "N/A")
        return {
            "socket_power": 0xFFFFFFFF,
            **powers,
            self.power_key: self.watts,
            "gfx_voltage": "N/A",
            "soc_voltage": "N/A",
            "mem_voltage": "N/A",
            "power_limit": 750,
        }

    def get_power_cap_info(self) -> dict[str, Any]:
        return {
            "power_cap": 750_000_000,
            "default_power_cap": 750_000_000,
            "dpm_cap": 2100,
            "min_power_cap": 0,
            "max_power_cap": 750_000_000,
        }

    def get_gpu_asic_info(self) -> dict[str, Any]:
        return {"market_name": self.name, "vendor_id": "0x1002", "asic_serial": "0x1F", "oam_id": 1}

    def get_gpu_device_uuid(self) -> str:
        return f"a1ff74a1-0000-1000-80ff-00000000000{self.place}"

    def get_gpu_device_bdf(self) -> str:
        bdf: str = self.bdf
        return bdf

    def get_gpu_enumeration_info(self) -> dict[str, Any]:
        return {
            "drm_render": 128,
            "drm_card": 0,
            "hsa_id": 1,
            "hip_id": self.hip,
            "hip_uuid": f"GPU-{self.place}f",
        }

    def get_gpu_driver_info(self) -> dict[str, Any]:
        return {"driver_name": "amdgpu", "driver_version": "6.14.5", "driver_date": "N/A"}

    def get_gpu_compute_partition(self) -> str:
        partition: str = self.partition
        return partition

    def get_gpu_vram_usage(self) -> dict[str, Any]:
        return {"vram_total": 196_592, "vram_used": 2_048}

    def get_gpu_process_list(self) -> list[dict[str, Any]]:
        return [
            {
                "name": "/usr/bin/python3",
                "pid": 41,
                "mem": 5,
                "engine_usage": {"gfx": 0, "enc": 0},
                "memory_usage": {"gtt_mem": 0, "cpu_mem": 0, "vram_mem": 1 << 30},
                "cu_occupancy": 0,
            },
            {"name": "N/A", "pid": 7, "mem": 5, "memory_usage": {"vram_mem": 0}},
        ]

    def get_gpu_metrics_info(self) -> dict[str, Any]:
        return {
            "temperature_edge": "N/A",
            "temperature_hotspot": 52,
            "temperature_mem": 44,
            "average_gfx_activity": 87,
            "average_umc_activity": "N/A",
            "current_gfxclk": "N/A",
            "current_gfxclks": ["N/A", 2100, 2098],
            "current_uclk": 1300,
            "throttle_status": "N/A",
            "indep_throttle_status": "N/A",
            "ppt_residency_acc": "N/A",
            **self.metrics,
        }


class FakeAmdSmi:
    """A module like amdsmi."""

    AmdSmiLibraryException = AmdSmiLibraryException

    def __init__(self, *gpus: FakeGpu, init: int = 0) -> None:
        self.gpus = gpus
        self.init = init
        self.open = 0
        self.asked: list[str] = []

    def amdsmi_init(self) -> None:
        if self.init:
            raise AmdSmiLibraryException(self.init)
        self.open += 1

    def amdsmi_shut_down(self) -> None:
        self.open -= 1

    def amdsmi_get_processor_handles(self) -> list[FakeGpu]:
        return list(self.gpus)

    def __getattr__(self, function: str) -> Any:
        name = function.removeprefix("amdsmi_")
        if not function.startswith("amdsmi_get") or not hasattr(FakeGpu, name):
            raise AttributeError(function)

        def ask(gpu: FakeGpu) -> Any:
            self.asked.append(name)
            if name in gpu.fails:
                raise AmdSmiLibraryException(gpu.fails[name])
            return getattr(gpu, name)()

        return ask


def opened(library: FakeAmdSmi, *arguments: Any, **options: Any) -> AmdMeter:
    """Open the meter without this process's environment, on a machine with the driver."""
    return AmdMeter(*arguments, library=library, **{"environment": {}, "driver": "/", **options})


def by_name(meter: AmdMeter) -> dict[str, float]:
    """Read once, by the names of the channels."""
    return dict(zip([c.name for c in meter.channels], meter.read(), strict=True))
