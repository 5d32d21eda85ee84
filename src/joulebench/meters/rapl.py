"""Intel and AMD RAPL energy counters, through the powercap tree of Linux.

Every zone is one counter channel. Package, core, uncore, dram and psys nest in one another
(:func:`joulebench.energy.headline_channels` knows how), so all are read and none are added here.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from joulebench.channel import Channel
from joulebench.errors import Unavailable
from joulebench.meters.machine import CPUINFO, Machine, machine
from joulebench.meters.meter import ABSENT
from joulebench.sensor_gains import MODELLED_GAIN, RAPL_GAINS

ROOT = "/sys/class/powercap"

ENERGY_UNIT_J = 2.0**-14
"""Step of the counters on most processors, 61 µJ; powercap does not tell the unit."""

UPDATE_S = 1e-3
"""The counters are updated about every millisecond (Khan et al. 2018, doi:10.1145/3177754)."""

_SCOPES = {"core": "cpu core", "uncore": "cpu uncore", "dram": "dram", "psys": "platform"}
_PACKAGE = re.compile(r"package-(\d+)(?:-die-(\d+))?$")
_ZONE = re.compile(r"intel-rapl(?:-mmio)?(?::\d+)+$")


@dataclass(frozen=True)
class _Zone:
    """One powercap zone: its folder, its own name and that of the zone it lies in."""

    folder: Path
    name: str
    parent: str

    @property
    def key(self) -> tuple[str, str]:
        return self.parent, self.name


class RaplMeter:
    """Reads every RAPL domain that powercap shows.

    Args:
        root: Folder of the powercap class.
        cpuinfo: The kernel's description of the processor, which tells AMD's model from Intel's
            measurement.

    Raises:
        Unavailable: There is no RAPL domain here, or this user may not read it.
    """

    def __init__(self, root: str = ROOT, *, cpuinfo: str = str(CPUINFO)) -> None:
        processor = machine(Path(cpuinfo))
        zones = _zones(Path(root))
        if not zones:
            raise _absent(Path(root), processor)
        opened = _opened(zones, Path(root))
        kept = _without_mirrors(opened)
        self.notes = [
            f"{zone.name} reads the same counter as another die and is left out"
            for zone in opened
            if zone not in kept
        ]
        self.channels = _channels(list(kept), processor)
        self._fds = tuple(kept.values())

    def read(self) -> list[float]:
        """Give the energy counted by each domain, J; nan where the kernel gave none."""
        return [_counter_j(fd) for fd in self._fds]

    def close(self) -> None:
        """Close the counters' files."""
        for fd in self._fds:
            os.close(fd)
        self._fds = ()


def _counter_j(fd: int) -> float:
    try:
        return int(os.pread(fd, 32, 0)) * 1e-6
    except (OSError, ValueError):
        return ABSENT


def _zones(root: Path) -> list[_Zone]:
    """List the zones, those of the MMIO interface only where the other does not have them."""
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return []
    found = [_zone(root / name) for name in names if _ZONE.match(name)]
    zones = [zone for zone in found if zone is not None]
    zones.sort(key=lambda zone: "mmio" in zone.folder.name)
    return list({zone.key: zone for zone in reversed(zones)}.values())[::-1]


def _zone(folder: Path) -> _Zone | None:
    name = _text(folder / "name")
    if not name or not (folder / "energy_uj").exists():
        return None
    inside = folder.name.count(":") > 1
    parent = _text(folder.with_name(folder.name.rpartition(":")[0]) / "name") if inside else ""
    return _Zone(folder, name, parent)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _opened(zones: list[_Zone], root: Path) -> dict[_Zone, int]:
    """Open each zone's counter, all of them or none."""
    fds: dict[_Zone, int] = {}
    try:
        for zone in zones:
            fds[zone] = os.open(zone.folder / "energy_uj", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        for fd in fds.values():
            os.close(fd)
        raise _unreadable(error, root) from error
    return fds


def _unreadable(error: OSError, root: Path) -> Unavailable:
    if isinstance(error, PermissionError):
        return Unavailable(
            f"The RAPL counters under {root} are there, but only root may read them.",
            f"sudo chmod -R a+r {root}/intel-rapl",
        )
    return Unavailable(f"The RAPL counter {error.filename} cannot be read: {error.strerror}.")


def _absent(root: Path, processor: Machine) -> Unavailable:
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


def _without_mirrors(opened: dict[_Zone, int]) -> dict[_Zone, int]:
    """Leave out dies whose counter is that of another die of the same package.

    A counter read between two readings of another, and lying between them, is the same counter.
    """
    kept: dict[_Zone, int] = {}
    for zone, fd in opened.items():
        twins = [other for other in kept if _same_package(zone, other)]
        if any(_same_counter(fd, kept[twin]) for twin in twins):
            os.close(fd)
        else:
            kept[zone] = fd
    return kept


def _same_package(zone: _Zone, other: _Zone) -> bool:
    first, second = _PACKAGE.match(zone.name), _PACKAGE.match(other.name)
    return first is not None and second is not None and first[1] == second[1]


def _same_counter(fd: int, other: int) -> bool:
    before, between, after = _counter_j(other), _counter_j(fd), _counter_j(other)
    return before > 0 and before <= between <= after


def _channels(zones: Iterable[_Zone], processor: Machine) -> list[Channel]:
    zones = list(zones)
    packages = [match for zone in zones if (match := _PACKAGE.match(zone.name))]
    dies = Counter(match[1] for match in packages)
    return [_channel(zone, dies, processor) for zone in zones]


def _channel(zone: _Zone, dies: Counter[str], processor: Machine) -> Channel:
    scope = "cpu package" if _PACKAGE.match(zone.name) else _SCOPES.get(zone.name, zone.name)
    return Channel(
        _name(zone, dies),
        "J",
        resolution=ENERGY_UNIT_J,
        gain=MODELLED_GAIN if processor.amd else RAPL_GAINS.get(scope, MODELLED_GAIN),
        period_s=UPDATE_S,
        wrap_j=_wrap_j(zone.folder),
        method="modelled" if processor.amd else "measured",
        scope=scope,
    )


def _name(zone: _Zone, dies: Counter[str]) -> str:
    if zone.name == "psys":
        return "psys:energy"
    package = _PACKAGE.match(zone.parent or zone.name)
    if package is None:
        return f"{zone.folder.name.replace(':', '-')}:{zone.name}"
    die = f"d{package[2]}" if dies[package[1]] > 1 else ""
    quantity = zone.name if zone.parent else "package"
    return f"cpu{package[1]}{die}:{quantity}"


def _wrap_j(folder: Path) -> float | None:
    text = _text(folder / "max_energy_range_uj")
    return int(text) * 1e-6 if text.isdigit() and int(text) > 0 else None
