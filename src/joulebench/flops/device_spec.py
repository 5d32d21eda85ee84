"""What one device can do at most, with the document that says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from joulebench.errors import unknown

PRECISIONS = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8")
"""Precisions that rates are known at, as the operands have them."""


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One product in one form.

    Rates are dense: structured sparsity, which data sheets like to quote, skips half of the
    multiplications and does not perform them. Where a rate depends on the accumulator, the higher
    one stands here, since a bound must hold for both.

    Args:
        name: Product and form: ``"NVIDIA A100 SXM 80 GB"``.
        vendor: ``"NVIDIA"`` or ``"AMD"``.
        model: Word that people know the product by: ``"a100"``.
        form: ``"sxm"``, ``"pcie"``, ``"nvl"``, ``"oam"``; empty where there is one form only.
        peak_flops: Highest dense rate by precision, FLOP/s (integer operations for ``int8``); only
            those that the device computes in hardware.
        memory_bandwidth_b_per_s: Peak rate of its own memory, B/s.
        memory_bytes: Nominal size of its memory, B, in the binary GB that drivers report.
        power_limit_w: Board limit as shipped, W; a board may be set to less, and some to more.
        source: Document that the figures stand in.
        url: Where it is found.
        idle_power_w: Least power of a board that is switched on, W; ``None`` where nobody says.
        clock_margin: Highest clock that the device reaches as shipped over the clock that its
            rates are quoted at: so much faster it may really be.
    """

    name: str
    vendor: str
    model: str
    form: str
    peak_flops: Mapping[str, float] = field(hash=False)
    memory_bandwidth_b_per_s: float
    memory_bytes: float
    power_limit_w: float
    source: str
    url: str
    idle_power_w: float | None = None
    clock_margin: float = 1.0

    def fastest_flops(self, precision: str | None = None) -> float:
        """Give the highest rate that is possible, FLOP/s, at the highest clock.

        Args:
            precision: One of :data:`PRECISIONS`; without it, or where the device has no units for
                it and computes it with others, the highest rate of all precisions.

        Raises:
            UsageError: A precision that does not exist.
        """
        if precision is not None and precision not in PRECISIONS:
            raise unknown("precision", precision, PRECISIONS)
        known = self.peak_flops.get(precision) if precision else None
        if known is None:
            known = max(self.peak_flops.values())
        return known * self.clock_margin

    def flops_per_joule(self, precision: str | None = None) -> float:
        """Give the ratio of the quoted rate and the power limit, FLOP/J.

        Args:
            precision: As for :meth:`fastest_flops`.
        """
        return self.fastest_flops(precision) / self.clock_margin / self.power_limit_w


def highest_peak(devices: Iterable[DeviceSpec], precision: str | None = None) -> float | None:
    """Give the highest rate of several devices, FLOP/s: a bound where a name fits them all.

    Args:
        devices: Those that a name may mean.
        precision: One of :data:`PRECISIONS`, or ``None`` where it is not known.

    Returns:
        ``None`` where there is no device.
    """
    return max((device.fastest_flops(precision) for device in devices), default=None)


def highest_limit_w(devices: Iterable[DeviceSpec]) -> float | None:
    """Give the highest power limit of several devices, W; ``None`` where there is no device."""
    return max((device.power_limit_w for device in devices), default=None)


def highest_flops_per_joule(
    devices: Iterable[DeviceSpec], precision: str | None = None
) -> float | None:
    """Give the highest ratio of peak rate and power limit of several devices, FLOP/J.

    Returns:
        ``None`` where there is no device.
    """
    return max((device.flops_per_joule(precision) for device in devices), default=None)
