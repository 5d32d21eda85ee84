"""NVIDIA GPUs through NVML: the energy counter, and the powers that its field values give."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joulebench.errors import SensorLost, Unavailable, UsageError, unknown
from joulebench.meters.meter import ABSENT, with_one_stamp
from joulebench.meters.nvml_devices import Gpu, chosen, count, gpu
from joulebench.meters.nvml_errors import LOST, remedy, sentence, unavailable
from joulebench.meters.nvml_library import Nvml, Refused, code_of, number
from joulebench.meters.nvml_modules import PCI, arranged
from joulebench.meters.nvml_sources import READINGS, USUAL, Offer, Source, offer
from joulebench.meters.nvml_state import PROC, state

_VIRTUAL_GPU = 2
"""``NVML_GPU_VIRTUALIZATION_MODE_VGPU``: a slice of a GPU, in a virtual machine."""


class NvmlMeter:
    """Reads energy counter and power of NVIDIA GPUs.

    Args:
        devices: Indices (as ``nvidia-smi`` counts) or UUIDs; where ``None``, those that
            ``CUDA_VISIBLE_DEVICES`` names, or all GPUs where it is not set. All of them means idle
            ones as well.
        readings: What to read of each, of ``energy``, ``power``, ``power_average``,
            ``module_energy``, ``module_power`` and ``memory_power``, or ``"all"``; all but the
            memory's where ``None``. What a GPU does not offer is left out.
        library: Anything with the functions of the module ``pynvml``; that module by default.
        environment: Environment variables; those of this process by default.
        pci: Folder of the PCI devices, which tells the GPUs that share a module.
        proc: Folder of the processes.

    Raises:
        Unavailable: No driver, no GPU, no such GPU, or none of its readings can be had.
        UsageError: A device or reading that cannot be one.
    """

    def __init__(
        self,
        devices: int | str | Sequence[int | str] | None = None,
        readings: str | Sequence[str] | None = None,
        *,
        library: Any | None = None,
        environment: Any | None = None,
        pci: str = PCI,
        proc: str = PROC,
    ) -> None:
        wanted = _wanted(readings)
        self._nvml = Nvml(library)
        self._pci, self._proc = Path(pci), Path(proc)
        self.notes: list[str] = []
        self._boards: list[_Board] = []
        self._initialise()
        try:
            self._open(devices, wanted, os.environ if environment is None else environment)
        except BaseException:
            self._nvml.known("nvmlShutdown")
            raise

    def read(self) -> list[float]:
        """Give joules and watts of each channel; nan where NVML answered with an error.

        Raises:
            SensorLost: Every GPU has gone for good.
        """
        values = [value for board in self._boards for value in board.read()]
        if self._boards and all(board.lost for board in self._boards):
            raise self._lost()
        return values

    def observe(self) -> list[dict[str, Any]]:
        """Give the state of each GPU: temperatures, clocks, what holds them back, processes."""
        return [self._state(board) for board in self._boards]

    def facts(self) -> dict[str, Any]:
        """Give what each GPU is, and which readings it refused."""
        return {"devices": {board.gpu.device: board.facts() for board in self._described}}

    def close(self) -> None:
        """Let the library go."""
        if self._boards:
            self._boards = []
            try:
                self._nvml.ask("nvmlShutdown")
            except Refused as error:
                self.notes.append(f"nvml: closing: {error}")

    def _initialise(self) -> None:
        try:
            self._nvml.ask("nvmlInit")
        except Refused as error:
            raise unavailable(error.code, "NVML cannot be used") from error

    def _open(self, devices: object, wanted: Sequence[str], environment: Mapping[str, str]) -> None:
        gpus, notes = chosen(self._nvml, devices, environment)
        self.notes += notes
        driver = self._nvml.known("nvmlSystemGetDriverVersion")
        for one, offered in self._offers(gpus).items():
            sources = [source for source in offered.sources if source.quantity in wanted]
            self.notes += offered.notes
            if sources:
                self._boards.append(_Board(self._nvml, one, sources, driver))
        self._described = list(self._boards)
        if not self._boards:
            raise self._nothing(gpus)
        self.identities = {b.gpu.device: b.gpu.uuid for b in self._boards if b.gpu.uuid}
        self.drivers = {b.gpu.device: driver for b in self._boards if driver}
        self.channels = [source.channel for board in self._boards for source in board.sources]
        self.channels = with_one_stamp(self.channels, self.read)

    def _offers(self, gpus: Sequence[Gpu]) -> dict[Gpu, Offer]:
        offers = {one: offer(self._nvml, one) for one in gpus}
        everything = {one.index: offered for one, offered in offers.items()}
        if any(one.get("module_power") for one in offers.values()):
            everything |= self._others(everything)
        return arranged(self._nvml, offers, everything, self._pci)

    def _others(self, known: Mapping[int, Offer]) -> dict[int, Offer]:
        """Ask the GPUs that are not read as well: they may share a module with one that is."""
        found = {}
        for index in set(range(count(self._nvml))) - set(known):
            try:
                found[index] = offer(self._nvml, gpu(self._nvml, index))
            except Unavailable:
                continue
        return found

    def _nothing(self, gpus: Sequence[Gpu]) -> Unavailable:
        reasons = "; ".join(self.notes) or "NVML finds no GPU"
        for one in gpus:
            if self._nvml.known("nvmlDeviceGetVirtualizationMode", one.handle) == _VIRTUAL_GPU:
                reasons += f"; {one.device} is a virtual GPU, whose power only its host can read"
        return Unavailable(f"No GPU here can be read: {reasons}.", "nvidia-smi -q -d POWER")

    def _state(self, board: _Board) -> dict[str, Any]:
        if board.lost:
            return {"device": board.gpu.device, "lost": board.lost}
        return state(self._nvml, board.gpu, self._proc)

    def _lost(self) -> SensorLost:
        gone = "; ".join(f"{board.gpu.device}: {board.lost}" for board in self._boards)
        mends = self._boards[0].remedy.rstrip(".")
        return SensorLost(f"nvml: no GPU is left to read: {gone}; {mends}")


class _Board:
    """One GPU and the readings that are taken of it."""

    def __init__(self, nvml: Nvml, gpu: Gpu, sources: Sequence[Source], driver: str | None) -> None:
        self.gpu = gpu
        self.sources = sources
        self.lost = ""
        self.remedy = ""
        self._driver = driver
        self._library = nvml.library
        self._refused: Counter[str] = Counter()
        self._fields = [source.field for source in sources if source.field is not None]

    def read(self) -> list[float]:
        """Give the value of each source; one call of the driver gives all field values."""
        answers = iter(self._field_values())
        return [
            next(answers) if source.field is not None else self._function(source)
            for source in self.sources
        ]

    def facts(self) -> dict[str, Any]:
        """Give what the GPU is, and what it refused."""
        limits = [source.channel.limit_w for source in self.sources]
        found = {
            "uuid": self.gpu.uuid,
            "name": self.gpu.name,
            "driver": self._driver,
            "mig": self.gpu.mig,
            "power_limit_w": next((limit_w for limit_w in limits if limit_w), None),
            "lost": self.lost,
            "refused": dict(self._refused),
        }
        return {key: value for key, value in found.items() if value not in (None, "", {})}

    def _field_values(self) -> list[float]:
        if not self._fields:
            return []
        absent = [ABSENT] * len(self._fields)
        if self.lost:
            return absent
        try:
            answers = self._library.nvmlDeviceGetFieldValues(self.gpu.handle, self._fields)
        except Exception as error:  # pynvml has errors of its own beside NVML's
            self._refuse(code_of(error))
            return absent
        return [self._value(number(answer)) for answer in answers]

    def _function(self, source: Source) -> float:
        if self.lost:
            return ABSENT
        try:
            return self._value(getattr(self._library, source.function)(self.gpu.handle))
        except Exception as error:  # as above
            return self._refuse(code_of(error))

    def _value(self, thousandths: float | Refused) -> float:
        """Give W or J; nan for zero: no live board draws it, and some drivers mean unknown."""
        if isinstance(thousandths, Refused):
            return self._refuse(thousandths.code)
        return thousandths * 1e-3 if thousandths > 0 else ABSENT

    def _refuse(self, code: int) -> float:
        self._refused[sentence(code)] += 1
        if code in LOST:
            self.lost, self.remedy = sentence(code), remedy(code)
        return ABSENT


def _wanted(readings: str | Sequence[str] | None) -> tuple[str, ...]:
    """Give the readings that were asked for.

    Raises:
        UsageError: One that does not exist, or none.
    """
    if readings is None:
        return USUAL
    if readings == "all":
        return READINGS
    asked = readings.split(",") if isinstance(readings, str) else list(readings)
    if not asked:
        raise UsageError("nvml: readings is empty; name at least one, or leave it out")
    for reading in asked:
        if reading not in READINGS:
            raise unknown("nvml: reading", reading, READINGS)
    return tuple(asked)
