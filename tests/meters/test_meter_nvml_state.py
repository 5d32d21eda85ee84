"""What the meter says of the state of the GPUs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from simulated_nvml import CODES, FakeGpu, FakeNvml, opened

from joulebench.meters.nvml_state import throttle_reasons


def process(pid: int, used_bytes: int | None) -> Any:
    return SimpleNamespace(pid=pid, usedGpuMemory=used_bytes)


TOLD: dict[str, Any] = {
    "nvmlDeviceGetTemperatureV": 61,
    "nvmlDeviceGetCurrentClocksEventReasons": 0x4 | 0x40,
    "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=87, memory=12),
    "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=3 << 30, total=80 << 30),
    "nvmlDeviceGetPerformanceState": 0,
    "nvmlDeviceGetPersistenceMode": 1,
    "nvmlDeviceGetComputeRunningProcesses": [process(41, 1 << 30)],
    "nvmlDeviceGetGraphicsRunningProcesses": [process(41, None), process(7, 1)],
}


class Observed(FakeNvml):
    """GPUs that tell what ``told`` says; an error in it is raised."""

    def __init__(self, *gpus: FakeGpu, **told: Any) -> None:
        super().__init__(*gpus)
        self.told = told

    def __getattr__(self, function: str) -> Any:
        if function == "nvmlDeviceGetClockInfo" and TOLD.items() <= self.told.items():
            return lambda _gpu, clock: {1: 1980, 2: 2619}[clock]
        if function not in self.told:
            return super().__getattr__(function)
        return lambda *_: self._tell(self.told[function])

    def _tell(self, what: Any) -> Any:
        if isinstance(what, Exception):
            raise what
        return what


def proc(folder: Path, **names: str) -> str:
    for pid, name in names.items():
        (folder / pid.removeprefix("p")).mkdir()
        (folder / pid.removeprefix("p") / "comm").write_text(f"{name}\n")
    return str(folder)


def test_the_state_of_a_gpu(tmp_path: Path) -> None:
    gpu = FakeGpu(fields={186: 310_000, 82: 55})
    meter = opened(Observed(gpu, **TOLD), proc=proc(tmp_path, p41="python3"))
    [state] = meter.observe()
    json.dumps(state, allow_nan=False)
    assert state == {
        "device": "gpu0",
        "temperature_c": 61,
        "memory_temperature_c": 55,
        "sm_clock_mhz": 1980,
        "memory_clock_mhz": 2619,
        "throttle": ["power cap", "hardware temperature"],
        "utilisation": 0.87,
        "memory_utilisation": 0.12,
        "memory_used_bytes": 3 << 30,
        "power_limit_w": 700.0,
        "pstate": "P0",
        "persistence": True,
        "mig": False,
        # In a container, a process of the host has a number but no name.
        "processes": [
            {"pid": 41, "name": "python3", "memory_bytes": 1 << 30},
            {"pid": 7, "memory_bytes": 1},
        ],
    }


def test_only_what_is_known_is_said() -> None:
    meter = opened(FakeNvml(FakeGpu(limit_mw=0, fails={"mig": pynvml.NVML_ERROR_NOT_SUPPORTED})))
    assert meter.observe() == [{"device": "gpu0"}]


def test_a_memory_without_sensor_has_no_temperature() -> None:
    [state] = opened(Observed(FakeGpu(fields={186: 310_000, 82: 0}), **TOLD)).observe()
    assert "memory_temperature_c" not in state


@pytest.mark.parametrize("code", CODES)
def test_no_return_code_breaks_an_observation(code: int) -> None:
    gpu = FakeGpu()
    library = Observed(gpu, **dict.fromkeys(TOLD, pynvml.NVMLError(code)))
    meter = opened(library)
    gpu.fails = dict.fromkeys(("fields", "limit_mw"), code)
    assert meter.observe() == [{"device": "gpu0", "mig": False}]


def test_nothing_that_a_function_may_raise_breaks_an_observation() -> None:
    meter = opened(Observed(FakeGpu(), **dict.fromkeys(TOLD, OSError("no such device"))))
    assert meter.observe() == [{"device": "gpu0", "power_limit_w": 700.0, "mig": False}]


def test_a_driver_without_the_newest_functions_is_asked_for_the_older_ones() -> None:
    told = {
        "nvmlDeviceGetTemperatureV": pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND),
        "nvmlDeviceGetTemperature": 50,
        "nvmlDeviceGetComputeRunningProcesses": pynvml.NVMLLibraryMismatchError("use _v2"),
        "nvmlDeviceGetComputeRunningProcesses_v2": [process(5, 2)],
        "nvmlDeviceGetCurrentClocksThrottleReasons": 0x20,
    }
    [state] = opened(Observed(FakeGpu(), **told)).observe()
    assert (state["temperature_c"], state["throttle"]) == (50, ["temperature"])
    assert state["processes"][0]["pid"] == 5


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (0, []),
        (0x1, []),  # idle
        (0x5, ["power cap"]),
        (0x8 | 0x80, ["hardware slowdown", "power brake"]),
        (1 << 40, ["unknown reason 0x10000000000"]),
    ],
)
def test_what_holds_the_clocks_back_is_said_in_words(bits: int, words: list[str]) -> None:
    assert throttle_reasons(bits) == words


def test_every_reason_of_the_library_has_a_word() -> None:
    known = {
        value
        for name, value in vars(pynvml).items()
        if name.startswith("nvmlClocks") and "Reason" in name and not name.endswith(("All", "None"))
    }
    for bit in known - {pynvml.nvmlClocksEventReasonGpuIdle}:
        [word] = throttle_reasons(bit)
        assert "unknown" not in word
