"""Which AMD GPUs are read, and which of them share one sensor.

The two dies of an MI250 are two GPUs whose power one of them gives for both (Linux, commit
076f55a45e9e "Only primary die supports power data"); the partitions of an MI300 are GPUs in one PCI
slot with one power. Such a sensor is one device, named after all of its GPUs:
``amdgpu0+amdgpu1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.errors import Unavailable, UsageError
from joulebench.meters.amd_errors import unavailable
from joulebench.meters.amd_library import AmdRefused, AmdSmi

ROCR_VISIBLE = "ROCR_VISIBLE_DEVICES"
HIP_VISIBLE = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
"""HIP takes the first of them that is set, and counts in what ROCr leaves visible."""

_TWO_DIES = "MI250"
_WITH_PROCESSOR = "MI300A"


@dataclass(frozen=True, eq=False)
class AmdGpu:
    """One GPU as AMD SMI names it.

    Args:
        index: Number that ``amd-smi list`` gives it.
        handle: What AMD SMI's functions take.
        name: Model.
        uuid: What it is called wherever it is plugged in; empty where AMD SMI does not tell.
        hip_uuid: What ROCr calls it; empty where AMD SMI does not tell.
        hip: Number that HIP gives it, so that of PyTorch; ``None`` where AMD SMI does not tell.
        slot: PCI address without the function, which the partitions of one GPU share.
        partition: How it is divided, for example ``"SPX"``; empty where it cannot be.
    """

    index: int
    handle: Any
    name: str
    uuid: str
    hip_uuid: str
    hip: int | None
    slot: str
    partition: str

    @property
    def device(self) -> str:
        """The device in the names of its channels."""
        return f"amdgpu{self.index}"

    @property
    def scope(self) -> str:
        """What its power covers: the whole socket, which for an MI300A holds its processor."""
        return "gpu module" if _WITH_PROCESSOR in self.name else "gpu board"


def gpus(smi: AmdSmi) -> list[AmdGpu]:
    """List the GPUs.

    Raises:
        Unavailable: AMD SMI does not list them.
    """
    try:
        handles = smi.ask("get_processor_handles")
    except AmdRefused as error:
        raise unavailable(error.code, "AMD GPUs cannot be listed") from error
    return [_described(smi, index, handle) for index, handle in enumerate(handles)]


def chosen(
    everything: Sequence[AmdGpu], devices: object, environment: Mapping[str, str]
) -> tuple[list[AmdGpu], list[str]]:
    """Find the GPUs to read, and what a reader must know of the choice.

    Args:
        everything: All GPUs.
        devices: What the user named; ``None`` for those that HIP may use, or all.
        environment: Environment variables.

    Raises:
        Unavailable: There is no GPU of that name, or HIP may use none.
        UsageError: A name that is neither index nor UUID.
    """
    if devices is not None:
        return [_named(everything, device) for device in _names(devices)], []
    said = [f"{key}={environment[key]}" for key in _restricting(environment)]
    if not said or not everything:
        return list(everything), []
    found = _visible(everything, environment)
    if not found:
        raise Unavailable(
            f"{', '.join(said)} hides every GPU from HIP, so none is read.",
            f"unset {said[0].partition('=')[0]}, or name GPUs: --meters amd:devices=0",
        )
    read = ", ".join(one.device for one in found)
    return found, [f"{', '.join(said)}: reads {read} of the {len(everything)} GPUs here"]


def sharing(everything: Sequence[AmdGpu], silent: Iterable[AmdGpu]) -> list[tuple[AmdGpu, ...]]:
    """Group the GPUs that one sensor reads, those that give no reading with one that does.

    Args:
        everything: All GPUs.
        silent: Those that give neither energy nor power.
    """
    groups: dict[str, list[AmdGpu]] = {}
    quiet = list(silent)
    for one in everything:
        partner = next((other for other in everything if other.index == one.index ^ 1), None)
        dies = partner is not None and _TWO_DIES in one.name and _TWO_DIES in partner.name
        shared = dies and (one in quiet) != (partner in quiet)
        key = f"card {one.index // 2}" if shared else one.slot or one.device
        groups.setdefault(key, []).append(one)
    return [tuple(group) for group in groups.values()]


def _names(devices: Any) -> list[int | str]:
    named = devices.split(",") if isinstance(devices, str) else devices
    several = list(named) if isinstance(named, Sequence) else [named]
    if not several:
        raise UsageError("amd: devices is empty; name at least one GPU, or leave it out")
    for device in several:
        if isinstance(device, bool) or not isinstance(device, int | str):
            raise UsageError(f"amd: devices: {device!r} is neither an index nor a UUID")
    return [device.strip() if isinstance(device, str) else device for device in several]


def _named(everything: Sequence[AmdGpu], device: int | str) -> AmdGpu:
    for one in everything:
        if str(device) in (str(one.index), one.uuid, one.hip_uuid):
            return one
    raise Unavailable(f"AMD GPU {device}: there is none of that name.", "amd-smi list")


def _restricting(environment: Mapping[str, str]) -> list[str]:
    hip = [key for key in HIP_VISIBLE if key in environment][:1]
    return [key for key in (ROCR_VISIBLE, *hip) if key in environment]


def _visible(everything: Sequence[AmdGpu], environment: Mapping[str, str]) -> list[AmdGpu]:
    """Apply each restriction to what the one before it left; HIP counts in its own order."""
    found = sorted(everything, key=lambda one: one.index if one.hip is None else one.hip)
    for key in _restricting(environment):
        found = _restricted(found, environment[key])
    return found


def _restricted(found: Sequence[AmdGpu], said: str) -> list[AmdGpu]:
    kept: list[AmdGpu] = []
    for entry in (part.strip() for part in said.split(",")):
        if entry.isdigit():
            matching = list(found[int(entry) : int(entry) + 1])
        else:
            matching = [one for one in found if entry and entry in (one.uuid, one.hip_uuid)]
        if not matching:
            break  # HIP stops at the first that does not exist
        kept += [one for one in matching if one not in kept]
    return kept


def _described(smi: AmdSmi, index: int, handle: Any) -> AmdGpu:
    asic = smi.known("get_gpu_asic_info", handle) or {}
    place = smi.known("get_gpu_enumeration_info", handle) or {}
    hip = place.get("hip_id")
    return AmdGpu(
        index,
        handle,
        asic.get("market_name") or "unknown AMD GPU",
        _text(smi.known("get_gpu_device_uuid", handle)),
        _text(place.get("hip_uuid")),
        hip if isinstance(hip, int) else None,
        _text(smi.known("get_gpu_device_bdf", handle)).rpartition(".")[0],
        _text(smi.known("get_gpu_compute_partition", handle)),
    )


def _text(answer: Any) -> str:
    return answer if isinstance(answer, str) and answer != "N/A" else ""
