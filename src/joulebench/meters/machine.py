"""What the processor says of itself: vendor, model, and whether it is a virtual one."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """The processor that this process runs on.

    Args:
        vendor: ``vendor_id`` of the first processor, for example ``"GenuineIntel"``; empty where
            the kernel names none.
        model: Model name; the machine type where the kernel names none.
        logical_cpus: Logical processors of the whole machine.
        virtual: Whether a hypervisor announces itself; ``None`` where that cannot be known.
    """

    vendor: str
    model: str
    logical_cpus: int
    virtual: bool | None

    @property
    def amd(self) -> bool:
        """Whether AMD (or its licensee Hygon) made the processor."""
        return self.vendor in ("AuthenticAMD", "HygonGenuine")

    def to_dict(self) -> dict[str, Any]:
        """Give the facts as a JSON-ready dict."""
        return asdict(self)


def machine(cpuinfo: Path = CPUINFO) -> Machine:
    """Read the facts of this machine's processor."""
    fields = _first_processor(cpuinfo)
    flags = fields.get("flags")
    return Machine(
        vendor=fields.get("vendor_id", ""),
        model=fields.get("model name", platform.processor() or platform.machine()),
        logical_cpus=os.cpu_count() or 1,
        # Only x86 kernels list the flag, so elsewhere its absence says nothing.
        virtual=None if flags is None else "hypervisor" in flags.split(),
    )


def _first_processor(cpuinfo: Path) -> dict[str, str]:
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first, _, _ = text.partition("\n\n")
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
