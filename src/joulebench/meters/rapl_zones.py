"""The RAPL zones of powercap: where they are, what they are called, what the kernel knows of them.

In ``/sys/class/powercap`` every zone is a link: ``intel-rapl:0`` (a package, a die of one, or the
platform), ``intel-rapl:0:1`` (a part of it), and the same once more as ``intel-rapl-mmio:0`` where
the processor shows its counters at a second address. AMD's zones are called intel-rapl as well.
Newer Xeons come through TPMI under the same names.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = "/sys/class/powercap"

COUNTS = 2**32
"""The energy counters have 32 bits."""

_ZONE = re.compile(r"intel-rapl(?:-mmio)?(?::\d+)+$")
_PACKAGE = re.compile(r"package-(\d+)(?:-die-(\d+))?$")
_PSYS = re.compile(r"psys(?:-(\d+))?$")


@dataclass(frozen=True)
class Zone:
    """One zone: its folder, its own name and that of the zone it lies in."""

    folder: Path
    name: str
    parent: str

    @property
    def key(self) -> tuple[str, str]:
        """What is counted, whichever address it is read at."""
        return self.parent, self.name

    @property
    def counter(self) -> Path:
        """The file of the counter."""
        return self.folder / "energy_uj"

    @property
    def package(self) -> str:
        """Number of the package that it is, or lies in; empty for the platform."""
        match = _PACKAGE.match(self.parent or self.name)
        return match[1] if match else ""

    @property
    def die(self) -> str:
        """Number of the die that it is, or lies in; empty where packages are not divided."""
        match = _PACKAGE.match(self.parent or self.name)
        return (match[2] or "") if match else ""

    @property
    def quantity(self) -> str:
        """What it counts: package, core, uncore, dram, psys; its name where that is unknown."""
        if _PACKAGE.match(self.name):
            return "package"
        return "psys" if _PSYS.match(self.name) else self.name

    @property
    def wrap_j(self) -> float | None:
        """Where the counter starts again, J.

        The kernel gives the largest value, one count below that.
        """
        largest_uj = _number(self.folder / "max_energy_range_uj")
        return largest_uj * 1e-6 * COUNTS / (COUNTS - 1) if largest_uj else None

    @property
    def limit_w(self) -> float | None:
        """Highest power that any of the zone's limits allows, W.

        A package may go above its long-term and its short-term limit for a while, not above the
        peak; the long-term one may be set below what the processor is made for.
        """
        found = [self._microwatts("power_limit_uw", place) for place in range(3)]
        return max(*found, self._microwatts("max_power_uw", 0)) * 1e-6 or None

    @property
    def thermal_w(self) -> float | None:
        """Power that the zone is made to draw for long, W."""
        made_for = self._microwatts("max_power_uw", 0)
        return (made_for or self._microwatts("power_limit_uw", 0)) * 1e-6 or None

    def _microwatts(self, what: str, place: int) -> int:
        return _number(self.folder / f"constraint_{place}_{what}")


def find_zones(root: Path) -> list[Zone]:
    """List the zones below a folder of powercap, those of the second address last."""
    zones = [zone for folder in _folders(root) if (zone := _zone(folder)) is not None]
    return sorted(zones, key=lambda zone: "mmio" in zone.folder.name)


def hidden(root: Path) -> bool:
    """Say whether zones are listed whose folders cannot be seen, as in a container."""
    return any(not folder.exists() for folder in _folders(root))


def _folders(root: Path) -> list[Path]:
    """Give the zones' folders: all in one place, or as they lie in one another."""
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return []
    flat = [root / name for name in names if _ZONE.match(name)]
    if flat:
        return flat
    nested = [*root.glob("intel-rapl*/intel-rapl*:*"), *root.glob("intel-rapl*/*/intel-rapl*:*:*")]
    return sorted(folder for folder in nested if _ZONE.match(folder.name))


def _zone(folder: Path) -> Zone | None:
    name = _text(folder / "name")
    if not name or not (folder / "energy_uj").exists():
        return None
    return Zone(folder, name, _parent(folder) if folder.name.count(":") > 1 else "")


def _parent(folder: Path) -> str:
    """Give the name of the zone that another lies in."""
    above = folder.name.rpartition(":")[0]
    return _text(folder.with_name(above) / "name") or _text(folder.parent / "name")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(path: Path) -> int:
    text = _text(path)
    return int(text) if text.isdigit() else 0
