"""Which GPUs NVML is to read: those named, those that CUDA may use, or all.

CUDA counts GPUs as NVML does only where ``CUDA_DEVICE_ORDER`` is ``PCI_BUS_ID``, or where all GPUs
are of one model (CUDA C++ Programming Guide, environment variables).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.errors import Unavailable, UsageError
from joulebench.meters.nvml_errors import unavailable
from joulebench.meters.nvml_library import Nvml, Refused

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"

_GA100 = (8, 0)

Named = int | str
"""An index as ``nvidia-smi`` counts, or a UUID, which may be cut short."""


@dataclass(frozen=True, eq=False)
class Gpu:
    """One GPU as NVML names it.

    Args:
        index: Number that NVML gives it.
        handle: What NVML's functions take.
        name: Model.
        uuid: What it is called wherever it is plugged in; empty where NVML does not tell.
        architecture: NVML's number of the architecture; -1 where it does not tell.
        ga100: Whether the chip is GA100.
        mig: Whether it is divided into instances; ``None`` where it cannot be.
    """

    index: int
    handle: Any
    name: str
    uuid: str
    architecture: int
    ga100: bool
    mig: bool | None

    @property
    def device(self) -> str:
        """The device in the names of its channels."""
        return f"gpu{self.index}"


def chosen(
    nvml: Nvml, devices: object, environment: Mapping[str, str]
) -> tuple[list[Gpu], list[str]]:
    """Find the GPUs to read, and what a reader must know of the choice.

    Args:
        nvml: The open library.
        devices: What the user named; ``None`` for those that CUDA may use, or all.
        environment: Environment variables.

    Raises:
        Unavailable: A GPU that was named cannot be had, or CUDA may use none.
        UsageError: A name that is neither index nor UUID.
    """
    if devices is not None:
        found = [gpu(nvml, device) for device in _names(devices)]
        notes: list[str] = []
    elif VISIBLE in environment and count(nvml):
        found, notes = _visible(nvml, environment)
    else:
        found, notes = _all(nvml)
    found = list({one.index: one for one in found}.values())
    return found, notes + [_mig_note(one) for one in found if one.mig]


def count(nvml: Nvml) -> int:
    """Count the GPUs.

    Raises:
        Unavailable: NVML does not tell.
    """
    try:
        return int(nvml.ask("nvmlDeviceGetCount"))
    except Refused as error:
        raise unavailable(error.code, "GPUs cannot be counted") from error


def gpu(nvml: Nvml, device: Named) -> Gpu:
    """Find one GPU by its index or UUID.

    Raises:
        Unavailable: There is none of that name, it cannot be asked, or it is a MIG instance.
    """
    if str(device).startswith("MIG-"):
        raise _instance(nvml, str(device))
    try:
        return _described(nvml, _handle(nvml, device))
    except Refused as error:
        raise unavailable(error.code, f"GPU {device}") from error


def _names(devices: Any) -> list[Named]:
    named = devices.split(",") if isinstance(devices, str) else devices
    several = list(named) if isinstance(named, Sequence) else [named]
    if not several:
        raise UsageError("nvml: devices is empty; name at least one GPU, or leave it out")
    for device in several:
        if isinstance(device, bool) or not isinstance(device, int | str):
            raise UsageError(
                f"nvml: devices: {device!r} is neither an index nor a UUID, such as 0 or 'GPU-5f…'"
            )
    return [device.strip() if isinstance(device, str) else device for device in several]


def _all(nvml: Nvml) -> tuple[list[Gpu], list[str]]:
    found, notes = [], []
    for index in range(count(nvml)):
        try:
            found.append(gpu(nvml, index))
        except Unavailable as error:
            notes.append(f"gpu{index} is left out: {error}")
    return found, notes


def _visible(nvml: Nvml, environment: Mapping[str, str]) -> tuple[list[Gpu], list[str]]:
    said = f"{VISIBLE}={environment[VISIBLE]}"
    entries = _entries(environment[VISIBLE], count(nvml))
    if not entries:
        raise Unavailable(
            f"{said} hides every GPU from CUDA, so none is read.",
            f"unset {VISIBLE}, or name GPUs: --meters nvml:devices=0",
        )
    everything, notes = _all(nvml)
    counted = any(entry.isdigit() for entry in entries) and environment.get(ORDER) != "PCI_BUS_ID"
    if counted and len({one.name for one in everything}) > 1:
        return everything, [
            *notes,
            f"{said} counts GPUs of different models in CUDA's own order, so all are read; "
            f"export {ORDER}=PCI_BUS_ID, or name them: --meters nvml:devices=0",
        ]
    found = [_visible_gpu(nvml, entry) for entry in entries]
    read = ", ".join(dict.fromkeys(one.device for one in found))
    instances = [
        f"{entry} is an instance of {one.device}, of which NVML gives the whole board's power"
        for entry, one in zip(entries, found, strict=True)
        if entry.startswith("MIG-")
    ]
    return found, [f"{said}: reads {read} of the {len(everything)} GPUs here", *instances]


def _entries(said: str, gpus: int) -> list[str]:
    """Give the devices that CUDA sees: those before the first that does not exist."""
    entries: list[str] = []
    for entry in (part.strip() for part in said.split(",")):
        exists = int(entry) < gpus if entry.isdigit() else entry.startswith(("GPU-", "MIG-"))
        if not exists:
            break
        entries.append(entry)
    return entries


def _visible_gpu(nvml: Nvml, entry: str) -> Gpu:
    if not entry.startswith("MIG-"):
        return gpu(nvml, entry)
    board = _board(nvml, entry)
    if board is None:
        raise Unavailable(
            f"{VISIBLE}={entry}: NVML does not tell which GPU this instance is on.",
            "Name the GPU: --meters nvml:devices=0",
        )
    return board


def _handle(nvml: Nvml, device: Named) -> Any:
    if isinstance(device, int) or device.isdigit():
        return nvml.ask("nvmlDeviceGetHandleByIndex", int(device))
    try:
        return nvml.ask("nvmlDeviceGetHandleByUUID", device)
    except Refused:
        begins = [one for one in _handles(nvml) if _uuid(nvml, one).startswith(device)]
        if len(begins) != 1 or not device.startswith("GPU-"):
            raise
        return begins[0]


def _handles(nvml: Nvml) -> list[Any]:
    indices = range(nvml.known("nvmlDeviceGetCount") or 0)
    handles = [nvml.known("nvmlDeviceGetHandleByIndex", index) for index in indices]
    return [handle for handle in handles if handle is not None]


def _described(nvml: Nvml, handle: Any) -> Gpu:
    architecture = nvml.known("nvmlDeviceGetArchitecture", handle)
    mode = nvml.known("nvmlDeviceGetMigMode", handle)
    return Gpu(
        int(nvml.ask("nvmlDeviceGetIndex", handle)),
        handle,
        nvml.known("nvmlDeviceGetName", handle) or "unknown GPU",
        _uuid(nvml, handle),
        -1 if architecture is None else int(architecture),
        nvml.known("nvmlDeviceGetCudaComputeCapability", handle) == _GA100,
        None if mode is None else bool(mode[0]),
    )


def _uuid(nvml: Nvml, handle: Any) -> str:
    return nvml.known("nvmlDeviceGetUUID", handle) or ""


def _board(nvml: Nvml, instance: str) -> Gpu | None:
    """Find the GPU that a MIG instance is on."""
    handle = nvml.known("nvmlDeviceGetHandleByUUID", instance)
    if handle is not None:
        handle = nvml.known("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", handle)
    elif instance.startswith("MIG-GPU-"):  # of drivers before 470: MIG-GPU-uuid/instance/part
        uuid = instance.removeprefix("MIG-").partition("/")[0]
        handle = nvml.known("nvmlDeviceGetHandleByUUID", uuid)
    try:
        return None if handle is None else _described(nvml, handle)
    except Refused:
        return None


def _instance(nvml: Nvml, instance: str) -> Unavailable:
    board = _board(nvml, instance)
    where = f", which is on {board.device}" if board else ""
    name = board.index if board else 0
    return Unavailable(
        f"GPU {instance} is a MIG instance{where}: NVML gives the power of whole boards only.",
        f"Name the board, whose energy covers all of its instances: --meters nvml:devices={name}",
    )


def _mig_note(one: Gpu) -> str:
    return (
        f"{one.device} is divided into MIG instances: NVML gives the power of the whole board, so "
        "its energy covers all of them, also those that others use"
    )
