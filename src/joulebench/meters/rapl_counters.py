"""RAPL counters as open files: opening those that may be read, and finding those that count."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from joulebench.errors import Unavailable
from joulebench.meters.machine import Machine
from joulebench.meters.meter import ABSENT
from joulebench.meters.rapl_zones import Zone, find_zones, hidden

_STILL_S = 0.02
"""A counter that is updated every millisecond and reads zero for so long is not there, s."""

_PLATFORM_WAITS_S = (0.1, 0.2, 0.3, 0.4)
"""The platform's counter is slower than the others, so it gets several chances, s."""

_PLATFORM_SHARE = 0.8
"""The platform uses at least what its packages use; their gains may differ by so much."""

Wait = Callable[[float], None]


@dataclass
class Counter:
    """A zone whose counter is open."""

    zone: Zone
    fd: int

    def read_j(self) -> float:
        """Give the counter, J; nan where the kernel gave none."""
        return counted_j(self.fd)

    def reread_j(self) -> float:
        """Open the file again and give the counter, J; a zone that came back has a new file."""
        try:
            fresh = os.open(self.zone.counter, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return ABSENT
        os.close(self.fd)
        self.fd = fresh
        return self.read_j()

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)


def counted_j(fd: int) -> float:
    """Read an open counter, J; nan where the kernel gave none."""
    try:
        return int(os.pread(fd, 32, 0)) * 1e-6
    except (OSError, ValueError):
        return ABSENT


def open_counters(root: Path, processor: Machine) -> tuple[list[Counter], list[str]]:
    """Open every counter that this user may read, each once.

    Returns:
        The counters, and what was left out and why.

    Raises:
        Unavailable: There is none, or none may be read.
    """
    zones = find_zones(root)
    if not zones:
        raise _absent(root, processor)
    opened: dict[tuple[str, str], Counter] = {}
    refused: dict[tuple[str, str], str] = {}
    for zone in zones:
        if zone.key not in opened:  # the second address shows the same counter
            _open(zone, opened, refused)
    if not opened:
        raise _unreadable(refused, root)
    left_out = [name for key, name in refused.items() if key not in opened]
    notes = [f"{', '.join(left_out)} may not be read by this user: {grant(root)}"]
    return list(opened.values()), notes if left_out else []


def _open(
    zone: Zone,
    opened: dict[tuple[str, str], Counter],
    refused: dict[tuple[str, str], str],
) -> None:
    try:
        opened[zone.key] = Counter(zone, os.open(zone.counter, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        denied = isinstance(error, PermissionError)
        label = f"{zone.folder.name} ({zone.name})"
        refused[zone.key] = label if denied else f"{label}, {error.strerror}"


def grant(root: Path) -> str:
    """Give the line that lets every user read all counters until the next start.

    The zones are links, which ``chmod -R`` does not follow; a pattern reaches them all.
    """
    return f"sudo chmod a+r {root}/intel-rapl*/energy_uj"


def _unreadable(refused: dict[tuple[str, str], str], root: Path) -> Unavailable:
    return Unavailable(
        f"The RAPL counters under {root} are there, but this user may not read them: "
        f"{'; '.join(refused.values())}.",
        grant(root),
    )


def _absent(root: Path, processor: Machine) -> Unavailable:
    if hidden(root):
        return Unavailable(
            f"The RAPL counters are listed under {root}, but this container hides them.",
            "docker run --security-opt systempaths=unconfined ... (podman: --security-opt "
            "unmask=/sys/devices/virtual/powercap)",
        )
    if processor.virtual:
        return Unavailable(
            "This is a virtual machine without RAPL: the processor's energy cannot be measured "
            "here, only estimated.",
            "Measure on the host itself, or keep the meter 'estimate'.",
        )
    if processor.vendor in ("GenuineIntel", "AuthenticAMD", "HygonGenuine"):
        return Unavailable(
            f"No RAPL domain under {root}.", "sudo modprobe -a intel_rapl_common intel_rapl_msr"
        )
    return Unavailable(f"No RAPL domain under {root}: only Intel and AMD processors have them.")


def living(counters: Sequence[Counter], wait: Wait = time.sleep) -> tuple[list[Counter], list[str]]:
    """Keep the counters that count, each once; close the others.

    Returns:
        The counters, and what was left out and why.
    """
    checks = (_without_zeros, _without_mirrors, _without_wrong_platform)
    kept, notes = list(counters), []
    for check in checks:
        reasons = check(kept, wait)
        for counter in [counter for counter in kept if id(counter) in reasons]:
            kept.remove(counter)
            counter.close()
        notes += list(reasons.values())
    return kept, notes


def _without_zeros(counters: Sequence[Counter], wait: Wait) -> dict[int, str]:
    """Find counters that read zero, or nothing: domains that the processor does not have."""
    first = [counter for counter in counters if not counter.read_j() > 0]
    if first:
        wait(_STILL_S)
    return {
        id(counter): f"{_label(counter)} reads {'zero' if value == 0 else 'nothing'}: it is "
        "absent and left out"
        for counter in first
        if not (value := counter.read_j()) > 0
    }


def _without_mirrors(counters: Sequence[Counter], wait: Wait) -> dict[int, str]:
    """Find dies whose counter is that of another die of the same package."""
    del wait
    found: dict[int, str] = {}
    for place, counter in enumerate(counters):
        others = [other for other in counters[:place] if id(other) not in found]
        twin = next((other for other in others if _mirrored(counter, other)), None)
        if twin is not None:
            found[id(counter)] = (
                f"{_label(counter)} reads the same counter as {_label(twin)} and is left out"
            )
    return found


def _mirrored(counter: Counter, other: Counter) -> bool:
    """Say whether two zones show one counter.

    A counter read between two readings of another, and lying between them, is the same counter.
    """
    mine, its = counter.zone, other.zone
    if not mine.package or (mine.package, mine.quantity) != (its.package, its.quantity):
        return False
    before, between, after = other.read_j(), counter.read_j(), other.read_j()
    return before <= between <= after


def _without_wrong_platform(counters: Sequence[Counter], wait: Wait) -> dict[int, str]:
    """Find a platform counter that counts less than the packages inside it, or nothing.

    Many boards show one that their maker never set up.
    """
    platform = [counter for counter in counters if counter.zone.quantity == "psys"]
    inside = [counter for counter in counters if counter.zone.quantity == "package"]
    if not platform or not inside:
        return {}
    start_j = _sum_j(platform), _sum_j(inside)
    for seconds in _PLATFORM_WAITS_S:
        wait(seconds)
        whole_j, parts_j = _sum_j(platform) - start_j[0], _sum_j(inside) - start_j[1]
        if min(whole_j, parts_j) < 0:  # a counter has just started again
            start_j = _sum_j(platform), _sum_j(inside)
        elif parts_j == 0 or (whole_j > 0 and whole_j >= _PLATFORM_SHARE * parts_j):
            return {}
    return {
        id(counter): f"{_label(counter)} counted {max(whole_j, 0.0):.2f} J while the packages "
        f"inside it counted {parts_j:.2f} J: it is not set up here and left out"
        for counter in platform
    }


def _sum_j(counters: Sequence[Counter]) -> float:
    return sum(counter.read_j() for counter in counters)


def _label(counter: Counter) -> str:
    parent = f" in {counter.zone.parent}" if counter.zone.parent else ""
    return f"{counter.zone.name}{parent}"
