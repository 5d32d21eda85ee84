"""What the energies in one row of CodeCarbon's cover, and how honestly they are known.

The file does not say whether CodeCarbon read the processor or assumed its power, so its energy is
taken as an estimate. A GPU is always read; the power of the memory is always assumed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from joulebench.channel import Channel
from joulebench.emissions import J_PER_KWH
from joulebench.energy import Energy
from joulebench.finding import Finding
from joulebench.importers.cell_values import number_in, text_of
from joulebench.importers.published import no_trace, published_energy
from joulebench.importers.text_rows import Row
from joulebench.sensor_gains import ESTIMATE_GAIN, NVML_GAIN

_APPLE = re.compile(r"Apple M\d")


@dataclass(frozen=True, slots=True)
class Part:
    """One energy of a row: its channel and joules, of the machine alone."""

    channel: Channel
    energy: Energy


def find_parts(row: Row, where: str, pue: float) -> tuple[list[Part], list[Finding]]:
    """Give the energies of a row, and what a reader must know of them.

    Args:
        row: The row.
        where: Its file and line.
        pue: By how much CodeCarbon multiplied every energy for the building around the machine.

    Raises:
        UsageError: A cell is no number; names the line.
    """
    place = Path(where).name
    findings = [no_trace(place)]
    if pue != 1.0:
        findings.append(_building(place, pue))
    channels = [_cpu(row), _gpu(row), _ram(row)]
    parts = [
        Part(channel, published_energy(channel, kwh * J_PER_KWH / pue))
        for channel in channels
        if (kwh := number_in(row, _column(channel), where))
    ]
    if not parts and not any(_column(channel) in row.cells for channel in channels):
        parts = _whole(row, where, pue)
    if _assumed(parts):
        findings.append(_method_unknown(place))
    if number_in(row, "gpu_count", where) and not any(p.channel.device == "gpu" for p in parts):
        findings.append(_gpu_zero(place))
    return parts, findings


def _column(channel: Channel) -> str:
    return f"{channel.device}_energy"


def _cpu(row: Row) -> Channel:
    # A watt of an Apple chip is a model of its maker's where it is not assumed as well.
    del row
    return Channel(
        "cpu:codecarbon", "J", gain=ESTIMATE_GAIN, method="estimated", scope="cpu package"
    )


def _gpu(row: Row) -> Channel:
    modelled = _APPLE.search(text_of(row.cells.get("gpu_model"))) is not None
    return Channel(
        "gpu:codecarbon",
        "J",
        gain=ESTIMATE_GAIN if modelled else NVML_GAIN,
        method="modelled" if modelled else "measured",
        scope="gpu board",
    )


def _ram(row: Row) -> Channel:
    del row
    return Channel("ram:codecarbon", "J", gain=ESTIMATE_GAIN, method="estimated", scope="dram")


def _whole(row: Row, where: str, pue: float) -> list[Part]:
    """Give the only energy of the first versions: that of all parts together."""
    channel = Channel("node:codecarbon", "J", gain=ESTIMATE_GAIN, method="estimated", scope="node")
    kwh = number_in(row, "energy_consumed", where)
    return [Part(channel, published_energy(channel, kwh * J_PER_KWH / pue))] if kwh else []


def _building(where: str, pue: float) -> Finding:
    return Finding(
        "pue-included",
        "warning",
        where,
        "every published energy is multiplied by the building's overhead (PUE); here it was "
        "divided by it again, to be the machine's own",
        "compare it with energies of machines, not of buildings",
        seen=f"PUE {pue:g}",
        possible="PUE 1",
    )


def _assumed(parts: Iterable[Part]) -> bool:
    """Say whether a part may be read or assumed, which the file does not tell."""
    return any(part.channel.device in ("cpu", "node") for part in parts)


def _method_unknown(where: str) -> Finding:
    return Finding(
        "method-unknown",
        "note",
        where,
        "the file does not say whether CodeCarbon read the processor or assumed its power: taken "
        "as an estimate, which may be wrong by a factor of two",
        "look into the log of CodeCarbon for its tracking method",
    )


def _gpu_zero(where: str) -> Finding:
    return Finding(
        "absent-as-zero",
        "warning",
        where,
        "there was a GPU and its energy is given as zero: left out",
        "do not take this run's total for that of the machine",
        seen="0 kWh",
        possible="above 0 kWh",
    )
