"""What the series of a query are: which device each reads, and what to call it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from joulebench.channel import Channel
from joulebench.errors import Unavailable, UsageError
from joulebench.meters.prometheus_server import Series

Labels = Mapping[str, str]
Key = tuple[str, ...]
"""What stays the same of a series' labels for as long as it reads one device."""

UPDATE_S = 0.1
"""The longest that NVML takes to update its counter and its power, s (arXiv 2312.02741)."""

COLLECT_S = 30.0
"""Default of the DCGM exporter's --collect-interval: how often it reads the GPUs, s."""

_HOST_LABELS = ("Hostname", "hostname", "node", "kubernetes_node", "exported_instance", "instance")
_BLANK_FROM = float(2**47)
"""DCGM writes this figure, or a larger one, for a value that it does not have (dcgm_structs.h)."""


@dataclass(frozen=True)
class Wanted:
    """One query, and what its values are.

    Args:
        query: In PromQL.
        quantity: What comes after the colon in the channels' names.
        kind: A channel with everything that does not depend on the series or the server.
        scale: What a value is multiplied with to be in the channel's unit.
        dcgm: Whether the labels are those of the DCGM exporter.
        absent_from: Values from here on stand for "none".
    """

    query: str
    quantity: str
    kind: Channel
    scale: float = 1.0
    dcgm: bool = False
    absent_from: float = float("inf")

    def key(self, labels: Labels) -> Key:
        """Give what tells a series' device; a pod that comes or goes changes the other labels."""
        if self.dcgm:
            return host_of(labels), labels.get("gpu", ""), labels.get("UUID", "")
        return tuple(f"{name}={labels[name]}" for name in sorted(labels))


def dcgm_wanted(gain: float) -> list[Wanted]:
    """Give the two queries of the DCGM exporter: power in W and the energy counter in mJ."""
    power = Channel("gpu:dcgm-power", "W", 1e-3, gain, scope="gpu board")
    energy = Channel("gpu:dcgm-energy", "J", 1e-3, gain, scope="gpu board")
    return [
        Wanted("DCGM_FI_DEV_POWER_USAGE", "dcgm-power", power, 1.0, True, _BLANK_FROM),
        Wanted("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "dcgm-energy", energy, 1e-3, True, 2.0**62),
    ]


def host_of(labels: Labels) -> str:
    """Give the machine that a series comes from; empty where no label says it."""
    name = host_label(labels)
    return labels[name] if name else ""


def host_label(labels: Labels) -> str:
    """Give the label that names the machine; empty where there is none."""
    return next((name for name in _HOST_LABELS if labels.get(name)), "")


def on_one_host(series: Sequence[Series], host: str | None) -> tuple[list[Series], str]:
    """Choose the series of one machine: the one asked for, the only one, or this one.

    Args:
        series: Series of the DCGM exporter, of any machine.
        host: The machine asked for; ``None`` for whichever it must be.

    Returns:
        The series, and the machine's name as its labels have it.

    Raises:
        Unavailable: The machine asked for has none.
        UsageError: Several machines, none of them this one: says which.
    """
    hosts = sorted({host_of(one.labels) for one in series})
    chosen = _chosen(hosts, host)
    return [one for one in series if host_of(one.labels) == chosen], chosen


def _chosen(hosts: Sequence[str], asked: str | None) -> str:
    listed = ", ".join(hosts[:12]) + (", ..." if len(hosts) > 12 else "")
    if asked:
        found = _same_machine(hosts, asked)
        if found is None:
            raise Unavailable(f"No GPU of the host {asked!r} is there, only those of {listed}.")
        return found
    if len(hosts) == 1:
        return hosts[0]
    here = _same_machine(hosts, socket.gethostname())
    if here is None:
        raise UsageError(
            f"meter 'prometheus': there are GPUs of {len(hosts)} hosts ({listed}) and this machine "
            "is none of them; say which with host=..."
        )
    return here


def _same_machine(hosts: Iterable[str], name: str) -> str | None:
    """Find a host by its name, with or without its domain or the port of an instance."""
    short = name.partition(".")[0].casefold()
    known = {host.partition(":")[0].partition(".")[0].casefold(): host for host in hosts}
    return name if name in hosts else known.get(short)


def narrowed(query: str, labels: Labels) -> str:
    """Give a metric's name with a matcher for the machine that a series comes from."""
    name = host_label(labels)
    value = labels[name].replace("\\", r"\\").replace('"', r"\"") if name else ""
    return f'{query}{{{name}="{value}"}}' if name else query


def device_names(
    keys: Sequence[Key], labels: Sequence[Labels], *, dcgm: bool, device: str
) -> list[str]:
    """Name the device of each series.

    GPUs are called by their number. Other series are called by the values of a label in which they
    differ, one alone by the name given.

    Args:
        keys: The key of each series.
        labels: Its labels.
        dcgm: Whether the labels are those of the DCGM exporter.
        device: Name of the device, or what comes before the labels where there are several.
    """
    if dcgm:
        return [f"gpu{key[1]}" for key in keys]
    if len(labels) == 1:
        return [device]
    return ["-".join([device, *told]) for told in _told_apart(labels)]


def _told_apart(labels: Sequence[Labels]) -> list[list[str]]:
    """Give the shortest label that tells all series apart, or all labels in which they differ."""
    names = sorted({name for one in labels for name in one})
    values = {name: [_plain(one.get(name, "")) for one in labels] for name in names}
    alone = [own for own in values.values() if len(set(own)) == len(own)]
    if alone:
        return [[value] for value in min(alone, key=lambda own: sum(map(len, own)))]
    telling = [own for own in values.values() if len(set(own)) > 1]
    return [list(told) for told in zip(*telling, strict=True)]


def _plain(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text).strip("-")
