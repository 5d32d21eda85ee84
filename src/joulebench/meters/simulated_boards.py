"""The boards that can be simulated: their channels, and what share of the power each sees.

Update and averaging times are those of Yang, Adámek and Armour, arXiv 2312.02741.
"""

from __future__ import annotations

from dataclasses import dataclass

from joulebench.channel import Channel

_MILLI = 1e-3
"""NVML counts in mW and mJ."""

_RAPL_STEP_J = 2.0**-14
_RAPL_WRAP_J = 2.0**18


@dataclass(frozen=True, slots=True)
class Domain:
    """A channel of a board, which sees ``base_w`` and a share of the board's power.

    Args:
        channel: Timing, resolution and wrap.
        share: Share of the power profile that it sees.
        base_w: Power that it sees besides, W.
    """

    channel: Channel
    share: float = 1.0
    base_w: float = 0.0


def _gpu(period_s: float, averaging_s: float, quantity: str = "power") -> Channel:
    return Channel(
        f"gpu0:{quantity}",
        "W",
        _MILLI,
        period_s=period_s,
        averaging_s=averaging_s,
        scope="gpu board",
    )


def _gpu_counter(period_s: float) -> Channel:
    return Channel("gpu0:energy", "J", _MILLI, period_s=period_s, scope="gpu board")


def _rapl(name: str, scope: str) -> Channel:
    return Channel(name, "J", _RAPL_STEP_J, period_s=1e-3, wrap_j=_RAPL_WRAP_J, scope=scope)


BOARDS: dict[str, tuple[Domain, ...]] = {
    "volta": (Domain(_gpu(0.02, 0.01)),),
    "turing": (Domain(_gpu(0.1, 0.1)),),
    "a100": (Domain(_gpu(0.1, 0.025)),),
    "ada": (Domain(_gpu(0.1, 1.0)),),
    "ada-instant": (Domain(_gpu(0.1, 0.1)),),
    "hopper-average": (Domain(_gpu(0.1, 1.0)),),
    "hopper-instant": (Domain(_gpu(0.1, 0.025)),),
    "hopper": (
        Domain(_gpu_counter(0.1)),
        Domain(_gpu(0.1, 0.025)),
        Domain(_gpu(0.1, 1.0, "power_average")),
    ),
    "counter": (Domain(_gpu_counter(0.1)),),
    "rapl": (Domain(_rapl("cpu0:package", "cpu package")),),
    "rapl-domains": (
        Domain(_rapl("cpu0:package", "cpu package")),
        Domain(_rapl("cpu0:core", "cpu core"), 0.7),
        Domain(_rapl("cpu0:uncore", "cpu uncore"), 0.1),
        Domain(_rapl("cpu0:dram", "dram"), 0.12, 2.0),
        Domain(_rapl("psys:energy", "platform"), 1.25, 6.0),
    ),
}
"""Boards by name."""
