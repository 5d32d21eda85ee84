"""The meters of a study as they are found on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Meters = str | Sequence[str | Mapping[str, Any]]


@dataclass(frozen=True)
class Sensors:
    """The meters of a study on this machine, found once so that all trials have the same.

    Args:
        specs: JSON-ready, for the trials' processes.
        channels: Names of what they read.
    """

    specs: list[dict[str, Any]]
    channels: list[str]


def sensors(meters: Meters) -> Sensors:
    """Find and try the meters of a study.

    Args:
        meters: As the study's key ``meters`` has them: ``"auto"``, or a list.

    Raises:
        UsageError: A meter that does not exist, or that this machine lacks.
    """
    from joulebench.meters.meter import Meter, refuse_same_names
    from joulebench.meters.registry import resolve

    specs = resolve(meters)
    opened: list[tuple[str, Meter]] = []
    try:
        opened.extend((spec.kind, spec.open()) for spec in specs)
        refuse_same_names(opened)
    finally:
        for _, meter in opened:
            meter.close()
    channels = [channel.name for _, meter in opened for channel in meter.channels]
    return Sensors([spec.to_dict() for spec in specs], channels)
