"""What EnergiBridge's last words mean, and what to do about them.

It has no error messages of its own: where a register cannot be read, the program panics with the
error of the operating system.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from joulebench.meters.machine import machine

INSTALL = (
    "cargo install --git https://github.com/tdurieux/EnergiBridge --tag v0.0.7 && sudo modprobe "
    "msr && sudo chmod a+r /dev/cpu/*/msr && sudo setcap cap_sys_rawio=ep "
    "~/.cargo/bin/energibridge"
)
"""Builds and installs it for a user, and lets it read the processor's registers until the next
start of the machine."""

_LONGEST = 300


class Trouble(NamedTuple):
    """What went wrong, in one sentence, and the line that mends it."""

    what: str
    remedy: str


def last_words(stderr: str, stdout: str = "") -> str:
    """Give what a program said last, on one line, without its advice about backtraces."""
    for text in (stderr, stdout):
        lines = [line.strip() for line in text.splitlines()]
        said = [line for line in lines if line and not line.startswith(("note:", "[WARNING]"))]
        if said:
            return " ".join(said[-3:])[-_LONGEST:]
    return ""


def explain(words: str, executable: str) -> Trouble:
    """Say what a panic means.

    Args:
        words: What the program said last.
        executable: Path of the program, for the lines that mend it.
    """
    for pattern, what, remedy in _MEANINGS:
        if re.search(pattern, words):
            return Trouble(what, remedy.format(executable=executable))
    if re.search(r"failed to read (PP0|PP1|DRAM|RAPL)|code: 5\b|Input/output error", words):
        return _no_register()
    return Trouble("it does not say why", f"{executable} --summary -- sleep 1")


def _no_register() -> Trouble:
    if machine().virtual:
        return Trouble(
            "this is a virtual machine, whose processor has no energy counters",
            "Measure on the host itself, or keep the meter 'estimate'.",
        )
    return Trouble(
        "the processor lacks one of the registers that EnergiBridge insists on (PP0, PP1, DRAM)",
        "Use the meter 'rapl' instead: it takes those that are there.",
    )


_MEANINGS = (
    (
        r"code: 1\b|Operation not permitted",
        "the program lacks the capability to read registers",
        "sudo setcap cap_sys_rawio=ep {executable}",
    ),
    (
        r"code: 13\b|PermissionDenied",
        "this user may not open /dev/cpu/*/msr",
        "sudo chmod a+r /dev/cpu/*/msr && sudo setcap cap_sys_rawio=ep {executable}",
    ),
    (
        r"code: 2\b|NotFound",
        "/dev/cpu/*/msr is not there",
        "sudo modprobe msr",
    ),
    (
        r"overflow when subtracting durations",
        "one reading of all sensors took longer than its interval, which EnergiBridge does not "
        "survive",
        "Give a longer interval (interval_ms=1000); on a GPU: sudo nvidia-smi -pm 1",
    ),
    (
        r"SystemTimeError|second time provided was later than self",
        "the wall clock was set back, which EnergiBridge does not survive",
        "Keep the machine's clock from being set while it measures.",
    ),
    (
        r"Failed to write|StorageFull|No space left|Failed to open output file",
        "its log could not be written",
        "Make room on the disk, or give another folder (keep=FOLDER).",
    ),
    (
        r"error while loading shared libraries|GLIBC_",
        "it was built for another system",
        INSTALL,
    ),
    (
        r"unexpected argument|unrecognized|[Uu]sage:",
        "it does not know the options of EnergiBridge 0.0.7",
        INSTALL,
    ),
    (
        r"a password is required|not in the sudoers|not allowed to execute",
        "sudo does not let this user run it without a password",
        "sudo setcap cap_sys_rawio=ep {executable}",
    ),
    (
        r"Received Ctrl\+C",
        "somebody told it to stop",
        "Measure again, and leave its process alone.",
    ),
)
