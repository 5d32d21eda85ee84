"""Whose a process is: whether it descends from another one. Standard library alone."""

from __future__ import annotations

import os
from pathlib import Path

_FIRST_NAMESPACE = "pid:[4026531836]"
"""The pid namespace of the machine itself (PROC_PID_INIT_INO in the Linux kernel)."""

_LONGEST_LINE = 64


def descends(pid: int, root_pid: int, proc: Path = Path("/proc")) -> bool | None:
    """Say whether a process is another one or descends from it.

    Args:
        pid: As a driver names it: in the machine's own namespace.
        root_pid: The other one, in this process's namespace.
        proc: Where the kernel tells of processes.

    Returns:
        ``None`` inside a container, where a driver's pids are not those that can be seen.
    """
    try:
        if os.readlink(proc / "self/ns/pid") != _FIRST_NAMESPACE:
            return None
    except OSError:
        return None
    return root_pid in line_of(pid, proc)


def line_of(pid: int, proc: Path = Path("/proc")) -> list[int]:
    """Give a process and its ancestors, the nearest first, as far as they can be seen."""
    line = [pid]
    while len(line) < _LONGEST_LINE:
        parent = _parent(line[-1], proc)
        if parent < 1 or parent in line:
            break
        line.append(parent)
    return line


def _parent(pid: int, proc: Path) -> int:
    """Give the pid of a process's parent; 0 where it cannot be seen."""
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        return int(stat.rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0
