"""NVML's return codes in plain words, with the line that mends each."""

from __future__ import annotations

from joulebench.errors import Unavailable

_DRIVER = "Install the NVIDIA driver; in a container, start it with: docker run --gpus all ..."

_CODES: dict[int, tuple[str, str]] = {
    1: ("NVML was not initialised", "Start the program again."),
    2: ("NVML does not know this device or argument", "List the devices with: nvidia-smi -L"),
    3: ("the GPU or its driver does not offer this reading", ""),
    4: (
        "this user may not ask NVML",
        "Ask for access to /dev/nvidiactl and /dev/nvidia0, or run as root.",
    ),
    6: ("NVML finds no such device", "List the devices with: nvidia-smi -L"),
    8: ("the GPU's external power cables are not attached properly", "Check the power cables."),
    9: ("the NVIDIA driver is not loaded", "sudo modprobe nvidia"),
    10: ("the driver did not answer in time", "Try again; if it stays so: sudo dmesg | grep Xid"),
    11: ("the kernel sees an interrupt problem of the GPU", "sudo dmesg | grep Xid"),
    12: ("the driver's library libnvidia-ml.so.1 is not on this machine", _DRIVER),
    13: ("the driver is too old for this function", "Install a newer NVIDIA driver."),
    14: ("the GPU's infoROM is corrupted", "sudo nvidia-smi --gpu-reset"),
    15: ("the GPU has fallen off the bus", "sudo dmesg | grep Xid, then restart the machine."),
    16: ("the GPU needs a reset", "sudo nvidia-smi --gpu-reset"),
    17: ("the operating system blocks the driver", "Check cgroups and SELinux for /dev/nvidia*."),
    18: ("driver and library are of different versions", "sudo reboot"),
    19: ("the GPU is in use by someone exclusively", "nvidia-smi shows by whom."),
    20: ("NVML is out of memory", ""),
    21: ("the GPU has no data yet", "Try again."),
    27: ("the GPU is not ready", "Try again."),
    28: ("NVML finds no GPU", "List the devices with: nvidia-smi -L"),
    999: ("the driver reports an unknown error", "sudo dmesg | grep -e NVRM -e Xid"),
}


def sentence(code: int) -> str:
    """Say in a clause what a return code means."""
    return _CODES.get(code, (f"NVML answers with code {code}", ""))[0]


def unavailable(code: int, where: str) -> Unavailable:
    """Make the error for a return code met while opening a device or the library."""
    _, remedy = _CODES.get(code, ("", ""))
    return Unavailable(f"{where}: {sentence(code)}.", remedy)
