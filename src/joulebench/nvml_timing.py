"""How often NVML's readings are updated, and what they average over: for meters and importers.

Power: Yang, Adámek and Armour, arXiv 2312.02741, up to Hopper; the one second of the averaged
power: NVML API reference, ``nvmlDeviceGetPowerUsage`` and ``NVML_FI_DEV_POWER_AVERAGE``. Nobody has
published a measurement of Blackwell or later: those of Hopper are assumed, and said to be.
"""

from __future__ import annotations

PASCAL, VOLTA, TURING, AMPERE, ADA, HOPPER, BLACKWELL = 4, 5, 6, 7, 8, 9, 10
"""NVML's numbers of the architectures."""

_UNKNOWN_ARCHITECTURES = (-1, 0xFFFFFFFF)

_PART_TIME = (0.1, 0.025)
"""A quarter of the time is seen: GA100, and the instantaneous power of Hopper."""


def power_timing(architecture: int, ga100: bool, source: str) -> tuple[float, float]:
    """Give update period and averaging time of a power reading, s (arXiv 2312.02741).

    Args:
        architecture: NVML's number of the architecture.
        ga100: Whether the chip is GA100 (A100, A30, A800).
        source: ``"instant"``, ``"average"`` (field values) or ``"usage"`` (the function).
    """
    averaged = architecture >= AMPERE and not ga100 and not unknown(architecture)
    if source == "average" or (source == "usage" and averaged):
        return 0.1, 1.0
    if architecture in (PASCAL, VOLTA):
        return 0.02, 0.01
    if ga100 or architecture == HOPPER or assumed(architecture):
        return _PART_TIME
    return 0.1, 0.1


def counter_period_s(architecture: int) -> float:
    """Give the update period of the energy counter, s."""
    return 0.02 if architecture == VOLTA else 0.1


def assumed(architecture: int) -> bool:
    """Say whether the times of an architecture are only assumed, since nobody measured them."""
    return architecture >= BLACKWELL and not unknown(architecture)


def unknown(architecture: int) -> bool:
    """Say whether NVML did not tell the architecture."""
    return architecture in _UNKNOWN_ARCHITECTURES
