"""One AMD power sensor: what it offers, whether its counter can be believed, and its readings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joulebench.channel import Channel
from joulebench.meters.amd_devices import AmdGpu
from joulebench.meters.amd_errors import LOST, NO_DATA, remedy, sentence
from joulebench.meters.amd_library import AmdRefused, AmdSmi, joules, known_number, watts
from joulebench.meters.amd_state import AmdState, limit_w
from joulebench.meters.counter_slope import Watched
from joulebench.meters.meter import ABSENT
from joulebench.sensor_gains import NVML_GAIN

POWERS = {
    "current_socket_power": "current socket power",
    "average_socket_power": "average socket power",
    "socket_power": "socket power",
}
"""Keys of the power, the best first: MI300 and later have the current, others the average."""

_RESOLUTION_W = 1.0

Reading = Callable[[], float]
"""Gives W or J; raises AmdRefused."""


@dataclass
class AmdOffer:
    """What one GPU offers.

    Args:
        readings: How each of ``energy`` and ``power`` is read.
        refused: Status code of what is not offered.
        resolution_j: Step of the counter, J.
        power: What the power is called.
    """

    readings: dict[str, Reading] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    resolution_j: float = 0.0
    power: str = ""


def offer(smi: AmdSmi, gpu: AmdGpu) -> AmdOffer:
    """Ask a GPU for its energy and its power once.

    Args:
        smi: The open library.
        gpu: The GPU.
    """
    found = AmdOffer()
    try:
        counted = smi.ask("get_energy_count", gpu.handle)
        joules(counted)
        found.resolution_j = (known_number(counted, "counter_resolution") or 0.0) * 1e-6
        found.readings["energy"] = lambda: joules(smi.ask("get_energy_count", gpu.handle))
    except AmdRefused as error:
        found.refused["energy"] = error.code
    try:
        key = _power_key(smi.ask("get_power_info", gpu.handle))
        found.power = POWERS[key]
        found.readings["power"] = lambda: watts(smi.ask("get_power_info", gpu.handle), key)
    except AmdRefused as error:
        found.refused["power"] = error.code
    return found


def _power_key(answer: Mapping[str, Any]) -> str:
    for key in POWERS:
        try:
            watts(answer, key)
        except AmdRefused:
            continue
        return key
    raise AmdRefused(NO_DATA)


class AmdSocket:
    """One sensor, and the GPUs that it reads together.

    Args:
        smi: The open library.
        group: The GPUs.
        offers: What each of them offers.
    """

    def __init__(
        self, smi: AmdSmi, group: Sequence[AmdGpu], offers: Mapping[AmdGpu, AmdOffer]
    ) -> None:
        self.device = "+".join(one.device for one in group)
        self.group = group
        self.lost = ""
        self.remedy = ""
        self.notes: list[str] = []
        self._gpu = next((one for one in group if offers[one].readings), group[0])
        self._offer = offers[self._gpu]
        driver = smi.known("get_gpu_driver_info", self._gpu.handle) or {}
        self._driver = driver.get("driver_version")
        self._limit_w = limit_w(smi, self._gpu)
        self._states = [AmdState(smi, one) for one in group]
        self._refused: Counter[str] = Counter()
        self._watched: Watched | None = None

    def watched(self) -> list[Watched]:
        """Give the counter to watch beside the power, if there is one."""
        counter, power = (self._offer.readings.get(name) for name in ("energy", "power"))
        if counter is None:
            return []
        self._watched = Watched(_quiet(counter), [_quiet(power)] if power else [])
        return [self._watched]

    def settle(self) -> list[Channel]:
        """Decide what is read, once the counter was watched; give its channels."""
        if len(self.group) > 1:
            self.notes.append(
                f"{self.device}: one sensor reads these {len(self.group)} GPUs of "
                f"{self._gpu.name} together, so they are counted once"
            )
        for quantity, code in self._offer.refused.items():
            self.notes.append(f"{self.device}:{quantity}: {sentence(code)}")
        doubt = _doubt(self._watched)
        if doubt:
            del self._offer.readings["energy"]
            self.notes.append(f"{self.device}:energy {doubt}, and is left out")
        if "power" in self._offer.readings:
            self.notes.append(
                f"{self.device}:power is AMD SMI's {self._offer.power} of {self._gpu.name}; what "
                "it averages over is not published"
            )
        return [self._channel(quantity) for quantity in self._offer.readings]

    def read(self) -> list[float]:
        """Give the value of each channel; nan where AMD SMI answered with an error."""
        return [self._value(reading) for reading in self._offer.readings.values()]

    def states(self) -> list[dict[str, Any]]:
        """Give the state of each GPU of the sensor."""
        if self.lost:
            return [{"device": one.device, "lost": self.lost} for one in self.group]
        return [state.now() for state in self._states]

    def facts(self) -> dict[str, Any]:
        """Give what the GPU is, and what it refused."""
        found = {
            "uuid": self._gpu.uuid,
            "name": self._gpu.name,
            "driver": self._driver,
            "partition": self._gpu.partition,
            "power_limit_w": self._limit_w,
            "lost": self.lost,
            "refused": dict(self._refused),
        }
        return {key: value for key, value in found.items() if value not in (None, "", {}, "N/A")}

    def _channel(self, quantity: str) -> Channel:
        counter = quantity == "energy"
        return Channel(
            f"{self.device}:{quantity}",
            "J" if counter else "W",
            resolution=self._offer.resolution_j if counter else _RESOLUTION_W,
            gain=NVML_GAIN,
            scope=self._gpu.scope,
            limit_w=self._limit_w,
        )

    def _value(self, reading: Reading) -> float:
        if self.lost:
            return ABSENT
        try:
            return reading()
        except AmdRefused as error:
            self._refused[str(error)] += 1
            if error.code in LOST:
                self.lost, self.remedy = sentence(error.code), remedy(error.code)
            return ABSENT


def _quiet(reading: Reading) -> Reading:
    def read() -> float:
        try:
            return reading()
        except AmdRefused:
            return ABSENT

    return read


def _doubt(seen: Watched | None) -> str:
    """Say why a counter is not believed; empty where it is."""
    if seen is None:
        return ""
    if seen.counter_w is None:
        return "stood still while it was watched"
    if not seen.beside or seen.nearest() is not None:
        return ""
    beside_w = seen.beside_w[0]
    return f"counted {seen.counter_w:.0f} W while the power beside it was {beside_w:.0f} W"
