"""Builds EnergiBridge and lets it read the processor's registers."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from joulebench.bootstrap.choices import Choices
from joulebench.bootstrap.line import Line, file_line, words
from joulebench.bootstrap.sensor_steps import RELOAD, holds
from joulebench.bootstrap.step import Step
from joulebench.bootstrap.surroundings import Surroundings
from joulebench.meters.energibridge_errors import INSTALL
from joulebench.meters.machine import machine

_BUILD = INSTALL.partition(" && ")[0]

_MODULE = "# Written by: joulebench testbed init\nmsr\n"
_MSR_RULE = """\
# Written by: joulebench testbed init
# EnergiBridge reads energy from /dev/cpu/*/msr; the kernel asks for cap_sys_rawio besides.
SUBSYSTEM=="msr", KERNEL=="msr[0-9]*", MODE="0444"
"""


def energibridge_steps(choices: Choices, around: Surroundings) -> list[Step]:
    """Give the steps that build EnergiBridge and give it its rights."""
    if reason := _not_here(choices, around):
        return [Step("energibridge", skip=reason)]
    return [_build(around), _rights(around)]


def _not_here(choices: Choices, around: Surroundings) -> str:
    if choices.energibridge is False:
        return "--no-energibridge"
    if choices.energibridge:
        return ""
    if platform.machine() not in ("x86_64", "AMD64"):
        return "it reads Intel's and AMD's processors alone"
    if machine().virtual:
        return "a virtual machine's processor has no energy counters"
    if not _cargo(around) and not _found(around):
        return "there is no Rust to build it with; the meters rapl and nvml read the same sensors"
    return ""


def _build(around: Surroundings) -> Step:
    def done() -> str:
        found = _found(around)
        return f"it is {found}" if found else ""

    def hinder() -> str:
        if _cargo(around):
            return ""
        return "cargo is not installed: see https://rustup.rs, or leave it with --no-energibridge"

    cargo = _cargo(around) or "cargo"
    line = Line(f"{words(cargo)} {_BUILD.removeprefix('cargo ')}")
    return Step("energibridge", (line,), done, hinder=hinder)


def _rights(around: Surroundings) -> Step:
    program = _found(around) or around.home / ".cargo/bin/energibridge"
    module = around.tree / "etc/modules-load.d/joulebench.conf"
    rule = around.tree / "etc/udev/rules.d/70-joulebench-msr.rules"
    if around.container or around.slurm:
        reason = f"its rights come from the host: {INSTALL.partition(' && ')[2]}"
        return Step("energibridge rights", skip=reason)

    def done() -> str:
        lasting = holds(module, _MODULE) and holds(rule, _MSR_RULE)
        return f"{program} may read registers" if lasting and _capable(program) else ""

    lines = (
        Line("modprobe msr", root=True),
        Line("chmod a+r /dev/cpu/*/msr", root=True),
        Line(words("setcap", "cap_sys_rawio=ep", program), root=True),
        file_line(module, _MODULE, root=True),
        file_line(rule, _MSR_RULE, root=True),
        RELOAD,
    )
    return Step("energibridge rights", lines, done, needs=("energibridge",))


def _found(around: Surroundings) -> Path | None:
    place = shutil.which("energibridge") or shutil.which(
        "energibridge", path=str(around.home / ".cargo/bin")
    )
    return Path(place) if place else None


def _cargo(around: Surroundings) -> str | None:
    return shutil.which("cargo") or shutil.which("cargo", path=str(around.home / ".cargo/bin"))


def _capable(program: Path) -> bool:
    try:
        return bool(os.getxattr(program, "security.capability"))
    except OSError:
        return False
