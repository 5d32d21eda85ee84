"""An estimate of the processor's energy from how long it was busy, for machines without a sensor.

It reads no power. It counts ``idle_w`` for every logical processor all the time, and ``full_w -
idle_w`` more for every second that one is busy, over the whole host.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

from joulebench.channel import Channel
from joulebench.errors import Unavailable, UsageError
from joulebench.meters.meter import ABSENT
from joulebench.sensor_gains import ESTIMATE_GAIN

IDLE_W = 0.74
FULL_W = 3.5
"""Power of one logical processor idle and busy, W: the means that Cloud Carbon Footprint derived
from SPECpower results of cloud servers (https://www.cloudcarbonfootprint.org/docs/methodology,
coefficients of AWS)."""

GAIN = ESTIMATE_GAIN
"""Relative standard uncertainty."""

STAT = "/proc/stat"


class EstimateMeter:
    """Counts the joules that a processor of assumed power would have drawn.

    Args:
        idle_w: Power of one idle logical processor, W.
        full_w: Power of one busy logical processor, W.
        stat: The kernel's processor times.
        clock: Gives monotonic time, s.

    Raises:
        Unavailable: The system does not tell how long its processors were busy.
        UsageError: The powers are negative or the wrong way round.
    """

    def __init__(
        self,
        idle_w: float = IDLE_W,
        full_w: float = FULL_W,
        *,
        stat: str = STAT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 <= idle_w < full_w:
            raise UsageError(
                f"meter 'estimate': idle_w = {idle_w} and full_w = {full_w} must be "
                "0 <= idle_w < full_w"
            )
        self._busy_s, self._fd, tick_s = _busy_clock(stat)
        self._clock = clock
        cpus = os.cpu_count() or 1
        self._idle_w = idle_w * cpus
        self._extra_w = full_w - idle_w
        self._start_s, self._start_busy_s = clock(), self._busy_s()
        self.notes = [
            f"cpu:estimate is no measurement: it assumes {idle_w:g} W idle and {full_w:g} W busy "
            f"for each of {cpus} logical processors{_source(idle_w, full_w)}, over the whole host; "
            f"it may be wrong by a factor of two (options idle_w, full_w)"
        ]
        self.channels = [
            Channel(
                "cpu:estimate",
                "J",
                resolution=tick_s * self._extra_w,
                gain=GAIN,
                period_s=tick_s,
                method="estimated",
                scope="cpu package",
            )
        ]

    def read(self) -> list[float]:
        """Give the joules counted since the meter was opened."""
        idle_j = self._idle_w * (self._clock() - self._start_s)
        return [idle_j + self._extra_w * (self._busy_s() - self._start_busy_s)]

    def close(self) -> None:
        """Close the kernel's file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _source(idle_w: float, full_w: float) -> str:
    default = (idle_w, full_w) == (IDLE_W, FULL_W)
    return " (Cloud Carbon Footprint's mean of cloud servers)" if default else " (as given)"


def _busy_clock(stat: str) -> tuple[Callable[[], float], int | None, float]:
    """Give a function of the host's busy processor seconds, its file and its step, s."""
    try:
        fd = os.open(stat, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return _portable_busy_clock(stat)
    tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
    return partial(_busy_s, fd, tick_s), fd, tick_s


def _busy_s(fd: int, tick_s: float) -> float:
    try:
        # user, nice, system, idle, iowait, irq, softirq; steal is the time of other guests
        _, user, nice, system, _, _, irq, softirq, _ = os.pread(fd, 128, 0).split(None, 8)
        return tick_s * (int(user) + int(nice) + int(system) + int(irq) + int(softirq))
    except (OSError, ValueError):
        return ABSENT


def _portable_busy_clock(stat: str) -> tuple[Callable[[], float], None, float]:
    if stat != STAT:
        raise Unavailable(f"The processor times {stat} cannot be read.")
    try:
        import psutil
    except ImportError as error:
        raise Unavailable(
            "This system has no /proc/stat, and psutil is not installed.", "pip install psutil"
        ) from error

    def busy_s() -> float:
        times = psutil.cpu_times()
        return float(times.user + times.system + getattr(times, "nice", 0.0))

    return busy_s, None, 0.01
