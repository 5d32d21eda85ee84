"""Modules of GPUs and NVIDIA CPUs (Grace Hopper, Grace Blackwell): what covers the whole of one.

Every GPU of a module gives the same module power, so the module is one device, named after all of
its GPUs: ``gpu0+gpu1``. GPUs are on one module where their PCI slots are on the same NUMA node.

The total energy counter covers the whole module on Grace Hopper, though NVML calls it the GPU's
(github.com/ml-energy/zeus, pull request 172), so each counter is compared with the powers beside
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from joulebench.meters.counter_slope import Watched, watch
from joulebench.meters.meter import ABSENT
from joulebench.meters.nvml_devices import Gpu
from joulebench.meters.nvml_library import Nvml, Refused
from joulebench.meters.nvml_sources import MODULE, SCOPES, Offer, Source

PCI = "/sys/bus/pci/devices"

_COUNTERS = ("energy", "module_energy")

Offers = dict[Gpu, Offer]


def arranged(nvml: Nvml, offers: Offers, everything: Mapping[int, Offer], pci: Path) -> Offers:
    """Name each module once, and give every counter the scope that it is seen to cover.

    Args:
        nvml: The open library.
        offers: What each GPU that is read offers.
        everything: What each GPU of the machine offers, those that are not read as well.
        pci: Folder of the PCI devices.
    """
    if not any(one.get("module_power") for one in offers.values()):
        # Without a module's power to compare it with, a module's energy is not believed.
        return {gpu: one.without("module_energy", "") for gpu, one in offers.items()}
    offers = _with_seen_scopes(nvml, offers)
    return _once(nvml, offers, everything, pci)


def _with_seen_scopes(nvml: Nvml, offers: Offers) -> Offers:
    cases = {
        (gpu, counter.quantity): _watched(nvml, gpu, one, counter)
        for gpu, one in offers.items()
        for counter in _counters(one)
    }
    watch(list(cases.values()))
    for (gpu, quantity), seen in cases.items():
        offers[gpu] = _judged(offers[gpu], quantity, seen)
    return offers


def _counters(one: Offer) -> list[Source]:
    if not (one.get("module_power") and one.get("power")):
        return []
    return [counter for name in _COUNTERS if (counter := one.get(name))]


def _watched(nvml: Nvml, gpu: Gpu, one: Offer, counter: Source) -> Watched:
    powers = [one.get("power"), one.get("module_power")]
    return Watched(
        _reading(nvml, gpu, counter),
        [_reading(nvml, gpu, power) for power in powers if power is not None],
    )


def _reading(nvml: Nvml, gpu: Gpu, source: Source) -> Callable[[], float]:
    def read() -> float:
        if source.field is None:
            answer = nvml.known(source.function, gpu.handle)
        else:
            answer = nvml.fields(gpu.handle, [source.field])[source.field]
        return ABSENT if answer is None or isinstance(answer, Refused) else float(answer) * 1e-3

    return read


def _judged(one: Offer, quantity: str, seen: Watched) -> Offer:
    """Keep a counter with the scope that it covers, or leave it out and say why."""
    counter, module = one.get(quantity), one.get("module_power")
    if counter is None or module is None:
        return one
    place = seen.nearest()
    if place is None:
        return one.without(quantity, _disagrees(counter, seen))
    if quantity == "module_energy":
        # Where it counts the board, the driver has ignored the scope: the counter of it is there.
        return one if place == 1 else one.without(quantity, "")
    if place == 0:
        return one
    covering = replace(counter.channel, scope=SCOPES[MODULE], limit_w=module.channel.limit_w)
    return one.put(
        replace(counter, channel=covering),
        f"{counter.channel.name} counts the whole module: {seen.counter_w:.0f} W, beside "
        f"{seen.beside_w[0]:.0f} W of the board and {seen.beside_w[1]:.0f} W of the module",
    )


def _disagrees(counter: Source, seen: Watched) -> str:
    watts = "stood still" if seen.counter_w is None else f"counted {seen.counter_w:.0f} W"
    beside = ", ".join(f"{power:.0f} W" for power in seen.beside_w) or "no power"
    return (
        f"{counter.channel.name} {watts} while the powers of board and module were {beside}; "
        "it agrees with neither and is left out"
    )


def _once(nvml: Nvml, offers: Offers, everything: Mapping[int, Offer], pci: Path) -> Offers:
    members = {gpu: _members(nvml, gpu, everything, pci) for gpu in offers}
    named: set[str] = set()
    for gpu, one in offers.items():
        device = "+".join(f"gpu{index}" for index in members[gpu])
        offers[gpu] = _renamed(one, device, device in named)
        named.add(device)
    return offers


def _members(nvml: Nvml, gpu: Gpu, everything: Mapping[int, Offer], pci: Path) -> tuple[int, ...]:
    """Give the GPUs of a module; nothing where it cannot be told which they are."""
    others = sorted(index for index, one in everything.items() if one.get("module_power"))
    if others == [gpu.index]:
        return (gpu.index,)
    nodes = {index: _numa_node(nvml, index, pci) for index in others}
    if nodes.get(gpu.index) is None:
        return ()
    return tuple(index for index in others if nodes[index] == nodes[gpu.index])


def _numa_node(nvml: Nvml, index: int, pci: Path) -> int | None:
    info = nvml.known("nvmlDeviceGetPciInfo", nvml.known("nvmlDeviceGetHandleByIndex", index))
    slot = getattr(info, "busId", b"")
    slot = slot.decode() if isinstance(slot, bytes) else str(slot)
    try:
        # NVML writes the domain in eight digits, the kernel in four, and in lower case.
        node = int((pci / slot[-12:].lower() / "numa_node").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return node if node >= 0 else None


def _renamed(one: Offer, device: str, again: bool) -> Offer:
    """Give the readings of a module its device, once."""
    for source in one.sources:
        if source.channel.scope != SCOPES[MODULE]:
            continue
        if not device:
            one = one.without(
                source.quantity,
                f"{source.channel.name}: which GPUs share the module cannot be told, so its "
                "power might be counted twice; it is left out",
            )
        elif again:
            one = one.without(source.quantity, "")
        else:
            name = f"{device}:{source.quantity}"
            why = f"{name} covers the whole module with its CPU" if "power" in name else ""
            one = one.put(replace(source, channel=replace(source.channel, name=name)), why)
    return one
