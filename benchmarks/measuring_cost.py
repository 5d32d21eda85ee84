"""What a process and its descendants cost: processor time to the nanosecond, and memory."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_CPU_CLOCK = 2
"""``CPUCLOCK_SCHED``: the clock of clock_getcpuclockid(3), which counts all threads."""


@dataclass(frozen=True)
class Memory:
    """Memory of several processes together.

    Args:
        resident_bytes: Resident pages; those that processes share are counted in each.
        proportional_bytes: Resident pages, each divided by the number of processes that share it.
    """

    resident_bytes: int
    proportional_bytes: int

    def above(self, other: Memory) -> Memory:
        """Give what this is more than another."""
        return Memory(
            self.resident_bytes - other.resident_bytes,
            self.proportional_bytes - other.proportional_bytes,
        )


def family(root_pid: int) -> list[int]:
    """Give a process and its descendants."""
    parents = {pid: fields[1] for pid, fields in _all_stats()}
    found, new = [root_pid], [root_pid]
    while new:
        new = [pid for pid, parent in parents.items() if int(parent) in new and pid not in found]
        found += new
    return found


def cpu_s(pids: list[int]) -> float:
    """Give the processor time used so far by processes and by their children that ended, s.

    The living are known to the nanosecond, the dead to a tick of 10 ms.
    """
    return sum(_own_s(pid) + _ended_s(pid) for pid in pids)


def memory(pids: list[int]) -> Memory:
    """Give the memory of processes."""
    totals = {"Rss": 0, "Pss": 0}
    for pid in pids:
        with suppress(OSError):
            for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
                name, _, size = line.partition(":")
                if name in totals:
                    totals[name] += 1024 * int(size.split()[0])
    return Memory(totals["Rss"], totals["Pss"])


def _own_s(pid: int) -> float:
    with suppress(OSError):
        return time.clock_gettime((~pid << 3) | _CPU_CLOCK)
    return 0.0


def _ended_s(pid: int) -> float:
    with suppress(OSError):
        fields = _stat(_PROC / str(pid) / "stat")
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _all_stats() -> Iterator[tuple[int, list[str]]]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                yield int(entry.name), _stat(entry / "stat")


def _stat(path: Path) -> list[str]:
    """Give the fields of proc_pid_stat(5) after the name: state, parent, ..."""
    return path.read_text(errors="replace").rpartition(")")[2].split()
