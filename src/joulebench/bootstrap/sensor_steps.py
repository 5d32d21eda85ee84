"""Opens sensors to users that are no root: the processor's energy counters, the service processor.

NVML needs no rights. What the kernel keeps from users it keeps for a reason, which each step says.
"""

from __future__ import annotations

import stat
from pathlib import Path

from joulebench.bootstrap.choices import Choices
from joulebench.bootstrap.line import Line, file_line, words
from joulebench.bootstrap.step import Step
from joulebench.bootstrap.surroundings import Surroundings
from joulebench.meters.rapl_counters import grant

_RAPL_RULE = """\
# Written by: joulebench testbed init
# Any user of this machine may read its energy counters. The kernel keeps them for root because they
# can betray what other users compute (CVE-2020-8694): keep this file from machines shared with
# people that you do not trust.
ACTION=="add|change", SUBSYSTEM=="powercap", KERNEL=="intel-rapl*", TEST=="energy_uj", \
RUN+="/bin/chmod a+r $sys$devpath/energy_uj"
"""

_IPMI_RULE = """\
# Written by: joulebench testbed init
# The group ipmi may ask the service processor for power. It may also switch the machine off.
SUBSYSTEM=="ipmi", KERNEL=="ipmi[0-9]*", GROUP="ipmi", MODE="0660"
"""

RELOAD = Line("udevadm control --reload", root=True)
"""Makes new rules known; what is there already was opened by a line before."""


def rapl_step(choices: Choices, around: Surroundings) -> Step:
    """Let users read the processor's energy counters, now and after every start."""
    root = around.tree / "sys/class/powercap"
    counters = sorted(root.glob("intel-rapl*/energy_uj"))
    rule = around.tree / "etc/udev/rules.d/70-joulebench-rapl.rules"

    read = f"{len(counters)} energy counters can be read by {around.account}"

    def readable() -> bool:
        return all(around.root or _open_to_all(path) for path in counters)

    def done() -> str:
        lasting = holds(rule, _RAPL_RULE) or around.root
        return read if lasting and readable() else ""

    line = grant(root)
    if not choices.sensors:
        return Step("rapl", skip="--no-sensors")
    if not counters:
        return Step("rapl", skip=f"no energy counters under {root}: joulebench doctor says why")
    if rights_from := _elsewhere(around):
        return Step("rapl", skip=read if readable() else f"{rights_from}: {line}")
    grants = Line(line.removeprefix("sudo "), root=True)
    return Step("rapl", (grants, file_line(rule, _RAPL_RULE, root=True), RELOAD), done)


def ipmi_step(around: Surroundings, *, wanted: bool) -> Step:
    """Let a group ask the service processor for power, and put the user into it."""
    device = around.tree / "dev/ipmi0"
    rule = around.tree / "etc/udev/rules.d/70-joulebench-ipmi.rules"
    if not wanted:
        return Step("ipmi", skip="not asked for (--ipmi): it gives power over the whole machine")
    if not device.exists():
        return Step("ipmi", skip=f"there is no {device}: sudo modprobe -a ipmi_si ipmi_devintf")
    if around.root:
        return Step("ipmi", skip="root asks it anyway")
    if rights_from := _elsewhere(around):
        return Step("ipmi", skip=f"{rights_from}: sudo chmod a+rw {device}")

    def done() -> str:
        there = holds(rule, _IPMI_RULE) and _in_group(around, "ipmi")
        return f"{around.account} is of the group ipmi, which may ask {device}" if there else ""

    lines = (
        Line("groupadd --system --force ipmi", root=True),
        Line(words("usermod", "-aG", "ipmi", around.account), root=True),
        file_line(rule, _IPMI_RULE, root=True),
        RELOAD,
        Line(words("chgrp", "ipmi", device), root=True),
        Line(words("chmod", "660", device), root=True),
    )
    return Step("ipmi", lines, done)


def _elsewhere(around: Surroundings) -> str:
    """Say who gives rights, where that is not this machine's root."""
    if around.slurm:
        return "on a cluster its administrators give rights, for example by"
    if around.container:
        return "a container has the rights that its host gives; there"
    return ""


def _open_to_all(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _in_group(around: Surroundings, group: str) -> bool:
    try:
        lines = (around.tree / "etc/group").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    members = [line.split(":")[3].split(",") for line in lines if line.startswith(f"{group}:")]
    return any(around.account in each for each in members)


def holds(path: Path, text: str) -> bool:
    """Say whether a file is there and holds just this."""
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False
