"""Which channels read one thing, or a part of another: what may be added, and what must agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from joulebench.channel import METHODS, Channel

INSIDE = {
    "node": ("wall",),
    "platform": ("node", "wall"),
    "gpu module": ("node", "wall"),
    "gpu board": ("node", "wall"),
    "gpu memory": ("node", "wall"),
    "cpu package": ("gpu module", "platform", "node", "wall"),
    "dram": ("gpu module", "platform", "node", "wall"),
    "cpu core": ("cpu package", "gpu module", "platform", "node", "wall"),
    "cpu uncore": ("cpu package", "gpu module", "platform", "node", "wall"),
    "process": ("cpu package", "gpu module", "platform", "node", "wall"),
}
"""Which scopes lie inside which others: a nested part is never added to its whole.

A GPU module holds the processor and the memory beside the GPU as well (Grace Hopper, MI300A).
"""

_INSIDE_DEVICE = {"gpu board": ("gpu module",), "gpu memory": ("gpu board", "gpu module")}
"""A module holds the boards of its own devices, and a board its own memory, not those of others."""

_BY_DEVICE = ("cpu package", "gpu board", "gpu module")
"""Scopes that hold only the parts of their own device; the other wholes hold the whole machine."""

_NUMBERED = ("cpu package", "cpu core", "cpu uncore", "dram", "gpu board", "gpu module")
"""Scopes of which a machine may have several devices: a name without a number means all."""


@dataclass(frozen=True)
class Pair:
    """Two ways in which one thing was read, or a part and its whole.

    Args:
        first: Channels whose sum is one side; of a part and its whole, the part.
        second: Channels whose sum is the other.
        nested: Whether the first is a part of the second.
    """

    first: tuple[Channel, ...]
    second: tuple[Channel, ...]
    nested: bool = False

    @property
    def names(self) -> tuple[str, str]:
        """What is on each side, in words."""
        return _named(self.first), _named(self.second)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All channels of both sides."""
        return self.first + self.second

    @property
    def one_sensor(self) -> bool:
        """Whether the sides are the counter and the power of one sensor."""
        if self.nested or len(self.first) != 1 or len(self.second) != 1:
            return False
        (a,), (b,) = self.first, self.second
        return a.device == b.device and a.method == b.method and a.unit != b.unit


def comparable(channels: Sequence[Channel]) -> list[Pair]:
    """Give every two ways in which one thing was read.

    They are two channels of one device and scope, or a channel of all devices (its device's name
    has no number) and the sum of the single ones.
    """
    known = [channel for channel in channels if channel.scope]
    pairs = [Pair((a,), (b,)) for a, b in combinations(known, 2) if _same_thing(a, b)]
    return pairs + list(_against_sums(known))


def parts_and_wholes(channels: Sequence[Channel]) -> list[Pair]:
    """Give the sums of parts that cannot be above their whole.

    Estimates are left out where anything better was read.
    """
    return [
        Pair(tuple(parts), tuple(whole), nested=True)
        for scope, whole in _wholes(channels)
        if (parts := _parts(channels, scope, whole))
    ]


def _named(channels: Iterable[Channel]) -> str:
    return " + ".join(channel.name for channel in channels)


def _same_thing(first: Channel, second: Channel) -> bool:
    return (first.device, first.scope) == (second.device, second.scope)


def _of_all_devices(channel: Channel) -> bool:
    return channel.scope in _NUMBERED and not channel.device[-1:].isdigit()


def _against_sums(channels: Sequence[Channel]) -> Iterator[Pair]:
    for channel in channels:
        if not _of_all_devices(channel):
            continue
        single = [c for c in channels if c.scope == channel.scope and not _of_all_devices(c)]
        if single:
            yield Pair((channel,), tuple(headline_channels(single)))


def _wholes(channels: Sequence[Channel]) -> Iterator[tuple[str, list[Channel]]]:
    """Give each scope that has parts with the channels that sum to one whole of it."""
    nested = (*_INSIDE_DEVICE.values(), *INSIDE.values())
    scopes = [whole for wholes in nested for whole in wholes]
    for scope in dict.fromkeys(scopes):
        found = _best([channel for channel in channels if channel.scope == scope])
        if scope in _BY_DEVICE:
            yield from ((scope, [channel]) for channel in found)
        elif found:
            yield scope, found


def _parts(channels: Sequence[Channel], scope: str, whole: Sequence[Channel]) -> list[Channel]:
    parts = [channel for channel in channels if _is_part(channel.scope, scope)]
    if scope in _BY_DEVICE:
        parts = [channel for channel in parts if _on(channel, whole[0])]
    return _best(parts)


def _is_part(part: str, whole: str) -> bool:
    return whole in INSIDE.get(part, ()) or whole in _INSIDE_DEVICE.get(part, ())


def _on(part: Channel, whole: Channel) -> bool:
    """Say whether a whole reads the device of a part: several are joined by plus, gpu0+gpu1."""
    return set(part.device.split("+")) <= set(whole.device.split("+"))


def _best(channels: Sequence[Channel]) -> list[Channel]:
    """Choose channels that may be added, without estimates where there is anything else."""
    better = [channel for channel in channels if channel.method != "estimated"]
    return headline_channels(better or channels)


def headline_channels(channels: Sequence[Channel]) -> list[Channel]:
    """Choose the channels whose energies may be added up.

    Of several channels of one device and scope the best is kept (stronger method, counter before
    power); an estimate gives way to a measurement of the same scope; a part gives way to its whole;
    one reading of all devices of a kind (``gpu``) gives way to one of each (``gpu0``, ``gpu1``)
    that is as strong. What was assumed rather than read counts only where there is nothing else.
    """
    best: dict[tuple[str, str], Channel] = {}
    read = [channel for channel in channels if not assumed(channel)]
    for channel in sorted(read or channels, key=_rank):
        best.setdefault((channel.device, channel.scope), channel)
    kept = [channel for channel in best.values() if not _outdone(channel, best.values())]
    order = {channel.name: place for place, channel in enumerate(channels)}
    return sorted(kept, key=lambda channel: order[channel.name])


def assumed(channel: Channel) -> bool:
    """Say whether nothing was read for a channel: no activity tells the power of memory."""
    return channel.scope == "dram" and channel.method == "estimated"


def _rank(channel: Channel) -> tuple[int, int]:
    return METHODS.index(channel.method), 0 if channel.unit == "J" else 1


def _outdone(channel: Channel, others: Iterable[Channel]) -> bool:
    """Say whether another channel already covers what this one reads."""
    for other in others:
        if other.scope in INSIDE.get(channel.scope, ()):
            return True
        if other.scope in _INSIDE_DEVICE.get(channel.scope, ()) and _on(channel, other):
            return True
        same = other.scope == channel.scope and channel.method == "estimated"
        if same and other.method in ("measured", "modelled"):
            return True
        if _other_way(channel, other):
            return True
    return False


def _other_way(channel: Channel, other: Channel) -> bool:
    """Say whether of two readings, one of all devices and one of each, the other counts."""
    together = _of_all_devices(channel)
    if other.scope != channel.scope or _of_all_devices(other) == together:
        return False
    weaker = METHODS.index(channel.method) - METHODS.index(other.method)
    return weaker > 0 or (weaker == 0 and together)
