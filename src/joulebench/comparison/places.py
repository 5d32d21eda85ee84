"""Which board a channel read: the same one on both sides, another, or nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulebench.comparison.side import Side

_STATED = ("testbed", "host")


def place_of(channel: str, host: str, hosts: Mapping[str, Any], letter: str) -> tuple[str, bool]:
    """Name the place of a channel so that equal names are one board.

    A GPU is known by its number of manufacture; anything else by its machine's name and processor,
    not by the id of the host, which also changes with the software. Machines without a name
    (those of imports) are taken as two.

    Args:
        channel: For example ``"gpu0:power"``.
        host: Id of its machine.
        hosts: Facts of machines by id.
        letter: Side that the channel is of.

    Returns:
        The name, and whether it is known.
    """
    facts = hosts.get(host) or {}
    device = channel.partition(":")[0]
    if device.startswith("gpu"):
        index = device.removeprefix("gpu")
        uuids = [str(gpu["uuid"]) for gpu in facts.get("gpus") or []
                 if gpu.get("uuid") and str(gpu.get("index", "")) == index]  # fmt: skip
        if uuids:
            return uuids[0], True
    machine = str(facts.get("hostname") or "")
    if machine:
        return f"{machine} {facts.get('cpu_model', '')}".strip(), True
    return f"{host or 'an unnamed machine'} of {letter}", False


def places(side: Side) -> tuple[frozenset[str], bool]:
    """Give the boards that a side was measured on, and whether they are known.

    Of a table: what its columns testbed and host say, where it has both.
    """
    if side.records:
        found = {
            place_of(channel.name, run.host, side.hosts or {}, side.letter)
            for run in side.records
            for channel in run.channels
        }
        return frozenset(name for name, _ in found), bool(found) and all(k for _, k in found)
    told = [set(side.texts(column)) for column in _STATED if column in side.table]
    known = len(told) == len(_STATED) and all("" not in each for each in told)
    names = {" ".join(pair) for pair in zip(*(side.texts(c) for c in _STATED), strict=True)}
    return frozenset(names), known


def one_meter(a: Side, b: Side) -> bool | None:
    """Say whether both sides were measured by the same boards; ``None`` where that is unknown.

    ``False`` also where some boards are the same and some are not.
    """
    (in_a, known_a), (in_b, known_b) = places(a), places(b)
    if bool(a.records) != bool(b.records) or not (known_a and known_b):
        return None
    return in_a == in_b
