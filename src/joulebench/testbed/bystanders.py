"""Other processes that were busy while a trial ran: their joules are in the readings too."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from joulebench.finding import Finding
from joulebench.testbed.processes import Process, host_busy_s, processes_by_pid

NOTICED = 0.05
"""Processors that others may use, on average, before it is worth a finding: 5 % of one."""

SHOWN = 4

_COUNTED_S = 0.1
"""Less than this, s, is not told from the clock's own step of 10 ms a process."""

_SMALLEST_SHOWN = 0.005  # what would be printed as 0.00

_KTHREADD = 2  # parent of all kernel threads on Linux


@dataclass(frozen=True, slots=True)
class BusyTimes:
    """Processor time used so far.

    Args:
        at_s: When it was taken, monotonic s.
        host_s: By everything on the machine, s.
        ours_s: By the processes measured, those of them that ended included, s.
        others_s: By each other process that can be seen, by pid and name, s.
        kernel_s: By the kernel's own threads, which work for whoever asks, s.
    """

    at_s: float
    host_s: float
    ours_s: float
    others_s: dict[tuple[int, str], float] = field(default_factory=dict)
    kernel_s: float = 0.0


def busy_times(root_pid: int) -> BusyTimes:
    """Take the processor times of the machine and of its processes.

    Args:
        root_pid: The process whose work is measured; it and its descendants are ours.
    """
    processes = processes_by_pid()
    ours = _family(root_pid, processes)
    ours_s, kernel_s, others_s = 0.0, 0.0, {}
    for process in processes.values():
        if process.pid in ours:
            # Of its children only those that have ended; the others are in the list themselves.
            ours_s += process.used_s + process.children_s
        elif _KTHREADD in (process.pid, process.parent) and sys.platform == "linux":
            kernel_s += process.used_s
        else:
            others_s[process.pid, process.name] = process.used_s
    return BusyTimes(time.monotonic(), host_busy_s(), ours_s, others_s, kernel_s)


def _family(root_pid: int, processes: Mapping[int, Process]) -> set[int]:
    """Give a process and its descendants; this process and its parent where it is gone."""
    if root_pid not in processes:
        return {os.getpid(), os.getppid()}
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    family, new = {root_pid}, [root_pid]
    while new:
        born = [pid for parent in new for pid in children.get(parent, ()) if pid not in family]
        family.update(born)
        new = born
    return family


def shared_machine(
    before: BusyTimes, after: BusyTimes, where: str = "idle to measure"
) -> Iterator[Finding]:
    """Find whether others used the processors between two times, and name the busiest.

    Processes too short to be seen at both times are counted with the machine's total.

    Args:
        before: Processor times at the first time.
        after: Processor times at the second.
        where: What lies between them.
    """
    length_s = after.at_s - before.at_s
    if length_s <= 0:
        return
    spent = {
        key: used_s - before.others_s.get(key, 0.0)
        for key, used_s in after.others_s.items()
        if used_s > before.others_s.get(key, 0.0)
    }
    not_ours_s = (after.host_s - before.host_s) - (after.ours_s - before.ours_s)
    total_s = max(sum(spent.values()), not_ours_s - (after.kernel_s - before.kernel_s))
    if total_s < max(NOTICED * length_s, _COUNTED_S):
        return
    yield Finding(
        rule="shared-machine",
        severity="warning",
        where=where,
        message=f"other processes used {total_s / length_s:.2f} processors on average meanwhile: "
        f"{_named(spent, length_s)}",
        remedy="stop them or use a machine of your own, then measure again (a study: with another "
        "--out)",
        seen=f"{total_s / length_s:.2f} processors",
        possible=f"below {NOTICED} processors",
    )


def _named(spent: dict[tuple[int, str], float], length_s: float) -> str:
    busiest = sorted(spent.items(), key=lambda item: -item[1])[:SHOWN]
    named = [
        f"{name} (pid {pid}) {used_s / length_s:.2f}"
        for (pid, name), used_s in busiest
        if used_s / length_s >= _SMALLEST_SHOWN
    ]
    return ", ".join(named) or "none that can be seen from here"
