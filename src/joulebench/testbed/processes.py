"""The processes of this machine and the processor time that they have used.

On Linux they are read from ``/proc`` in one go (``proc_pid_stat(5)``, ``proc_stat(5)``): a machine
with a thousand processes must not delay what is about to be measured.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


class Process(NamedTuple):
    """A process as it was seen.

    Args:
        pid: Its number.
        parent: That of its parent.
        name: Of its program.
        used_s: Processor time it has used, s.
        children_s: Processor time of those of its children that have ended, s.
    """

    pid: int
    parent: int
    name: str
    used_s: float
    children_s: float


def processes_by_pid(proc: Path = _PROC) -> dict[int, Process]:
    """List the processes that can be seen.

    Args:
        proc: Where the kernel tells of them.
    """
    if not (proc / "self/stat").exists():
        return _by_psutil()
    tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
    found = {}
    for entry in os.scandir(proc):
        if entry.name.isdigit():
            process = _read(f"{entry.path}/stat", tick_s)
            if process is not None:
                found[process.pid] = process
    return found


def _read(path: str, tick_s: float) -> Process | None:
    """Read one process; ``None`` where it has just ended or may not be seen."""
    try:
        with open(path, "rb") as file:
            return _parsed(file.read().decode(errors="replace"), tick_s)
    except (OSError, ValueError, IndexError):
        return None


def _parsed(line: str, tick_s: float) -> Process:
    head, _, tail = line.rpartition(")")
    pid, _, name = head.partition(" (")
    rest = tail.split()
    user, system, children_user, children_system = (int(ticks) for ticks in rest[11:15])
    return Process(
        int(pid),
        int(rest[1]),
        name or "?",
        tick_s * (user + system),
        tick_s * (children_user + children_system),
    )


def host_busy_s(proc: Path = _PROC) -> float:
    """Give the time that all processors together have been busy since the start, s."""
    try:
        with (proc / "stat").open(encoding="ascii") as file:
            # user nice system idle iowait irq softirq; a guest's time is in user and nice already
            ticks = [int(each) for each in file.readline().split()[1:8]]
    except (OSError, ValueError):
        return _busy_by_psutil()
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _by_psutil() -> dict[int, Process]:
    import psutil

    found = {}
    for process in psutil.process_iter(["name", "cpu_times", "ppid"]):
        times = process.info["cpu_times"]
        if times is None:
            continue
        ended_s = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        found[process.pid] = Process(
            process.pid,
            process.info["ppid"] or 0,
            process.info["name"] or "?",
            times.user + times.system,
            ended_s,
        )
    return found


def _busy_by_psutil() -> float:
    import psutil

    times = psutil.cpu_times()
    parts = ("user", "nice", "system", "irq", "softirq")
    return float(sum(getattr(times, part, 0.0) for part in parts))
