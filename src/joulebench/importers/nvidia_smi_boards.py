"""What is known of the power readings of an NVIDIA board, by the name that a log gives it.

Update and averaging times are those of :mod:`joulebench.nvml_timing`; ``power.draw`` is
``nvmlDeviceGetPowerUsage``, the other two are the field values (manual of nvidia-smi).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from joulebench.channel import Channel
from joulebench.nvml_timing import (
    ADA,
    AMPERE,
    BLACKWELL,
    HOPPER,
    PASCAL,
    TURING,
    VOLTA,
    power_timing,
)
from joulebench.sensor_gains import NVML_GAIN

RESOLUTION_W = 0.01
"""nvidia-smi writes two decimals."""

READING_S = 0.02
"""Longest time between a line's stamp and its reading, s: the stamp is taken when the query begins,
and a query takes some ms a board. Judgement."""

UNKNOWN_LAG_S = 0.5
"""Mean delay of a reading that is the average of the last second: an unknown board's may be."""

_HELD = 1.5
"""Ratio of update period and cadence above which each update shows in the readings."""

_GA100 = re.compile(r"\b(A100|A800|A30|A100X|A30X|GA100)\b|CMP 170HX")

_ARCHITECTURES: tuple[tuple[int, str], ...] = (
    (BLACKWELL, r"\bG?B[123]00\b|\bRTX 50[5-9]0|Blackwell"),
    (HOPPER, r"\b(G?H100|G?H200|H800|H20|GH200)\b|Hopper"),
    (ADA, r"\bL(2|4|20|40|40S|40G)\b|\bRTX 40[5-9]0|\bAda\b"),
    (AMPERE, r"\bA(2|10|10G|10M|16|40)\b|\bRTX A\d{3,4}\b|\bRTX 30[5-9]0|\bRTX 2050\b"),
    (TURING, r"\bT4G?\b|\bRTX 20[678]0|\bGTX 16\d0|(Quadro|TITAN) RTX|\bT(4|6|10|12|20)00\b"),
    (VOLTA, r"V100S?\b|TITAN V\b|GV100"),
    (PASCAL, r"\bP(4|6|40|100)\b|\bGTX 10\d\d|TITAN Xp|Quadro G?P\d+"),
)


@dataclass(frozen=True, slots=True)
class Sensor:
    """One reading of one board: its channel, and by how much its stamps are late, s."""

    channel: Channel
    late_s: float = 0.0


def architecture(name: str) -> tuple[int, bool] | None:
    """Give NVML's number of a board's architecture and whether it is GA100; ``None`` if unknown."""
    if _GA100.search(name):
        return AMPERE, True
    found = (number for number, pattern in _ARCHITECTURES if re.search(pattern, name))
    number = next(found, None)
    return None if number is None else (number, False)


def sensor(
    channel_name: str, board: str, reading: str, cadence_s: float, limit_w: float | None
) -> Sensor:
    """Describe one reading of one board.

    Where lines are too far apart to show each update, a reading is up to one update period old:
    stamps are set back by half of it, and the rest of its doubt joins that of the stamps.

    Args:
        channel_name: For example ``"gpu0:power"``.
        board: Its name in the log; empty if the log does not say.
        reading: ``"usage"``, ``"instant"`` or ``"average"``.
        cadence_s: Median spacing of the board's lines, s.
        limit_w: Its power limit, W; ``None`` if the log does not say.
    """
    period_s, averaging_s, lag_s = _timing(board, reading)
    held = period_s > _HELD * cadence_s
    stale_s = 0.0 if held else period_s
    stamp_s = math.hypot(READING_S / math.sqrt(3), stale_s / math.sqrt(12), lag_s)
    channel = Channel(
        channel_name,
        "W",
        resolution=RESOLUTION_W,
        gain=NVML_GAIN,
        period_s=period_s,
        averaging_s=averaging_s,
        scope="gpu board",
        stamp_s=stamp_s,
        limit_w=limit_w,
        stamp_step_s=1e-3,
    )
    return Sensor(channel, 0.5 * stale_s)


def _timing(board: str, reading: str) -> tuple[float, float, float]:
    """Give update period, averaging time and the doubt of an averaging that is not known, s."""
    known = architecture(board)
    if known is not None:
        return *power_timing(*known, reading), 0.0
    if reading == "average":
        return *power_timing(AMPERE, ga100=False, source=reading), 0.0
    return 0.0, 0.0, UNKNOWN_LAG_S
