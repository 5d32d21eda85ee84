"""NVML's return codes in plain words, with the line that mends each.

The codes are those of ``nvmlReturn_t`` (NVML API reference, driver 580).
"""

from __future__ import annotations

from pathlib import Path

from joulebench.errors import Unavailable

DRIVER_LOADED = "/proc/driver/nvidia/version"
"""There wherever the kernel has the driver, in containers as well."""

FUNCTION_NOT_FOUND = 13
UNKNOWN_ERROR = 999

LOST = frozenset({9, 15, 16, 28})
"""Codes after which a GPU answers no more in this process: driver gone, bus, reset, not found."""

_LIST = "List the GPUs with: nvidia-smi -L"
_DMESG = "sudo dmesg | grep -e NVRM -e Xid"
_UPDATE = "Install a newer NVIDIA driver, or: pip install --upgrade nvidia-ml-py"
_AGAIN = "Try again."
_SHOWN = "See what the driver itself shows: nvidia-smi -q -d POWER"

_CODES: dict[int, tuple[str, str]] = {
    1: ("NVML was not initialised", "Start the program again."),
    2: ("NVML does not know this device or argument", _LIST),
    3: ("the GPU or its driver does not offer this reading", _SHOWN),
    4: (
        "this user may not ask NVML",
        "Ask for access to /dev/nvidiactl and /dev/nvidia0, or run as root: "
        "ls -l /dev/nvidia* shows who may.",
    ),
    5: ("NVML was initialised twice", "Start the program again."),
    6: ("NVML finds no such device", _LIST),
    7: ("NVML's answer did not fit the space for it", _UPDATE),
    8: ("the GPU's external power cables are not attached properly", "Check the power cables."),
    9: ("the NVIDIA driver is not loaded", "sudo modprobe nvidia"),
    10: ("the driver did not answer in time", f"Try again; if it stays so: {_DMESG}"),
    11: ("the kernel sees an interrupt problem of the GPU", _DMESG),
    12: (
        "the driver's library libnvidia-ml.so.1 is not on this machine",
        "Install the NVIDIA driver; in a container, start it with: docker run --gpus all ...",
    ),
    13: ("the driver is too old for this function", "Install a newer NVIDIA driver."),
    14: ("the GPU's infoROM is corrupted", "sudo nvidia-smi --gpu-reset"),
    15: ("the GPU has fallen off the bus", f"{_DMESG}, then restart the machine."),
    16: ("the GPU needs a reset", "sudo nvidia-smi --gpu-reset"),
    17: ("the operating system blocks the driver", "Check cgroups and SELinux for /dev/nvidia*."),
    18: ("driver and library are of different versions", "sudo reboot"),
    19: ("the GPU is in use by someone exclusively", "nvidia-smi shows by whom."),
    20: ("NVML is out of memory", "Free memory, then try again: free -h"),
    21: ("the GPU has no data yet", _AGAIN),
    22: ("ECC memory rules this out on a virtual GPU", "Measure on the host of the virtual GPU."),
    23: ("the GPU has too few resources left for this", "nvidia-smi shows who uses it."),
    24: ("the GPU does not run at this frequency", "nvidia-smi -q -d SUPPORTED_CLOCKS"),
    25: ("driver and nvidia-ml-py disagree on the form of this question", _UPDATE),
    26: ("the driver has given this function up", _UPDATE),
    27: ("the GPU is not ready", _AGAIN),
    28: ("NVML finds no GPU", _LIST),
    29: ("the GPU is in a state in which it cannot answer", f"{_AGAIN} {_SHOWN}"),
    30: ("the GPU does not know this kind of reset", "sudo reboot"),
    999: ("the driver reports an unknown error", _DMESG),
}

_NO_UTILITY = (
    "the NVIDIA driver is loaded, but its library libnvidia-ml.so.1 is not in this container",
    "Start it with: docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility ...",
)


def sentence(code: int) -> str:
    """Say in a clause what a return code means."""
    return _CODES.get(code, (f"NVML answers with code {code}, which is not known here", ""))[0]


def remedy(code: int) -> str:
    """Give the line that mends what a return code complains of."""
    return _CODES.get(code, ("", f"{_SHOWN}; then: {_UPDATE}"))[1]


def unavailable(code: int, where: str, driver_loaded: Path = Path(DRIVER_LOADED)) -> Unavailable:
    """Make the error for a return code met while opening a device or the library.

    Args:
        code: NVML's return code.
        where: What was asked for.
        driver_loaded: File that is there where the kernel has the driver.
    """
    if code == 12 and driver_loaded.exists():
        return Unavailable(f"{where}: {_NO_UTILITY[0]}.", _NO_UTILITY[1])
    return Unavailable(f"{where}: {sentence(code)}.", remedy(code))
