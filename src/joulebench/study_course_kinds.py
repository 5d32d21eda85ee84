"""Whether testbeds that share a study are machines of one kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]


def kind_of(facts: Facts) -> str:
    """Name the hardware that a machine's energies depend on: its devices and its processor."""
    devices: dict[str, int] = {}
    for gpu in facts.get("gpus", []):
        name = str(gpu.get("name", "?")) if isinstance(gpu, Mapping) else str(gpu)
        devices[name] = devices.get(name, 0) + 1
    parts = [f"{count} x {name}" for name, count in sorted(devices.items())]
    return " and ".join([*parts, str(facts.get("cpu_model", "an unknown processor"))])


def unlike(hosts: Mapping[str, Mapping[str, Facts]], *, by_block: bool) -> str:
    """Say which testbeds are of another kind than the first; empty if all are alike.

    Args:
        hosts: Facts of each testbed's hosts, by testbed and host.
        by_block: Whether each block of the study stays on one testbed.
    """
    kinds = {
        testbed: ", ".join(sorted({kind_of(facts) for facts in own.values()}))
        for testbed, own in hosts.items()
        if own
    }
    if len(set(kinds.values())) < 2:
        return ""
    listed = "; ".join(f"{testbed} has {kind}" for testbed, kind in kinds.items())
    remedy = (
        "compare cells within blocks only, and give no mean over testbeds"
        if by_block
        else "its trials mix with the factors: use order.kind: blocks"
    )
    return f"the testbeds are machines of different kinds ({listed}); {remedy}"
