"""How much memory a device has free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_CGROUPS = Path("/sys/fs/cgroup")


def free_memory(device: Any) -> int | None:
    """Give the bytes that are free on a device now, or ``None`` where it does not tell.

    Args:
        device: A torch device. On the CPU what this process may still use counts, which a
            container or a cluster's job may limit below what the machine has.
    """
    import torch

    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        # What torch holds and has given to nobody is free as well.
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        most: int = torch.mps.recommended_max_memory()
        return most - torch.mps.driver_allocated_memory()
    return host_memory() if device.type == "cpu" else None


def host_memory(cgroups: Path = _CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """Give the bytes of the machine's memory that this process may still take.

    Args:
        cgroups: Where control groups (version 2) are seen.
        own: File that tells which one this process is in.
    """
    import psutil

    return min([int(psutil.virtual_memory().available), *_left_in_groups(cgroups, own)])


def _left_in_groups(cgroups: Path, own: Path) -> list[int]:
    """Give what each limit above this process leaves; none where there are no limits."""
    try:
        inside = next(
            line[3:] for line in own.read_text("utf-8").splitlines() if line.startswith("0::")
        )
    except (OSError, StopIteration):
        return []
    group = cgroups / inside.strip().lstrip("/")
    return [left for place in (group, *group.parents) if (left := _left(place)) is not None]


def _left(group: Path) -> int | None:
    try:
        limit = int((group / "memory.max").read_text("utf-8"))
        used = int((group / "memory.current").read_text("utf-8"))
        stat = (group / "memory.stat").read_text("utf-8").split()
    except (OSError, ValueError):  # no limit reads "max"
        return None
    # Pages of files that nobody uses are given back before anything is refused.
    cached = int(stat[stat.index("inactive_file") + 1]) if "inactive_file" in stat else 0
    return max(limit - used + cached, 0)
