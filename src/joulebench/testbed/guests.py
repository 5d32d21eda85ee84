"""Other processes on the devices that are measured: their joules are in the readings too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from joulebench.channel import Window
from joulebench.finding import Finding
from joulebench.testbed.observed import NOTICED, Observation, within

_SHOWN = 4

Process = Mapping[str, Any]
Guests = dict[int, Process]
"""Processes by their pid."""


def shared_device(
    observations: Sequence[Observation], begins_s: float, windows: Sequence[Window]
) -> Iterator[Finding]:
    """Find devices that others used as well, and name them.

    A process is another's if the recorder says so or, where process ids cannot be told (in a
    container), if it was on the device before our work began. It is a warning where the device was
    busy before our work began, or where a process came while it was measured; others that were
    there, on a device that stood idle, are a note.

    Args:
        observations: Of the whole recording.
        begins_s: When our own work first touched a device, monotonic s.
        windows: Those in which the work was measured.
    """
    for device, during in within(observations, windows).items():
        before = [o for o in observations if o.get("device") == device and o["t_s"] < begins_s]
        there = _guests(before, lambda process: process.get("ours") is not True)
        known = frozenset(there)
        here = _guests(during, partial(_anothers, known))
        busy = min((float(o["utilisation"]) for o in before if "utilisation" in o), default=0.0)
        if here or busy >= NOTICED:
            yield _shared(device, here or there, busy, came=bool(here.keys() - known))


def _anothers(known: frozenset[int], process: Process) -> bool:
    return process["pid"] in known if "ours" not in process else not process["ours"]


def _guests(seen: Sequence[Observation], anothers: Callable[[Process], bool]) -> Guests:
    """Give the processes of others on a device, each as it was at its largest."""
    found: Guests = {}
    for observation in seen:
        for process in observation.get("processes", ()):
            if anothers(process):
                pid = int(process["pid"])
                found[pid] = max(found.get(pid, process), process, key=_memory_bytes)
    return found


def _memory_bytes(process: Process) -> float:
    return float(process.get("memory_bytes") or 0.0)


def _shared(device: str, guests: Guests, busy: float, *, came: bool) -> Finding:
    was = f"was {busy:.0%} busy before our work began" if busy >= NOTICED else "was shared"
    return Finding(
        rule="shared-device",
        severity="warning" if came or busy >= NOTICED else "note",
        where=device,
        message=f"{device} {was}; other processes on it: {_named(guests)}",
        remedy="stop them or measure another device, then run this again",
        seen=f"{len(guests)} other processes, {busy:.0%} busy before",
        possible=f"none, below {NOTICED:.0%} busy before",
    )


def _named(guests: Guests) -> str:
    largest = sorted(guests.values(), key=_memory_bytes, reverse=True)
    named = [_called(process) for process in largest[:_SHOWN]]
    more = len(largest) - _SHOWN
    return ", ".join(named + ([f"and {more} more"] if more > 0 else [])) or (
        "none that can be seen from here"
    )


def _called(process: Process) -> str:
    memory_bytes = _memory_bytes(process)
    memory = f" with {memory_bytes / 1e9:.2g} GB" if memory_bytes else ""
    return f"{process.get('name', 'a process')} (pid {process['pid']}){memory}"
