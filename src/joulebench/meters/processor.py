"""Which processors are in this machine, so that their sensors are known wherever they are read."""

from __future__ import annotations

from pathlib import Path

from joulebench.meters.machine import CPUINFO

_BEFORE_HASWELL = {"42", "45", "58", "62"}
"""Models of Intel's family 6 whose counters are computed from events: Sandy Bridge, Ivy Bridge."""


def packages(cpuinfo: Path = CPUINFO) -> dict[str, dict[str, str]]:
    """Give what the kernel says of one logical processor of each package, by package number."""
    found: dict[str, dict[str, str]] = {}
    for block in _text(cpuinfo).split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        fields = {key.strip(): value.strip() for key, _, value in pairs}
        if fields.get("vendor_id"):
            found.setdefault(fields.get("physical id", "0"), fields)
    return found


def identities(cpuinfo: Path = CPUINFO) -> dict[str, str]:
    """Give what each processor package is: ``cpu0`` -> package, model, stepping and microcode."""
    return {
        f"cpu{number}": f"package {number}: {_described(fields)}"
        for number, fields in packages(cpuinfo).items()
    }


def counts_events(cpuinfo: Path = CPUINFO) -> bool:
    """Say whether this is an Intel processor that models its energy instead of measuring it.

    Intel measures since Haswell (Hackenberg et al. 2015, doi:10.1109/IPDPSW.2015.70).
    """
    fields = next(iter(packages(cpuinfo).values()), {})
    intel = fields.get("vendor_id") == "GenuineIntel" and fields.get("cpu family") == "6"
    return intel and fields.get("model") in _BEFORE_HASWELL


def _described(fields: dict[str, str]) -> str:
    place = "-".join(fields.get(name, "?") for name in ("cpu family", "model", "stepping"))
    vendor, name = fields["vendor_id"], fields.get("model name", "unknown model")
    return f"{name} ({vendor} {place}, microcode {fields.get('microcode', 'unknown')})"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
