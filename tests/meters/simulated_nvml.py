"""The functions of pynvml that the meter calls, answered by simulated GPUs."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pynvml

from joulebench.meters.nvml import NvmlMeter

CODES = [
    value
    for name, value in vars(pynvml).items()
    if name.startswith("NVML_ERROR_") and isinstance(value, int)
]

_VALUES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")


class FakeGpu:
    """What one GPU answers; a name in ``fails`` is refused with its code instead."""

    def __init__(self, uuid: str = "GPU-0", **answers: Any) -> None:
        self.uuid = uuid
        self.name: str | bytes = answers.get("name", "NVIDIA H100 80GB HBM3")
        self.architecture = answers.get("architecture", pynvml.NVML_DEVICE_ARCH_HOPPER)
        self.capability = answers.get("capability", (9, 0))
        self.energy_mj = answers.get("energy_mj", 5_000_000)
        self.power_mw = answers.get("power_mw", 300_000)
        self.limit_mw = answers.get("limit_mw", 700_000)
        # Of the board unless a scope is given: (field, scope).
        self.fields: dict[Any, Any] = answers.get("fields", {185: 290_000, 186: 310_000})
        self.field_type = answers.get("field_type", pynvml.NVML_VALUE_TYPE_UNSIGNED_INT)
        self.field_code = answers.get("field_code", 0)
        self.mig = answers.get("mig", [0, 0])
        self.bus_id: Any = answers.get("bus_id", b"00000000:01:00.0")
        self.virtualization = answers.get("virtualization", 0)
        self.fails: dict[str, int] = answers.get("fails", {})
        self.asked: list[str] = []

    def answer(self, what: str) -> Any:
        self.asked.append(what)
        if what in self.fails:
            raise pynvml.NVMLError(self.fails[what])
        return getattr(self, what)


_ANSWERS = {
    "nvmlDeviceGetName": "name",
    "nvmlDeviceGetUUID": "uuid",
    "nvmlDeviceGetArchitecture": "architecture",
    "nvmlDeviceGetCudaComputeCapability": "capability",
    "nvmlDeviceGetTotalEnergyConsumption": "energy_mj",
    "nvmlDeviceGetPowerUsage": "power_mw",
    "nvmlDeviceGetEnforcedPowerLimit": "limit_mw",
    "nvmlDeviceGetMigMode": "mig",
    "nvmlDeviceGetVirtualizationMode": "virtualization",
}
"""Functions that ask a GPU for one thing."""


class FakeNvml:
    """A module like pynvml; ``instances`` are MIG instances and the GPU each is on."""

    NVMLError = pynvml.NVMLError

    def __init__(
        self, *gpus: FakeGpu, init: int = 0, instances: dict[str, FakeGpu] | None = None
    ) -> None:
        self.gpus = gpus
        self.init = init
        self.instances = instances or {}
        self.open = 0

    def __getattr__(self, function: str) -> Any:
        if function not in _ANSWERS:
            raise AttributeError(function)
        return lambda gpu: gpu.answer(_ANSWERS[function])

    def nvmlInit(self) -> None:
        if self.init:
            raise pynvml.NVMLError(self.init)
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.0"

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        if not 0 <= index < len(self.gpus):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        self.gpus[index].answer("uuid")
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any:
        if uuid in self.instances:
            return SimpleNamespace(board=self.instances[uuid])
        for gpu in self.gpus:
            if gpu.uuid == uuid:
                return gpu
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, instance: Any) -> FakeGpu:
        board: FakeGpu = instance.board
        return board

    def nvmlDeviceGetIndex(self, gpu: FakeGpu) -> int:
        return self.gpus.index(gpu)

    def nvmlDeviceGetPciInfo(self, gpu: FakeGpu) -> Any:
        return SimpleNamespace(busId=gpu.bus_id)

    def nvmlDeviceGetFieldValues(self, gpu: FakeGpu, fields: list[Any]) -> list[Any]:
        answers = {
            field if isinstance(field, tuple) else (field, 0): answer
            for field, answer in gpu.answer("fields").items()
        }
        return [self._field(gpu, answers.get(field)) for field in fields]

    def _field(self, gpu: FakeGpu, answer: Any) -> Any:
        value = pynvml.c_nvmlValue_t()
        given = answer() if callable(answer) else answer
        if given is not None:
            setattr(value, _VALUES[gpu.field_type], given)
        code = pynvml.NVML_ERROR_NOT_SUPPORTED if given is None else gpu.field_code
        return SimpleNamespace(nvmlReturn=code, valueType=gpu.field_type, value=value)


def running(watts: float) -> Callable[[], int]:
    """Make a counter in mJ that runs with the clock, in steps of 20 ms."""
    return lambda: 1000 + int(1e3 * watts * 0.02 * int(time.monotonic() / 0.02))


def opened(library: FakeNvml, *arguments: Any, **options: Any) -> NvmlMeter:
    """Open the meter without this process's environment."""
    return NvmlMeter(*arguments, library=library, **{"environment": {}, **options})


def by_name(meter: NvmlMeter) -> dict[str, float]:
    """Read once, by the names of the channels."""
    return dict(zip([c.name for c in meter.channels], meter.read(), strict=True))
