"""NVIDIA GPUs through NVML: the energy counter, and the power that its field values give.

Which power a reading is differs by architecture. ``nvmlDeviceGetPowerUsage`` averages over one
second on Ampere (except GA100), Ada, Hopper and later, so the instantaneous field value is asked
for first, the averaged one second, and that function last (NVML API reference; update and averaging
times from Yang et al., arXiv 2312.02741).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from joulebench.channel import Channel
from joulebench.errors import Unavailable
from joulebench.meters.meter import ABSENT
from joulebench.meters.nvml_errors import sentence, unavailable
from joulebench.sensor_gains import NVML_GAIN

RESOLUTION = 1e-3
"""NVML counts in mW and mJ."""

FIELD_POWER_AVERAGE = 185
FIELD_POWER_INSTANT = 186

_PASCAL, _VOLTA, _TURING, _AMPERE, _HOPPER = 4, 5, 6, 7, 9
_GA100 = (8, 0)
_VALUES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")

Reading = Callable[[], float]


@dataclass(frozen=True)
class _Gpu:
    """One GPU as NVML names it."""

    index: int
    handle: Any
    name: str
    architecture: int
    ga100: bool


class NvmlMeter:
    """Reads energy counter and power of NVIDIA GPUs.

    Args:
        devices: Indices (as ``nvidia-smi`` counts) or UUIDs; all GPUs where ``None``. All of them
            means idle ones as well: name those that the work uses if others are idle.
        library: Anything with the functions of the module ``pynvml``; that module by default.

    Raises:
        Unavailable: No driver, no GPU, no such GPU, or none of its readings can be had.
    """

    def __init__(
        self, devices: Sequence[int | str] | None = None, *, library: Any | None = None
    ) -> None:
        self._nvml = _pynvml() if library is None else library
        self.notes: list[str] = []
        self.channels: list[Channel] = []
        self._readings: list[Reading] = []
        self._initialise()
        try:
            self._open(devices)
        except BaseException:
            self._nvml.nvmlShutdown()
            raise

    def read(self) -> list[float]:
        """Give joules and watts of each channel; nan where NVML answered with an error."""
        return [reading() for reading in self._readings]

    def close(self) -> None:
        """Let the library go."""
        if self._readings:
            self._readings = []
            try:
                self._nvml.nvmlShutdown()
            except self._nvml.NVMLError as error:
                self.notes.append(f"nvml: closing: {sentence(error.value)}")

    def _initialise(self) -> None:
        try:
            self._nvml.nvmlInit()
        except self._nvml.NVMLError as error:
            raise unavailable(error.value, "NVML cannot be used") from error

    def _open(self, devices: Sequence[int | str] | None) -> None:
        for gpu in self._gpus(devices):
            self._add_energy(gpu)
            self._add_power(gpu)
        if not self.channels:
            reasons = "; ".join(self.notes) or "NVML finds no GPU"
            raise Unavailable(f"No GPU here can be read: {reasons}.", "nvidia-smi -q -d POWER")
        self._stamp()

    def _stamp(self) -> None:
        """Carry what one stamp for the readings of all GPUs leaves in doubt."""
        start_s = time.monotonic()
        self.read()
        stamp_s = (time.monotonic() - start_s) / math.sqrt(12)
        self.channels = [replace(channel, stamp_s=stamp_s) for channel in self.channels]

    def _gpus(self, devices: Sequence[int | str] | None) -> list[_Gpu]:
        if devices is not None:
            return [self._named(device) for device in devices]
        gpus = []
        for index in range(self._count()):
            try:
                gpus.append(self._named(index))
            except Unavailable as error:
                self.notes.append(f"gpu{index} is left out: {error}")
        return gpus

    def _count(self) -> int:
        try:
            return int(self._nvml.nvmlDeviceGetCount())
        except self._nvml.NVMLError as error:
            raise unavailable(error.value, "GPUs cannot be counted") from error

    def _named(self, device: int | str) -> _Gpu:
        try:
            handle = self._handle(device)
            index = int(self._nvml.nvmlDeviceGetIndex(handle))
        except self._nvml.NVMLError as error:
            raise unavailable(error.value, f"GPU {device}") from error
        return _Gpu(
            index,
            handle,
            self._ask(self._nvml.nvmlDeviceGetName, handle, "unknown GPU"),
            self._ask(self._nvml.nvmlDeviceGetArchitecture, handle, -1),
            self._ask(self._nvml.nvmlDeviceGetCudaComputeCapability, handle, None) == _GA100,
        )

    def _handle(self, device: int | str) -> Any:
        if isinstance(device, str) and not device.isdigit():
            return self._nvml.nvmlDeviceGetHandleByUUID(device)
        return self._nvml.nvmlDeviceGetHandleByIndex(int(device))

    def _ask(self, function: Callable[[Any], Any], handle: Any, otherwise: Any) -> Any:
        try:
            answer = function(handle)
        except self._nvml.NVMLError:
            return otherwise
        return answer.decode() if isinstance(answer, bytes) else answer

    def _add_energy(self, gpu: _Gpu) -> None:
        try:
            counted_mj = self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu.handle)
        except self._nvml.NVMLError as error:
            self.notes.append(f"gpu{gpu.index}:energy: {sentence(error.value)}")
            return
        if not counted_mj:
            self.notes.append(f"gpu{gpu.index}:energy: the counter stands still at zero")
            return
        period_s = 0.02 if gpu.architecture == _VOLTA else 0.1
        self._add(gpu, "energy", "J", (period_s, 0.0), lambda: self._energy_j(gpu.handle))

    def _add_power(self, gpu: _Gpu) -> None:
        sources: dict[str, Reading] = {
            "instant": lambda: self._field_w(gpu.handle, FIELD_POWER_INSTANT),
            "average": lambda: self._field_w(gpu.handle, FIELD_POWER_AVERAGE),
            "usage": lambda: self._usage_w(gpu.handle),
        }
        for source, reading in sources.items():
            if not math.isnan(reading()):
                timing = power_timing(gpu.architecture, gpu.ga100, source)
                self._add(gpu, "power", "W", timing, reading)
                self.notes.append(f"gpu{gpu.index}:power is NVML's {source} power of {gpu.name}")
                return
        self.notes.append(f"gpu{gpu.index}:power: {self._power_refusal(gpu.handle)}")

    def _power_refusal(self, handle: Any) -> str:
        try:
            self._nvml.nvmlDeviceGetPowerUsage(handle)
        except self._nvml.NVMLError as error:
            return sentence(error.value)
        return "the GPU gives 0 W, which no board draws"

    def _add(
        self, gpu: _Gpu, quantity: str, unit: str, timing: tuple[float, float], reading: Reading
    ) -> None:
        period_s, averaging_s = timing
        channel = Channel(
            f"gpu{gpu.index}:{quantity}",
            unit,
            resolution=RESOLUTION,
            gain=NVML_GAIN,
            period_s=period_s,
            averaging_s=averaging_s,
            scope="gpu board",
        )
        self.channels.append(channel)
        self._readings.append(reading)

    def _energy_j(self, handle: Any) -> float:
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) * 1e-3
        except self._nvml.NVMLError:
            return ABSENT

    def _field_w(self, handle: Any, field: int) -> float:
        try:
            answer = self._nvml.nvmlDeviceGetFieldValues(handle, [field])[0]
        except self._nvml.NVMLError:
            return ABSENT
        # The call succeeds as a whole even where a single field failed.
        if answer.nvmlReturn != 0 or not 0 <= answer.valueType < len(_VALUES):
            return ABSENT
        return _watts(getattr(answer.value, _VALUES[answer.valueType]))

    def _usage_w(self, handle: Any) -> float:
        try:
            return _watts(self._nvml.nvmlDeviceGetPowerUsage(handle))
        except self._nvml.NVMLError:
            return ABSENT


def _watts(milliwatts: float) -> float:
    """Give W; nan for zero, which no live board draws and some drivers give for "unknown"."""
    return milliwatts * 1e-3 if milliwatts > 0 else ABSENT


def power_timing(architecture: int, ga100: bool, source: str) -> tuple[float, float]:
    """Give update period and averaging time of a power reading, s (arXiv 2312.02741).

    Args:
        architecture: NVML's number of the architecture.
        ga100: Whether the chip is GA100 (A100, A30, A800).
        source: ``"instant"``, ``"average"`` (field values) or ``"usage"`` (the function).
    """
    if source == "average" or (source == "usage" and architecture >= _AMPERE and not ga100):
        return 0.1, 1.0
    if architecture in (_PASCAL, _VOLTA):
        return 0.02, 0.01
    if ga100 or architecture == _HOPPER:
        return 0.1, 0.025
    return 0.1, 0.1


def _pynvml() -> Any:
    try:
        import pynvml
    except ImportError as error:
        raise Unavailable(
            "The Python package nvidia-ml-py is not installed.", "pip install nvidia-ml-py"
        ) from error
    return pynvml
