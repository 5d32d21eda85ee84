"""Intel and AMD RAPL energy counters, through the powercap tree of Linux.

Every zone is one counter channel. Package, core, uncore, dram and psys nest in one another
(:func:`joulebench.energy.headline_channels` knows how), so all are read and none are added here.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from pathlib import Path

from joulebench.channel import Channel
from joulebench.errors import SensorLost, Unavailable
from joulebench.meters.machine import CPUINFO, machine
from joulebench.meters.processor import counts_events, identities
from joulebench.meters.rapl_counters import grant, living, open_counters
from joulebench.meters.rapl_zones import COUNTS, ROOT, Zone
from joulebench.sensor_gains import MODELLED_GAIN, RAPL_GAINS

ENERGY_UNIT_J = 2.0**-14
"""Step of the counters on most processors, 61 µJ; used where powercap does not tell it."""

UPDATE_S = 1e-3
"""The counters are updated about every millisecond (Khan et al. 2018, doi:10.1145/3177754)."""

LOST_S = 1.0
"""When no counter has read anything for so long, they are gone, s."""

_SCOPES = {
    "package": "cpu package",
    "core": "cpu core",
    "uncore": "cpu uncore",
    "dram": "dram",
    "psys": "platform",
}
_MICROJOULE = 1e-6
_UNKNOWN_W = 400.0


class RaplMeter:
    """Reads every RAPL domain that powercap shows.

    Args:
        root: Folder of the powercap class, or the one of its devices.
        cpuinfo: The kernel's description of the processor, which tells AMD's model from Intel's
            measurement.
        clock: Gives monotonic time, s.
        wait: Waits for a time, s, while the counters are looked at for the first time.

    Raises:
        Unavailable: There is no RAPL domain here, this user may not read any, or none counts.
    """

    def __init__(
        self,
        root: str = ROOT,
        *,
        cpuinfo: str = str(CPUINFO),
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        processor = machine(Path(cpuinfo))
        opened, unreadable = open_counters(Path(root), processor)
        self._counters, dead = living(opened, wait)
        if not self._counters:
            raise Unavailable(f"No RAPL counter under {root} counts: {'; '.join(dead)}.")
        self._root, self._clock = root, clock
        self._dark_s: float | None = None
        zones = [counter.zone for counter in self._counters]
        modelled = processor.amd or bool(processor.virtual) or counts_events(Path(cpuinfo))
        self.channels = _channels(zones, modelled=modelled)
        self.identities = identities(Path(cpuinfo))
        self.notes = [*unreadable, *dead, *_wrap_notes(self.channels, zones)]
        if processor.amd and any(zone.quantity == "core" for zone in zones):
            self.notes.append("core counts one core of the package only, as AMD shows it")
        if processor.virtual:
            self.notes.append(
                "this is a virtual machine: its counters are the hypervisor's idea of its share"
            )

    def read(self) -> list[float]:
        """Give the energy counted by each domain, J; nan where the kernel gave none.

        Raises:
            SensorLost: No domain has given anything for a second: the driver was unloaded.
        """
        try:
            # Between samples the caches forget all of this, so that every call costs.
            values = [int(os.pread(each.fd, 32, 0)) * _MICROJOULE for each in self._counters]
        except (OSError, ValueError):
            return self._read_in_part()
        self._dark_s = None
        return values

    def close(self) -> None:
        """Close the counters' files."""
        for counter in self._counters:
            counter.close()
        self._counters = []

    def _read_in_part(self) -> list[float]:
        """Read what can be read, opening again what cannot."""
        values = [counter.read_j() for counter in self._counters]
        values = [
            counter.reread_j() if math.isnan(value) else value
            for counter, value in zip(self._counters, values, strict=True)
        ]
        self._give_up_if_gone(values)
        return values

    def _give_up_if_gone(self, values: Sequence[float]) -> None:
        """Raise where no counter has given anything for so long that none will."""
        now_s = self._clock()
        if not all(map(math.isnan, values)):
            self._dark_s = None
        elif self._dark_s is None:
            self._dark_s = now_s
        elif now_s - self._dark_s >= LOST_S:
            raise SensorLost(
                f"The RAPL counters under {self._root} can no longer be read: the driver was "
                f"unloaded, or the right to read them taken back; load it again (sudo modprobe "
                f"intel_rapl_msr), then {grant(Path(self._root))}"
            )


def _channels(zones: Sequence[Zone], *, modelled: bool) -> list[Channel]:
    dies = Tally((zone.package, zone.quantity) for zone in zones)
    return [
        _channel(zone, divided=dies[zone.package, zone.quantity] > 1, modelled=modelled)
        for zone in zones
    ]


def _channel(zone: Zone, *, divided: bool, modelled: bool) -> Channel:
    scope = _SCOPES.get(zone.quantity, zone.quantity)
    wrap_j = zone.wrap_j
    return Channel(
        _name(zone, divided=divided),
        "J",
        # The kernel cuts what it shows to whole microjoules.
        resolution=max(wrap_j / COUNTS, _MICROJOULE) if wrap_j else ENERGY_UNIT_J,
        gain=MODELLED_GAIN if modelled else RAPL_GAINS.get(scope, MODELLED_GAIN),
        period_s=UPDATE_S,
        wrap_j=wrap_j,
        method="modelled" if modelled else "measured",
        scope=scope,
        limit_w=zone.limit_w if scope == "cpu package" else None,
    )


def _name(zone: Zone, *, divided: bool) -> str:
    if zone.quantity == "psys":
        return f"{zone.name.replace('-', '')}:energy"
    if not zone.package:
        return f"{zone.folder.name.replace(':', '-')}:{zone.name}"
    die = f"d{zone.die}" if divided else ""
    return f"cpu{zone.package}{die}:{zone.quantity}"


def _wrap_notes(channels: Sequence[Channel], zones: Sequence[Zone]) -> list[str]:
    """Say how often the counter that starts again first has to be read."""
    waits = [
        (channel.wrap_j / power_w, channel.name, power_w)
        for channel, zone in zip(channels, zones, strict=True)
        if channel.wrap_j and channel.scope == "cpu package"
        for power_w in [zone.thermal_w or _UNKNOWN_W]
    ]
    if not waits:
        return []
    wrap_s, name, power_w = min(waits)
    return [
        f"{name} starts again after {wrap_s:.0f} s at {power_w:.0f} W: read it at least every "
        f"{wrap_s / 2:.0f} s"
    ]
