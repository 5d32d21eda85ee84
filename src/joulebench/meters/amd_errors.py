"""AMD SMI's status codes in plain words, with the line that mends each.

The codes are those of ``amdsmi_status_t`` (AMD SMI 7.0).
"""

from __future__ import annotations

from joulebench.errors import Unavailable

NO_DATA = 40
FAIL_LOAD_SYMBOL = 5
UNKNOWN_ERROR = 0xFFFFFFFF

LOST = frozenset({31, 32, 34, 51})
"""Codes after which a GPU answers no more in this process: device, library or driver is gone."""

_LIST = "List the GPUs with: amd-smi list"
_DMESG = "sudo dmesg | grep amdgpu"
_AGAIN = f"Try again; if it stays so: {_DMESG}"
_ACCESS = "sudo usermod -aG render,video $USER, then log in again: ls -l /dev/kfd /dev/dri"
_MATCH = "pip install amdsmi of the version of ROCm: cat /opt/rocm/.info/version"
_SHOWN = "See what AMD's own tool shows: amd-smi metric --power --energy"
_CPU = "This is about the processor, not the GPU: leave the meter 'amd' out here."

_CODES: dict[int, tuple[str, str]] = {
    1: ("AMD SMI does not know this argument", _MATCH),
    2: ("the GPU or its driver does not offer this reading", _SHOWN),
    3: ("this version of AMD SMI does not offer this reading yet", _MATCH),
    4: ("AMD SMI could not load a library that it needs", "sudo apt install amd-smi-lib"),
    5: ("AMD SMI and its library are of different versions", _MATCH),
    6: ("the kernel's graphics interface (DRM) failed", _DMESG),
    7: ("a call of AMD SMI failed", _SHOWN),
    8: ("the driver did not answer in time", _AGAIN),
    9: ("the GPU asks to be asked again", "Try again."),
    10: ("this user may not ask the AMD driver", _ACCESS),
    11: ("the question was interrupted", "Try again."),
    12: ("the GPU could not be read", _DMESG),
    13: ("AMD SMI was given a wrong address", _MATCH),
    14: ("a file of the driver under /sys could not be opened", _ACCESS),
    15: ("AMD SMI is out of memory", "Free memory, then try again: free -h"),
    16: ("AMD SMI met an error of its own", _SHOWN),
    17: ("AMD SMI was asked beyond what there is", _LIST),
    18: ("AMD SMI could not be initialised", _DMESG),
    19: ("AMD SMI was opened too often", "Start the program again."),
    20: ("a folder of the driver under /sys is missing", "sudo modprobe amdgpu"),
    30: ("the GPU is busy", "Try again."),
    31: ("AMD SMI finds no such GPU", _LIST),
    32: ("AMD SMI was not initialised", "Start the program again."),
    33: ("AMD SMI has no free slot", "Start the program again."),
    34: ("the driver amdgpu is not loaded", "sudo modprobe amdgpu"),
    39: ("AMD SMI has more data than it was asked for", _MATCH),
    40: ("the GPU has no data for this", _SHOWN),
    41: ("AMD SMI's answer did not fit the space for it", _MATCH),
    42: ("the driver answered in an unknown length", _MATCH),
    43: ("the driver answered in an unknown form", _MATCH),
    44: ("the processor is not AMD's", _CPU),
    45: ("the processor's energy driver is not loaded", "sudo modprobe amd_energy"),
    46: ("the processor's register driver is not loaded", "sudo modprobe msr"),
    47: ("the processor's management driver is not loaded", "sudo modprobe amd_hsmp"),
    48: ("the processor has no management port (HSMP)", _CPU),
    49: ("the processor does not know this question (HSMP)", _CPU),
    50: ("the processor did not answer in time (HSMP)", "Try again."),
    51: ("neither energy nor management driver is loaded", "sudo modprobe amdgpu"),
    52: ("a file of the driver under /sys is missing", "sudo modprobe amdgpu"),
    53: ("AMD SMI was given an empty argument", _MATCH),
    54: ("the driver amdgpu could not be restarted", _DMESG),
    55: ("this setting cannot be had here", _SHOWN),
    56: ("the GPU's EEPROM is corrupted", _DMESG),
    0xFFFFFFFE: ("AMD SMI met an error that it has no code for", _SHOWN),
    0xFFFFFFFF: ("AMD SMI reports an unknown error", _DMESG),
}


def sentence(code: int) -> str:
    """Say in a clause what a status code means."""
    return _CODES.get(code, (f"AMD SMI answers with code {code}, which is not known here", ""))[0]


def remedy(code: int) -> str:
    """Give the line that mends what a status code complains of."""
    return _CODES.get(code, ("", f"{_SHOWN}; then: {_MATCH}"))[1]


def unavailable(code: int, where: str) -> Unavailable:
    """Make the error for a status code met while opening a device or the library."""
    return Unavailable(f"{where}: {sentence(code)}.", remedy(code))
