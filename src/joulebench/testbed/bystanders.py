"""Other processes that were busy while a trial ran: their joules are in the readings too."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil

from joulebench.finding import Finding

NOTICED = 0.05
"""Processors that others may use, on average, before it is worth a finding: 5 % of one."""

SHOWN = 4

_SMALLEST_SHOWN = 0.005  # what would be printed as 0.00

_KTHREADD = 2  # parent of all kernel threads on Linux


@dataclass(frozen=True, slots=True)
class BusyTimes:
    """Processor time used so far.

    Args:
        at_s: When it was taken, monotonic s.
        host_s: By everything on the machine, s.
        ours_s: By the study's own processes, those that ended included, s.
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
        root_pid: The study's process; it and its descendants are ours.
    """
    ours = _family(root_pid)
    ours_s, kernel_s, others_s = 0.0, 0.0, {}
    for process in psutil.process_iter(["name", "cpu_times", "ppid"]):
        times = process.info["cpu_times"]
        if times is None:
            continue
        used_s = times.user + times.system
        if process.pid in ours:
            # Of its children only those that have ended; the others are in the list themselves.
            ours_s += used_s + times.children_user + times.children_system
        elif _KTHREADD in (process.pid, process.info["ppid"]) and psutil.LINUX:
            kernel_s += used_s
        else:
            others_s[process.pid, process.info["name"] or "?"] = used_s
    return BusyTimes(time.monotonic(), _host_busy_s(), ours_s, others_s, kernel_s)


def _family(root_pid: int) -> set[int]:
    try:
        root = psutil.Process(root_pid)
        return {root_pid, *(child.pid for child in root.children(recursive=True))}
    except psutil.NoSuchProcess:
        return {os.getpid(), os.getppid()}


def _host_busy_s() -> float:
    times = psutil.cpu_times()
    parts = ("user", "nice", "system", "irq", "softirq")
    return sum(getattr(times, part, 0.0) for part in parts)


def shared_machine(before: BusyTimes, after: BusyTimes) -> Iterator[Finding]:
    """Find whether others used the processors between two times, and name the busiest.

    Processes too short to be seen at both times are counted with the machine's total.
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
    if total_s / length_s < NOTICED:
        return
    yield Finding(
        rule="shared-machine",
        severity="warning",
        where="idle to measure",
        message=f"other processes used {total_s / length_s:.2f} processors on average while this "
        f"trial ran: {_named(spent, length_s)}",
        remedy="stop them or use a machine of your own; then run the study again with another "
        "--out",
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
