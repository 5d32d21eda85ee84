"""How long the machine slept while a recording went on.

The monotonic clock stands still while the system is suspended and the boot clock does not (Linux,
``clock_gettime(2)``), so that their distance grows by the time slept.
"""

from __future__ import annotations

import time

from joulebench.finding import Finding

NOTICED_S = 0.5


def asleep_s() -> float:
    """Give how long the machine has slept since it was started, s; 0 where that is unknown."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    if clock is None:
        return 0.0
    return max(time.clock_gettime(clock) - time.clock_gettime(time.CLOCK_MONOTONIC), 0.0)


def suspended(slept_s: float) -> list[Finding]:
    """Say that the machine slept while work was measured.

    Args:
        slept_s: How long, s.
    """
    if slept_s < NOTICED_S:
        return []
    return [
        Finding(
            rule="suspended",
            severity="warning",
            where="recording",
            message=f"the machine was suspended for {slept_s:.1f} s while it was recorded: that "
            "time is in no duration, its joules are in no power reading, and counters may have "
            "started again",
            remedy="keep the machine awake (systemd-inhibit) and run this again",
            seen=f"{slept_s:.1f} s",
            possible="0 s",
        )
    ]
